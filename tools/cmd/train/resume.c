/* SPDX-License-Identifier: Apache-2.0 */
/* Resumed runs: their configuration and data. */
#define _GNU_SOURCE
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

/* Another learning rate is taken. A run that continues with a smaller one has its
 * loss compared with that of its first step from now on (divergence.c). */
static void change_rate(struct train_session *session, double rate)
{
    session->new_rate = (float)rate != (float)session->learning_rate;
    if ((float)rate < (float)session->learning_rate)
        session->first_loss = 0;
    session->learning_rate = rate;
}

/* A schedule is that of the number of epochs. */
static void warn_of_schedule(const struct train_session *session)
{
    int planned = atoi(train_metadata(session, TRAIN_META_EPOCHS));
    if (session->epochs != planned && session->schedule &&
        strcmp(session->schedule, "constant") != 0)
        term_warn("%s was started for %d epochs: the schedule \"%s\" continues as if it "
                  "had been started for %d",
                  session->run.folder, planned, session->schedule, session->epochs);
}

/* The same contents in another place, which are compared when they are read. */
static void follow_moved(struct train_session *session, const struct train_options *o)
{
    if (o->data) {
        if (!strcmp(session->test_spec, session->data_spec))
            session->test_spec = o->data;
        session->data_spec = o->data;
    }
    if (o->class_weights)
        session->class_weights = o->class_weights;
}

/* The present phase has its schedule and augmentation from the checkpoint. */
static enum app_exit restore_phases(struct train_session *session)
{
    const struct train_phase none = {0};
    enum app_exit code =
        train_read_phases(session, train_metadata(session, TRAIN_META_PHASES), &none);
    session->phase_net = strdup(train_metadata(session, TRAIN_META_PHASE_NET));
    if (!code && (session->phase < 0 || session->phase >= session->phase_count ||
                  !session->phase_net || !*session->phase_net))
        return app_error(session->app, APP_BAD_INPUT,
                         "%s: its phases are damaged: start a new run",
                         session->run.last);
    return code;
}

/* The fields that the trainer keeps in the checkpoint. */
static void restore_training(struct train_session *session)
{
    const char *augment = weft_model_metadata(session->checkpoint, "train.augment");
    session->batch = atoi(train_metadata(session, "train.batch"));
    session->accumulate = atoi(train_metadata(session, "train.accumulate"));
    session->seed = strtoull(train_metadata(session, "train.seed"), NULL, 10);
    session->learning_rate =
        strtod(app_rate_text(strtod(train_metadata(session, "train.rate"), NULL)), NULL);
    session->schedule = weft_model_metadata(session->checkpoint, "train.schedule");
    session->augment = augment ? augment : "none";
    session->balance = *train_metadata(session, "train.balance");
    session->precision = strcmp(train_metadata(session, "train.precision"), "float16")
                             ? WEFT_PRECISION_FLOAT32
                             : WEFT_PRECISION_FLOAT16;
}

/* The fields that the run keeps there, and what is made of them. */
static enum app_exit restore(struct train_session *session)
{
    train_restore_fields(session);
    restore_training(session);
    session->data_spec = train_metadata(session, TRAIN_META_DATA);
    session->test_spec = train_metadata(session, TRAIN_META_TEST);
    snprintf(session->from_path, PATHS_MAX, "%s",
             train_metadata(session, TRAIN_META_FROM));
    snprintf(session->labels_path, PATHS_MAX, "%s",
             train_metadata(session, TRAIN_META_LABELS));
    session->class_weights = train_metadata(session, TRAIN_META_WEIGHTS);
    if (!*session->class_weights)
        session->class_weights = "none";
    if (!*session->data_spec || session->batch < 1 || session->val_count < 0 ||
        session->epochs < 1)
        return app_error(
            session->app, APP_BAD_INPUT,
            "%s: has no run metadata, so it was not written by `weft train` and "
            "cannot be resumed; start a new run without --resume",
            session->run.last);
    enum app_exit code =
        train_restore_rates(session, train_metadata(session, TRAIN_META_RATES));
    if (session->rates)
        session->schedule = NULL;
    return !code && *train_metadata(session, TRAIN_META_PHASES) ? restore_phases(session)
                                                                : code;
}

/* The options that a resumed run takes. */
static enum app_exit change(struct train_session *session, const struct train_options *o)
{
    if (session->rates && o->learning_rate > 0)
        return app_error(session->app, APP_USAGE,
                         "%s has a table of learning rates: remove --lr",
                         session->run.folder);
    enum app_exit code = train_check_resumed(session, o);
    if (code)
        return code;
    follow_moved(session, o);
    if (o->patience)
        session->patience = o->patience;
    if (o->epochs)
        session->epochs = o->epochs;
    if (o->learning_rate > 0 && !session->phase_count)
        change_rate(session, o->learning_rate);
    if (o->test)
        session->test_spec = strcmp(o->test, "none") ? o->test : "";
    if (!session->phase_count)
        warn_of_schedule(session);
    return APP_OK;
}

enum app_exit train_configure_resumed(struct train_session *session,
                                      const struct train_options *o)
{
    struct app *app = session->app;
    struct weft_model_info model;
    enum weft_status status =
        weft_model_load(app->context, session->run.last, &session->checkpoint);
    if (status)
        return app_report_error(app, APP_INPUT, status);
    enum app_exit code = restore(session);
    if (code)
        return code;
    if (session->job && (session->job->fold != session->fold ||
                         (session->fold && session->folds != o->folds)))
        return app_error(app, APP_USAGE,
                         "%s was started as fold %d of %d: continue it with the same "
                         "--folds",
                         session->run.folder, session->fold, session->folds);
    if ((code = change(session, o)) ||
        (code = app_require_saved_data(app, session->data_spec, session->run.folder)))
        return code;
    weft_model_info(session->checkpoint, &model);
    return app_choose_images(app, &session->images, model.preprocess, NULL, NULL);
}

enum app_exit train_check_same_data(const struct train_session *session,
                                    const weft_dataset *part, enum weft_split split)
{
    bool validation = split == WEFT_SPLIT_VALIDATION;
    struct weft_model_info model;
    struct weft_dataset_info data;
    weft_model_info(session->checkpoint, &model);
    weft_dataset_info(part, &data);
    const char *saved =
        train_metadata(session, validation ? TRAIN_META_VAL_HASH : TRAIN_META_DATA_HASH);
    if (validation && !*saved) /* of an older version */
        return APP_OK;
    if (*saved ? strtoull(saved, NULL, 16) == data.hash
               : !strcmp(model.dataset_known_as, data.known_as))
        return APP_OK;
    return app_error(
        session->app, APP_BAD_INPUT,
        "%s: the %simages, labels or their order differ from those %s was "
        "started with%s%s%s; restore the old data, name them with --data, or "
        "start a new run",
        session->data_spec, validation ? "validation " : "", session->run.folder,
        *model.dataset_known_as ? " (" : "", model.dataset_known_as,
        *model.dataset_known_as ? ")" : "");
}
