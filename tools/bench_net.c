/* SPDX-License-Identifier: Apache-2.0 */
/* Whole networks: pictures a second in training and inference, and the latency of one
 * batch that is waited for. */
#include "bench.h"
#include "energy.h"

#include "paths.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double usual_window = 0.3;

/* One network at one batch. */
struct job {
    struct bench *bench;
    const struct bench_workload *workload;
    const struct mode *mode;
    weft_data *data;
    weft_net *net;
    weft_model *model; /* of fresh weights; not in training */
    weft_trainer *trainer;
    weft_predictor *predictor;
    float *probabilities;
    char image[32];
    enum weft_precision precision;
    int batch, at; /* at: the next picture to be looked at */
};

/* What is measured. `step` does `count` steps of a batch and returns when they are
 * finished. */
struct mode {
    enum bench_kind kind;
    bool training;
    enum weft_status (*prepare)(struct job *job);
    enum weft_status (*step)(struct job *job, int count);
    enum weft_status (*measure)(struct job *job, struct bench_row *row);
};

static enum weft_status prepare_train(struct job *job)
{
    struct weft_train_params params = {.batch = job->batch,
                                       .seed = job->bench->options->seed,
                                       .precision = job->precision};
    struct weft_progress p;
    enum weft_status status = weft_trainer_create(job->bench->app->device, job->net,
                                                  job->data, &params, &job->trainer);
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

static enum weft_status prepare_infer(struct job *job)
{
    struct weft_data_info info;
    weft_data_info(job->data, &info);
    job->at = 0;
    job->probabilities = term_alloc(
        job->probabilities, (size_t)job->batch * (size_t)info.classes * sizeof(float));
    const struct weft_predictor_params params = {.batch = job->batch,
                                                 .precision = job->precision,
                                                 .pixels = weft_data_pixels(job->data),
                                                 .pixel_count = info.count};
    return weft_predictor_create(job->bench->app->device, job->model, &params,
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

/* Warm-up, then windows of finished steps. */
static enum weft_status measure_windows(struct job *job, struct bench_row *row)
{
    static double samples[BENCH_MOST_SAMPLES];
    const double seconds = bench_seconds(job->bench, true);
    const double window = fmin(usual_window, seconds / BENCH_WANTED_SAMPLES);
    int count = 1, n = 0;
    for (double warm = 0; warm < window;) {
        double start = term_seconds();
        enum weft_status status = job->mode->step(job, count);
        if (status)
            return status;
        warm = term_seconds() - start;
        if (bench_late(job->bench))
            break;
        if (warm < window) {
            double more = 1.2 * window / (warm > 1e-6 ? warm : 1e-6);
            count = (int)(count * (more < 1.5 ? 1.5 : more > 8 ? 8 : more)) + 1;
        }
    }
    /* Another /sys than the system's is for tests. */
    const char *root = getenv("WEFT_SYS_ROOT") ? getenv("WEFT_SYS_ROOT") : "";
    struct energy before, after;
    double pictures = 0;
    energy_read(root, &before);
    double begin = term_seconds();
    while (!(n && bench_late(job->bench)) && n < BENCH_MOST_SAMPLES) {
        double start = term_seconds(), gone = start - begin;
        if (n >= BENCH_LEAST_SAMPLES &&
            gone > (n < BENCH_WANTED_SAMPLES ? 3 * seconds : seconds))
            break;
        int steps = 0;
        do {
            enum weft_status status = job->mode->step(job, count);
            if (status)
                return status;
            steps += count;
        } while (term_seconds() - start < window);
        samples[n++] = (double)steps * job->batch / (term_seconds() - start);
        pictures += (double)steps * job->batch;
        term_progress("%s of %s at batch %d: %s pictures/s", row->workload, row->what,
                      job->batch, table_thousands(samples[n - 1]));
    }
    energy_read(root, &after);
    bench_take(row, samples, n);
    row->joules = 1e3 * energy_between(&before, &after) / pictures;
    row->unit = "pictures/s";
    row->seconds = job->batch / row->median;
    return WEFT_OK;
}

/* Each call by itself, after a tenth of the time for warming up. */
static enum weft_status measure_calls(struct job *job, struct bench_row *row)
{
    static double samples[BENCH_MOST_SAMPLES];
    double limit = bench_seconds(job->bench, true), begin = term_seconds(), start = begin;
    int n = 0;
    while (!(n && bench_late(job->bench)) && n < BENCH_MOST_SAMPLES &&
           (n < BENCH_LEAST_SAMPLES || start - begin < 1.1 * limit)) {
        enum weft_status status = job->mode->step(job, 1);
        double end = term_seconds();
        if (status)
            return status;
        samples[n] = 1e3 * (end - start);
        n += start - begin > 0.1 * limit;
        start = end;
    }
    bench_take(row, samples, n);
    row->unit = "ms";
    row->seconds = 1e-3 * row->median;
    return WEFT_OK;
}

static const struct mode train = {BENCH_PICTURES, true, prepare_train, step_train,
                                  measure_windows};
static const struct mode infer = {BENCH_PICTURES, false, prepare_infer, step_infer,
                                  measure_windows};
static const struct mode latency = {BENCH_LATENCY, false, prepare_infer, step_infer,
                                    measure_calls};

/* Pages of this process that are in memory now, in bytes, without what its allocator
 * keeps of freed memory for later; NaN where that is not told. */
static double resident(void)
{
    size_t size;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    char *text = paths_read("/proc/self/status", 1 << 16, &size);
    char *at = text ? strstr(text, "VmRSS:") : NULL;
    double bytes = at ? 1024 * strtod(at + 6, NULL) : NAN;
    free(text);
    return bytes;
}

/* Roofs, launches, memory, and whether the step is right: before anything is timed. */
static enum weft_status look(struct job *job, struct bench_row *row)
{
    struct bench *b = job->bench;
    struct weft_step step;
    const struct weft_step_params params = {.batch = job->batch,
                                            .training = job->mode->training,
                                            .precision = job->precision,
                                            .check = true};
    term_wait_begin("Comparing a step with the reference backend, which is slow");
    enum weft_status status =
        weft_bench_step(b->probes, job->net, job->data, &params, NULL, NULL, &step);
    term_wait_end();
    if (status)
        return status;
    row->flops = step.flops;
    row->bytes = step.bytes;
    row->launches = step.launches;
    row->planned = (double)step.bytes_planned;
    row->taken = (double)step.bytes_taken;
    row->error = step.error;
    row->roof_share = step.roof; /* divided when the time is known */
    snprintf(row->fault, sizeof(row->fault), "%s", step.fault);
    return WEFT_OK;
}

static enum weft_precision chosen(const struct job *job)
{
    struct weft_predictor_info served;
    struct weft_trainer_info trained;
    if (job->trainer) {
        weft_trainer_info(job->trainer, &trained);
        return trained.precision;
    }
    weft_predictor_info(job->predictor, &served);
    return served.precision;
}

static enum weft_status measure(struct job *job, struct bench_row *row)
{
    double before = resident(), start = term_seconds();
    term_wait_begin("Compiling kernels, which are kept for next time");
    enum weft_status status = job->mode->prepare(job);
    if (!status && job->mode->kind == BENCH_LATENCY)
        status = weft_predictor_choose(job->predictor, job->model, &row->builtin);
    if (!status && job->precision == WEFT_PRECISION_AUTO)
        row->precision = chosen(job) ? "auto: float16" : "auto: float32";
    if (!status)
        status = job->mode->step(job, 1);
    term_wait_end();
    row->first_step = job->bench->startup + term_seconds() - start;
    if (!status && !job->bench->options->quick)
        row->resident = resident() - before;
    row->batch = job->batch;
    if (!status)
        status = job->mode->measure(job, row);
    term_progress_clear();
    weft_trainer_destroy(&job->trainer);
    weft_predictor_destroy(&job->predictor);
    return status;
}

/* Against the last row of the same in float32. */
static void compare(const struct bench *b, const struct job *job, struct bench_row *row)
{
    for (const struct bench_row *r = b->rows; r < row; r++)
        if (r->kind == row->kind && !strcmp(r->what, row->what) &&
            !strcmp(r->image, row->image) && r->batch == row->batch &&
            !strcmp(r->precision, "float32") && job->precision != WEFT_PRECISION_FLOAT32)
            row->speedup = r->seconds / row->seconds;
}

static enum app_exit run_precision(struct bench *b, const char *piece, void *priv)
{
    struct job *job = priv;
    struct weft_net_info net;
    struct weft_data_info info;
    if (bench_late(b))
        return APP_DONE;
    weft_net_info(job->net, &net);
    weft_data_info(job->data, &info);
    struct bench_row *row = bench_row(b, job->mode->kind, job->workload->name, net.name);
    job->precision = piece ? (enum weft_precision)app_precision(piece, strlen(piece))
                           : WEFT_PRECISION_FLOAT32;
    row->precision = app_precisions[job->precision];
    snprintf(row->image, sizeof(row->image), "%dx%dx%d", info.height, info.width,
             info.channels);
    row->batch = job->batch;
    enum weft_status status = b->probes ? look(job, row) : WEFT_OK;
    if (!status && !row->fault[0])
        status = measure(job, row);
    compare(b, job, row);
    row->roof_share /= row->seconds;
    if (row->builtin && b->app->info.kind != WEFT_DEVICE_BUILTIN)
        row->roof_share = NAN; /* the roof is the device's, and weft's C did the work */
    else if (b->probes)
        row->launch_share = row->launches * b->roofs.launch / row->seconds;
    return status
               ? app_fail(b->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
               : bench_save(b);
}

static enum app_exit run_batch(struct bench *b, const char *piece, void *priv)
{
    struct job *job = priv;
    struct weft_net_info net;
    struct weft_data_info info;
    weft_net_info(job->net, &net);
    weft_data_info(job->data, &info);
    job->batch = piece ? atoi(piece) : job->mode->kind == BENCH_LATENCY ? 1 : net.batch;
    job->batch = job->batch ? job->batch : 128;
    job->batch = job->batch < info.count ? job->batch : info.count;
    return bench_each(b, b->options->precisions, run_precision, job);
}

/* Pictures of noise, as many as the largest batch. */
static enum app_exit make_noise(struct bench *b, const weft_net *net, weft_data **out)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    int count = 256;
    for (const char *at = b->batches; at; at = strchr(at, ',')) {
        at += *at == ',';
        count = atoi(at) > count ? atoi(at) : count;
    }
    size_t picture = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    uint8_t *pixels = term_alloc(NULL, picture * (size_t)count);
    int32_t *labels = term_alloc(NULL, (size_t)count * sizeof(*labels));
    uint32_t state = 1;
    for (size_t i = 0; i < picture * (size_t)count; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    for (int i = 0; i < count; i++)
        labels[i] = i % info.classes;
    const struct weft_data_info shape = {.count = count,
                                         .height = info.height,
                                         .width = info.width,
                                         .channels = info.channels,
                                         .classes = info.classes,
                                         .source = "noise"};
    enum weft_status status =
        weft_data_from_memory(b->app->context, &shape, pixels, labels, out);
    free(pixels);
    free(labels);
    return status ? app_fail(b->app, APP_WORK, status) : APP_DONE;
}

enum app_exit bench_choose(struct bench *b, const char *net, const char *image,
                           weft_net **out_net, weft_data **out_data)
{
    struct weft_data_info shape = {.channels = 1};
    enum app_exit code;
    if (image) {
        int n = sscanf(image, "%dx%dx%d", &shape.height, &shape.width, &shape.channels);
        if (n == 1)
            shape.width = shape.height;
        if (n < 1 || n == 2 || shape.height < 1 || shape.width < 1 ||
            shape.channels < 1 || shape.channels > WEFT_MAX_CHANNELS ||
            shape.height > 4096 || shape.width > 4096)
            return app_error(b->app, APP_USAGE,
                             "--image is '%s', but must be like 28,224x224x3", image);
        if ((code = app_net(b->app, net, &shape, out_net)))
            return code;
        return make_noise(b, *out_net, out_data);
    }
    if (!b->data &&
        (code = app_data(b->app, b->options->data ? b->options->data : "fashion-mnist",
                         WEFT_DATA_TRAIN, &b->data)))
        return code;
    weft_data_info(b->data, &shape);
    *out_data = b->data;
    return app_net(b->app, net, &shape, out_net);
}

struct choice {
    const struct bench_workload *workload;
    const struct mode *mode;
    const char *net;
};

static enum app_exit run_image(struct bench *b, const char *image, void *priv)
{
    const struct choice *c = priv;
    struct job job = {.bench = b, .workload = c->workload, .mode = c->mode};
    enum app_exit code = bench_choose(b, c->net, image, &job.net, &job.data);
    if (!code && !c->mode->training)
        code = bench_model(b->app, job.net, job.data, b->options->seed, &job.model);
    if (!code)
        code = bench_each(b, b->batches, run_batch, &job);
    free(job.probabilities);
    weft_model_destroy(&job.model);
    weft_net_destroy(&job.net);
    if (job.data != b->data)
        weft_data_destroy(&job.data);
    return code;
}

static enum app_exit run_net(struct bench *b, const char *net, void *priv)
{
    struct choice choice = *(const struct choice *)priv;
    choice.net = net ? net : "seed";
    return bench_each(b, b->options->images, run_image, &choice);
}

static enum app_exit run_nets(struct bench *b, const struct bench_workload *self,
                              const struct mode *mode)
{
    struct choice choice = {self, mode, NULL};
    enum app_exit code = b->options->quick ? APP_DONE : bench_probes(b);
    return code ? code : bench_each(b, b->options->nets, run_net, &choice);
}

enum app_exit bench_train(struct bench *b, const struct bench_workload *self)
{
    return run_nets(b, self, &train);
}

enum app_exit bench_infer(struct bench *b, const struct bench_workload *self)
{
    return run_nets(b, self, &infer);
}

enum app_exit bench_latency(struct bench *b, const struct bench_workload *self)
{
    return run_nets(b, self, &latency);
}
