/* SPDX-License-Identifier: Apache-2.0 */
/* weft train: from data and a network, or from a checkpoint, to a trained model. */
#define _GNU_SOURCE
#include "train/train.h"
#include "core/tuning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NO_PRECISION = -1 };

struct train_options {
    struct app_options app;
    const char *data, *net, *out, *test;
    int epochs, batch, precision;
    double rate;
    uint64_t seed;
    bool resume;
    struct args_count_or_percent validation;
    double target, time_limit;
};

static const struct args_option options[] = {
    {"data", 0, ARGS_TEXT, offsetof(struct train_options, data), "SPEC",
     "fashion-mnist (the default), a folder, or a file; see `weft help show`", 0, 0},
    {"net", 0, ARGS_TEXT, offsetof(struct train_options, net), "NET",
     "a built-in network (small, small-64) or a file; default small", 0, 0},
    {"epochs", 'e', ARGS_INT, offsetof(struct train_options, epochs), "N",
     "times through the training images; default 10", 1, 1000000},
    {"batch", 'b', ARGS_INT, offsetof(struct train_options, batch), "N",
     "images a step; default: what the network says, else 128", 1, 1 << 20},
    {"lr", 0, ARGS_DOUBLE, offsetof(struct train_options, rate), "X",
     "learning rate; default: what the network says", 1e-12, 1e6},
    {"seed", 's', ARGS_SEED, offsetof(struct train_options, seed), "S",
     "of weights, order and dropout; default 1", 0, 0},
    {"val-split", 0, ARGS_COUNT_OR_PERCENT, offsetof(struct train_options, validation),
     "N",
     "images held out of training to validate with, or a part such as 10%, the "
     "default; "
     "0: none",
     0, 0},
    {"test", 0, ARGS_TEXT, offsetof(struct train_options, test), "SPEC",
     "data to test with at the end; default: the data's own test part; none: no test", 0,
     0},
    {"out", 0, ARGS_TEXT, offsetof(struct train_options, out), "DIR",
     "folder of the run; default: the first free runs/NET-K", 0, 0},
    APP_OPTION_PRECISION(struct train_options, precision),
    {"resume", 0, ARGS_FLAG, offsetof(struct train_options, resume), NULL,
     "go on from DIR/last.safetensors, as if it had never stopped", 0, 0},
    {"target-accuracy", 0, ARGS_FRACTION, offsetof(struct train_options, target), "X",
     "stop when the validation accuracy (without validation, the training accuracy) is "
     "at "
     "least so high; exit code 5 if it never was",
     0, 0},
    {"time-limit", 0, ARGS_DURATION, offsetof(struct train_options, time_limit), "T",
     "stop after 90s, 5m, 1.5h, with a checkpoint to go on from", 0, 0},
    APP_OPTIONS_TUNING(struct train_options),
    APP_OPTIONS_DEVICE(struct train_options),
    APP_OPTIONS_FORMAT(struct train_options),
    APP_OPTIONS_COLOR(struct train_options),
    {0},
};

static const struct table_column columns[] = {
    {"epoch", "epoch", false, 7},
    {"step", NULL, false, 0},
    {"loss", "loss", false, 7},
    {"accuracy", "train %", false, 7},
    {"validation_accuracy", "valid %", false, 12},
    {"validation_standard_error", NULL, false, 0},
    {"validation_loss", NULL, false, 0},
    {"images_per_second", "images/s", false, 11},
    {"seconds", "time", false, 8},
    {"best", "best", true, 4},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

static const char *note(const struct train_session *session, const char *name)
{
    const char *text = weft_model_metadata(session->checkpoint, name);
    return text ? text : "";
}

/* An option beside --resume that says something else than the checkpoint does. */
static void contradicts(const struct train_session *session, const char *option,
                        const char *given, const char *kept)
{
    term_warn("%s was begun with --%s %s, and goes on so: --%s %s is ignored",
              session->run.folder, option, kept, option, given);
}

static void contradicts_number(const struct train_session *session, const char *option,
                               double given, double kept)
{
    char left[32], right[32];
    snprintf(left, sizeof(left), "%.9g", given);
    snprintf(right, sizeof(right), "%.9g", kept);
    if (given != kept)
        contradicts(session, option, left, right);
}

/* What the run is, from its checkpoint; the options may only say the same, or more
 * epochs. */
static enum app_exit configure_resumed(struct train_session *session,
                                       const struct train_options *o)
{
    struct app *app = session->app;
    enum app_exit code = run_dir_require_checkpoint(app, &session->run);
    if (code)
        return code;
    enum weft_status status =
        weft_model_load(app->context, session->run.last, &session->checkpoint);
    if (status)
        return app_report_error(app, APP_INPUT, status);
    session->data_spec = note(session, TRAIN_META_DATA);
    session->test_spec = note(session, TRAIN_META_TEST);
    session->holdout_count = atoi(note(session, TRAIN_META_HELD_OUT));
    session->best = strtod(note(session, TRAIN_META_BEST), NULL);
    session->best_epoch = atoi(note(session, TRAIN_META_BEST_EPOCH));
    session->batch = atoi(note(session, "train.batch"));
    session->seed = strtoull(note(session, "train.seed"), NULL, 10);
    session->rate = strtof(note(session, "train.rate"), NULL);
    session->epochs = o->epochs ? o->epochs : atoi(note(session, TRAIN_META_EPOCHS));
    const char *kept = note(session, "train.precision");
    session->precision =
        strcmp(kept, "float16") ? WEFT_PRECISION_FLOAT32 : WEFT_PRECISION_FLOAT16;
    if (!*session->data_spec || session->batch < 1 || session->holdout_count < 0 ||
        session->epochs < 1)
        return app_error(app, APP_BAD_INPUT,
                         "%s: was not written by `weft train`, so it says too little to "
                         "go on from",
                         session->run.last);
    if (o->data && strcmp(o->data, session->data_spec))
        contradicts(session, "data", o->data, session->data_spec);
    if (o->test && strcmp(o->test, *session->test_spec ? session->test_spec : "none"))
        contradicts(session, "test", o->test,
                    *session->test_spec ? session->test_spec : "none");
    if (o->batch)
        contradicts_number(session, "batch", o->batch, session->batch);
    if (o->rate > 0)
        contradicts_number(session, "lr", (double)(float)o->rate, session->rate);
    if (o->seed != ARGS_SEED_UNSET && o->seed != session->seed)
        contradicts_number(session, "seed", (double)o->seed, (double)session->seed);
    if (o->precision != NO_PRECISION && o->precision != (int)session->precision)
        contradicts(session, "precision", app_precision_names[o->precision],
                    app_precision_names[session->precision]);
    return APP_OK;
}

/* Whether the spec is one file: then it has no parts. */
static bool is_file(const char *spec)
{
    return paths_exists(spec) && !paths_is_folder(spec);
}

static enum app_exit configure_new(struct train_session *session,
                                   const struct train_options *o)
{
    session->data_spec = o->data ? o->data : "fashion-mnist";
    session->test_spec = o->test                       ? o->test
                         : is_file(session->data_spec) ? "none"
                                                       : session->data_spec;
    if (!strcmp(session->test_spec, "none"))
        session->test_spec = "";
    session->batch = o->batch;
    session->rate = o->rate;
    session->seed = o->seed == ARGS_SEED_UNSET ? 1 : o->seed;
    session->epochs = o->epochs ? o->epochs : 10;
    session->precision = o->precision == NO_PRECISION ? WEFT_PRECISION_FLOAT32
                                                      : (enum weft_precision)o->precision;
    return run_dir_require_new(session->app, &session->run);
}

/* That a resumed run sees the images it was begun with. */
static enum app_exit check_same_data(const struct train_session *session)
{
    struct weft_model_info model;
    struct weft_dataset_info data;
    weft_model_info(session->checkpoint, &model);
    weft_dataset_info(session->train, &data);
    if (!strcmp(model.dataset_known_as, data.known_as) &&
        !memcmp(model.mean, data.mean, (size_t)data.channels * sizeof(double)))
        return APP_OK;
    return app_error(session->app, APP_BAD_INPUT,
                     "%s: the images are not those that %s was begun with (%s%s); "
                     "bring the old data back, or start a new run",
                     session->data_spec, session->run.folder,
                     *model.dataset_known_as ? "those were " : "their mean differs",
                     model.dataset_known_as);
}

/* The training part, parted into what is trained with and what is validated with. */
static enum app_exit split(struct train_session *session, const struct train_options *o,
                           weft_dataset **all)
{
    struct weft_dataset_info info;
    weft_dataset_info(*all, &info);
    if (!session->checkpoint)
        session->holdout_count =
            (int)(o->validation.percent ? floor(info.count * o->validation.value / 100)
                                        : o->validation.value);
    if (session->holdout_count >= info.count)
        return app_error(session->app, APP_USAGE,
                         "--val-split %d: there are only %d images to train with",
                         session->holdout_count, info.count);
    if (!session->holdout_count) {
        session->train = *all;
        *all = NULL;
        return APP_OK;
    }
    enum weft_status status = weft_dataset_holdout(
        *all, session->holdout_count, session->seed, &session->train, &session->valid);
    return status ? app_report_error(session->app, APP_WORK, status) : APP_OK;
}

/* The test part is missed silently only where none was asked for and there is none. */
static enum app_exit open_test(struct train_session *session, const weft_dataset *all,
                               bool asked)
{
    struct weft_dataset_info train, test;
    if (!*session->test_spec)
        return APP_OK;
    term_wait_begin("Reading %s", session->test_spec);
    enum weft_status status = weft_dataset_open(session->app->context, session->test_spec,
                                                WEFT_SPLIT_TEST, &session->test);
    term_wait_end();
    if (status == WEFT_ERR_FILE && !asked) {
        session->test_spec = "";
        return APP_OK;
    }
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    weft_dataset_info(all, &train);
    weft_dataset_info(session->test, &test);
    if (train.height == test.height && train.width == test.width &&
        train.channels == test.channels && test.classes <= train.classes)
        return app_train_test_overlap(session->app, all, session->test,
                                      &session->test_overlap);
    return app_error(
        session->app, APP_BAD_INPUT,
        "%s: %d classes of %dx%dx%d images, but the training data have %d of "
        "%dx%dx%d; choose other data with --test, or none",
        test.source, test.classes, test.height, test.width, test.channels, train.classes,
        train.height, train.width, train.channels);
}

static enum app_exit open_data(struct train_session *session,
                               const struct train_options *o)
{
    weft_dataset *all = NULL;
    enum app_exit code =
        app_open_dataset(session->app, session->data_spec, WEFT_SPLIT_TRAIN, &all);
    if (!code)
        code = open_test(session, all, o->test || o->resume);
    if (!code)
        code = split(session, o, &all);
    weft_dataset_destroy(&all);
    return !code && session->checkpoint ? check_same_data(session) : code;
}

static enum app_exit open_net(struct train_session *session,
                              const struct train_options *o)
{
    struct weft_dataset_info shape;
    struct weft_model_info model;
    struct weft_net_info kept;
    const char *spec = o->net ? o->net : "small";
    weft_dataset_info(session->train, &shape);
    if (!session->checkpoint)
        return app_load_net(session->app, spec, &shape, &session->net);
    weft_model_info(session->checkpoint, &model);
    weft_net_info(model.net, &kept);
    if (o->net) {
        char *given;
        enum app_exit code = app_load_net_text(session->app, o->net, &given);
        if (code)
            return code;
        if (strcmp(given, kept.text))
            contradicts(session, "net", o->net, kept.name);
        free(given);
    }
    struct weft_net_params params =
        *weft_net_params(.name = kept.name, .height = shape.height, .width = shape.width,
                         .channels = shape.channels, .classes = shape.classes);
    enum weft_status status =
        weft_net_create(session->app->context, kept.text, &params, &session->net);
    return status ? app_report_error(session->app, APP_INPUT, status) : APP_OK;
}

static void log_header(struct json *j, const void *priv)
{
    const struct train_session *session = priv;
    struct weft_dataset_info data;
    struct weft_net_info net;
    weft_dataset_info(session->train, &data);
    weft_net_info(session->net, &net);
    app_json_begin(session->app, j, "weft.log/1");
    emit_text(j, "data", session->data_spec);
    emit_text(j, "release", data.known_as);
    emit_int(j, "images", data.count);
    emit_int(j, "holdout_count", session->holdout_count);
    emit_text(j, "net", net.name);
    emit_text(j, "text", net.text);
    emit_int(j, "batch", session->batch);
    emit_double(j, "rate",
                session->rate > 0 ? session->rate : (double)net.optimizer.learning_rate);
    emit_uint(j, "seed", session->seed);
    emit_text(j, "precision", app_precision_names[session->precision]);
    emit_end(j);
}

/* Makes the trainer, and the folder with its first checkpoint. */
static enum app_exit begin(struct train_session *session)
{
    struct app *app = session->app;
    const struct weft_train_params params =
        *weft_train_params(.batch = session->batch, .learning_rate = (float)session->rate,
                           .seed = session->seed, .precision = session->precision);
    struct weft_progress p;
    enum app_exit tuned =
        tuning_quick(app, session->net, session->batch, TUNING_EVAL_BATCH);
    if (tuned)
        return tuned;
    term_wait_begin("Compiling kernels, which are kept for next time");
    enum weft_status status = weft_trainer_create(
        app->device, session->net, session->train, &params, &session->trainer);
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
    enum app_exit code = run_dir_lock(app, &session->run);
    if (!code && session->checkpoint)
        code = run_dir_truncate_log(app, &session->run, p.epoch);
    else if (!code)
        code = train_save_checkpoint(session, session->run.last);
    if (!code && !run_dir_log_has_header(&session->run))
        code = run_dir_append_log(app, &session->run, log_header, session);
    return code;
}

static enum app_exit train(struct train_session *session, const struct train_options *o)
{
    enum train_stop stop;
    struct app *app = session->app;
    const char *net = o->net ? paths_basename(o->net) : "small";
    if (o->resume && !o->out)
        return app_error(app, APP_USAGE,
                         "--resume needs --out DIR, the run to go on with");
    enum app_exit code = run_dir_init(app, &session->run, o->out, net);
    if (!code && !o->resume)
        code = run_dir_require_new(app, &session->run);
    if (!code && o->resume)
        code = run_dir_require_checkpoint(app, &session->run);
    if (!code)
        code = run_dir_require_writable(app, &session->run);
    if (!code && !o->resume)
        app_prefetch_dataset(app, o->data ? o->data : "fashion-mnist", WEFT_SPLIT_TRAIN);
    if (code || (code = app_open_device(app)))
        return code;
    if ((code = o->resume ? configure_resumed(session, o) : configure_new(session, o)))
        return code;
    if ((code = open_data(session, o)))
        return code;
    train_print_data(session);
    if ((code = open_net(session, o)) || (code = begin(session)))
        return code;
    table_init(&session->table, stdout, (enum table_format)o->app.format, columns,
               COLUMN_COUNT, true);
    if (!(code = train_loop(session, &stop)))
        code = train_finish(session, stop);
    table_free(&session->table);
    return code;
}

static enum app_exit train_main(struct app *app, const void *given, int count,
                                char **operands)
{
    (void)count;
    (void)operands;
    const struct train_options *o = given;
    struct train_session session = {
        .app = app,
        .run = {.lock = -1},
        .target = o->target,
        .time_limit = o->time_limit,
        .start = term_seconds(),
    };
    enum app_exit code = train(&session, o);
    weft_trainer_destroy(&session.trainer);
    weft_net_destroy(&session.net);
    weft_dataset_destroy(&session.train);
    weft_dataset_destroy(&session.valid);
    weft_dataset_destroy(&session.test);
    weft_model_destroy(&session.checkpoint);
    run_dir_close(&session.run);
    return code;
}

const struct app_command cmd_train = {
    .args =
        {
            .name = "train",
            .operands = "",
            .summary = "trains a network and saves the best and the last model",
            .examples =
                "  weft train --net small --batch 128 --epochs 10 --seed 1 --out runs/a\n"
                "  weft train --resume --out runs/a",
            .about = "DIR gets best.safetensors, last.safetensors and log.jsonl. "
                     "Ctrl-C finishes the step, saves, and tells how to go on; "
                     "going on gives the same bits as not having stopped.",
            .options = options,
        },
    .defaults = &(const struct train_options){.seed = ARGS_SEED_UNSET,
                                              .validation = {10, true},
                                              .precision = NO_PRECISION},
    .options_size = sizeof(struct train_options),
    .run = train_main,
};
