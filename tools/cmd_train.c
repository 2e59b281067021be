/* SPDX-License-Identifier: Apache-2.0 */
/* weft train: from data and a network, or from a checkpoint, to a trained model. */
#define _GNU_SOURCE
#include "train.h"
#include "tuning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NO_PRECISION = -1 };

struct options {
    struct app_options app;
    const char *data, *net, *out, *test;
    int epochs, batch, precision;
    double rate;
    uint64_t seed;
    bool resume;
    struct args_amount validation;
    double target, time_limit;
};

static const struct args_option options[] = {
    {"data", 0, ARGS_TEXT, offsetof(struct options, data), "SPEC",
     "fashion-mnist (the default), a folder, or a file; see `weft help show`", 0, 0},
    {"net", 0, ARGS_TEXT, offsetof(struct options, net), "NET",
     "a built-in network (seed, seed-64) or a file; default seed", 0, 0},
    {"epochs", 'e', ARGS_INT, offsetof(struct options, epochs), "N",
     "times through the training pictures; default 10", 1, 1000000},
    {"batch", 'b', ARGS_INT, offsetof(struct options, batch), "N",
     "pictures a step; default: what the network says, else 128", 1, 1 << 20},
    {"lr", 0, ARGS_REAL, offsetof(struct options, rate), "X",
     "learning rate; default: what the network says", 1e-12, 1e6},
    {"seed", 's', ARGS_SEED, offsetof(struct options, seed), "S",
     "of weights, order and dropout; default 1", 0, 0},
    {"validation", 0, ARGS_AMOUNT, offsetof(struct options, validation), "N",
     "pictures held out of training to validate with, or a part such as 10%, the "
     "default; "
     "0: none",
     0, 0},
    {"test", 0, ARGS_TEXT, offsetof(struct options, test), "SPEC",
     "data to test with at the end; default: the data's own test part; none: no test", 0,
     0},
    {"out", 0, ARGS_TEXT, offsetof(struct options, out), "DIR",
     "folder of the run; default: the first free runs/NET-K", 0, 0},
    APP_OPTION_PRECISION(struct options, precision),
    {"resume", 0, ARGS_FLAG, offsetof(struct options, resume), NULL,
     "go on from DIR/last.safetensors, as if it had never stopped", 0, 0},
    {"target-accuracy", 0, ARGS_SHARE, offsetof(struct options, target), "X",
     "stop when the validation accuracy (without validation, the training accuracy) is "
     "at "
     "least so high; exit code 5 if it never was",
     0, 0},
    {"time-limit", 0, ARGS_TIME, offsetof(struct options, time_limit), "T",
     "stop after 90s, 5m, 1.5h, with a checkpoint to go on from", 0, 0},
    APP_OPTIONS_TUNE(struct options),
    APP_OPTIONS_DEVICE(struct options),
    APP_OPTIONS_OUTPUT(struct options),
    APP_OPTIONS_COLOR(struct options),
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
    {"pictures_per_second", "pictures/s", false, 11},
    {"seconds", "time", false, 8},
    {"best", "best", true, 4},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

static const char *note(const struct train_job *job, const char *name)
{
    const char *text = weft_model_note(job->checkpoint, name);
    return text ? text : "";
}

/* An option beside --resume that says something else than the checkpoint does. */
static void contradicts(const struct train_job *job, const char *option,
                        const char *given, const char *kept)
{
    term_warn("%s was begun with --%s %s, and goes on so: --%s %s is ignored",
              job->run.folder, option, kept, option, given);
}

static void contradicts_number(const struct train_job *job, const char *option,
                               double given, double kept)
{
    char left[32], right[32];
    snprintf(left, sizeof(left), "%.9g", given);
    snprintf(right, sizeof(right), "%.9g", kept);
    if (given != kept)
        contradicts(job, option, left, right);
}

/* What the run is, from its checkpoint; the options may only say the same, or more
 * epochs. */
static enum app_exit plan_resumed(struct train_job *job, const struct options *o)
{
    struct app *app = job->app;
    enum app_exit code = run_require(app, &job->run);
    if (code)
        return code;
    enum weft_status status =
        weft_model_load(app->context, job->run.last, &job->checkpoint);
    if (status)
        return app_fail(app, APP_INPUT, status);
    job->data_spec = note(job, TRAIN_NOTE_DATA);
    job->test_spec = note(job, TRAIN_NOTE_TEST);
    job->held_out = atoi(note(job, TRAIN_NOTE_HELD_OUT));
    job->best = strtod(note(job, TRAIN_NOTE_BEST), NULL);
    job->best_epoch = atoi(note(job, TRAIN_NOTE_BEST_EPOCH));
    job->batch = atoi(note(job, "train.batch"));
    job->seed = strtoull(note(job, "train.seed"), NULL, 10);
    job->rate = strtof(note(job, "train.rate"), NULL);
    job->epochs = o->epochs ? o->epochs : atoi(note(job, TRAIN_NOTE_EPOCHS));
    const char *kept = note(job, "train.precision");
    job->precision =
        strcmp(kept, "float16") ? WEFT_PRECISION_FLOAT32 : WEFT_PRECISION_FLOAT16;
    if (!*job->data_spec || job->batch < 1 || job->held_out < 0 || job->epochs < 1)
        return app_error(app, APP_BAD_INPUT,
                         "%s: was not written by `weft train`, so it says too little to "
                         "go on from",
                         job->run.last);
    if (o->data && strcmp(o->data, job->data_spec))
        contradicts(job, "data", o->data, job->data_spec);
    if (o->test && strcmp(o->test, *job->test_spec ? job->test_spec : "none"))
        contradicts(job, "test", o->test, *job->test_spec ? job->test_spec : "none");
    if (o->batch)
        contradicts_number(job, "batch", o->batch, job->batch);
    if (o->rate > 0)
        contradicts_number(job, "lr", (double)(float)o->rate, job->rate);
    if (o->seed != ARGS_NO_SEED && o->seed != job->seed)
        contradicts_number(job, "seed", (double)o->seed, (double)job->seed);
    if (o->precision != NO_PRECISION && o->precision != (int)job->precision)
        contradicts(job, "precision", app_precisions[o->precision],
                    app_precisions[job->precision]);
    return APP_DONE;
}

/* Whether the spec is one file: then it has no parts. */
static bool is_file(const char *spec)
{
    return paths_exists(spec) && !paths_is_folder(spec);
}

static enum app_exit plan_new(struct train_job *job, const struct options *o)
{
    job->data_spec = o->data ? o->data : "fashion-mnist";
    job->test_spec = o->test                   ? o->test
                     : is_file(job->data_spec) ? "none"
                                               : job->data_spec;
    if (!strcmp(job->test_spec, "none"))
        job->test_spec = "";
    job->batch = o->batch;
    job->rate = o->rate;
    job->seed = o->seed == ARGS_NO_SEED ? 1 : o->seed;
    job->epochs = o->epochs ? o->epochs : 10;
    job->precision = o->precision == NO_PRECISION ? WEFT_PRECISION_FLOAT32
                                                  : (enum weft_precision)o->precision;
    return run_refuse(job->app, &job->run);
}

/* That a resumed run sees the pictures it was begun with. */
static enum app_exit check_same_data(const struct train_job *job)
{
    struct weft_model_info model;
    struct weft_data_info data;
    weft_model_info(job->checkpoint, &model);
    weft_data_info(job->train, &data);
    if (!strcmp(model.data_release, data.release) &&
        !memcmp(model.mean, data.mean, (size_t)data.channels * sizeof(double)))
        return APP_DONE;
    return app_error(job->app, APP_BAD_INPUT,
                     "%s: the pictures are not those that %s was begun with (%s%s); "
                     "bring the old data back, or start a new run",
                     job->data_spec, job->run.folder,
                     *model.data_release ? "those were " : "their mean differs",
                     model.data_release);
}

/* The training part, parted into what is trained with and what is validated with. */
static enum app_exit split(struct train_job *job, const struct options *o,
                           weft_data **all)
{
    struct weft_data_info info;
    weft_data_info(*all, &info);
    if (!job->checkpoint)
        job->held_out =
            (int)(o->validation.percent ? floor(info.count * o->validation.value / 100)
                                        : o->validation.value);
    if (job->held_out >= info.count)
        return app_error(job->app, APP_USAGE,
                         "--validation %d: there are only %d pictures to train with",
                         job->held_out, info.count);
    if (!job->held_out) {
        job->train = *all;
        *all = NULL;
        return APP_DONE;
    }
    enum weft_status status =
        weft_data_split(*all, job->held_out, job->seed, &job->train, &job->valid);
    return status ? app_fail(job->app, APP_WORK, status) : APP_DONE;
}

/* The test part is missed silently only where none was asked for and there is none. */
static enum app_exit open_test(struct train_job *job, const weft_data *all, bool asked)
{
    struct weft_data_info train, test;
    if (!*job->test_spec)
        return APP_DONE;
    term_wait_begin("Reading %s", job->test_spec);
    enum weft_status status =
        weft_data_open(job->app->context, job->test_spec, WEFT_DATA_TEST, &job->test);
    term_wait_end();
    if (status == WEFT_ERR_FILE && !asked) {
        job->test_spec = "";
        return APP_DONE;
    }
    if (status)
        return app_fail(job->app, APP_INPUT, status);
    weft_data_info(all, &train);
    weft_data_info(job->test, &test);
    if (train.height == test.height && train.width == test.width &&
        train.channels == test.channels && test.classes <= train.classes)
        return app_leak(job->app, all, job->test, &job->leak);
    return app_error(
        job->app, APP_BAD_INPUT,
        "%s: %d classes of %dx%dx%d pictures, but the training data have %d of "
        "%dx%dx%d; choose other data with --test, or none",
        test.source, test.classes, test.height, test.width, test.channels, train.classes,
        train.height, train.width, train.channels);
}

static enum app_exit open_data(struct train_job *job, const struct options *o)
{
    weft_data *all = NULL;
    enum app_exit code = app_data(job->app, job->data_spec, WEFT_DATA_TRAIN, &all);
    if (!code)
        code = open_test(job, all, o->test || o->resume);
    if (!code)
        code = split(job, o, &all);
    weft_data_destroy(&all);
    return !code && job->checkpoint ? check_same_data(job) : code;
}

static enum app_exit open_net(struct train_job *job, const struct options *o)
{
    struct weft_data_info shape;
    struct weft_model_info model;
    struct weft_net_info kept;
    const char *spec = o->net ? o->net : "seed";
    weft_data_info(job->train, &shape);
    if (!job->checkpoint)
        return app_net(job->app, spec, &shape, &job->net);
    weft_model_info(job->checkpoint, &model);
    weft_net_info(model.net, &kept);
    if (o->net) {
        char *given;
        enum app_exit code = app_net_text(job->app, o->net, &given);
        if (code)
            return code;
        if (strcmp(given, kept.text))
            contradicts(job, "net", o->net, kept.name);
        free(given);
    }
    struct weft_net_params params = {kept.name, shape.height, shape.width, shape.channels,
                                     shape.classes};
    enum weft_status status =
        weft_net_create(job->app->context, kept.text, &params, &job->net);
    return status ? app_fail(job->app, APP_INPUT, status) : APP_DONE;
}

static void log_header(struct json *j, const void *priv)
{
    const struct train_job *job = priv;
    struct weft_data_info data;
    struct weft_net_info net;
    weft_data_info(job->train, &data);
    weft_net_info(job->net, &net);
    app_json_begin(job->app, j, "weft.log/1");
    emit_text(j, "data", job->data_spec);
    emit_text(j, "release", data.release);
    emit_int(j, "pictures", data.count);
    emit_int(j, "held_out", job->held_out);
    emit_text(j, "net", net.name);
    emit_text(j, "text", net.text);
    emit_int(j, "batch", job->batch);
    emit_real(j, "rate", job->rate > 0 ? job->rate : (double)net.optimizer.rate);
    emit_uint(j, "seed", job->seed);
    emit_text(j, "precision", app_precisions[job->precision]);
    emit_end(j);
}

/* Makes the trainer, and the folder with its first checkpoint. */
static enum app_exit begin(struct train_job *job)
{
    struct app *app = job->app;
    const struct weft_train_params params = {.batch = job->batch,
                                             .rate = (float)job->rate,
                                             .seed = job->seed,
                                             .precision = job->precision};
    struct weft_progress p;
    enum app_exit tuned = tuning_quick(app, job->net, job->batch, TUNING_EVALUATION);
    if (tuned)
        return tuned;
    term_wait_begin("Compiling kernels, which are kept for next time");
    enum weft_status status =
        weft_trainer_create(app->device, job->net, job->train, &params, &job->trainer);
    term_wait_end();
    if (!status && job->checkpoint)
        status = weft_trainer_load(job->trainer, job->run.last);
    if (!status)
        status = weft_trainer_progress(job->trainer, &p);
    if (status)
        return app_fail(app,
                        status == WEFT_ERR_ARG || job->checkpoint ? APP_INPUT : APP_WORK,
                        status);
    job->batch = p.batch;
    train_tell_precision(job);
    train_tell_run(job, &p);
    enum app_exit code = run_claim(app, &job->run);
    if (!code && job->checkpoint)
        code = run_cut_log(app, &job->run, p.epoch);
    else if (!code)
        code = train_save(job, job->run.last);
    if (!code && !run_log_begun(&job->run))
        code = run_log(app, &job->run, log_header, job);
    return code;
}

static enum app_exit train(struct train_job *job, const struct options *o)
{
    enum train_stop stop;
    struct app *app = job->app;
    const char *net = o->net ? paths_base(o->net) : "seed";
    if (o->resume && !o->out)
        return app_error(app, APP_USAGE,
                         "--resume needs --out DIR, the run to go on with");
    enum app_exit code = run_init(app, &job->run, o->out, net);
    if (!code && !o->resume)
        code = run_refuse(app, &job->run);
    if (!code && o->resume)
        code = run_require(app, &job->run);
    if (!code)
        code = run_refuse_unwritable(app, &job->run);
    if (!code && !o->resume)
        app_data_soon(app, o->data ? o->data : "fashion-mnist", WEFT_DATA_TRAIN);
    if (code || (code = app_open_device(app)))
        return code;
    if ((code = o->resume ? plan_resumed(job, o) : plan_new(job, o)))
        return code;
    if ((code = open_data(job, o)))
        return code;
    train_tell_data(job);
    if ((code = open_net(job, o)) || (code = begin(job)))
        return code;
    table_init(&job->table, stdout, (enum table_format)o->app.format, columns,
               COLUMN_COUNT, true);
    if (!(code = train_loop(job, &stop)))
        code = train_conclude(job, stop);
    table_finish(&job->table);
    return code;
}

static enum app_exit run(struct app *app, const void *given, int count, char **operands)
{
    (void)count;
    (void)operands;
    const struct options *o = given;
    struct train_job job = {
        .app = app,
        .run = {.lock = -1},
        .target = o->target,
        .time_limit = o->time_limit,
        .start = term_seconds(),
    };
    enum app_exit code = train(&job, o);
    weft_trainer_destroy(&job.trainer);
    weft_net_destroy(&job.net);
    weft_data_destroy(&job.train);
    weft_data_destroy(&job.valid);
    weft_data_destroy(&job.test);
    weft_model_destroy(&job.checkpoint);
    run_finish(&job.run);
    return code;
}

const struct app_command cmd_train = {
    .args =
        {
            .name = "train",
            .operands = "",
            .summary = "trains a network and saves the best and the last model",
            .examples =
                "  weft train --net seed --batch 128 --epochs 10 --seed 1 --out runs/a\n"
                "  weft train --resume --out runs/a",
            .about = "DIR gets best.safetensors, last.safetensors and log.jsonl. "
                     "Ctrl-C finishes the step, saves, and tells how to go on; "
                     "going on gives the same bits as not having stopped.",
            .options = options,
        },
    .defaults = &(const struct options){.seed = ARGS_NO_SEED,
                                        .validation = {10, true},
                                        .precision = NO_PRECISION},
    .options_size = sizeof(struct options),
    .run = run,
};
