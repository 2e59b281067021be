/* SPDX-License-Identifier: Apache-2.0 */
/* Results of a run on images that it was not trained on: test, and with test-time
 * augmentation validation. */
#include "train/train.h"

#include "core/tta.h"
#include "core/tuning.h"

/* Evaluates a model of the weights: a trainer evaluates images as they are. */
static enum app_exit evaluate_changed(const struct train_session *session,
                                      const weft_dataset *data, struct train_result *out)
{
    struct app *app = session->app;
    struct weft_model_info info;
    struct tta tta;
    weft_model *model = NULL;
    weft_predictor *predictor = NULL;
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = TUNING_EVAL_BATCH,
                               .precision = session->precision,
                               .logits = app->options->tta);
    enum app_exit code = APP_OK;
    enum weft_status status = weft_trainer_model(session->trainer, &model);
    if (!status)
        status = weft_predictor_create(app->device, model, &params, &predictor);
    if (status)
        code = app_report_error(app, APP_WORK, status);
    else {
        weft_model_info(model, &info);
        tta_init(&tta, app, predictor, info.net);
        code = tta_evaluate(&tta, data, NULL, &out->eval);
        snprintf(out->tta, sizeof(out->tta), "%s", tta_text(&tta));
    }
    weft_predictor_destroy(&predictor);
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
            weft_trainer_evaluate(session->trainer, data, NULL, &out->eval);
        if (status)
            code = app_report_error(session->app, APP_WORK, status);
    }
    term_wait_end();
    out->done = !code;
    out->epoch = epoch;
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
    if (session->val && (session->job || session->app->options->tta))
        code = evaluate(session, session->val, "Validating", at.epoch, &out->val);
    if (!code && session->job && session->job->out_of_fold)
        code = train_predict_fold(session);
    if (code || !session->test)
        return code;
    if ((code = evaluate(session, session->test, "Testing", at.epoch, &out->last)))
        return code;
    bool same = session->best_epoch == at.epoch && !at.step_in_epoch;
    if (!session->best_epoch || same || !paths_exists(session->run.best))
        return APP_OK;
    status = weft_trainer_load_checkpoint(session->trainer, session->run.best);
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    return evaluate(session, session->test, "Testing", session->best_epoch, &out->best);
}
