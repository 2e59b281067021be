/* SPDX-License-Identifier: Apache-2.0 */
/* Learning: how accurate a network is after a fixed number of steps, which is to be the
 * same on every device but for rounding, and the time to a given accuracy. */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Accuracy is looked at every so many steps, on so many pictures, and compared after so
 * many steps; who has not learnt until the last gives up. */
enum { EVERY = 25, PICTURES = 2000, COMPARED = 100, LAST = 4000, MOST_REPEATS = 5 };

struct job {
    struct bench *bench;
    weft_net *net;
    weft_data *train, *test;
    int batch;
    double samples[MOST_REPEATS];
    struct bench_learnt learnt;
};

/* The first pictures of the part that is not trained on. */
static enum app_exit some_pictures(struct bench *b, weft_data **out)
{
    weft_data *all = NULL;
    struct weft_data_info info;
    const char *spec = b->options->data ? b->options->data : "fashion-mnist";
    enum app_exit code = app_data(b->app, spec, WEFT_DATA_TEST, &all);
    if (code)
        return code;
    weft_data_info(all, &info);
    info.count = info.count < PICTURES ? info.count : PICTURES;
    enum weft_status status = weft_data_from_memory(
        b->app->context, &info, weft_data_pixels(all), weft_data_labels(all), out);
    weft_data_destroy(&all);
    return status ? app_fail(b->app, APP_WORK, status) : APP_DONE;
}

/* Trains from the beginning until the accuracy is reached: *seconds of training, NaN if
 * it was not. The time for looking at the accuracy does not count. */
static enum weft_status learn(struct job *job, weft_trainer *trainer, double *seconds)
{
    double gone = 0;
    bool reached = false;
    *seconds = NAN;
    for (int step = EVERY; step <= LAST && !bench_late(job->bench); step += EVERY) {
        struct weft_progress p;
        struct weft_eval eval;
        double start = term_seconds();
        enum weft_status status = weft_trainer_run(trainer, EVERY);
        if (!status)
            status = weft_trainer_progress(trainer, &p);
        gone += term_seconds() - start;
        if (!status)
            status = weft_trainer_evaluate(trainer, job->test, &eval);
        if (status)
            return status;
        if (!reached && eval.accuracy >= job->bench->options->target) {
            reached = true;
            *seconds = gone;
            job->learnt.target_steps = step;
        }
        if (step == COMPARED) {
            job->learnt.steps = step;
            job->learnt.accuracy = eval.accuracy;
            job->learnt.error = eval.standard_error;
            job->learnt.loss = eval.loss;
        }
        term_progress("learn: %.1f %% after %d steps, %.1f s", 100 * eval.accuracy, step,
                      gone);
        weft_eval_finish(&eval);
        if (reached && step >= COMPARED)
            return WEFT_OK;
    }
    return WEFT_OK;
}

/* As often as there is time for; every time the same is learnt. */
static enum weft_status repeat(struct job *job, struct bench_row *row)
{
    double begin = term_seconds(), limit = bench_seconds(job->bench, true);
    int count = 0;
    do {
        struct weft_train_params params = {.batch = job->batch,
                                           .seed = job->bench->options->seed};
        weft_trainer *trainer = NULL;
        double seconds = NAN;
        enum weft_status status = weft_trainer_create(job->bench->app->device, job->net,
                                                      job->train, &params, &trainer);
        if (!status)
            status = learn(job, trainer, &seconds);
        weft_trainer_destroy(&trainer);
        if (status)
            return status;
        if (!isfinite(seconds))
            break;
        job->samples[count++] = seconds;
    } while (count < MOST_REPEATS && !bench_late(job->bench) &&
             (count < BENCH_LEAST_SAMPLES ? term_seconds() - begin < 10 * limit
                                          : term_seconds() - begin < limit));
    row->learnt = job->learnt;
    bench_take(row, job->samples, count);
    return WEFT_OK;
}

static enum app_exit run_batch(struct bench *b, const char *piece, void *priv)
{
    struct job *job = priv;
    struct weft_net_info net;
    struct weft_data_info info;
    if (bench_late(b))
        return APP_DONE;
    weft_net_info(job->net, &net);
    weft_data_info(job->train, &info);
    struct bench_row *row = bench_row(b, BENCH_LEARN, "learn", net.name);
    snprintf(row->image, sizeof(row->image), "%dx%dx%d", info.height, info.width,
             info.channels);
    job->batch = piece ? atoi(piece) : 128;
    job->batch = job->batch < info.count ? job->batch : info.count;
    job->learnt = row->learnt;
    job->learnt.target = b->options->target;
    row->batch = job->batch;
    row->unit = "s";
    enum weft_status status = repeat(job, row);
    term_progress_clear();
    return status
               ? app_fail(b->app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK, status)
               : bench_save(b);
}

static enum app_exit run_net(struct bench *b, const char *name, void *priv)
{
    struct job *job = priv;
    enum app_exit code =
        bench_choose(b, name ? name : "seed", NULL, &job->net, &job->train);
    if (!code)
        code = bench_each(b, b->batches, run_batch, job);
    weft_net_destroy(&job->net);
    return code;
}

enum app_exit bench_learn(struct bench *b, const struct bench_workload *self)
{
    struct job job = {.bench = b};
    (void)self;
    if (b->options->images) /* nothing can be learnt from noise */
        return b->options->set
                   ? APP_DONE
                   : app_error(b->app, APP_USAGE, "learn takes --data, and no --image");
    enum app_exit code = some_pictures(b, &job.test);
    if (!code)
        code = bench_each(b, b->options->nets, run_net, &job);
    weft_data_destroy(&job.test);
    return code;
}
