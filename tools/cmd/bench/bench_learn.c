/* SPDX-License-Identifier: Apache-2.0 */
/* Learning: how accurate a network is after a fixed number of steps, which is to be the
 * same on every device but for rounding, and the time to a given accuracy. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Accuracy is looked at every so many steps, on so many images, and compared after so
 * many steps; who has not learnt until the last gives up. */
enum { EVERY = 25, IMAGES = 2000, COMPARED_STEPS = 100, LAST = 4000, MAX_REPEATS = 5 };

struct convergence_run {
    struct bench *bench;
    weft_net *net;
    weft_dataset *train, *test;
    int batch;
    double samples[MAX_REPEATS];
    struct bench_convergence convergence;
};

/* The first images of the part that is not trained on. */
static enum app_exit take_subset(struct bench *b, weft_dataset **out)
{
    weft_dataset *all = NULL;
    struct weft_dataset_info info;
    const char *spec = b->options->data ? b->options->data : "fashion-mnist";
    enum app_exit code = app_open_dataset(b->app, spec, WEFT_SPLIT_TEST, &all);
    if (code)
        return code;
    weft_dataset_info(all, &info);
    enum weft_status status = weft_dataset_from_memory(
        b->app->context,
        weft_dataset_params(.count = info.count < IMAGES ? info.count : IMAGES,
                            .height = info.height, .width = info.width,
                            .channels = info.channels, .classes = info.classes,
                            .pixels = info.pixels, .labels = info.labels,
                            .class_names = info.class_names, .source = info.source,
                            .known_as = info.known_as),
        out);
    weft_dataset_destroy(&all);
    return status ? app_report_error(b->app, APP_WORK, status) : APP_OK;
}

/* Trains from the beginning until the accuracy is reached: *seconds of training, NaN if
 * it was not. The time for looking at the accuracy does not count. */
static enum weft_status train_and_score(struct convergence_run *session,
                                        weft_trainer *trainer, double *seconds)
{
    double gone = 0;
    bool reached = false;
    *seconds = NAN;
    for (int step = EVERY; step <= LAST && !bench_time_is_up(session->bench);
         step += EVERY) {
        struct weft_progress p;
        struct weft_eval eval;
        double start = term_seconds();
        enum weft_status status = weft_trainer_run(trainer, EVERY);
        if (!status)
            status = weft_trainer_progress(trainer, &p);
        gone += term_seconds() - start;
        if (!status)
            status = weft_trainer_evaluate(trainer, session->test, NULL, &eval);
        if (status)
            return status;
        if (!reached && eval.accuracy >= session->bench->options->target) {
            reached = true;
            *seconds = gone;
            session->convergence.target_steps = step;
        }
        if (step == COMPARED_STEPS) {
            session->convergence.steps = step;
            session->convergence.accuracy = eval.accuracy;
            session->convergence.error = eval.standard_error;
            session->convergence.loss = eval.loss;
        }
        term_progress("learn: %.1f %% after %d steps, %.1f s", 100 * eval.accuracy, step,
                      gone);
        if (reached && step >= COMPARED_STEPS)
            return WEFT_OK;
    }
    return WEFT_OK;
}

/* As often as there is time for; every time the same is learnt. */
static enum weft_status repeat(struct convergence_run *session, struct bench_row *row)
{
    double begin = term_seconds(), limit = bench_row_seconds(session->bench, true);
    int count = 0;
    do {
        struct weft_train_params params =
            *weft_train_params(.batch = session->batch,
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

static enum app_exit run_batch(struct bench *b, const char *piece, void *priv)
{
    struct convergence_run *session = priv;
    struct weft_net_info net;
    struct weft_dataset_info info;
    if (bench_time_is_up(b))
        return APP_OK;
    weft_net_info(session->net, &net);
    weft_dataset_info(session->train, &info);
    struct bench_row *row = bench_add_row(b, BENCH_CONVERGENCE, "learn", net.name);
    snprintf(row->image, sizeof(row->image), "%dx%dx%d", info.height, info.width,
             info.channels);
    session->batch = piece ? atoi(piece) : 128;
    session->batch = session->batch < info.count ? session->batch : info.count;
    session->convergence = row->convergence;
    session->convergence.target = b->options->target;
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
    if (b->options->images) /* nothing can be learnt from noise */
        return b->options->set
                   ? APP_OK
                   : app_error(b->app, APP_USAGE, "learn takes --data, and no --input");
    enum app_exit code = take_subset(b, &session.test);
    if (!code)
        code = bench_for_each_item(b, b->options->nets, run_net, &session);
    weft_dataset_destroy(&session.test);
    return code;
}
