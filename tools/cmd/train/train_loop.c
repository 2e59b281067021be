/* SPDX-License-Identifier: Apache-2.0 */
/* The epochs of a training run: steps in chunks, validation, checkpoints, and
 * stopping. */
#define _GNU_SOURCE
#include "train/train.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

/* Duration of the steps that are queued at once. */
static const double chunk_seconds = 0.15;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    if (interrupted)
        _exit(APP_INTERRUPTED);
    interrupted = 1;
}

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};
enum { STOP_SIGNALS = sizeof(stop_signals) / sizeof(*stop_signals) };

static void catch_signals(struct sigaction *old)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < STOP_SIGNALS; i++) {
        sigaction(stop_signals[i], NULL, &old[i]);
        if (old[i].sa_handler != SIG_IGN) /* nohup stays nohup */
            sigaction(stop_signals[i], &action, NULL);
    }
}

static void release_signals(const struct sigaction *old)
{
    for (int i = 0; i < STOP_SIGNALS; i++)
        sigaction(stop_signals[i], &old[i], NULL);
}

double train_learning_rate(const struct train_session *session)
{
    struct weft_net_info net;
    weft_net_info(session->net, &net);
    return session->learning_rate > 0 ? session->learning_rate
                                      : (double)net.optimizer.learning_rate;
}

static void show_progress(const struct train_session *session,
                          const struct weft_progress *p, double rate)
{
    enum { BAR = 12 };
    char bar[BAR + 1] = "";
    int filled = p->step_in_epoch * BAR / p->steps_per_epoch;
    for (int i = 0; i < BAR; i++)
        bar[i] = i < filled ? '#' : '-';
    int64_t left = (int64_t)session->epochs * p->steps_per_epoch - p->step;
    term_progress("epoch %d/%d [%s] %d %%  loss %s  %s images/s  %.0f s left",
                  p->epoch + 1, session->epochs, bar,
                  100 * p->step_in_epoch / p->steps_per_epoch, app_loss_text(p->loss),
                  table_thousands(rate), (double)left * p->batch / rate);
}

static bool time_limit_reached(const struct train_session *session)
{
    return session->time_limit > 0 &&
           term_seconds() - session->start >= session->time_limit;
}

/* Images that cannot be read leave the steps before as they are: those of an unfinished
 * epoch are saved. After a finished one, or on a device that fails, the last checkpoint
 * holds. */
static enum app_exit report_failed_steps(struct train_session *session,
                                         enum weft_status status, bool unfinished)
{
    enum app_exit code = app_report_error(session->app, APP_WORK, status);
    bool saved = session->saved_step > 0 && !session->withheld;
    if (status == WEFT_ERR_FILE && unfinished && !session->withheld)
        saved = !train_save_checkpoint(session, session->run.last);
    if (saved)
        term_print("The %lld steps before are in %s; resume with `weft train --resume "
                   "--out %s`",
                   (long long)session->saved_step, session->run.last,
                   paths_shell_quoted(session->run.folder));
    return code;
}

/* Runs steps until the end of the epoch, an interrupt or the time limit. */
static enum app_exit run_steps(struct train_session *session, struct weft_progress *p,
                               double *seconds, int *ran, enum train_stop *stop)
{
    double step_seconds = 0, begin = term_seconds();
    int64_t from = p->step, end = (int64_t)(p->epoch + 1) * p->steps_per_epoch;
    int64_t half = end - p->steps_per_epoch / 2;
    for (int chunk = 1; p->step < end;) {
        int64_t left = (p->step < half ? half : end) - p->step;
        double start = term_seconds();
        chunk = chunk < left ? chunk : (int)left;
        enum weft_status status = weft_trainer_run(session->trainer, chunk);
        if (!status)
            status = weft_trainer_progress(session->trainer, p);
        if (status)
            return report_failed_steps(session, status, true);
        enum app_exit code =
            isfinite(p->loss) && isfinite(p->last_loss)
                ? APP_OK
                : train_report_divergence(session, p, "the loss is not finite");
        if (code)
            return code;
        if (!session->first_loss)
            session->first_loss = p->last_loss;
        if (p->step == half)
            session->half = *p;
        double now = term_seconds();
        step_seconds = (now - start) / chunk;
        double fits = chunk_seconds / (step_seconds > 1e-9 ? step_seconds : 1e-9);
        chunk = fits < 1 ? 1 : fits > 4.0 * chunk ? 4 * chunk : (int)fits;
        *seconds = now - begin;
        *ran = (int)(p->step - from);
        if (p->step < end)
            show_progress(session, p, p->batch / step_seconds);
        if (interrupted || time_limit_reached(session)) {
            *stop = interrupted ? TRAIN_INTERRUPTED : TRAIN_TIME;
            break;
        }
    }
    return APP_OK;
}

static enum app_exit validate(struct train_session *session, struct train_epoch *e)
{
    struct train_result *out = &session->validated;
    e->val_accuracy = e->val_error = e->val_loss = NAN;
    if (!session->val)
        return APP_OK;
    train_keep_predictions(out, session->val);
    term_wait_begin("Validating");
    enum weft_status status = weft_trainer_evaluate(session->trainer, session->val,
                                                    out->predictions, &out->eval);
    term_wait_end();
    out->done = !status;
    if (status)
        return report_failed_steps(session, status, false);
    e->val_accuracy = out->eval.accuracy;
    e->val_error = out->eval.standard_error;
    e->val_loss = out->eval.loss;
    e->val_nonfinite = out->eval.nonfinite;
    return APP_OK;
}

/* The fault of the results of an epoch; NULL: none. */
static const char *find_divergence(const struct train_session *session,
                                   const struct train_epoch *e,
                                   const struct weft_progress *p)
{
    if (!isfinite(e->loss))
        return "the loss is not finite";
    if (e->val_nonfinite)
        return "outputs for validation images are not numbers";
    return train_is_guessing(session, p, NULL) ? TRAIN_GUESSING : NULL;
}

/* The wait for images, of the steps that were not waiting for the device. */
static void show_stall(const struct train_session *session, const struct train_epoch *e)
{
    static const double most = 0.05;
    double share = e->stall_seconds / e->seconds;
    if (share > most && session->decoding)
        term_print("Note: epoch %d/%d waited %.1f s (%.0f %%) for its images, which were "
                   "decoded; the next ones read them",
                   e->number, session->epochs, e->stall_seconds, 100 * share);
    else if (share > most)
        term_warn("epoch %d/%d waited %.1f s (%.0f %%) for its images: the disk or the "
                  "processor is slower than the device",
                  e->number, session->epochs, e->stall_seconds, 100 * share);
}

/* Writes the log, then the best model, then the last checkpoint: after a kill at any
 * moment, resuming from last.safetensors recreates all three. */
static enum app_exit save_epoch(struct train_session *session,
                                const struct train_epoch *e, double score)
{
    enum app_exit code =
        run_dir_append_log(session->app, &session->run, train_log_epoch, e);
    if (!code)
        code = train_append_logs(session, e);
    if (!code && e->best) {
        double best = session->best;
        int best_epoch = session->best_epoch;
        session->best = score;
        session->best_epoch = e->number;
        code = train_save_checkpoint(session, session->run.best);
        if (session->saved)
            return code ? code : train_save_checkpoint(session, session->run.last);
        session->best = best;
        session->best_epoch = best_epoch;
    }
    if (!code && !session->withheld)
        code = train_save_checkpoint(session, session->run.last);
    return code;
}

static bool is_clipped(const struct train_session *session)
{
    struct weft_net_info net;
    weft_net_info(session->net, &net);
    return net.optimizer.clip > 0;
}

static enum app_exit end_epoch(struct train_session *session,
                               const struct weft_progress *p, double seconds, int ran)
{
    struct train_epoch e = {
        .number = p->epoch,
        .step = p->step,
        .learning_rate = app_rate((double)p->learning_rate),
        .loss = p->loss,
        .accuracy = (double)p->correct / (double)p->samples,
        .seconds = seconds,
        .images_per_second = (double)ran * p->batch / seconds,
        .stall_seconds =
            session->stream ? p->stall_seconds - session->stall_seconds : NAN,
        .gradient_norm = p->gradient_norm,
        .clipped = is_clipped(session) ? p->clipped : NAN,
    };
    session->stall_seconds = p->stall_seconds;
    session->stalled += session->stream ? e.stall_seconds : 0;
    session->trained += seconds;
    enum app_exit code = validate(session, &e);
    if (code)
        return code;
    const char *diverged = find_divergence(session, &e, p);
    bool good = !diverged && !train_is_guessing(session, p, &session->half);
    session->half = (struct weft_progress){.step = 0};
    double score = session->val ? e.val_accuracy : -e.loss;
    e.best = good && (!session->best_epoch || score > session->best);
    session->withheld = !good && !session->keep_going;
    session->learned = session->learned || train_has_learned(session, p);
    session->last_score = session->val ? e.val_accuracy : e.accuracy;
    train_show_epoch(session, &e);
    show_stall(session, &e);
    if ((code = train_end_decoding(session)))
        return code;
    if ((code = save_epoch(session, &e, score)))
        return code;
    train_write_page(session, true);
    return diverged ? train_report_divergence(session, p, diverged) : APP_OK;
}

/* Also of a resumed run, before its first epoch. */
static bool is_patience_over(const struct train_session *session,
                             const struct weft_progress *p)
{
    return session->patience && !p->step_in_epoch &&
           p->epoch - session->best_epoch >= session->patience;
}

static enum app_exit run_epochs(struct train_session *session, enum train_stop *stop)
{
    struct weft_progress p;
    enum weft_status status = weft_trainer_progress(session->trainer, &p);
    if (status)
        return app_report_error(session->app, APP_WORK, status);
    *stop = TRAIN_DONE;
    if (p.epoch < session->epochs && is_patience_over(session, &p))
        *stop = TRAIN_PATIENCE;
    while (!*stop && p.epoch < session->epochs) {
        double seconds = 0;
        int ran = 0, epoch = p.epoch;
        bool next = epoch >= train_phase_begin(session) + train_phase_epochs(session);
        enum app_exit code = next ? train_next_phase(session, &p) : APP_OK;
        if (!code)
            code = run_steps(session, &p, &seconds, &ran, stop);
        if (!code && p.epoch > epoch)
            code = end_epoch(session, &p, seconds, ran);
        else if (!code && !session->withheld)
            code = train_save_checkpoint(session, session->run.last);
        if (code)
            return code;
        if (p.epoch >= session->epochs)
            *stop = TRAIN_DONE;
        else if (interrupted)
            *stop = TRAIN_INTERRUPTED;
        else if (!*stop && session->target_accuracy > 0 &&
                 session->last_score >= session->target_accuracy)
            *stop = TRAIN_TARGET;
        else if (!*stop && is_patience_over(session, &p))
            *stop = TRAIN_PATIENCE;
    }
    return session->withheld && (*stop == TRAIN_DONE || *stop == TRAIN_PATIENCE)
               ? train_report_divergence(session, &p, TRAIN_GUESSING)
               : APP_OK;
}

enum app_exit train_loop(struct train_session *session, enum train_stop *stop)
{
    struct sigaction old[STOP_SIGNALS];
    interrupted = 0;
    catch_signals(old);
    enum app_exit code = run_epochs(session, stop);
    release_signals(old);
    term_progress_clear();
    return code;
}
