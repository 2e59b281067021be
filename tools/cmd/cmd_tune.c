/* SPDX-License-Identifier: Apache-2.0 */
/* weft tune: finds the fastest kernels of a device; shows, exports and resets them. */
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
    {.name = "net",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct tune_options, net),
     .value = "NET",
     .help = "a built-in network or a file; default small"},
    {.name = "batch",
     .letter = 'b',
     .kind = ARGS_TEXT,
     .offset = offsetof(struct tune_options, batches),
     .value = "LIST",
     .help = "batch sizes of training, such as 128,512; 0: none; default: the network's"},
    {.name = "inference-batch",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct tune_options, inference),
     .value = "LIST",
     .help = "batch sizes of inference; 0: none; default 256, that of evaluation"},
    {.name = "quick",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct tune_options, quick),
     .help = "tune what is not cached, for at most 20 s: the default"},
    {.name = "full",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct tune_options, full),
     .help = "tune everything again, for at most 15 minutes"},
    {.name = "time-limit",
     .kind = ARGS_DURATION,
     .offset = offsetof(struct tune_options, seconds),
     .value = "T",
     .help = "total time, instead of these limits",
     .min = 0.1,
     .max = 1e6},
    {.name = "show",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct tune_options, show),
     .help = "print the cached results of the device"},
    {.name = "reset",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct tune_options, reset),
     .help = "delete the cached results of the device"},
    {.name = "export",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct tune_options, export),
     .help = "print the winners as rows for src/opencl/select/bundled_tuning"},
    {.name = "internal-worker",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct tune_options, worker)},
    {0},
};

static const struct args_option *const shared_options[] = {app_device_options,
                                                           app_output_options, NULL};

static const struct table_column columns[] = {
    {.key = "problem", .title = "Problem", .left = true},
    {.key = "config", .title = "Configuration", .left = true},
    {.key = "state", .title = "State", .left = true},
    {.key = "ms", .title = "ms"},
    {.key = "baseline_ms", .title = "Default ms"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* Milliseconds, empty if unknown. */
static void time_cell(struct table *t, double seconds)
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
        time_cell(&t, row.seconds);
        time_cell(&t, row.baseline);
    }
    table_write(&t);
    if (t.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.tune/2");
        emit_text(&j, "file", path);
        table_json(&t, &j, "rows");
        emit_end(&j);
    }
    table_free(&t);
    if (path)
        term_print("Cached in %s", path);
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
                         training_count < 0 ? "batch" : "inference-batch",
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
        term_print("Interrupted; finished results are saved");
    return stopped ? APP_INTERRUPTED : APP_OK;
}

/* The worker process of tuning_run: ends with its parent and ignores Ctrl-C. */
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
        return app_error(
            app, APP_USAGE,
            "--quick, --full, --show, --reset and --export exclude each other");
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
            .summary = "finds and caches the fastest kernels for a network on a device",
            .examples = "  weft tune --net medium -b 256\n"
                        "  weft tune --full --net small -b 128,512\n"
                        "  weft tune --show",
            .about =
                "Each configuration runs in a worker process, is compared with the "
                "reference "
                "and timed interleaved with the default; it must be at least 3 % faster "
                "to replace it. Results are cached in one text file per device, below "
                "$XDG_STATE_HOME/weft/tuning, and used by all commands. Nothing is tuned "
                "unless requested, here or with --tuning quick, so that runs are "
                "reproducible bit by bit.",
            .options = options,
            .shared = shared_options,
        },
    .defaults = &(const struct tune_options){.seconds = 0},
    .options_size = sizeof(struct tune_options),
    .run = tune_main,
};
