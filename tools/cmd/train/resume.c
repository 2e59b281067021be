/* SPDX-License-Identifier: Apache-2.0 */
/* Resumed runs: their configuration and data. */
#define _GNU_SOURCE
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

static const char *metadata(const struct train_session *session, const char *name)
{
    const char *text = weft_model_metadata(session->checkpoint, name);
    return text ? text : "";
}

void train_warn_ignored(const struct train_session *session, const char *option,
                        const char *given, const char *saved)
{
    term_warn("%s was started with --%s %s and continues with it: --%s %s is ignored",
              session->run.folder, option, saved, option, given);
}

static void warn_ignored_number(const struct train_session *session, const char *option,
                                double given, double saved)
{
    char left[32], right[32];
    snprintf(left, sizeof(left), "%.9g", given);
    snprintf(right, sizeof(right), "%.9g", saved);
    if (given != saved)
        train_warn_ignored(session, option, left, right);
}

/* The words that phases have, of a run without them; another learning rate is taken. */
static void compare_rates(struct train_session *session, const struct train_options *o)
{
    int planned = atoi(metadata(session, TRAIN_META_EPOCHS));
    const char *rates = session->layer_rates ? session->layer_rates : "none";
    if (o->phases)
        train_warn_ignored(session, "phases", o->phases, "none");
    if (o->learning_rate > 0 &&
        (float)o->learning_rate != (float)session->learning_rate) {
        session->learning_rate = o->learning_rate;
        session->new_rate = true;
    }
    if (session->epochs != planned && session->schedule &&
        strcmp(session->schedule, "constant") != 0)
        term_warn("%s was started for %d epochs: the schedule \"%s\" continues as if it "
                  "had been started for %d",
                  session->run.folder, planned, session->schedule, session->epochs);
    if (o->schedule && session->schedule && strcmp(o->schedule, session->schedule))
        train_warn_ignored(session, "schedule", o->schedule, session->schedule);
    if (o->augment && strcmp(o->augment, session->augment))
        train_warn_ignored(session, "augment", o->augment, session->augment);
    if (o->layer_rates && strcmp(o->layer_rates, rates))
        train_warn_ignored(session, "layer-rates", o->layer_rates, rates);
}

static enum app_exit compare_phases(struct train_session *session,
                                    const struct train_options *o)
{
    struct train_session given = {.app = session->app};
    if (o->epochs || (o->learning_rate > 0 && !o->phases))
        return app_error(session->app, APP_USAGE,
                         "%s is a run in phases, which have their epochs and rates: "
                         "remove --%s",
                         session->run.folder, o->epochs ? "epochs" : "lr");
    enum app_exit code = o->phases ? train_read_phase_options(&given, o) : APP_OK;
    if (!code && o->phases && strcmp(given.phases_text, session->phases_text))
        train_warn_ignored(session, "phases", given.phases_text, session->phases_text);
    train_free_phases(&given);
    return code;
}

/* Options of this call that the run was started with otherwise. */
static enum app_exit compare_options(struct train_session *session,
                                     const struct train_options *o)
{
    const char *test = *session->test_spec ? session->test_spec : "none";
    enum app_exit code = APP_OK;
    if (session->phase_count)
        code = compare_phases(session, o);
    else
        compare_rates(session, o);
    if (o->test && strcmp(o->test, test))
        train_warn_ignored(session, "test", o->test, test);
    if (o->batch)
        warn_ignored_number(session, "batch", o->batch, session->batch);
    if (o->accumulate)
        warn_ignored_number(session, "accumulate", o->accumulate,
                            session->accumulate > 1 ? session->accumulate : 1);
    if (o->class_weights && strcmp(o->class_weights, session->class_weights))
        train_warn_ignored(session, "class-weights", o->class_weights,
                           session->class_weights);
    if (o->balance && !session->balance)
        term_warn("%s was started without --balance and continues so: it is ignored",
                  session->run.folder);
    if (o->seed != ARGS_SEED_UNSET && o->seed != session->seed)
        warn_ignored_number(session, "seed", (double)o->seed, (double)session->seed);
    if (o->app.precision != TRAIN_NO_PRECISION &&
        o->app.precision != (int)session->precision)
        train_warn_ignored(session, "precision", app_precision_names[o->app.precision],
                           app_precision_names[session->precision]);
    return code;
}

/* The present phase has its schedule and augmentation from the checkpoint. */
static enum app_exit restore_phases(struct train_session *session)
{
    const struct train_phase none = {0};
    enum app_exit code =
        train_read_phases(session, metadata(session, TRAIN_META_PHASES), &none);
    session->phase = atoi(metadata(session, TRAIN_META_PHASE));
    session->phase_net = strdup(metadata(session, TRAIN_META_PHASE_NET));
    if (!code && (session->phase < 0 || session->phase >= session->phase_count ||
                  !session->phase_net || !*session->phase_net))
        return app_error(session->app, APP_BAD_INPUT,
                         "%s: its phases are damaged: start a new run",
                         session->run.last);
    return code;
}

enum app_exit train_configure_resumed(struct train_session *session,
                                      const struct train_options *o)
{
    struct app *app = session->app;
    enum weft_status status =
        weft_model_load(app->context, session->run.last, &session->checkpoint);
    if (status)
        return app_report_error(app, APP_INPUT, status);
    session->data_spec = metadata(session, TRAIN_META_DATA);
    session->test_spec = metadata(session, TRAIN_META_TEST);
    session->val_count = atoi(metadata(session, TRAIN_META_VAL_COUNT));
    session->val_part = atoi(metadata(session, TRAIN_META_VAL_PART));
    sscanf(metadata(session, TRAIN_META_FOLD), "%d/%d", &session->fold, &session->folds);
    session->best = strtod(metadata(session, TRAIN_META_BEST), NULL);
    session->best_epoch = atoi(metadata(session, TRAIN_META_BEST_EPOCH));
    session->learned = atoi(metadata(session, TRAIN_META_LEARNED));
    session->patience =
        o->patience ? o->patience : atoi(metadata(session, TRAIN_META_PATIENCE));
    session->batch = atoi(metadata(session, "train.batch"));
    session->accumulate = atoi(metadata(session, "train.accumulate"));
    session->seed = strtoull(metadata(session, "train.seed"), NULL, 10);
    session->learning_rate =
        strtod(app_rate_text(strtod(metadata(session, "train.rate"), NULL)), NULL);
    session->schedule = weft_model_metadata(session->checkpoint, "train.schedule");
    enum app_exit code = train_restore_rates(
        session, weft_model_metadata(session->checkpoint, TRAIN_META_RATES));
    if (code)
        return code;
    if (session->rates)
        session->schedule = NULL;
    if (session->rates && o->learning_rate > 0)
        return app_error(app, APP_USAGE, "%s has a table of learning rates: remove --lr",
                         session->run.folder);
    if (o->rates)
        term_warn("%s continues with the learning rates of its checkpoint: --rates %s is "
                  "ignored",
                  session->run.folder, o->rates);
    const char *augment = weft_model_metadata(session->checkpoint, "train.augment");
    session->augment = augment ? augment : "none";
    session->balance = *metadata(session, "train.balance");
    session->layer_rates = weft_model_metadata(session->checkpoint, TRAIN_META_LAYERS);
    session->class_weights = metadata(session, TRAIN_META_WEIGHTS);
    if (!*session->class_weights)
        session->class_weights = "none";
    session->epochs = o->epochs ? o->epochs : atoi(metadata(session, TRAIN_META_EPOCHS));
    if (*metadata(session, TRAIN_META_PHASES) && (code = restore_phases(session)))
        return code;
    const char *saved = metadata(session, "train.precision");
    session->precision =
        strcmp(saved, "float16") ? WEFT_PRECISION_FLOAT32 : WEFT_PRECISION_FLOAT16;
    if (!*session->data_spec || session->batch < 1 || session->val_count < 0 ||
        session->epochs < 1)
        return app_error(
            app, APP_BAD_INPUT,
            "%s: has no run metadata, so it was not written by `weft train` and "
            "cannot be resumed; start a new run without --resume",
            session->run.last);
    if (session->job && (session->job->fold != session->fold ||
                         (session->fold && session->folds != o->folds)))
        return app_error(app, APP_USAGE,
                         "%s was started as fold %d of %d: continue it with the same "
                         "--folds",
                         session->run.folder, session->fold, session->folds);
    if (o->data) {
        /* The same data in another place; train_check_same_data compares it. */
        if (!strcmp(session->test_spec, session->data_spec))
            session->test_spec = o->data;
        session->data_spec = o->data;
    }
    if ((code = app_require_saved_data(app, session->data_spec, session->run.folder)))
        return code;
    struct weft_model_info model;
    weft_model_info(session->checkpoint, &model);
    if ((code = app_choose_images(app, &session->images, model.preprocess, NULL, NULL)))
        return code;
    if (o->test && *session->test_spec && !paths_exists(session->test_spec))
        session->test_spec = o->test;
    return compare_options(session, o);
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
        metadata(session, validation ? TRAIN_META_VAL_HASH : TRAIN_META_DATA_HASH);
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
