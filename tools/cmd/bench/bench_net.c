/* SPDX-License-Identifier: Apache-2.0 */
/* Whole networks: throughput of training and inference, and latency of one batch. */
#include "bench/bench.h"
#include "bench/energy.h"

#include "core/paths.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double max_window = 0.3;

/* One network at one batch size and precision. */
struct net_workload {
    struct bench *bench;
    const struct bench_workload *workload;
    const struct workload_kind *mode;
    weft_dataset *data;
    weft_net *net;
    weft_model *model; /* of initial weights; not for training */
    weft_trainer *trainer;
    weft_predictor *predictor;
    float *probabilities;
    enum weft_precision precision;
    int batch, at; /* at: the next image */
};

/* A kind of workload. `step` runs `count` steps of a batch and waits for them. */
struct workload_kind {
    enum bench_kind kind;
    bool training;
    enum weft_status (*prepare)(struct net_workload *session);
    enum weft_status (*step)(struct net_workload *session, int count);
    enum weft_status (*measure)(struct net_workload *session, struct bench_row *row);
};

static enum weft_status prepare_train(struct net_workload *session)
{
    struct weft_train_params params =
        *weft_train_params(.batch = session->batch, .epochs = 1,
                           .seed = session->bench->options->seed,
                           .precision = session->precision);
    struct weft_progress p;
    enum weft_status status =
        weft_trainer_create(session->bench->app->device, session->net, session->data,
                            &params, &session->trainer);
    if (!status && !(status = weft_trainer_progress(session->trainer, &p)))
        session->batch = p.batch;
    return status;
}

static enum weft_status training_step(struct net_workload *session, int count)
{
    struct weft_progress p;
    enum weft_status status = weft_trainer_run(session->trainer, count);
    return status ? status : weft_trainer_progress(session->trainer, &p);
}

static enum weft_status prepare_inference(struct net_workload *session)
{
    struct weft_dataset_info info;
    struct weft_model_info model;
    struct weft_net_info net;
    weft_dataset_info(session->data, &info);
    weft_model_info(session->model, &model);
    weft_net_info(model.net, &net);
    session->at = 0;
    session->probabilities =
        term_realloc_or_exit(session->probabilities,
                             (size_t)session->batch * net.output_values * sizeof(float));
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = session->batch, .precision = session->precision,
                               .pixels = info.pixels, .pixel_count = info.count,
                               .autoselect_backend =
                                   session->mode->kind == BENCH_LATENCY);
    return weft_predictor_create(session->bench->app->device, session->model, &params,
                                 &session->predictor);
}

static enum weft_status inference_step(struct net_workload *session, int count)
{
    struct weft_dataset_info info;
    weft_dataset_info(session->data, &info);
    size_t image = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    for (int i = 0; i < count; i++) {
        if (session->at + session->batch > info.count)
            session->at = 0;
        enum weft_status status = weft_predictor_run(
            session->predictor, info.pixels + (size_t)session->at * image, session->batch,
            session->probabilities);
        if (status)
            return status;
        session->at += session->batch;
    }
    return WEFT_OK;
}

/* Warm-up, then windows of finished steps. */
static enum weft_status measure_windows(struct net_workload *session,
                                        struct bench_row *row)
{
    static double samples[BENCH_ROW_MAX_SAMPLES];
    const double seconds = bench_row_seconds(session->bench, true);
    const double window = fmin(max_window, seconds / BENCH_TARGET_SAMPLES);
    int count = 1, n = 0;
    for (double warm = 0; warm < window;) {
        double start = term_seconds();
        enum weft_status status = session->mode->step(session, count);
        if (status)
            return status;
        warm = term_seconds() - start;
        if (bench_time_is_up(session->bench))
            break;
        if (warm < window) {
            double more = 1.2 * window / (warm > 1e-6 ? warm : 1e-6);
            count = (int)(count * (more < 1.5 ? 1.5 : more > 8 ? 8 : more)) + 1;
        }
    }
    /* Tests set another /sys. */
    const char *root = getenv("WEFT_SYS_ROOT") ? getenv("WEFT_SYS_ROOT") : "";
    struct energy_counters before, after;
    double images = 0;
    energy_read(root, &before);
    double begin = term_seconds();
    while (!(n && bench_time_is_up(session->bench)) && n < BENCH_ROW_MAX_SAMPLES) {
        double start = term_seconds(), elapsed = start - begin;
        if (n >= BENCH_MIN_SAMPLES &&
            elapsed > (n < BENCH_TARGET_SAMPLES ? 3 * seconds : seconds))
            break;
        int steps = 0;
        do {
            enum weft_status status = session->mode->step(session, count);
            if (status)
                return status;
            steps += count;
        } while (term_seconds() - start < window);
        samples[n++] = (double)steps * session->batch / (term_seconds() - start);
        images += (double)steps * session->batch;
        term_progress("%s of %s at batch %d: %s images/s", row->workload, row->subject,
                      session->batch, table_thousands(samples[n - 1]));
    }
    energy_read(root, &after);
    bench_row_set_samples(row, samples, n);
    row->joules = 1e3 * energy_joules_between(&before, &after) / images;
    row->unit = "images/s";
    row->seconds = session->batch / row->median;
    return WEFT_OK;
}

/* Times each call, after warming up for a tenth of the time. */
static enum weft_status measure_calls(struct net_workload *session, struct bench_row *row)
{
    static double samples[BENCH_ROW_MAX_SAMPLES];
    double limit = bench_row_seconds(session->bench, true), begin = term_seconds(),
           start = begin;
    int n = 0;
    while (!(n && bench_time_is_up(session->bench)) && n < BENCH_ROW_MAX_SAMPLES &&
           (n < BENCH_MIN_SAMPLES || start - begin < 1.1 * limit)) {
        enum weft_status status = session->mode->step(session, 1);
        double end = term_seconds();
        if (status)
            return status;
        samples[n] = 1e3 * (end - start);
        n += start - begin > 0.1 * limit;
        start = end;
    }
    bench_row_set_samples(row, samples, n);
    row->unit = "ms";
    row->seconds = 1e-3 * row->median;
    return WEFT_OK;
}

static const struct workload_kind training = {.kind = BENCH_THROUGHPUT,
                                              .training = true,
                                              .prepare = prepare_train,
                                              .step = training_step,
                                              .measure = measure_windows};
static const struct workload_kind inference = {.kind = BENCH_THROUGHPUT,
                                               .prepare = prepare_inference,
                                               .step = inference_step,
                                               .measure = measure_windows};
static const struct workload_kind latency = {.kind = BENCH_LATENCY,
                                             .prepare = prepare_inference,
                                             .step = inference_step,
                                             .measure = measure_calls};

/* Resident memory of this process in bytes, after returning freed memory to the system;
 * NaN if unknown. */
static double resident_bytes(void)
{
    size_t size;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    char *text = paths_read_file("/proc/self/status", 1 << 16, &size, NULL);
    char *at = text ? strstr(text, "VmRSS:") : NULL;
    double bytes = at ? 1024 * strtod(at + 6, NULL) : NAN;
    free(text);
    return bytes;
}

/* Roofline, launches and memory of a step, and its verification. */
static enum weft_status verify_step(struct net_workload *session, struct bench_row *row)
{
    struct bench *b = session->bench;
    struct weft_step_report step;
    const struct weft_step_params params =
        *weft_step_params(.batch = session->batch, .training = session->mode->training,
                          .precision = session->precision, .verify = true);
    term_wait_begin("Compiling kernels (cached for the next run) and verifying them");
    enum weft_status status =
        weft_bench_step(b->probes, session->net, session->data, &params, &step);
    term_wait_end();
    if (status)
        return status;
    row->flops = step.flops;
    row->bytes = step.bytes;
    row->launches = step.launches;
    row->planned_bytes = (double)step.bytes_planned;
    row->allocated_bytes = (double)step.bytes_allocated;
    row->relative_error = step.relative_error;
    row->verify_seconds = step.verify_seconds;
    term_print("Verified  each kernel of a step against double precision in %.2g s",
               step.verify_seconds);
    row->roofline_fraction =
        step.roofline_seconds; /* divided by the time once measured */
    snprintf(row->error, sizeof(row->error), "%s", step.error);
    return WEFT_OK;
}

/* The precision that `auto` selected. */
static enum weft_precision selected_precision(const struct net_workload *session)
{
    struct weft_predictor_info served;
    struct weft_trainer_info trained;
    if (session->trainer) {
        weft_trainer_info(session->trainer, &trained);
        return trained.precision;
    }
    weft_predictor_info(session->predictor, &served);
    return served.precision;
}

static enum weft_status measure(struct net_workload *session, struct bench_row *row)
{
    double before = resident_bytes(), start = term_seconds();
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status = session->mode->prepare(session);
    if (!status && session->mode->kind == BENCH_LATENCY) {
        struct weft_predictor_info info;
        weft_predictor_info(session->predictor, &info);
        row->on_host = info.host;
    }
    if (!status && session->precision == WEFT_PRECISION_AUTO)
        row->precision = selected_precision(session) ? "auto: float16" : "auto: float32";
    if (!status)
        status = session->mode->step(session, 1);
    term_wait_end();
    row->first_step = session->bench->startup + term_seconds() - start;
    if (!status && !session->bench->options->quick)
        row->resident_bytes = resident_bytes() - before;
    row->batch = session->batch;
    if (!status)
        status = session->mode->measure(session, row);
    term_progress_clear();
    weft_trainer_destroy(&session->trainer);
    weft_predictor_destroy(&session->predictor);
    return status;
}

/* Computes the speedup relative to the last float32 row of the same workload. */
static void set_speedup(const struct bench *b, const struct net_workload *session,
                        struct bench_row *row)
{
    for (const struct bench_row *r = b->rows; r < row; r++)
        if (r->kind == row->kind && !strcmp(r->subject, row->subject) &&
            !strcmp(r->input, row->input) && r->batch == row->batch &&
            !strcmp(r->precision, "float32") &&
            session->precision != WEFT_PRECISION_FLOAT32)
            row->speedup = r->seconds / row->seconds;
}

static enum app_exit run_precision(struct bench *b, const char *item, void *priv)
{
    struct net_workload *session = priv;
    struct weft_net_info net;
    struct weft_dataset_info info;
    if (bench_time_is_up(b))
        return APP_OK;
    weft_net_info(session->net, &net);
    weft_dataset_info(session->data, &info);
    struct bench_row *row =
        bench_add_row(b, session->mode->kind, session->workload->name, net.name);
    session->precision =
        item ? (enum weft_precision)app_parse_precision(item, strlen(item))
             : WEFT_PRECISION_FLOAT32;
    row->precision = app_precision_names[session->precision];
    snprintf(row->input, sizeof(row->input), "%dx%dx%d", info.height, info.width,
             info.channels);
    row->batch = session->batch;
    enum weft_status status = b->probes ? verify_step(session, row) : WEFT_OK;
    if (!status && !row->error[0])
        status = measure(session, row);
    set_speedup(b, session, row);
    row->roofline_fraction /= row->seconds;
    if (row->on_host && b->app->info.kind != WEFT_DEVICE_HOST)
        row->roofline_fraction = NAN; /* the roofline is the device's, not the host's */
    else if (b->probes)
        row->launch_fraction = row->launches * b->roofline.launch_overhead / row->seconds;
    return status ? app_report_error(
                        b->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
                  : bench_save_json(b);
}

static enum app_exit run_batch(struct bench *b, const char *item, void *priv)
{
    struct net_workload *session = priv;
    struct weft_net_info net;
    struct weft_dataset_info info;
    weft_net_info(session->net, &net);
    weft_dataset_info(session->data, &info);
    session->batch = item                                   ? atoi(item)
                     : session->mode->kind == BENCH_LATENCY ? 1
                                                            : net.batch;
    session->batch = session->batch ? session->batch : 128;
    session->batch = session->batch < info.count ? session->batch : info.count;
    return bench_for_each_item(b, b->options->precisions, run_precision, session);
}

struct net_run {
    const struct bench_workload *workload;
    const struct workload_kind *mode;
    const char *net;
};

static enum app_exit run_input(struct bench *b, const char *input, void *priv)
{
    const struct net_run *c = priv;
    struct net_workload session = {.bench = b, .workload = c->workload, .mode = c->mode};
    enum app_exit code =
        bench_load_net_and_data(b, c->net, input, &session.net, &session.data);
    if (!code && !b->options->quick)
        code = bench_open_roofline(b);
    if (!code && !c->mode->training)
        code = bench_fresh_model(b->app, session.net, session.data, b->options->seed,
                                 &session.model);
    if (!code)
        code = bench_for_each_item(b, b->batches, run_batch, &session);
    free(session.probabilities);
    weft_model_destroy(&session.model);
    weft_net_destroy(&session.net);
    if (session.data != b->data)
        weft_dataset_destroy(&session.data);
    return code;
}

static enum app_exit run_net(struct bench *b, const char *net, void *priv)
{
    struct net_run run = *(const struct net_run *)priv;
    run.net = net ? net : "small";
    return bench_for_each_item(b, b->options->inputs, run_input, &run);
}

static enum app_exit run_nets(struct bench *b, const struct bench_workload *self,
                              const struct workload_kind *mode)
{
    struct net_run run = {.workload = self, .mode = mode};
    return bench_for_each_item(b, b->options->nets, run_net, &run);
}

enum app_exit bench_run_training(struct bench *b, const struct bench_workload *self)
{
    return run_nets(b, self, &training);
}

enum app_exit bench_run_inference(struct bench *b, const struct bench_workload *self)
{
    return run_nets(b, self, &inference);
}

enum app_exit bench_run_latency(struct bench *b, const struct bench_workload *self)
{
    return run_nets(b, self, &latency);
}
