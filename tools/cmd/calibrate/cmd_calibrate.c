/* SPDX-License-Identifier: Apache-2.0 */
/* weft calibrate: a model with probabilities that can be trusted, that knows when not to
 * answer. */
#include "calibrate/fit.h"
#include "core/paths.h"
#include "core/plain_text.h"
#include "core/preprocess.h"
#include "core/tta.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 256 };

/* Part of the images that may be training images too, as duplicates. */
static const double most_trained = 0.01;

struct calibrate_options {
    struct app_options app;
    const char *data, *out;
    int split; /* 0: not given, else 1 + index in `splits` */
    struct fit_request fit;
};

static const struct args_option options[] = {
    {.name = "data",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct calibrate_options, data),
     .value = "SPEC",
     .help = "images with known classes that the model was not trained on; default: the "
             "validation images of its training"},
    {.name = "split",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct calibrate_options, split),
     .value = "auto|validation|test|train",
     .help = "split of --data; default: validation if there is one, else train"},
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct calibrate_options, out),
     .value = "FILE",
     .help = "model file to write; default calibrated.safetensors"},
    {.name = "keep-temperature",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct calibrate_options, fit.keep_temperature),
     .help = "leave the probabilities as they are"},
    {.name = "max-error",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct calibrate_options, fit.max_error),
     .value = "X",
     .help = "a threshold of the probability, below which the model does not answer, so "
             "that at most X of the answers are wrong: 2%"},
    {.name = "confidence",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct calibrate_options, fit.confidence),
     .value = "X",
     .help = "probability with which --max-error holds; default 99%"},
    {.name = "coverage",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct calibrate_options, fit.coverage),
     .value = "X",
     .help = "sets of classes that have the true class of X of the images: 90%"},
    {.name = "by-class",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct calibrate_options, fit.by_class),
     .help = "with --coverage: of X of the images of each class"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,         app_preprocess_options, app_precision_options,
    app_cached_tuning_options, app_data_options,       app_tta_options,
    app_device_options,        app_output_options,     NULL};

static const struct table_column columns[] = {
    {.key = "model", .title = "Model", .left = true},
    {.key = "images", .title = "Images"},
    {.key = "temperature", .title = "Temperature"},
    {.key = "loss_before", .title = "Loss before"},
    {.key = "loss", .title = "Loss"},
    {.key = "calibration_error_before", .title = "Calibration error before"},
    {.key = "calibration_error", .title = "Calibration error"},
    {.key = "threshold", .title = "Threshold"},
    {.key = "max_error", .title = "Max. error"},
    {.key = "confidence", .title = "Confidence"},
    {.key = "error_bound", .title = "Error bound"},
    {.key = "answered", .title = "Answered"},
    {.key = "set_coverage", .title = "Set coverage"},
    {.key = "set_size", .title = "Set size"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct calibration {
    struct app *app;
    const struct calibrate_options *options;
    const char *model_path;
    weft_model *model, *calibrated;
    struct weft_model_info info;
    struct weft_net_info net;
    struct app_images images;
    weft_dataset *data;
    char *data_text; /* which images, for the metadata */
    weft_predictor *predictor;
    struct tta tta;
    float *logits;
    int64_t nonfinite;
    struct decision decision;
};

/* The images that the training of the model held out: those that the same permutation of
 * the same images leaves, which the hash of the others proves. */
static enum app_exit hold_out(struct calibration *c, const char *spec, int count)
{
    const char *seed = weft_model_metadata(c->model, "train.seed");
    const char *hash = weft_model_metadata(c->model, "data.hash");
    weft_dataset *all = NULL, *trained = NULL;
    struct weft_dataset_info info;
    enum app_exit code = app_open_dataset(c->app, spec, WEFT_SPLIT_TRAIN, &all);
    if (code)
        return code;
    weft_dataset_info(all, &info);
    enum weft_status status =
        seed && hash && count < info.count
            ? weft_dataset_holdout(all, count, strtoull(seed, NULL, 10), &trained,
                                   &c->data)
            : WEFT_OK;
    weft_dataset_destroy(&all);
    if (status)
        return app_report_error(c->app, APP_WORK, status);
    weft_dataset_info(trained, &info);
    bool same = trained && info.hash == strtoull(hash, NULL, 16);
    weft_dataset_destroy(&trained);
    c->data_text = term_format_or_exit("%s, held out of training", spec);
    return same ? APP_OK
                : app_error(c->app, APP_BAD_INPUT,
                            "%s: are not the images that the model was trained on, so "
                            "those that were held out are unknown; give images that it "
                            "was not trained on with --data",
                            spec);
}

/* A number of the metadata; 0: there is none. */
static int number_of(const struct calibration *c, const char *name)
{
    const char *text = weft_model_metadata(c->model, name);
    return text ? atoi(text) : 0;
}

/* The validation images of the training. */
static enum app_exit open_validation(struct calibration *c)
{
    const char *spec = weft_model_metadata(c->model, "run.data");
    int count = number_of(c, "run.val_images");
    bool part = number_of(c, "run.val_part") > 0, folds = number_of(c, "run.folds") > 0;
    if (!spec || folds || (!part && count < 1))
        return app_error(c->app, APP_USAGE,
                         "%s: %s; give images that it was not trained on with --data",
                         c->model_path,
                         !spec   ? "does not name its training images"
                         : folds ? "is one of several folds"
                                 : "was trained without validation images");
    enum app_exit code = app_require_saved_data(c->app, spec, c->model_path);
    if (code)
        return code;
    if (!part)
        return hold_out(c, spec, count);
    c->data_text = term_format_or_exit("%s, validation", spec);
    return app_open_dataset(c->app, spec, WEFT_SPLIT_VALIDATION, &c->data);
}

/* Those of --data. */
static enum app_exit open_given(struct calibration *c)
{
    enum { TRAIN = 3 };
    static const enum weft_split splits[] = {WEFT_SPLIT_VALIDATION, WEFT_SPLIT_VALIDATION,
                                             WEFT_SPLIT_TEST, WEFT_SPLIT_TRAIN};
    static const char *const names[] = {"validation", "validation", "test", "train"};
    const struct calibrate_options *o = c->options;
    int split = o->split;
    enum weft_status status = WEFT_ERR_ARG;
    if (!split) {
        term_wait_begin("Reading %s", o->data);
        status = weft_dataset_open(c->app->context, o->data, splits[split],
                                   &c->images.params, &c->data);
        term_wait_end();
        split = status == WEFT_ERR_ARG ? TRAIN : split;
    }
    c->data_text = app_is_single_file(o->data)
                       ? term_format_or_exit("%s", o->data)
                       : term_format_or_exit("%s, %s", o->data, names[split]);
    if (status == WEFT_ERR_ARG) /* not tried, or no such part */
        return app_open_dataset(c->app, o->data, splits[split], &c->data);
    if (status)
        return app_report_error(c->app, APP_INPUT, status);
    app_print_decoding(c->data);
    app_print_notes(c->data);
    return APP_OK;
}

static enum app_exit refuse_trained(const struct calibration *c, double part)
{
    struct weft_dataset_info data;
    weft_dataset_info(c->data, &data);
    return app_error(c->app, APP_BAD_INPUT,
                     "%s: %.0f %% of these images are training images of the model, of "
                     "which it is too sure; give others with --data",
                     c->data_text, 100 * part);
}

/* Images that the model was trained on say nothing about others. */
static enum app_exit check_not_trained(struct calibration *c)
{
    const char *hash = weft_model_metadata(c->model, "data.hash");
    const char *spec = weft_model_metadata(c->model, "run.data");
    struct weft_dataset_info data, trained;
    weft_dataset *train = NULL;
    int common = 0;
    weft_dataset_info(c->data, &data);
    bool known = *data.known_as && *c->info.dataset_known_as;
    if ((hash && strtoull(hash, NULL, 16) == data.hash) ||
        (known && !strcmp(data.known_as, c->info.dataset_known_as)))
        return refuse_trained(c, 1);
    if (known && app_same_dataset(data.known_as, c->info.dataset_known_as))
        return APP_OK;
    term_wait_begin("Comparing with the training images");
    enum weft_status status =
        spec ? weft_dataset_open(c->app->context, spec, WEFT_SPLIT_TRAIN,
                                 &c->images.params, &train)
             : WEFT_ERR_FILE;
    term_wait_end();
    if (status) {
        term_warn("the training images of %s are not there, so it is not checked that it "
                  "was not trained on %s",
                  c->model_path, c->data_text);
        return APP_OK;
    }
    weft_dataset_info(train, &trained);
    bool same_size = trained.height == data.height && trained.width == data.width &&
                     trained.channels == data.channels;
    if (same_size)
        status = weft_dataset_overlap(train, c->data, &common);
    weft_dataset_destroy(&train);
    if (status)
        return app_report_error(c->app, APP_WORK, status);
    double part = (double)common / data.count;
    return part > most_trained ? refuse_trained(c, part) : APP_OK;
}

static enum app_exit open_data(struct calibration *c)
{
    struct app *app = c->app;
    enum app_exit code =
        app_choose_images(app, &c->images, c->info.preprocess, NULL, NULL);
    if (code)
        return code;
    c->images.params.class_names = c->info.class_names;
    c->images.params.classes = c->net.classes;
    code = c->options->data ? open_given(c) : open_validation(c);
    if (!code && c->options->data)
        code = check_not_trained(c);
    if (code)
        return code;
    struct weft_preprocess_params preprocess = *c->info.preprocess;
    app_apply_preprocess(&c->options->app, &preprocess);
    if ((code = app_preprocess_dataset(app, &preprocess, &c->data)))
        return code;
    struct weft_dataset_info data;
    weft_dataset_info(c->data, &data);
    if (data.classes > c->net.classes)
        return app_error(
            app, APP_BAD_INPUT,
            "%s: %d classes, but the model has %d; use images of its classes",
            data.source, data.classes, c->net.classes);
    return APP_OK;
}

static enum app_exit keep_logits(void *priv, const double *logits, int first, int count)
{
    struct calibration *c = priv;
    size_t classes = (size_t)c->net.classes;
    float *out = c->logits + (size_t)first * classes;
    for (int i = 0; i < count; i++) {
        bool finite = true;
        for (size_t k = 0; k < classes; k++) {
            *out = (float)*logits++;
            finite = finite && isfinite(*out++);
        }
        c->nonfinite += !finite;
    }
    return APP_OK;
}

static enum app_exit run_model(struct calibration *c)
{
    struct app *app = c->app;
    struct weft_dataset_info data;
    struct weft_predictor_info precision;
    weft_dataset_info(c->data, &data);
    bool fits = data.height == c->net.height && data.width == c->net.width &&
                data.channels == c->net.channels;
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = BATCH,
                               .precision = (enum weft_precision)app->options->precision,
                               .pixels = fits ? data.pixels : NULL,
                               .pixel_count = data.count, .logits = true);
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status =
        weft_predictor_create(app->device, c->model, &params, &c->predictor);
    term_wait_end();
    if (status)
        return app_report_error(app, APP_WORK, status);
    app_print_precision(c->predictor, app->options->precision);
    tta_init(&c->tta, app, c->predictor, c->info.net);
    c->logits = term_realloc_or_exit(NULL, (size_t)data.count * (size_t)c->net.classes *
                                               sizeof(*c->logits));
    term_wait_begin("Running the model");
    enum app_exit code = tta_run_dataset(&c->tta, c->data, keep_logits, c);
    term_wait_end();
    weft_predictor_info(c->predictor, &precision);
    return code
               ? code
               : app_report_nonfinite(app, c->nonfinite, data.count, precision.precision);
}

static enum app_exit check_options(const struct calibration *c)
{
    const struct fit_request *f = &c->options->fit;
    if (f->by_class && f->coverage <= 0)
        return app_error(c->app, APP_USAGE, "--by-class needs --coverage");
    if (c->options->split && !c->options->data)
        return app_error(c->app, APP_USAGE, "--split needs --data");
    if (f->confidence >= 1 || f->coverage >= 1)
        return app_error(c->app, APP_USAGE,
                         "--%s must be less than 100%%: nothing is that certain",
                         f->confidence >= 1 ? "confidence" : "coverage");
    return tta_check_options(c->app);
}

/* True: the state of a training would be replaced. A calibrated model has none. */
static bool is_own_checkpoint(const struct calibration *c)
{
    return paths_is_same(c->options->out, app_model_path(c->model_path)) &&
           weft_model_metadata(c->model, "train.powers") &&
           !weft_model_metadata(c->model, "calibration.images");
}

/* The model with the new temperature, and what was measured with it in its metadata. */
static enum app_exit save(struct calibration *c, double scale)
{
    const char *out = c->options->out;
    enum weft_status status =
        weft_model_with_temperature(c->model, scale, &c->calibrated);
    if (status)
        return app_report_error(c->app, APP_INPUT, status);
    char **metadata = decision_metadata(&c->decision);
    status = weft_model_save(c->calibrated, out, (const char *const *)metadata);
    decision_metadata_free(metadata);
    if (status)
        return app_report_error(c->app, APP_WORK, status);
    app_print_written(out);
    return APP_OK;
}

static void write_result(const struct calibration *c)
{
    const struct decision *d = &c->decision;
    enum table_format format = (enum table_format)c->options->app.format;
    if (format == TABLE_HUMAN) {
        decision_print(d);
        return;
    }
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(c->app, &j, "weft.calibrate/1");
        emit_text(&j, "model", c->options->out);
        app_json_precision(c->predictor, &j);
        decision_json(d, &j);
        emit_end(&j);
        return;
    }
    const double values[] = {d->temperature, d->loss[0], d->loss[1], d->error[0],
                             d->error[1]};
    const double threshold[] = {(double)d->threshold, d->max_error, d->confidence,
                                d->bound, d->share};
    const double sets[] = {d->coverage, d->set_size};
    struct table t;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    table_text(&t, c->options->out);
    table_int(&t, d->images);
    for (int i = 0; i < 5; i++)
        table_double(&t, values[i], "%.4f", values[i]);
    for (int i = 0; i < 5; i++)
        table_double(&t, d->has_threshold ? threshold[i] : NAN, "%.4f", threshold[i]);
    for (int i = 0; i < 2; i++)
        table_double(&t, d->coverage > 0 ? sets[i] : NAN, "%.4f", sets[i]);
    table_write(&t);
    table_free(&t);
}

static enum app_exit calibrate(struct calibration *c)
{
    struct app *app = c->app;
    struct decision before;
    double scale;
    enum app_exit code = check_options(c);
    if (code || (code = app_open_device(app)) ||
        (code = app_load_model(app, c->model_path, &c->model)))
        return code;
    if (is_own_checkpoint(c))
        return app_error(app, APP_USAGE,
                         "%s: is the model itself, whose training could not be resumed "
                         "afterwards; name another file with --out",
                         c->options->out);
    weft_model_info(c->model, &c->info);
    weft_net_info(c->info.net, &c->net);
    if ((code = open_data(c)) || (code = run_model(c)))
        return code;
    struct weft_dataset_info data;
    weft_dataset_info(c->data, &data);
    if (data.count < 2)
        return app_error(app, APP_BAD_INPUT, "%s: one image calibrates nothing",
                         data.source);
    struct fit_images images = {c->logits,      data.labels,         data.count,
                                c->net.classes, c->info.class_names, c->data_text};
    if ((code = decision_read(app, c->model, &before)))
        return code;
    c->decision = (struct decision){
        .classes = c->net.classes, .data = c->data_text, .tta = tta_name(&c->tta)};
    code = fit_decision(app, &c->options->fit, &images, &scale, &c->decision);
    c->decision.temperature = scale * (before.calibrated ? before.temperature : 1);
    decision_free(&before);
    if (!code)
        code = save(c, scale);
    if (code)
        return code;
    write_result(c);
    return app_flush_stdout(app);
}

static enum app_exit calibrate_main(struct app *app, const void *given, int count,
                                    char **operands)
{
    (void)count;
    struct calibration c = {.app = app, .options = given, .model_path = operands[0]};
    enum app_exit code = calibrate(&c);
    decision_free(&c.decision);
    free(c.logits);
    free(c.data_text);
    weft_predictor_destroy(&c.predictor);
    weft_dataset_destroy(&c.data);
    weft_model_destroy(&c.calibrated);
    weft_model_destroy(&c.model);
    return code;
}

const struct app_command cmd_calibrate = {
    .args =
        {
            .name = "calibrate",
            .operands = "MODEL",
            .summary = "makes a model's probabilities true, and lets it say \"unsure\"",
            .examples = "  weft calibrate runs/a --out sure.safetensors\n"
                        "  weft calibrate runs/a --max-error 2% --confidence 99%\n"
                        "  weft calibrate runs/a --data photos --coverage 90% --by-class",
            .about =
                "MODEL is a model file or the folder of a run. Divides its logits by the "
                "temperature that makes its probabilities fit images that it was not "
                "trained on, and writes that model: what runs it has these "
                "probabilities. A threshold and sets of classes are kept in it, and "
                "`weft predict` and `weft eval` follow them: below the threshold the "
                "answer is \"unsure\". They hold for images like those of the "
                "calibration: use your own. If no threshold keeps the error, the exit "
                "code is 5, and nothing is written.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults =
        &(const struct calibrate_options){
            .out = "calibrated.safetensors",
            .fit = {.confidence = 0.99},
        },
    .options_size = sizeof(struct calibrate_options),
    .run = calibrate_main,
};
