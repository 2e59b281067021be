/* SPDX-License-Identifier: Apache-2.0 */
/* Results of a run on images that it was not trained on: test, and with test-time
 * augmentation validation. */
#include "train/train.h"

#include "core/tta.h"
#include "core/tuning.h"

/* A trainer evaluates its own weights, and images as they are. */
static enum app_exit evaluate_model(const struct train_session *session,
                                    const weft_model *model, const weft_dataset *data,
                                    struct train_result *out)
{
    struct app *app = session->app;
    struct weft_model_info info;
    struct tta tta;
    weft_predictor *predictor = NULL;
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = TUNING_EVAL_BATCH,
                               .precision = app->options->tta ? session->precision
                                                              : WEFT_PRECISION_FLOAT32,
                               .logits = app->options->tta);
    enum app_exit code = APP_OK;
    enum weft_status status =
        weft_predictor_create(app->device, model, &params, &predictor);
    if (!status && !app->options->tta)
        status = weft_predictor_evaluate(predictor, data, out->predictions, &out->eval);
    if (status)
        code = app_report_error(app, APP_WORK, status);
    else if (app->options->tta) {
        weft_model_info(model, &info);
        tta_init(&tta, app, predictor, info.net);
        code = tta_evaluate(&tta, data, out->predictions, &out->eval);
        snprintf(out->tta, sizeof(out->tta), "%s", tta_text(&tta));
    }
    weft_predictor_destroy(&predictor);
    return code;
}

static enum app_exit evaluate_changed(const struct train_session *session,
                                      const weft_dataset *data, struct train_result *out)
{
    weft_model *model = NULL;
    enum weft_status status = weft_trainer_model(session->trainer, &model);
    enum app_exit code = status ? app_report_error(session->app, APP_WORK, status)
                                : evaluate_model(session, model, data, out);
    weft_model_destroy(&model);
    return code;
}

static enum app_exit evaluate(struct train_session *session, const weft_dataset *data,
                              const char *doing, int epoch, struct train_result *out)
{
    term_wait_begin("%s", doing);
    enum app_exit code = APP_OK;
    if (session->app->options->tta)
        code = evaluate_changed(session, data, out);
    else {
        enum weft_status status =
            weft_trainer_evaluate(session->trainer, data, out->predictions, &out->eval);
        if (status)
            code = app_report_error(session->app, APP_WORK, status);
    }
    term_wait_end();
    out->done = !code;
    out->epoch = epoch;
    return code;
}

/* The best model may be of an earlier phase, whose trainer is gone. */
static enum app_exit test_best(struct train_session *session)
{
    struct train_result *out = &session->outcome.best;
    weft_model *best = NULL;
    if (session->best_epoch > train_phase_begin(session)) {
        enum weft_status status =
            weft_trainer_load_checkpoint(session->trainer, session->run.best);
        return status ? app_report_error(session->app, APP_INPUT, status)
                      : evaluate(session, session->test, "Testing", session->best_epoch,
                                 out);
    }
    enum weft_status status =
        weft_model_load(session->app->context, session->run.best, &best);
    enum app_exit code = status ? app_report_error(session->app, APP_INPUT, status)
                                : evaluate_model(session, best, session->test, out);
    weft_model_destroy(&best);
    out->done = !code;
    out->epoch = session->best_epoch;
    return code;
}

enum app_exit train_test(struct train_session *session)
{
    struct train_outcome *out = &session->outcome;
    struct weft_progress at;
    enum weft_status status = weft_trainer_progress(session->trainer, &at);
    if (status)
        return app_report_error(session->app, APP_WORK, status);
    enum app_exit code = train_end_decoding(session);
    session->epochs_done = at.epoch;
    if (code)
        return code;
    if (session->val && (session->job || session->app->options->tta)) {
        train_keep_predictions(&out->val, session->val);
        code = evaluate(session, session->val, "Validating", at.epoch, &out->val);
    }
    if (!code && session->job && session->job->out_of_fold)
        code = train_predict_fold(session);
    if (code || !session->test)
        return code;
    train_keep_predictions(&out->last, session->test);
    if ((code = evaluate(session, session->test, "Testing", at.epoch, &out->last)))
        return code;
    bool same = session->best_epoch == at.epoch && !at.step_in_epoch;
    if (!session->best_epoch || same || !paths_exists(session->run.best))
        return APP_OK;
    return test_best(session);
}
