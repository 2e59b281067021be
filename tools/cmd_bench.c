/* SPDX-License-Identifier: Apache-2.0 */
/* weft bench: pictures a second, on real data, by the wall clock around finished work. */
#define _GNU_SOURCE
#include "app.h"

#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BATCHES = 32, MOST_SAMPLES = 1000, LEAST_SAMPLES = 3 };
static const double window_seconds = 0.3;

struct options {
    struct app_options app;
    const char *net, *data, *batches;
    double seconds;
    uint64_t seed;
};

static const struct args_option options[] = {
    {"net", 0, ARGS_TEXT, offsetof(struct options, net), "NET",
     "a built-in network or a file; default seed", 0, 0},
    {"data", 0, ARGS_TEXT, offsetof(struct options, data), "SPEC",
     "default fashion-mnist", 0, 0},
    {"batch", 'b', ARGS_TEXT, offsetof(struct options, batches), "LIST",
     "pictures a step, such as 128 or 1,32,512; default: what the network says", 0, 0},
    {"seconds", 0, ARGS_TIME, offsetof(struct options, seconds), "T",
     "of measuring for each row; default 3s", 0, 0},
    {"seed", 's', ARGS_SEED, offsetof(struct options, seed), "S", "default 1", 0, 0},
    APP_OPTIONS_DEVICE(struct options),
    APP_OPTIONS_OUTPUT(struct options),
    APP_OPTIONS_COLOR(struct options),
    {0},
};

static const struct table_column columns[] = {
    {"workload", "Workload", true, 0}, {"net", "Net", true, 0},
    {"batch", "Batch", false, 0},      {"device", "Device", true, 0},
    {"unit", NULL, true, 0},           {"median", "Pictures/s", false, 0},
    {"min", "Min", false, 0},          {"max", "Max", false, 0},
    {"samples", "Samples", false, 0},  {"first_step_s", "First step", false, 0},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct job {
    struct app *app;
    const struct options *options;
    const struct workload *workload;
    weft_data *data;
    weft_net *net;
    weft_model *model; /* for `infer`: of fresh weights */
    weft_trainer *trainer;
    weft_predictor *predictor;
    float *probabilities;
    int batch, at;  /* at: the next picture to be looked at */
    double startup; /* seconds from the process's start to the first row */
    double samples[MOST_SAMPLES];
    int sample_count;
};

/* What is measured. `step` does `count` steps of a batch and returns when they are
 * finished. */
struct workload {
    const char *name;
    enum app_exit (*begin)(struct job *job); /* once, before all rows; or NULL */
    enum weft_status (*prepare)(struct job *job);
    enum weft_status (*step)(struct job *job, int count);
    void (*finish)(struct job *job);
};

static enum weft_status prepare_train(struct job *job)
{
    struct weft_train_params params = {.batch = job->batch, .seed = job->options->seed};
    struct weft_progress p;
    enum weft_status status = weft_trainer_create(job->app->device, job->net, job->data,
                                                  &params, &job->trainer);
    if (!status && !(status = weft_trainer_progress(job->trainer, &p)))
        job->batch = p.batch;
    return status;
}

static enum weft_status step_train(struct job *job, int count)
{
    struct weft_progress p;
    enum weft_status status = weft_trainer_run(job->trainer, count);
    return status ? status : weft_trainer_progress(job->trainer, &p);
}

static void finish_train(struct job *job)
{
    weft_trainer_destroy(&job->trainer);
}

static volatile sig_atomic_t held_signal;

static void hold(int number)
{
    held_signal = number;
}

/* Writes the trainer's model to a file of its own and reads it back. Ctrl-C waits until
 * that is gone again. */
static enum app_exit through_file(struct job *job, weft_trainer *trainer)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    enum { COUNT = sizeof(signals) / sizeof(*signals) };
    struct sigaction action = {.sa_handler = hold, .sa_flags = SA_RESTART}, old[COUNT];
    enum weft_status status = WEFT_OK;
    const char *place = getenv("TMPDIR");
    char path[PATHS_MAX];
    place = place && *place ? place : "/tmp";
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < COUNT; i++) {
        sigaction(signals[i], NULL, &old[i]);
        if (old[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    int file = paths_join(path, place, "weft-XXXXXX") ? mkostemp(path, O_CLOEXEC) : -1;
    int why = errno;
    if (file >= 0) {
        close(file);
        status = weft_trainer_save(trainer, path, NULL);
        if (!status)
            status = weft_model_load(job->app->context, path, &job->model);
        unlink(path);
    }
    for (int i = 0; i < COUNT; i++)
        sigaction(signals[i], &old[i], NULL);
    if (held_signal)
        raise(held_signal);
    if (file < 0)
        return app_error(job->app, APP_FAILED,
                         "no file can be made in %s: %s; let TMPDIR name another folder",
                         place, strerror(why));
    return status ? app_fail(job->app, APP_WORK, status) : APP_DONE;
}

/* A predictor is made of a model, and a model comes from a file: one of fresh weights is
 * written and read back. The trainer that writes it is the built-in backend's, which is
 * always the last device and compiles nothing; fresh weights are the same on all. */
static enum app_exit make_model(struct job *job)
{
    struct app *app = job->app;
    struct weft_train_params params = {.batch = 1, .seed = job->options->seed};
    weft_device *builtin = NULL;
    weft_trainer *trainer = NULL;
    enum weft_status status = weft_device_open(
        app->context, weft_device_count(app->context) - 1, NULL, &builtin);
    if (!status)
        status = weft_trainer_create(builtin, job->net, job->data, &params, &trainer);
    enum app_exit code =
        status ? app_fail(app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
               : through_file(job, trainer);
    weft_trainer_destroy(&trainer);
    weft_device_close(&builtin);
    return code;
}

static enum weft_status prepare_infer(struct job *job)
{
    struct weft_data_info info;
    struct weft_net_info net;
    weft_data_info(job->data, &info);
    weft_net_info(job->net, &net);
    job->batch = job->batch ? job->batch : net.batch ? net.batch : 128;
    job->batch = job->batch < info.count ? job->batch : info.count;
    job->at = 0;
    job->probabilities = term_alloc(
        job->probabilities, (size_t)job->batch * (size_t)info.classes * sizeof(float));
    return weft_predictor_create(job->app->device, job->model, job->batch,
                                 &job->predictor);
}

static enum weft_status step_infer(struct job *job, int count)
{
    struct weft_data_info info;
    weft_data_info(job->data, &info);
    size_t picture = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    for (int i = 0; i < count; i++) {
        if (job->at + job->batch > info.count)
            job->at = 0;
        enum weft_status status = weft_predict(
            job->predictor, weft_data_pixels(job->data) + (size_t)job->at * picture,
            job->batch, job->probabilities);
        if (status)
            return status;
        job->at += job->batch;
    }
    return WEFT_OK;
}

static void finish_infer(struct job *job)
{
    weft_predictor_destroy(&job->predictor);
}

static const struct workload workloads[] = {
    {"train", NULL, prepare_train, step_train, finish_train},
    {"infer", make_model, prepare_infer, step_infer, finish_infer},
};
enum { WORKLOAD_COUNT = sizeof(workloads) / sizeof(*workloads) };

/* Seconds since this process was started, as the system tells, or since main where it
 * does not. */
static double process_seconds(double since_main)
{
    size_t size;
    char *text = paths_read("/proc/self/stat", 4096, &size);
    char *at = text ? strrchr(text, ')') : NULL;
    unsigned long long ticks = 0;
    struct timespec now;
    /* Field 22; the name in brackets, which may hold anything, is the second. */
    bool known = at && sscanf(at + 1,
                              " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
                              "%*d %*d %*d %*d %*d %llu",
                              &ticks) == 1;
    free(text);
    if (!known || clock_gettime(CLOCK_BOOTTIME, &now))
        return since_main;
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec -
                     (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return seconds > since_main && seconds < since_main + 10 ? seconds : since_main;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Warm-up, then windows of finished steps. */
static enum weft_status measure(struct job *job)
{
    int count = 1;
    for (double seconds = 0; seconds < window_seconds;) {
        double start = term_seconds();
        enum weft_status status = job->workload->step(job, count);
        if (status)
            return status;
        seconds = term_seconds() - start;
        if (seconds < window_seconds) {
            double more = 1.2 * window_seconds / (seconds > 1e-6 ? seconds : 1e-6);
            count = (int)(count * (more < 1.5 ? 1.5 : more > 8 ? 8 : more)) + 1;
        }
    }
    job->sample_count = 0;
    double begin = term_seconds();
    while (job->sample_count < MOST_SAMPLES &&
           (job->sample_count < LEAST_SAMPLES ||
            term_seconds() - begin < job->options->seconds)) {
        double start = term_seconds();
        int steps = 0;
        do {
            enum weft_status status = job->workload->step(job, count);
            if (status)
                return status;
            steps += count;
        } while (term_seconds() - start < window_seconds);
        job->samples[job->sample_count++] =
            (double)steps * job->batch / (term_seconds() - start);
        term_progress("%s at batch %d: %s pictures/s", job->workload->name, job->batch,
                      table_thousands(job->samples[job->sample_count - 1]));
    }
    term_progress_clear();
    return WEFT_OK;
}

static void add_row(struct job *job, struct table *t, double first)
{
    struct weft_net_info net;
    int n = job->sample_count;
    weft_net_info(job->net, &net);
    qsort(job->samples, (size_t)n, sizeof(*job->samples), by_value);
    double median =
        n % 2 ? job->samples[n / 2] : (job->samples[n / 2 - 1] + job->samples[n / 2]) / 2;
    char device[64];
    snprintf(device, sizeof(device), t->format == TABLE_HUMAN ? "%.28s" : "%.63s",
             job->app->info.name);
    table_text(t, job->workload->name);
    table_text(t, net.name);
    table_int(t, job->batch);
    table_text(t, device);
    table_text(t, "pictures/s");
    table_real(t, median, "%s", table_thousands(median));
    table_real(t, job->samples[0], "%s", table_thousands(job->samples[0]));
    table_real(t, job->samples[n - 1], "%s", table_thousands(job->samples[n - 1]));
    table_int(t, n);
    table_real(t, first, "%.2f s", first);
}

static enum app_exit bench_row(struct job *job, struct table *t)
{
    double start = term_seconds();
    term_wait_begin("Compiling kernels, which are kept for next time");
    enum weft_status status = job->workload->prepare(job);
    if (!status)
        status = job->workload->step(job, 1);
    term_wait_end();
    double first = job->startup + term_seconds() - start;
    if (!status)
        status = measure(job);
    job->workload->finish(job);
    if (status)
        return app_fail(job->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status);
    add_row(job, t, first);
    return APP_DONE;
}

static int read_batches(const char *text, int out[MOST_BATCHES])
{
    int n = 0;
    while (*text && n < MOST_BATCHES) {
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || value < 1 || value > 1 << 20 || (*end && *end != ','))
            return 0;
        out[n++] = (int)value;
        text = end + (*end == ',');
    }
    return *text ? 0 : n;
}

static void write_json(const struct job *job, const struct table *t)
{
    struct json j = {.out = stdout};
    struct weft_data_info info;
    weft_data_info(job->data, &info);
    emit_object(&j, NULL);
    emit_text(&j, "schema", "weft.bench/1");
    emit_text(&j, "weft", weft_version());
    app_json_device(job->app, &j);
    emit_text(&j, "data", info.source);
    emit_real(&j, "window_s", window_seconds);
    table_json(t, &j, "rows");
    emit_end(&j);
}

static enum app_exit bench(struct job *job, double main_start)
{
    const struct options *o = job->options;
    struct weft_data_info info;
    int batches[MOST_BATCHES] = {0};
    int count = o->batches ? read_batches(o->batches, batches) : 1;
    if (!count)
        return app_error(job->app, APP_USAGE,
                         "--batch is '%s', but must be like 128 or 1,32,512", o->batches);
    enum app_exit code = app_open_device(job->app);
    if (code || (code = app_data(job->app, o->data ? o->data : "fashion-mnist",
                                 WEFT_DATA_TRAIN, &job->data)))
        return code;
    weft_data_info(job->data, &info);
    if ((code = app_net(job->app, o->net ? o->net : "seed", &info, &job->net)))
        return code;
    if (job->workload->begin && (code = job->workload->begin(job)))
        return code;
    job->startup = process_seconds(term_seconds() - main_start);
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format, columns, COLUMN_COUNT,
               false);
    for (int i = 0; i < count && !code; i++) {
        job->batch = batches[i];
        code = bench_row(job, &t);
    }
    table_write(&t);
    if (!code && t.format == TABLE_JSON)
        write_json(job, &t);
    table_finish(&t);
    return code ? code : app_flush(job->app);
}

static enum app_exit run(const struct app_command *self, int argc, char **argv)
{
    double start = term_seconds();
    struct options o = {.seconds = 3, .seed = 1};
    int first;
    enum args_result parsed = args_parse(&self->args, argc, argv, &o, &first);
    if (parsed)
        return parsed == ARGS_SHOWN ? APP_DONE : APP_USAGE;
    struct app app;
    app_init(&app, self, &o.app);
    struct job job = {.app = &app, .options = &o};
    const char *names[WORKLOAD_COUNT];
    for (int i = 0; i < WORKLOAD_COUNT; i++) {
        names[i] = workloads[i].name;
        if (!strcmp(names[i], argv[first]))
            job.workload = &workloads[i];
    }
    if (!job.workload) {
        const char *close = args_closest(argv[first], names, WORKLOAD_COUNT);
        return app_error(&app, APP_USAGE,
                         "cannot measure '%s', only train and infer%s%s%s", argv[first],
                         close ? "; did you mean " : "", close ? close : "",
                         close ? "?" : "");
    }
    enum app_exit code = bench(&job, start);
    free(job.probabilities);
    weft_model_destroy(&job.model);
    weft_net_destroy(&job.net);
    weft_data_destroy(&job.data);
    app_finish(&app);
    return code;
}

const struct app_command cmd_bench = {
    .args =
        {
            .name = "bench",
            .operands = "train|infer",
            .summary = "measures pictures a second in training or inference",
            .examples = "  weft bench train --net seed -b 128,512\n"
                        "  weft bench infer -b 1 -o json",
            .about = "Each sample is a window of at least 0.3 s of finished steps. "
                     "First step is the time from the start of the process, reading "
                     "the data included; in later rows, what it would have been "
                     "alone.",
            .options = options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .run = run,
};
