/* SPDX-License-Identifier: Apache-2.0 */
/* Convergence: the test accuracy after a fixed number of steps, equal on all devices up
 * to rounding, and the training time to a given accuracy. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVAL_INTERVAL = 25, /* steps between evaluations */
    EVAL_IMAGES = 2000,
    COMPARED_STEPS = 100, /* accuracy is compared after these */
    MAX_STEPS = 4000,
    MAX_REPEATS = 5
};

struct convergence_run {
    struct bench *bench;
    weft_net *net;
    weft_dataset *train, *test;
    int batch;
    double samples[MAX_REPEATS];
    struct bench_convergence convergence;
};

/* The first images of the test split. */
static enum app_exit take_subset(struct bench *b, weft_dataset **out)
{
    weft_dataset *all = NULL;
    struct weft_dataset_info info;
    const char *spec = b->options->data ? b->options->data : "fashion-mnist";
    enum app_exit code = app_open_dataset(b->app, spec, WEFT_SPLIT_TEST, &all);
    if (code)
        return code;
    weft_dataset_info(all, &info);
    int count = info.count < EVAL_IMAGES ? info.count : EVAL_IMAGES;
    uint8_t *pixels =
        term_realloc_or_exit(NULL, (size_t)count * (size_t)info.height *
                                       (size_t)info.width * (size_t)info.channels);
    enum weft_status status = weft_dataset_read(all, 0, count, pixels);
    if (!status)
        status = weft_dataset_from_memory(
            b->app->context,
            weft_dataset_params(.count = count, .height = info.height,
                                .width = info.width, .channels = info.channels,
                                .classes = info.classes, .pixels = pixels,
                                .labels = info.labels, .class_names = info.class_names,
                                .source = info.source, .known_as = info.known_as),
            out);
    free(pixels);
    weft_dataset_destroy(&all);
    return status ? app_report_error(b->app, APP_WORK, status) : APP_OK;
}

/* Trains from scratch until the target accuracy is reached; *seconds is the training time
 * without evaluation, NaN if not reached. */
static enum weft_status train_and_score(struct convergence_run *session,
                                        weft_trainer *trainer, double *seconds)
{
    double elapsed = 0;
    bool reached = false;
    *seconds = NAN;
    for (int step = EVAL_INTERVAL; step <= MAX_STEPS && !bench_time_is_up(session->bench);
         step += EVAL_INTERVAL) {
        struct weft_progress p;
        struct weft_eval eval;
        double start = term_seconds();
        enum weft_status status = weft_trainer_run(trainer, EVAL_INTERVAL);
        if (!status)
            status = weft_trainer_progress(trainer, &p);
        elapsed += term_seconds() - start;
        if (!status)
            status = weft_trainer_evaluate(trainer, session->test, NULL, &eval);
        if (status)
            return status;
        if (!reached && eval.accuracy >= session->bench->options->target_accuracy) {
            reached = true;
            *seconds = elapsed;
            session->convergence.target_steps = step;
        }
        if (step == COMPARED_STEPS) {
            session->convergence.steps = step;
            session->convergence.accuracy = eval.accuracy;
            session->convergence.standard_error = eval.standard_error;
            session->convergence.loss = eval.loss;
        }
        term_progress("convergence: %.1f %% after %d steps, %.1f s", 100 * eval.accuracy,
                      step, elapsed);
        if (reached && step >= COMPARED_STEPS)
            return WEFT_OK;
    }
    return WEFT_OK;
}

/* Repeats the same training as long as time allows. */
static enum weft_status repeat(struct convergence_run *session, struct bench_row *row)
{
    double begin = term_seconds(), limit = bench_row_seconds(session->bench, true);
    int count = 0;
    do {
        /* A run that ends at its target has no length for a schedule. */
        struct weft_train_params params =
            *weft_train_params(.batch = session->batch, .schedule = "constant",
                               .seed = session->bench->options->seed);
        weft_trainer *trainer = NULL;
        double seconds = NAN;
        enum weft_status status = weft_trainer_create(
            session->bench->app->device, session->net, session->train, &params, &trainer);
        if (!status)
            status = train_and_score(session, trainer, &seconds);
        weft_trainer_destroy(&trainer);
        if (status)
            return status;
        if (!isfinite(seconds))
            break;
        session->samples[count++] = seconds;
    } while (count < MAX_REPEATS && !bench_time_is_up(session->bench) &&
             (count < BENCH_MIN_SAMPLES ? term_seconds() - begin < 10 * limit
                                        : term_seconds() - begin < limit));
    row->convergence = session->convergence;
    bench_row_set_samples(row, session->samples, count);
    return WEFT_OK;
}

static enum app_exit run_batch(struct bench *b, const char *item, void *priv)
{
    struct convergence_run *session = priv;
    struct weft_net_info net;
    struct weft_dataset_info info;
    if (bench_time_is_up(b))
        return APP_OK;
    weft_net_info(session->net, &net);
    weft_dataset_info(session->train, &info);
    struct bench_row *row = bench_add_row(b, BENCH_CONVERGENCE, "convergence", net.name);
    snprintf(row->input, sizeof(row->input), "%dx%dx%d", info.height, info.width,
             info.channels);
    session->batch = item ? atoi(item) : 128;
    session->batch = session->batch < info.count ? session->batch : info.count;
    session->convergence = row->convergence;
    session->convergence.target_accuracy = b->options->target_accuracy;
    row->batch = session->batch;
    row->unit = "s";
    enum weft_status status = repeat(session, row);
    term_progress_clear();
    return status ? app_report_error(
                        b->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
                  : bench_save_json(b);
}

static enum app_exit run_net(struct bench *b, const char *name, void *priv)
{
    struct convergence_run *session = priv;
    enum app_exit code = bench_load_net_and_data(b, name ? name : "small", NULL,
                                                 &session->net, &session->train);
    if (!code)
        code = bench_for_each_item(b, b->batches, run_batch, session);
    weft_net_destroy(&session->net);
    return code;
}

enum app_exit bench_run_convergence(struct bench *b, const struct bench_workload *self)
{
    struct convergence_run session = {.bench = b};
    (void)self;
    if (b->options->inputs) /* noise has no classes to learn */
        return b->options->compares_devices
                   ? APP_OK
                   : app_error(b->app, APP_USAGE,
                               "convergence needs --data, not --input");
    enum app_exit code = take_subset(b, &session.test);
    if (!code)
        code = bench_for_each_item(b, b->options->nets, run_net, &session);
    weft_dataset_destroy(&session.test);
    return code;
}
