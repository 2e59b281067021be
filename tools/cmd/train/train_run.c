/* SPDX-License-Identifier: Apache-2.0 */
/* One training run: configuration, data, network, trainer, folder. */
#define _GNU_SOURCE
#include "train/train.h"
#include "core/preprocess.h"
#include "core/tta.h"
#include "core/tuning.h"

#include <stdlib.h>
#include <string.h>

#define NO_PATIENCE "--patience needs validation images: remove --val-split 0"

static void configure_new(struct train_session *session, const struct train_options *o)
{
    session->data_spec = o->data ? o->data : "fashion-mnist";
    session->test_spec = o->test                                  ? o->test
                         : app_is_single_file(session->data_spec) ? "none"
                                                                  : session->data_spec;
    if (!strcmp(session->test_spec, "none") || o->find_rate)
        session->test_spec = "";
    session->batch = o->batch;
    session->accumulate = o->accumulate;
    session->learning_rate = o->learning_rate;
    session->schedule = o->schedule;
    session->augment = o->augment;
    session->class_weights = o->class_weights;
    session->balance = o->balance;
    if (o->labels)
        train_absolute(session->labels_path, o->labels);
    if (o->from)
        train_absolute(session->from_path, o->from);
    session->freeze = o->freeze;
    session->layer_rates = o->layer_rates;
    session->seed = o->seed == ARGS_SEED_UNSET ? 1 : o->seed;
    session->fold = session->job ? session->job->fold : 0;
    session->folds = session->fold ? o->folds : 0;
    session->plan = o->time_limit > 0 && !o->epochs && !session->phase_count;
    if (session->phase_count)
        train_set_phase(session, 0);
    else
        session->epochs = o->epochs ? o->epochs : 10;
    session->patience = o->patience;
    session->precision = o->app.precision == TRAIN_NO_PRECISION
                             ? WEFT_PRECISION_FLOAT32
                             : (enum weft_precision)o->app.precision;
}

/* That of the checkpoint or the dataset, with the changes of the options. */
static void choose_preprocess(struct train_session *session,
                              const struct train_options *o)
{
    struct weft_dataset_info data;
    struct weft_model_info model;
    weft_dataset_info(session->train, &data);
    session->preprocess = *data.preprocess;
    if (session->checkpoint || session->from) {
        weft_model_info(session->from ? session->from : session->checkpoint, &model);
        session->preprocess = *model.preprocess;
    }
    app_apply_preprocess(&o->app, &session->preprocess);
}

static enum app_exit open_net(struct train_session *session,
                              const struct train_options *o)
{
    struct weft_dataset_info shape;
    struct weft_model_info model;
    struct weft_net_info saved;
    const char *spec = o->net ? o->net : "small";
    weft_dataset_info(session->train, &shape);
    if (!session->checkpoint) {
        enum app_exit code =
            session->from && !o->net
                ? train_open_net_from(session)
                : app_load_net(session->app, spec, &shape, &session->net);
        if (!code && session->phase_count)
            return train_open_phase_net(session);
        return code ? code : train_edit_layers(session, o->freeze, o->layer_rates);
    }
    enum app_exit code = o->net ? train_check_resumed_net(session, o->net) : APP_OK;
    if (code)
        return code;
    weft_model_info(session->checkpoint, &model);
    weft_net_info(model.net, &saved);
    struct weft_net_params params =
        *weft_net_params(.name = saved.name, .height = shape.height, .width = shape.width,
                         .channels = shape.channels, .classes = shape.classes);
    enum weft_status status =
        weft_net_create(session->app->context, saved.text, &params, &session->net);
    return status ? app_report_error(session->app, APP_INPUT, status) : APP_OK;
}

static void log_header(struct json *j, const void *priv)
{
    const struct train_session *session = priv;
    struct weft_dataset_info data;
    struct weft_net_info net;
    weft_dataset_info(session->train, &data);
    weft_net_info(session->net, &net);
    app_json_begin(session->app, j, "weft.log/2");
    emit_text(j, "command", session->app->command);
    emit_text(j, "data", session->data_spec);
    emit_text(j, "known_as", data.known_as);
    emit_int(j, "images", data.count);
    emit_int(j, "val_images", session->val_count);
    emit_text(j, "net", net.name);
    emit_text(j, "net_text", net.text);
    emit_int(j, "batch", session->batch);
    if (session->accumulate > 1)
        emit_int(j, "accumulate", session->accumulate);
    emit_double(j, "learning_rate", app_rate(train_learning_rate(session)));
    emit_text(j, "schedule",
              session->rates      ? session->rates_text
              : session->schedule ? session->schedule
                                  : net.schedule);
    emit_text(j, "augment", session->augment ? session->augment : net.augment);
    emit_text(j, "class_weights",
              *session->weights_path ? session->weights_path : "none");
    emit_text(j, "labels", session->labels_path);
    emit_text(j, "layer_rates", session->layer_rates ? session->layer_rates : "");
    emit_bool(j, "balance", session->balance);
    emit_uint(j, "seed", session->seed);
    if (session->folds) {
        emit_int(j, "fold", session->fold);
        emit_int(j, "folds", session->folds);
    }
    emit_int(j, "epochs", session->epochs);
    if (session->phase_count)
        emit_text(j, "phases", session->phases_text);
    if (session->plan) {
        emit_double(j, "time_limit", session->time_limit);
        emit_double(j, "planned_images_per_second", session->planned_rate);
    }
    emit_text(j, "precision", app_precision_names[session->precision]);
    emit_end(j);
}

/* Options of a resumed run that differ from its checkpoint. */
struct changes {
    bool rate, epochs, patience, data, test;
};

static struct changes find_changes(const struct train_session *session)
{
    return (struct changes){
        .rate = session->new_rate,
        .epochs = session->epochs != atoi(train_metadata(session, TRAIN_META_EPOCHS)),
        .patience =
            session->patience != atoi(train_metadata(session, TRAIN_META_PATIENCE)),
        .data = strcmp(session->data_path, train_metadata(session, TRAIN_META_DATA)) != 0,
        .test = strcmp(session->test_path, train_metadata(session, TRAIN_META_TEST)) != 0,
    };
}

static void log_changes(struct json *j, const void *priv)
{
    const struct train_session *session = priv;
    const struct changes changes = find_changes(session);
    emit_object(j, NULL);
    emit_int(j, "resumed_at_step", session->saved_step);
    if (changes.rate)
        emit_double(j, "learning_rate", app_rate(train_learning_rate(session)));
    if (changes.epochs)
        emit_int(j, "epochs", session->epochs);
    if (changes.patience)
        emit_int(j, "patience", session->patience);
    if (changes.data)
        emit_text(j, "data", session->data_path);
    if (changes.test)
        emit_text(j, "test", *session->test_path ? session->test_path : "none");
    emit_end(j);
}

/* The best model of a resumed run names the data where they are now. */
static enum app_exit move_best(struct train_session *session)
{
    const char *best = session->run.best;
    if (session->best_epoch <= train_phase_begin(session) || !paths_exists(best))
        return APP_OK;
    enum weft_status status = weft_trainer_load_checkpoint(session->trainer, best);
    enum app_exit code = status ? APP_OK : train_save_checkpoint(session, best);
    if (!status)
        status = weft_trainer_load_checkpoint(session->trainer, session->run.last);
    return code || !status ? code : app_report_error(session->app, APP_INPUT, status);
}

/* Logs and saves the changes of a resumed run. */
static enum app_exit begin_resumed(struct train_session *session)
{
    const struct changes changes = find_changes(session);
    enum app_exit code = APP_OK;
    if (!changes.rate && !changes.epochs && !changes.patience && !changes.data &&
        !changes.test)
        return APP_OK;
    code = run_dir_append_log(session->app, &session->run, log_changes, session);
    if (!code && changes.data)
        code = move_best(session);
    return code ? code : train_save_checkpoint(session, session->run.last);
}

/* Prepares the folder: for a new run its first checkpoint, for a resumed one the log. */
static enum app_exit begin_folder(struct train_session *session,
                                  const struct weft_progress *p)
{
    struct app *app = session->app;
    session->saved_step = p->step;
    enum app_exit code = session->checkpoint
                             ? run_dir_truncate_log(app, &session->run, p->epoch)
                             : train_save_checkpoint(session, session->run.last);
    if (!code && !run_dir_log_has_header(&session->run))
        code = run_dir_append_log(app, &session->run, log_header, session);
    if (!code)
        code = train_begin_logs(session, p);
    if (!code)
        code = train_watch_begin(session);
    return code || !session->checkpoint ? code : begin_resumed(session);
}

enum weft_status train_create_trainer(struct train_session *session)
{
    const struct weft_train_params params =
        *weft_train_params(.batch = session->batch, .accumulate = session->accumulate,
                           .learning_rate = (float)session->learning_rate,
                           .schedule = session->schedule,
                           .epochs = train_phase_epochs(session),
                           .first_epoch = train_phase_begin(session),
                           .seed = session->seed, .precision = session->precision,
                           .audit = session->audit, .augment = session->augment,
                           .rates = session->rates, .rate_count = session->rate_count,
                           .rates_by_step =
                               session->rates && !strcmp(session->rate_unit, "step"),
                           .preprocess = &session->preprocess,
                           .from = session->from ? session->from : session->checkpoint,
                           .keep_features = true,
                           .features_dir = session->images.params.cache_dir,
                           .stream = session->stream, .balance = session->balance,
                           .class_weights = session->weights, .after = &session->trainer);
    return weft_trainer_create(session->app->device, session->net, session->train,
                               &params, &session->trainer);
}

/* Creates the trainer, and the folder with its first checkpoint. */
static enum app_exit begin(struct train_session *session)
{
    struct app *app = session->app;
    struct weft_progress p;
    int parts = session->accumulate > 1 ? session->accumulate : 1;
    enum app_exit tuned =
        tuning_quick(app, session->net, session->batch / parts, TUNING_EVAL_BATCH);
    if (tuned || (session->plan && (tuned = train_plan_epochs(session))))
        return tuned;
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status = train_create_trainer(session);
    term_wait_end();
    if (!status && session->checkpoint)
        status = weft_trainer_load_checkpoint(session->trainer, session->run.last);
    if (!status)
        status = weft_trainer_progress(session->trainer, &p);
    if (status)
        return app_report_error(
            app, status == WEFT_ERR_ARG || session->checkpoint ? APP_INPUT : APP_WORK,
            status);
    session->batch = p.batch;
    train_print_precision(session);
    train_print_run(session, &p);
    train_print_phase(session);
    return begin_folder(session, &p);
}

/* Usage errors that are those of any data, before any work. */
static enum app_exit check_options(struct train_session *session,
                                   const struct train_options *o)
{
    struct app *app = session->app;
    if (o->resume && !o->out)
        return app_error(app, APP_USAGE,
                         "--resume needs --out DIR, the folder of the run to continue");
    if (o->find_rate && (o->resume || o->rates))
        return app_error(app, APP_USAGE, "--find-rate and --%s exclude each other",
                         o->resume ? "resume" : "rates");
    if (o->rates && (o->schedule || o->learning_rate > 0))
        return app_error(app, APP_USAGE,
                         "--rates has the learning rates: remove --schedule and --lr");
    if (o->balance && o->class_weights && strcmp(o->class_weights, "none") != 0)
        return app_error(app, APP_USAGE,
                         "--balance and --class-weights each make up for imbalance: "
                         "give one of them");
    if (o->phases && (o->epochs || o->rates || o->freeze || o->find_rate))
        return app_error(app, APP_USAGE,
                         "--phases and --%s exclude each other: each phase has its own",
                         o->epochs   ? "epochs"
                         : o->rates  ? "rates"
                         : o->freeze ? "freeze"
                                     : "find-rate");
    if (o->patience && !o->val_split.value)
        return app_error(app, APP_USAGE, NO_PATIENCE);
    enum app_exit code = tta_check_options(app);
    if (!code && o->phases && !o->resume)
        code = train_read_phase_options(session, o);
    return !code && o->rates && !o->resume ? train_read_rates(session, o->rates) : code;
}

/* Folds take all images at once. */
static void set_reading(struct train_session *session, const struct train_options *o)
{
    struct weft_dataset_open_params *p = &session->images.params;
    p->decode_as_needed = !session->job;
    if (o->stream)
        p->max_memory = 1; /* byte */
}

static enum app_exit train(struct train_session *session, const struct train_options *o)
{
    enum train_stop stop;
    struct app *app = session->app;
    const char *net = paths_basename(o->net ? o->net : o->from ? o->from : "small");
    enum app_exit code = check_options(session, o);
    if (code)
        return code;
    if (!o->find_rate)
        code = o->resume ? run_dir_open(app, &session->run, o->out)
                         : run_dir_create(app, &session->run, o->out, net);
    if (!code && !o->resume)
        code = train_open_source(session, o);
    if (!code && !o->resume)
        code = app_choose_images(app, &session->images, train_source_images(session),
                                 o->input, o->net);
    set_reading(session, o);
    if (!code && !o->resume)
        app_prefetch_dataset(app, o->data ? o->data : "fashion-mnist", WEFT_SPLIT_TRAIN);
    app->train_input = o->input;
    app->train_spec = o->resume || o->from ? NULL : o->net ? o->net : "small";
    if (code || (code = app_open_device(app)))
        return code;
    session->audit = o->audit;
    if (!o->resume)
        configure_new(session, o);
    else if ((code = train_configure_resumed(session, o)))
        return code;
    set_reading(session, o);
    if ((code = train_open_data(session, o)))
        return code;
    if (session->patience && !session->val)
        return app_error(app, APP_USAGE, NO_PATIENCE);
    choose_preprocess(session, o);
    train_print_data(session);
    if ((code = train_open_class_weights(session)) || (code = open_net(session, o)))
        return code;
    if (o->find_rate)
        return train_find_rate(session);
    if ((code = begin(session)))
        return code;
    enum table_format format = (enum table_format)o->app.format;
    train_table_init(&session->table, stdout,
                     session->job && (format || session->job->quiet) ? TABLE_JSON
                                                                     : format);
    if (!(code = train_loop(session, &stop)))
        code = train_finish(session, stop);
    else if (session->page_time > 0)
        train_write_page(session, false);
    table_free(&session->table);
    return code;
}

/* An image file turned out to be damaged while a new run trained: it is left out from now
 * on. */
static bool may_begin_again(const struct train_session *session,
                            const struct train_options *o)
{
    struct weft_dataset_info info;
    weft_dataset_info(session->whole ? session->whole : session->train, &info);
    return info.damaged && !o->resume;
}

static enum app_exit run_once(struct app *app, const struct train_options *o,
                              struct train_job *job, double start, bool *again)
{
    struct train_session session = {
        .app = app,
        .job = job,
        .run = {.lock = -1},
        .target_accuracy = o->target_accuracy,
        .time_limit = o->time_limit,
        .keep_going = o->keep_going,
        .watch = o->watch,
        .stream = o->stream,
        .logs = {o->logs[0], o->logs[1]},
        .start = start,
    };
    enum app_exit code = train(&session, o);
    *again = *again && code && may_begin_again(&session, o);
    if (job)
        job->diverged = session.diverged;
    weft_trainer_destroy(&session.trainer);
    weft_net_destroy(&session.net);
    weft_dataset_destroy(&session.train);
    weft_dataset_destroy(&session.val);
    weft_dataset_destroy(&session.test);
    weft_dataset_destroy(&session.whole);
    weft_model_destroy(&session.checkpoint);
    weft_model_destroy(&session.from);
    free(session.weights);
    free(session.validated.predictions);
    free(session.outcome.val.predictions);
    free(session.outcome.last.predictions);
    step_timing_free(&session.timing);
    if (*again)
        train_discard_files(&session);
    run_dir_close(&session.run);
    train_free_rates(&session);
    train_free_phases(&session);
    return code;
}

enum app_exit train_run(struct app *app, const struct train_options *o,
                        struct train_job *job)
{
    bool again = true, never = false;
    double start = term_seconds(); /* of the time limit, also if it begins again */
    enum app_exit code = run_once(app, o, job, start, &again);
    if (!again)
        return code;
    term_print("Note: the run begins again, without what is damaged");
    return run_once(app, o, job, start, &never);
}
