/* SPDX-License-Identifier: Apache-2.0 */
/* A time limit without a number of epochs: as many as fit are planned before the run
 * begins, so that its schedule is finished in time. */
#include "train/train.h"

#include <math.h>
#include <unistd.h>

/* Part of the limit, and seconds, for measuring; part of the rest that is planned. */
static const double measured_part = 0.05, least_seconds = 0.2, most_seconds = 10,
                    planned_part = 0.9;

/* Copies of an image that a test evaluates. */
static const int views[] = {1, 2, 6};

/* Seconds of a step, after two that are not counted. */
static enum weft_status measure_steps(struct train_session *session, double *seconds)
{
    struct weft_progress p;
    double limit =
        fmin(most_seconds, fmax(least_seconds, measured_part * session->time_limit));
    enum weft_status status = weft_trainer_run(session->trainer, 2);
    if (!status)
        status = weft_trainer_progress(session->trainer, &p);
    double start = term_seconds(), elapsed = 0;
    int steps = 0;
    for (int chunk = 1; !status && elapsed < limit; chunk *= 2) {
        status = weft_trainer_run(session->trainer, chunk);
        if (!status)
            status = weft_trainer_progress(session->trainer, &p);
        elapsed = term_seconds() - start;
        steps += chunk;
    }
    *seconds = elapsed / steps;
    session->planned_rate = p.batch / *seconds;
    return status;
}

/* Seconds of a validation and of the test at the end, of the last and the best weights.
 * An image that is evaluated takes about a third of one that is trained on. */
static enum weft_status measure_evaluation(struct train_session *session,
                                           double *validation, double *test)
{
    struct weft_eval eval;
    struct weft_dataset_info info;
    double image = 1 / session->planned_rate / 3;
    *validation = *test = 0;
    if (session->val) {
        enum weft_status status =
            weft_trainer_evaluate(session->trainer, session->val, NULL, &eval);
        if (status)
            return status;
        *validation = eval.seconds;
        image = eval.seconds / eval.count;
    }
    if (session->test) {
        weft_dataset_info(session->test, &info);
        *test = 2 * image * info.count * views[session->app->options->tta];
    }
    return WEFT_OK;
}

/* Seconds of saving at the end of an epoch: log, best and last model. The name is one of
 * those that the next process in this folder removes. */
static enum weft_status measure_saving(struct train_session *session, double *seconds)
{
    char path[PATHS_MAX];
    double start = term_seconds();
    if (!paths_join(path, session->run.folder, ".weft-plan.tmp"))
        return WEFT_ERR_ARG;
    enum weft_status status = weft_trainer_save_checkpoint(session->trainer, path, NULL);
    *seconds = 3 * (term_seconds() - start);
    unlink(path);
    /* Steps that diverge are found by the run. */
    return status == WEFT_ERR_FORMAT ? WEFT_OK : status;
}

enum app_exit train_plan_epochs(struct train_session *session)
{
    struct weft_progress p;
    double step = 1, validation, test, saving, start = term_seconds();
    session->epochs = 1;
    term_wait_begin("Measuring the speed for --time-limit");
    enum weft_status status = train_create_trainer(session);
    double creation = term_seconds() - start;
    if (!status)
        status = measure_steps(session, &step);
    if (!status)
        status = measure_evaluation(session, &validation, &test);
    if (!status)
        status = measure_saving(session, &saving);
    if (!status)
        status = weft_trainer_progress(session->trainer, &p);
    term_wait_end();
    weft_trainer_destroy(&session->trainer);
    if (status)
        return app_report_error(session->app, APP_WORK, status);
    double used = term_seconds() - session->start + creation;
    double left = (session->time_limit - used) * planned_part - test;
    double epoch = p.steps_per_epoch * step + validation + saving;
    session->epochs = (int)fmin(1e6, fmax(1, floor(left / epoch)));
    if (left < epoch)
        term_warn("an epoch takes about %.3g s, more than the %.3g s that are left of "
                  "--time-limit: 1 is planned",
                  epoch, fmax(0, left));
    term_print(
        "%sPlan%s    %d epochs of %.3g s, at %s images/s, for --time-limit %.6g s; "
        "--epochs %d repeats the run",
        term_style_begin(stderr, TERM_BOLD), term_style_end(stderr), session->epochs,
        epoch, table_thousands(session->planned_rate), session->time_limit,
        session->epochs);
    return APP_OK;
}
