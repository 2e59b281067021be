/* SPDX-License-Identifier: Apache-2.0 */
/* weft tune: finds, shows, exports and forgets what is fastest on a device. */
#define _GNU_SOURCE
#include "core/tuning.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MAX_BATCHES = 32 };

struct tune_options {
    struct app_options app;
    const char *net, *batches, *inference;
    double seconds;
    bool quick, full, show, reset, export, worker;
};

static const struct args_option options[] = {
    {"net", 0, ARGS_TEXT, offsetof(struct tune_options, net), "NET",
     "a built-in network or a file; default small", 0, 0},
    {"batch", 'b', ARGS_TEXT, offsetof(struct tune_options, batches), "LIST",
     "of training steps, such as 128 or 128,512; 0: none; default: what the network says",
     0, 0},
    {"inference-batch", 0, ARGS_TEXT, offsetof(struct tune_options, inference), "LIST",
     "batches of inference; 0: none; default 256, which evaluation takes", 0, 0},
    {"quick", 0, ARGS_FLAG, offsetof(struct tune_options, quick), NULL,
     "what is not known yet, in 20 s at most: the default", 0, 0},
    {"full", 0, ARGS_FLAG, offsetof(struct tune_options, full), NULL,
     "everything, also what is known, in 15 minutes at most", 0, 0},
    {"time-limit", 0, ARGS_DURATION, offsetof(struct tune_options, seconds), "T",
     "at most, instead of these", 0.1, 1e6},
    {"show", 0, ARGS_FLAG, offsetof(struct tune_options, show), NULL,
     "tell what is known of the device", 0, 0},
    {"reset", 0, ARGS_FLAG, offsetof(struct tune_options, reset), NULL,
     "forget what was measured on the device", 0, 0},
    {"export", 0, ARGS_FLAG, offsetof(struct tune_options, export), NULL,
     "write what won here as rows for src/opencl/curated", 0, 0},
    {"internal-worker", 0, ARGS_FLAG, offsetof(struct tune_options, worker), NULL, NULL,
     0, 0},
    APP_OPTIONS_DEVICE(struct tune_options),
    APP_OPTIONS_FORMAT(struct tune_options),
    APP_OPTIONS_COLOR(struct tune_options),
    {0},
};

static const struct table_column columns[] = {
    {"problem", "Problem", true, 0},     {"choice", "Choice", true, 0},
    {"state", "State", true, 0},         {"ms", "ms", false, 0},
    {"default_ms", "Default", false, 0},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* The sides of a time: unknown ones are no numbers. */
static void put_time(struct table *t, double seconds)
{
    if (seconds > 0)
        table_double(t, seconds * 1e3, "%.3f", seconds * 1e3);
    else
        table_text(t, "");
}

static enum app_exit show(struct app *app, const struct tune_options *o)
{
    struct table t;
    struct weft_tuning_row row;
    const char *path = weft_tuning_path(app->device);
    table_init(&t, stdout, (enum table_format)o->app.format, columns, COLUMN_COUNT,
               false);
    for (int i = 0; !weft_tuning_row(app->device, i, &row); i++) {
        table_text(&t, row.problem);
        table_text(&t, row.config);
        table_text(&t, row.outdated ? "hint" : row.state);
        put_time(&t, row.seconds);
        put_time(&t, row.baseline);
    }
    table_write(&t);
    if (t.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.tune/1");
        emit_text(&j, "file", path);
        table_json(&t, &j, "rows");
        emit_end(&j);
    }
    table_free(&t);
    if (path)
        term_print("Kept in %s", path);
    return app_flush_stdout(app);
}

static enum app_exit export_rows(struct app *app)
{
    struct weft_tuning_row row;
    for (int i = 0; !weft_tuning_row(app->device, i, &row); i++)
        if (!strcmp(row.state, "best") && !row.outdated)
            printf("%s | %s\n", row.problem, row.config);
    return app_flush_stdout(app);
}

static int read_batches(const char *text, int out[MAX_BATCHES])
{
    int n = 0;
    if (!strcmp(text, "0"))
        return 0;
    while (*text && n < MAX_BATCHES) {
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || value < 1 || value > 1 << 20 || (*end && *end != ','))
            return -1;
        out[n++] = (int)value;
        text = end + (*end == ',');
    }
    return *text || !n ? -1 : n;
}

static enum app_exit search(struct app *app, const struct tune_options *o)
{
    int training[MAX_BATCHES] = {0}, inference[MAX_BATCHES] = {TUNING_EVAL_BATCH};
    int training_count = o->batches ? read_batches(o->batches, training) : 1;
    int inference_count = o->inference ? read_batches(o->inference, inference) : 1;
    weft_net *net = NULL;
    struct weft_net_info info;
    struct weft_tune_result result = {0};
    bool stopped = false;
    if (training_count < 0 || inference_count < 0)
        return app_error(app, APP_USAGE, "--%s is '%s', but must be like 128 or 1,32,512",
                         training_count < 0 ? "batch" : "inference",
                         training_count < 0 ? o->batches : o->inference);
    enum app_exit code = app_open_device(app);
    if (code || (code = app_load_net(app, o->net ? o->net : "small", NULL, &net)))
        return code;
    weft_net_info(net, &info);
    if (!o->batches)
        training[0] = info.batch ? info.batch : 128;
    struct weft_tune_params params =
        *weft_tune_params(.training = training, .inference = inference,
                          .training_count = training_count,
                          .inference_count = inference_count, .seconds = o->seconds,
                          .full = o->full);
    code = tuning_run(app, net, &params, &result, &stopped);
    weft_net_destroy(&net);
    if (code)
        return code;
    tuning_print_summary(&result);
    if (stopped)
        term_print("Interrupted; what was found is kept");
    return stopped ? APP_INTERRUPTED : APP_OK;
}

/* What tuning_run starts: dies with it, and is not asked by Ctrl-C. */
static enum app_exit run_worker(struct app *app)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    enum weft_status status = weft_tune_worker(app->device, STDIN_FILENO, STDOUT_FILENO);
    return status ? app_report_error(app, APP_WORK, status) : APP_OK;
}

static enum app_exit tune(struct app *app, const struct tune_options *o)
{
    if (o->worker)
        return run_worker(app);
    if (o->quick + o->full + o->show + o->reset + o->export > 1)
        return app_error(app, APP_USAGE,
                         "--quick, --full, --show, --reset and --export exclude each "
                         "other");
    if (!o->show && !o->reset && !o->export)
        return search(app, o);
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    if (o->show)
        return show(app, o);
    if (o->export)
        return export_rows(app);
    enum weft_status status = weft_tuning_reset(app->device);
    return status ? app_report_error(app, APP_WORK, status) : APP_OK;
}

static enum app_exit tune_main(struct app *app, const void *given, int count,
                               char **operands)
{
    (void)count;
    (void)operands;
    return tune(app, given);
}

const struct app_command cmd_tune = {
    .args =
        {
            .name = "tune",
            .operands = "",
            .summary =
                "finds the fastest kernels for a network on a device, and keeps them",
            .examples = "  weft tune --net medium -b 256\n"
                        "  weft tune --full --net small -b 128,512\n"
                        "  weft tune --show",
            .about = "Each config is tried in a process of its own, proved against the "
                     "reference, and raced against the default in turns; it must win by "
                     "3 % to take its place. What is found is kept in one text file a "
                     "device, below $XDG_STATE_HOME/weft/tuning, and used from then on "
                     "by all commands. Nothing is tuned unless asked for, here or with "
                     "--tuning quick, so that a run gives the same bits as its repeat.",
            .options = options,
        },
    .defaults = &(const struct tune_options){.seconds = 0},
    .options_size = sizeof(struct tune_options),
    .run = tune_main,
};
