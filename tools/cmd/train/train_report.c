/* SPDX-License-Identifier: Apache-2.0 */
/* Output of a training run: data and configuration at the start, results at the end. */
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const optimizers[] = {
    [WEFT_OPTIMIZER_SGD] = "sgd",
    [WEFT_OPTIMIZER_ADAM] = "adam",
    [WEFT_OPTIMIZER_ADAMW] = "adamw",
};

void train_print_data(const struct train_session *session)
{
    struct weft_dataset_info train, split;
    weft_dataset_info(session->train, &train);
    char val[48] = "", test[48] = "";
    if (session->val) {
        weft_dataset_info(session->val, &split);
        snprintf(val, sizeof(val), ", %s for validation", table_thousands(split.count));
    }
    if (session->test) {
        weft_dataset_info(session->test, &split);
        snprintf(test, sizeof(test), ", %s for test", table_thousands(split.count));
    }
    term_print("%sData%s    %s%s%s%s: %s for training%s%s",
               term_style_begin(stderr, TERM_BOLD), term_style_end(stderr),
               session->data_spec, *train.known_as ? " (" : "", train.known_as,
               *train.known_as ? ")" : "", table_thousands(train.count), val, test);
}

void train_print_precision(struct train_session *session)
{
    struct weft_trainer_info info;
    weft_trainer_info(session->trainer, &info);
    bool automatic = session->precision == WEFT_PRECISION_AUTO;
    session->precision = info.precision;
    session->stream = info.streamed;
    if (!automatic)
        return;
    if (!isfinite(info.difference))
        term_print("Precision  float32: the loss of float16 was not finite");
    else if (info.speedup > 0)
        term_print(
            "Precision  %s: float16 was %.2f times as fast as float32; its gradients "
            "differed by %.2g %%",
            app_precision_names[info.precision], info.speedup, 100 * info.difference);
    else
        term_print("Precision  float32: float16 was %s; its gradients differed by %.2g "
                   "%%, those "
                   "of two batches by %.2g %%",
                   info.difference > info.noise ? "too inaccurate" : "far slower",
                   100 * info.difference, 100 * info.noise);
}

static void print_class_weights(const struct train_session *session, const char *on,
                                const char *off)
{
    struct weft_dataset_info data;
    weft_dataset_info(session->train, &data);
    float least = session->weights[0], most = least;
    for (int c = 1; c < data.classes; c++) {
        least = fminf(least, session->weights[c]);
        most = fmaxf(most, session->weights[c]);
    }
    term_print("%sWeights%s %s: the classes weigh %.3g to %.3g in the loss", on, off,
               session->weights_path, (double)least, (double)most);
}

static void print_balance(const struct train_session *session, const char *on,
                          const char *off)
{
    struct weft_dataset_info data;
    weft_dataset_info(session->train, &data);
    size_t bytes = (size_t)data.classes * sizeof(int);
    int classes = 0, least = data.count, most = 0;
    int *counts = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    for (int i = 0; i < data.count; i++)
        classes += !counts[data.labels[i]]++;
    for (int c = 0; c < data.classes; c++) {
        least = counts[c] && counts[c] < least ? counts[c] : least;
        most = counts[c] > most ? counts[c] : most;
    }
    free(counts);
    char absent[64] = "";
    if (classes < data.classes)
        snprintf(absent, sizeof(absent), "; %d without images are left out",
                 data.classes - classes);
    double draws = (double)data.count / classes;
    term_print("%sBalance%s %d classes are drawn equally often: an image %.3g to %.3g "
               "times in an epoch%s",
               on, off, classes, draws / most, draws / least, absent);
}

void train_print_features(const struct train_session *session)
{
    struct weft_trainer_info info;
    const char *on = term_style_begin(stderr, TERM_BOLD), *off = term_style_end(stderr);
    weft_trainer_info(session->trainer, &info);
    if (info.features)
        term_print("%sFeatures%s the frozen layers run once for each image: %s values",
                   on, off, table_thousands(info.features));
    else if (*info.features_note)
        term_print("%sFeatures%s %s", on, off, info.features_note);
}

void train_print_run(const struct train_session *session, const struct weft_progress *p)
{
    struct weft_net_info net;
    weft_net_info(session->net, &net);
    const char *schedule = session->rates      ? "from a table"
                           : session->schedule ? session->schedule
                                               : net.schedule;
    bool constant = !strcmp(schedule, "constant");
    char parts[32] = "";
    if (session->accumulate > 1)
        snprintf(parts, sizeof(parts), " in %d parts", session->accumulate);
    const char *augment = session->augment ? session->augment : net.augment;
    const char *on = term_style_begin(stderr, TERM_BOLD), *off = term_style_end(stderr);
    term_print("%sNet%s     %s: %d layers, %s weights, %.3g MFLOP per image (forward)",
               on, off, net.name, net.layers, table_thousands((double)net.weights),
               net.flops / 1e6);
    term_print("%sRun%s     batch %d%s, %s, learning rate %s%s%s%s, seed %llu, %d "
               "epochs%s; %.1f "
               "MiB on the "
               "device; folder %s",
               on, off, p->batch, parts, optimizers[net.optimizer.kind],
               session->rates ? "" : app_rate_text(train_learning_rate(session)),
               session->new_rate ? " (new)" : "", constant || session->rates ? "" : " ",
               constant ? "" : schedule, (unsigned long long)session->seed,
               session->epochs,
               session->precision == WEFT_PRECISION_FLOAT16 ? ", float16" : "",
               (double)p->device_bytes / 1048576, session->run.folder);
    if (session->layer_rates)
        term_print("%sRates%s   of layers: %s", on, off, session->layer_rates);
    if (strcmp(augment, "none"))
        term_print("%sAugment%s %s", on, off, augment);
    train_print_features(session);
    if (session->stream)
        term_print("%sStream%s  the images are sent to the device batch by batch", on,
                   off);
    if (session->app->options->tta)
        term_print(
            "%sTTA%s     of the test and the last validation; without it: validation "
            "after each epoch, and best",
            on, off);
    if (session->weights)
        print_class_weights(session, on, off);
    if (session->balance)
        print_balance(session, on, off);
    if (p->step)
        term_print("        resuming after epoch %d%s", p->epoch,
                   p->step_in_epoch ? ", within the next one" : "");
}

static void print_result(const struct train_session *session, const char *part,
                         const char *which, const struct train_result *r)
{
    const struct weft_eval *e = &r->eval;
    if (!r->done)
        return;
    char epoch[32] = "";
    if (r->epoch)
        snprintf(epoch, sizeof(epoch), " (epoch %d)", r->epoch);
    term_line(8, "%-7s %.2f %s%.2f %%  %s%s, loss %s, %s images%s%s%s", part,
              100 * e->accuracy, term_plus_minus(), 100 * e->standard_error, which, epoch,
              app_loss_text(e->loss), table_thousands(e->count), *r->tta ? "; " : "",
              r->tta,
              session->test_overlap > 0.01 && r != &session->outcome.val
                  ? "; INVALID TEST, see the leak above"
                  : "");
}

/* The part of its epochs for which training waited for images; NaN: it has all on the
 * device, or had no whole epoch. */
static double stall_fraction(const struct train_session *session)
{
    return session->stream && session->trained > 0 ? session->stalled / session->trained
                                                   : NAN;
}

static void print_outcome(const struct train_session *session)
{
    const struct train_outcome *out = &session->outcome;
    double waited = stall_fraction(session);
    print_result(session, "Val", "last", &out->val);
    print_result(session, "Test", "best", &out->best);
    print_result(session, "Test", "last", &out->last);
    term_flush_stdout();
    if (!isnan(waited))
        term_print("Stream  waited %.1f %% of the time for images", 100 * waited);
    const char *model = session->best_epoch ? session->run.best : session->run.last;
    term_print("Saved   %s%s%s, %s%s%s; %.1f s in total",
               session->best_epoch ? session->run.best : "",
               session->best_epoch ? ", " : "", session->run.last,
               paths_basename(session->run.log), session->page_written ? ", " : "",
               session->page_written ? paths_basename(session->run.page) : "",
               term_seconds() - session->start);
    term_print("Next    weft eval %s", paths_shell_quoted(model));
    term_print("        weft predict %s IMAGE", paths_shell_quoted(model));
}

static void emit_result(struct json *j, const char *key, const struct train_result *r)
{
    const struct weft_eval *e = &r->eval;
    if (!r->done)
        return;
    emit_object(j, key);
    emit_int(j, "epoch", r->epoch);
    emit_int(j, "count", e->count);
    emit_double(j, "accuracy", e->accuracy);
    emit_double(j, "standard_error", e->standard_error);
    emit_double(j, "loss", e->loss);
    emit_int(j, "nonfinite", e->nonfinite);
    emit_text(j, "tta", *r->tta ? r->tta : "none");
    emit_end(j);
}

void train_emit_outcome(struct json *j, const struct train_outcome *outcome)
{
    emit_result(j, "val", &outcome->val);
    emit_result(j, "test", &outcome->last);
    emit_result(j, "test_best", &outcome->best);
}

static void write_json(const struct train_session *session, enum train_stop stop)
{
    static const char *const stops[] = {"done", "target-accuracy", "time-limit",
                                        "interrupted", "patience"};
    struct json j = {.out = stdout};
    struct weft_net_info net;
    weft_net_info(session->net, &net);
    app_json_begin(session->app, &j, "weft.train/2");
    emit_text(&j, "data", session->data_spec);
    emit_text(&j, "net", net.name);
    emit_int(&j, "batch", session->batch);
    emit_uint(&j, "seed", session->seed);
    emit_text(&j, "stopped", stops[stop]);
    emit_bool(&j, "diverged", session->diverged);
    emit_text(&j, "last", session->run.last);
    emit_text(&j, "best", session->best_epoch ? session->run.best : NULL);
    emit_int(&j, "best_epoch", session->best_epoch);
    table_json(&session->table, &j, "epochs");
    emit_double(&j, "test_overlap", session->test_overlap);
    train_emit_outcome(&j, &session->outcome);
    emit_double(&j, "seconds", term_seconds() - session->start);
    emit_double(&j, "stall_fraction", stall_fraction(session));
    emit_end(&j);
}

static void print_next_steps(const struct train_session *session, enum train_stop stop)
{
    const struct app_options *o = session->app->options;
    char more[512] = "";
    size_t at = 0;
    if (o->device)
        at +=
            (size_t)snprintf(more, sizeof(more), " -d %s", paths_shell_quoted(o->device));
    if (o->family && at < sizeof(more))
        at += (size_t)snprintf(more + at, sizeof(more) - at, " --family %s",
                               app_kernel_family_names[o->family]);
    if (o->gemm && at < sizeof(more))
        snprintf(more + at, sizeof(more) - at, " --gemm %s",
                 app_gemm_provider_names[o->gemm]);
    term_print("%s; saved %s. Resume with:",
               stop == TRAIN_TIME ? "Time limit reached" : "Interrupted",
               session->run.last);
    term_print("  weft train --resume --out %s%s",
               paths_shell_quoted(session->run.folder), more);
}

enum app_exit train_finish(struct train_session *session, enum train_stop stop)
{
    const struct train_result *last = &session->outcome.last;
    bool json = session->app->options->format == TABLE_JSON && !session->job,
         human = !session->app->options->format && !(session->job && session->job->quiet);
    if (stop == TRAIN_INTERRUPTED) {
        train_write_page(session, false);
        if (json)
            write_json(session, stop);
        print_next_steps(session, stop);
        return APP_INTERRUPTED;
    }
    if (stop == TRAIN_PATIENCE)
        term_print("Stopped: no epoch after epoch %d has a better validation accuracy",
                   session->best_epoch);
    enum app_exit code = train_test(session);
    if (!code)
        code = train_append_test(session);
    if (!code) {
        train_measure_layers(session);
        train_write_page(session, false);
    }
    if (!code && json)
        write_json(session, stop);
    if (!code && human)
        print_outcome(session);
    if (!code && session->job)
        code = session->job->use(session, session->job->priv);
    if (!code && stop == TRAIN_TIME)
        print_next_steps(session, stop);
    if (!code)
        code = app_flush_stdout(session->app);
    if (!code && last->done)
        code = app_report_nonfinite(session->app, last->eval.nonfinite, last->eval.count,
                                    WEFT_PRECISION_FLOAT32);
    if (!code && session->diverged)
        code = app_error(session->app, APP_FAILED, "training diverged, see above");
    if (!code && session->target_accuracy > 0 && stop != TRAIN_TARGET &&
        session->last_score < session->target_accuracy)
        code = app_error(
            session->app, APP_VERIFICATION_FAILED,
            "the target accuracy of %.2f %% was not reached: the last is %.2f %%",
            100 * session->target_accuracy, 100 * session->last_score);
    return code;
}
