/* SPDX-License-Identifier: Apache-2.0 */
/* What a training run tells: its data and plan at the beginning, its outcome at the
 * end. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const optimizers[] = {
    [WEFT_OPTIMIZER_SGD] = "sgd",
    [WEFT_OPTIMIZER_ADAM] = "adam",
    [WEFT_OPTIMIZER_ADAMW] = "adamw",
};

void train_tell_data(const struct train_job *job)
{
    struct weft_data_info train, part;
    weft_data_info(job->train, &train);
    char validate[48] = "", test[48] = "";
    if (job->valid) {
        weft_data_info(job->valid, &part);
        snprintf(validate, sizeof(validate), ", %s to validate",
                 table_thousands(part.count));
    }
    if (job->test) {
        weft_data_info(job->test, &part);
        snprintf(test, sizeof(test), ", %s to test", table_thousands(part.count));
    }
    term_say("%sData%s    %s%s%s%s: %s to train%s%s", term_on(stderr, TERM_BOLD),
             term_off(stderr), job->data_spec, *train.release ? " (" : "", train.release,
             *train.release ? ")" : "", table_thousands(train.count), validate, test);
}

void train_tell_precision(struct train_job *job)
{
    struct weft_trainer_info info;
    weft_trainer_info(job->trainer, &info);
    bool raced = job->precision == WEFT_PRECISION_AUTO;
    job->precision = info.precision;
    if (!raced)
        return;
    if (!isfinite(info.difference))
        term_say("Precision  float32: in float16 the loss was no number");
    else if (info.speedup > 0)
        term_say("Precision  %s: float16 was %.2f times as fast as float32, and moved "
                 "gradients by %.2g %%",
                 app_precisions[info.precision], info.speedup, 100 * info.difference);
    else
        term_say("Precision  float32: float16 was far slower, or wrong: it moved "
                 "gradients by %.2g %%",
                 100 * info.difference);
}

void train_tell_run(const struct train_job *job, const struct weft_progress *p)
{
    struct weft_net_info net;
    weft_net_info(job->net, &net);
    const char *on = term_on(stderr, TERM_BOLD), *off = term_off(stderr);
    term_say("%sNet%s     %s: %d layers, %s weights, %.3g MFLOP a picture forward", on,
             off, net.name, net.layers, table_thousands((double)net.weights),
             net.flops / 1e6);
    double rate = job->rate > 0 ? job->rate : (double)net.optimizer.rate;
    term_say(
        "%sRun%s     batch %d, %s at %g, seed %llu, %d epochs%s; %.1f MiB on the device; "
        "in %s",
        on, off, p->batch, optimizers[net.optimizer.kind], rate,
        (unsigned long long)job->seed, job->epochs,
        job->precision == WEFT_PRECISION_FLOAT16 ? ", float16" : "",
        (double)p->device_bytes / 1048576, job->run.folder);
    if (p->step)
        term_say("        going on after epoch %d%s", p->epoch,
                 p->step_in_epoch ? ", in the middle of the next" : "");
}

/* The test part with the last weights, and with the best if those are others. */
struct outcome {
    struct weft_eval last, best;
    bool have_last, have_best;
    struct weft_progress at;
};

static enum app_exit test_model(struct train_job *job, struct weft_eval *eval)
{
    term_wait_begin("Testing");
    enum weft_status status = weft_trainer_evaluate(job->trainer, job->test, eval);
    term_wait_end();
    return status ? app_fail(job->app, APP_WORK, status) : APP_DONE;
}

static enum app_exit test(struct train_job *job, struct outcome *out)
{
    enum weft_status status = weft_trainer_progress(job->trainer, &out->at);
    if (status)
        return app_fail(job->app, APP_WORK, status);
    if (!job->test)
        return APP_DONE;
    enum app_exit code = test_model(job, &out->last);
    if (code)
        return code;
    out->have_last = true;
    bool same = job->best_epoch == out->at.epoch && !out->at.step_in_epoch;
    if (!job->best_epoch || same || !paths_exists(job->run.best))
        return APP_DONE;
    status = weft_trainer_load(job->trainer, job->run.best);
    if (status)
        return app_fail(job->app, APP_INPUT, status);
    if ((code = test_model(job, &out->best)))
        return code;
    out->have_best = true;
    return APP_DONE;
}

static void tell_test(const struct train_job *job, const char *which, int epoch,
                      const struct weft_eval *e)
{
    printf("Test    %.2f %s%.2f %%  %s", 100 * e->accuracy, term_plus_minus(),
           100 * e->standard_error, which);
    if (epoch)
        printf(" (epoch %d)", epoch);
    printf(", loss %.4f, %s pictures%s\n", e->loss, table_thousands(e->count),
           job->leak > 0.01 ? "; NOT A FAIR TEST, see the leak above" : "");
}

static void tell_outcome(const struct train_job *job, const struct outcome *out)
{
    if (out->have_best)
        tell_test(job, "best", job->best_epoch, &out->best);
    if (out->have_last)
        tell_test(job, "last", out->at.epoch, &out->last);
    fflush(stdout);
    const char *model = job->best_epoch ? job->run.best : job->run.last;
    term_say("Saved   %s%s%s, %s; %.1f s in all", job->best_epoch ? job->run.best : "",
             job->best_epoch ? ", " : "", job->run.last, paths_base(job->run.log),
             term_seconds() - job->start);
    term_say("Next    weft eval %s", paths_quoted(model));
    term_say("        weft predict %s PICTURE", paths_quoted(model));
}

static void emit_eval(struct json *j, const char *key, const struct weft_eval *e,
                      int epoch)
{
    emit_object(j, key);
    emit_int(j, "epoch", epoch);
    emit_int(j, "count", e->count);
    emit_real(j, "accuracy", e->accuracy);
    emit_real(j, "standard_error", e->standard_error);
    emit_real(j, "loss", e->loss);
    emit_end(j);
}

static void write_json(const struct train_job *job, const struct outcome *out,
                       enum train_stop stop)
{
    static const char *const stops[] = {"done", "target", "time", "interrupted"};
    struct json j = {.out = stdout};
    struct weft_net_info net;
    weft_net_info(job->net, &net);
    app_json_begin(job->app, &j, "weft.train/1");
    emit_text(&j, "data", job->data_spec);
    emit_text(&j, "net", net.name);
    emit_int(&j, "batch", job->batch);
    emit_uint(&j, "seed", job->seed);
    emit_text(&j, "stopped", stops[stop]);
    emit_text(&j, "last", job->run.last);
    emit_text(&j, "best", job->best_epoch ? job->run.best : NULL);
    emit_int(&j, "best_epoch", job->best_epoch);
    table_json(&job->table, &j, "epochs");
    emit_real(&j, "leak", job->leak);
    if (out->have_last)
        emit_eval(&j, "test", &out->last, out->at.epoch);
    if (out->have_best)
        emit_eval(&j, "test_best", &out->best, job->best_epoch);
    emit_real(&j, "seconds", term_seconds() - job->start);
    emit_end(&j);
}

static void tell_how_to_go_on(const struct train_job *job, enum train_stop stop)
{
    const struct app_options *o = job->app->options;
    char more[512] = "";
    size_t at = 0;
    if (o->device)
        at += (size_t)snprintf(more, sizeof(more), " -d %s", paths_quoted(o->device));
    if (o->family && at < sizeof(more))
        at += (size_t)snprintf(more + at, sizeof(more) - at, " --family %s",
                               app_families[o->family]);
    if (o->gemm && at < sizeof(more))
        snprintf(more + at, sizeof(more) - at, " --gemm clblast");
    term_say("%s; %s is saved. Go on with:",
             stop == TRAIN_TIME ? "The time is up" : "Interrupted", job->run.last);
    term_say("  weft train --resume --out %s%s", paths_quoted(job->run.folder), more);
}

enum app_exit train_conclude(struct train_job *job, enum train_stop stop)
{
    struct outcome out = {.have_last = false};
    bool json = job->app->options->format == TABLE_JSON,
         human = !job->app->options->format;
    if (stop == TRAIN_INTERRUPTED) {
        if (json)
            write_json(job, &out, stop);
        tell_how_to_go_on(job, stop);
        return APP_INTERRUPTED;
    }
    enum app_exit code = test(job, &out);
    if (!code && json)
        write_json(job, &out, stop);
    if (!code && human)
        tell_outcome(job, &out);
    if (!code && stop == TRAIN_TIME)
        tell_how_to_go_on(job, stop);
    if (out.have_last)
        weft_eval_finish(&out.last);
    if (out.have_best)
        weft_eval_finish(&out.best);
    if (!code)
        code = app_flush(job->app);
    if (!code && job->target > 0 && stop != TRAIN_TARGET && job->last_score < job->target)
        code = app_error(job->app, APP_CHECK_FAILED,
                         "the target accuracy of %.2f %% was not reached: %.2f %%",
                         100 * job->target, 100 * job->last_score);
    return code;
}
