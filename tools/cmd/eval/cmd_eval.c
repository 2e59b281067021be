/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: accuracy of a model on a dataset, overall and per class. */
#include "core/app.h"
#include "core/confusion.h"
#include "core/plain_text.h"
#include "core/preprocess.h"
#include "core/step_timing.h"
#include "core/tta.h"
#include "eval/confusion.h"
#include "eval/decisions.h"
#include "report/evaluation.h"
#include "report/page.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 256, MAX_MATRIX = 1000 };

struct eval_options {
    struct app_options app;
    const char *data, *report;
    int split, batch;
    double min_accuracy;
};

static const struct args_option options[] = {
    {.name = "data",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct eval_options, data),
     .value = "SPEC",
     .help = "dataset: fashion-mnist, a folder or a file; default: the training dataset "
             "of the model"},
    {.name = "split",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct eval_options, split),
     .value = "test|train|validation",
     .help = "split of the dataset; default test"},
    {.name = "batch",
     .letter = 'b',
     .kind = ARGS_INT,
     .offset = offsetof(struct eval_options, batch),
     .value = "N",
     .help = "images per step; default 256",
     .min = 1,
     .max = 1 << 20},
    {.name = "min-accuracy",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct eval_options, min_accuracy),
     .value = "X",
     .help = "exit code 5 if the accuracy is lower"},
    {.name = "report",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct eval_options, report),
     .value = "FILE",
     .help = "write a page, HTML: classes, confusion matrix, predictions, the most "
             "confident mistakes, calibration, time by layer"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,         app_preprocess_options, app_precision_options,
    app_cached_tuning_options, app_data_options,       app_tta_options,
    app_device_options,        app_output_options,     NULL};

static const struct table_column columns[] = {
    {.key = "class", .title = "Class", .left = true},
    {.key = "precision", .title = "Precision"},
    {.key = "recall", .title = "Recall"},
    {.key = "f1", .title = "F1"},
    {.key = "images", .title = "Images"},
    {.key = "confused_with", .title = "Most often confused with", .left = true},
    {.key = "confused_fraction"},
    {.key = "tta"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct evaluation {
    struct app *app;
    weft_model *model;
    struct app_images image_params;
    weft_dataset *data;
    weft_predictor *predictor;
    struct tta tta;
    struct weft_eval eval;
    struct weft_prediction *predictions;
    struct confusion confusion;
    struct decision decision;
    struct eval_decisions decisions;
    struct weft_prediction *before; /* without the temperature; NULL: has none */
    const char *const *names;       /* of the classes */
    double test_overlap;
};

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void add_class(struct table *t, const struct evaluation *evaluation, int c)
{
    const struct confusion_class *of = &evaluation->confusion.of[c];
    int worst = of->worst;
    double precision = ratio(of->correct, of->predicted),
           recall = ratio(of->correct, of->images);
    double f1 = ratio(2 * of->correct, of->images + of->predicted);
    double fraction = ratio(of->worst_count, of->images);
    char confused[160] = "";
    if (worst >= 0)
        snprintf(confused, sizeof(confused), "%s %.1f %%", evaluation->names[worst],
                 100 * fraction);
    table_text(t, evaluation->names[c]);
    table_double(t, precision, "%.2f", 100 * precision);
    table_double(t, recall, "%.2f", 100 * recall);
    table_double(t, f1, "%.2f", 100 * f1);
    table_int(t, of->images);
    if (t->format == TABLE_HUMAN || t->format == TABLE_MD)
        table_text(t, confused);
    else
        table_text(t, worst < 0 ? "" : evaluation->names[worst]);
    table_double(t, fraction, "%.4f", fraction);
    table_text(t, tta_name(&evaluation->tta));
}

static void print_text(const struct evaluation *evaluation, struct table *t)
{
    const struct weft_eval *e = &evaluation->eval;
    struct weft_dataset_info info;
    weft_dataset_info(evaluation->data, &info);
    term_line(2, "%s images of %s%s%s", table_thousands(e->count),
              plain_text(*info.known_as ? info.known_as : info.source),
              evaluation->tta.kind ? "; " : "", tta_text(&evaluation->tta));
    term_line(10, "%sAccuracy  %.2f %s%.2f %%%s   loss %s   %s images/s",
              term_style_begin(stdout, TERM_BOLD), 100 * e->accuracy, term_plus_minus(),
              100 * e->standard_error, term_style_end(stdout), app_loss_text(e->loss),
              table_thousands(e->count / e->seconds));
    if (evaluation->test_overlap > 0.01)
        term_line(
            14, "INVALID TEST: %.0f %% of these images are training images of the model",
            100 * evaluation->test_overlap);
    eval_print_decisions(&evaluation->decisions);
    putchar('\n');
    table_write(t);
    eval_print_confusion(&evaluation->confusion, evaluation->names);
}

/* The matrix; of more classes, the cells that are not 0. */
static void emit_confusion(const struct evaluation *evaluation, struct json *j)
{
    const struct confusion *confusion = &evaluation->confusion;
    bool matrix = confusion->classes <= MAX_MATRIX;
    emit_list(j, matrix ? "confusion" : "confusions");
    for (int c = 0; c < confusion->classes && matrix; c++) {
        emit_list(j, NULL);
        for (int k = 0; k < confusion->classes; k++)
            emit_int(j, NULL, confusion_count(confusion, c, k));
        emit_end(j);
    }
    for (size_t i = 0; i < confusion->count && !matrix; i++) {
        emit_list(j, NULL);
        emit_int(j, NULL, confusion->cells[i].actual);
        emit_int(j, NULL, confusion->cells[i].predicted);
        emit_int(j, NULL, confusion->cells[i].count);
        emit_end(j);
    }
    emit_end(j);
}

static void write_json(const struct evaluation *evaluation, const struct table *t)
{
    const struct weft_eval *e = &evaluation->eval;
    struct weft_dataset_info info;
    weft_dataset_info(evaluation->data, &info);
    struct json j = {.out = stdout};
    app_json_begin(evaluation->app, &j, "weft.eval/2");
    emit_text(&j, "data", info.source);
    emit_text(&j, "known_as", info.known_as);
    app_json_precision(evaluation->predictor, &j);
    tta_json(&evaluation->tta, &j);
    emit_int(&j, "count", e->count);
    emit_int(&j, "correct", e->correct);
    emit_double(&j, "accuracy", e->accuracy);
    emit_double(&j, "standard_error", e->standard_error);
    emit_double(&j, "loss", e->loss);
    emit_int(&j, "nonfinite", e->nonfinite);
    eval_json_decisions(&evaluation->decisions, &j);
    emit_double(&j, "test_overlap", evaluation->test_overlap);
    emit_double(&j, "seconds", e->seconds);
    emit_double(&j, "images_per_second", e->count / e->seconds);
    emit_list(&j, "classes");
    for (int c = 0; c < e->classes; c++)
        emit_text(&j, NULL, evaluation->names[c]);
    emit_end(&j);
    table_json(t, &j, "per_class");
    emit_confusion(evaluation, &j);
    emit_end(&j);
}

/* Searches the training images of the model for test images, unless both are splits of
 * one known dataset or the training images are unavailable. */
static enum app_exit find_test_overlap(struct evaluation *evaluation,
                                       const char *trained_on)
{
    struct weft_model_info model;
    struct weft_dataset_info test, train;
    weft_model_info(evaluation->model, &model);
    weft_dataset_info(evaluation->data, &test);
    if (app_same_dataset(model.dataset_known_as, test.known_as))
        return APP_OK;
    weft_dataset *data = NULL;
    term_wait_begin("Comparing with the training images");
    enum weft_status status =
        weft_dataset_open(evaluation->app->context, trained_on, WEFT_SPLIT_TRAIN,
                          &evaluation->image_params.params, &data);
    term_wait_end();
    if (!status) {
        weft_dataset_info(data, &train);
        bool same = !strcmp(train.known_as, model.dataset_known_as);
        bool same_size = train.height == test.height && train.width == test.width &&
                         train.channels == test.channels;
        enum app_exit code =
            same && same_size
                ? app_train_test_overlap(evaluation->app, data, evaluation->data,
                                         &evaluation->test_overlap)
                : APP_OK;
        weft_dataset_destroy(&data);
        return code;
    }
    if (*model.dataset_known_as && *test.known_as)
        term_warn("the model was trained on \"%s\", this is \"%s\", and the training "
                  "images are unavailable, so an overlap cannot be excluded",
                  model.dataset_known_as, test.known_as);
    return APP_OK;
}

/* False if the class names are only their numbers and the dataset is unknown. */
static bool has_class_names(const char *const *names, int count, const char *known_as)
{
    bool named = *known_as;
    for (int c = 0; c < count && !named; c++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", c);
        named = strcmp(names[c], number) != 0;
    }
    return named;
}

static void compare_classes(const struct evaluation *evaluation,
                            const struct weft_model_info *model)
{
    struct weft_dataset_info data;
    struct weft_net_info net;
    weft_dataset_info(evaluation->data, &data);
    weft_net_info(model->net, &net);
    int count = data.classes < net.classes ? data.classes : net.classes, c = 0;
    if (!has_class_names(model->class_names, count, model->dataset_known_as) ||
        !has_class_names(data.class_names, count, data.known_as))
        return;
    while (c < count && !strcmp(model->class_names[c], data.class_names[c]))
        c++;
    if (c < count)
        term_warn("the class names differ: class %d is \"%s\" in the model, \"%s\" in %s",
                  c, model->class_names[c], data.class_names[c], data.source);
}

static enum app_exit undo_temperature(struct evaluation *evaluation, int count)
{
    size_t bytes = (size_t)count * sizeof(*evaluation->before);
    evaluation->before =
        memcpy(term_realloc_or_exit(NULL, bytes), evaluation->predictions, bytes);
    return eval_undo_temperature(&evaluation->tta, &evaluation->decision,
                                 evaluation->data, evaluation->before);
}

static enum app_exit evaluate(struct evaluation *evaluation, const struct eval_options *o,
                              const char *path)
{
    struct app *app = evaluation->app;
    struct weft_model_info info;
    enum app_exit code = tta_check_options(app);
    app->model_spec = path;
    if (code || (code = app_open_device(app)) ||
        (code = app_load_model(app, path, &evaluation->model)) ||
        (code = decision_read(app, evaluation->model, &evaluation->decision)))
        return code;
    weft_model_info(evaluation->model, &info);
    evaluation->names = info.class_names;
    const char *trained_on = weft_model_metadata(evaluation->model, "run.data");
    if (!trained_on) {
        trained_on = "fashion-mnist";
        if (!o->data)
            term_print(
                "%s does not name its training dataset (no metadata run.data), so %s "
                "is used; select another with --data",
                path, trained_on);
    }
    static const enum weft_split splits[] = {WEFT_SPLIT_TEST, WEFT_SPLIT_TRAIN,
                                             WEFT_SPLIT_VALIDATION};
    enum weft_split split = splits[o->split];
    const char *spec = o->data ? o->data : trained_on;
    if (!o->data && (code = app_require_saved_data(app, spec, path)))
        return code;
    if ((code = app_choose_images(app, &evaluation->image_params, info.preprocess, NULL,
                                  NULL)))
        return code;
    struct weft_net_info net;
    weft_net_info(info.net, &net);
    evaluation->image_params.params.class_names = info.class_names;
    evaluation->image_params.params.classes = net.classes;
    if ((code = app_open_dataset(app, spec, split, &evaluation->data)))
        return code;
    compare_classes(evaluation, &info);
    if (!o->split && (code = find_test_overlap(evaluation, trained_on)))
        return code;
    struct weft_preprocess_params preprocess = *info.preprocess;
    app_apply_preprocess(&o->app, &preprocess);
    if ((code = app_preprocess_dataset(app, &preprocess, &evaluation->data)))
        return code;
    struct weft_dataset_info data;
    weft_dataset_info(evaluation->data, &data);
    bool fits = data.height == preprocess.height && data.width == preprocess.width &&
                data.channels == preprocess.channels;
    bool undo = o->report && evaluation->decision.calibrated &&
                evaluation->decision.temperature != 1;
    term_wait_begin("Compiling kernels (cached for the next run)");
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = o->batch,
                               .precision = (enum weft_precision)o->app.precision,
                               .pixels = fits ? data.pixels : NULL,
                               .pixel_count = data.count,
                               .logits = app->options->tta || undo ||
                                         evaluation->decision.coverage > 0);
    enum weft_status status = weft_predictor_create(app->device, evaluation->model,
                                                    &params, &evaluation->predictor);
    term_wait_end();
    if (status)
        return app_report_error(app, APP_WORK, status);
    app_print_precision(evaluation->predictor, o->app.precision);
    term_wait_begin("Evaluating");
    evaluation->predictions =
        term_realloc_or_exit(NULL, (size_t)data.count * sizeof(struct weft_prediction));
    tta_init(&evaluation->tta, app, evaluation->predictor, info.net);
    code = tta_evaluate(&evaluation->tta, evaluation->data, evaluation->predictions,
                        &evaluation->eval);
    if (!code)
        code = eval_measure_decisions(&evaluation->tta, &evaluation->decision,
                                      evaluation->data, evaluation->predictions,
                                      &evaluation->decisions);
    if (!code && undo)
        code = undo_temperature(evaluation, data.count);
    term_wait_end();
    if (!code)
        confusion_init(&evaluation->confusion, net.classes, data.labels,
                       evaluation->predictions, data.count);
    return code;
}

/* The page does without, should it fail. */
static void measure_layers(const struct evaluation *evaluation, int batch,
                           struct step_timing *out)
{
    struct weft_model_info model;
    struct weft_predictor_info predictor;
    weft_model_info(evaluation->model, &model);
    weft_predictor_info(evaluation->predictor, &predictor);
    if (batch > evaluation->eval.count)
        batch = evaluation->eval.count;
    const struct weft_step_params step =
        *weft_step_params(.batch = batch, .precision = predictor.precision);
    term_wait_begin("Measuring the layers");
    if (step_timing_measure_shortly(evaluation->app, model.net, &step, out))
        step_timing_free(out);
    term_wait_end();
}

static enum app_exit save_report(const struct evaluation *evaluation, const char *model,
                                 const char *path, int batch)
{
    struct step_timing timing;
    measure_layers(evaluation, batch, &timing);
    struct weft_dataset_info data;
    weft_dataset_info(evaluation->data, &data);
    const char *images = *data.known_as ? data.known_as : data.source;
    char *title = term_format_or_exit("%s on %s", app_model_path(model), images);
    char *decisions = eval_decisions_text(&evaluation->decisions);
    const struct decision *d = &evaluation->decision;
    const struct report_temperature temperature = {.temperature = d->temperature,
                                                   .before = evaluation->before,
                                                   .images = d->images,
                                                   .error = {d->error[0], d->error[1]}};
    const struct report_evaluation page = {
        .decisions = decisions,
        .temperature = evaluation->before ? &temperature : NULL,
        .images = images,
        .tta = tta_text(&evaluation->tta),
        .eval = &evaluation->eval,
        .data = evaluation->data,
        .predictions = evaluation->predictions,
        .confusion = &evaluation->confusion,
        .names = evaluation->names,
    };
    enum app_exit code = page_save(
        evaluation->app, path, report_write_model,
        &(struct report_model){.title = title,
                               .evaluation = &page,
                               .times = &(struct report_layer_times){
                                   .timing = &timing, .device = &evaluation->app->info}});
    step_timing_free(&timing);
    free(title);
    free(decisions);
    return code;
}

static enum app_exit print_results(struct evaluation *evaluation,
                                   const struct eval_options *o)
{
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format, columns, COLUMN_COUNT,
               false);
    for (int c = 0; c < evaluation->eval.classes; c++)
        add_class(&t, evaluation, c);
    if (t.format == TABLE_HUMAN)
        print_text(evaluation, &t);
    else if (t.format == TABLE_JSON)
        write_json(evaluation, &t);
    else
        table_write(&t);
    table_free(&t);
    enum app_exit code = app_flush_stdout(evaluation->app);
    if (code)
        return code;
    struct weft_predictor_info precision;
    weft_predictor_info(evaluation->predictor, &precision);
    const struct weft_eval *e = &evaluation->eval;
    code = app_report_nonfinite(evaluation->app, e->nonfinite, e->count,
                                precision.precision);
    if (o->min_accuracy > 0 && (e->accuracy < o->min_accuracy || code))
        code = app_error(evaluation->app, APP_VERIFICATION_FAILED,
                         "the accuracy is %.2f %%%s--min-accuracy %.2f %%",
                         100 * e->accuracy,
                         e->accuracy < o->min_accuracy
                             ? ", less than "
                             : " with outputs that are not numbers, which fails ",
                         100 * o->min_accuracy);
    return code;
}

static enum app_exit eval_main(struct app *app, const void *given, int count,
                               char **operands)
{
    (void)count;
    const struct eval_options *o = given;
    struct evaluation evaluation = {.app = app};
    enum app_exit code = evaluate(&evaluation, o, operands[0]);
    if (!code && o->report)
        code = save_report(&evaluation, operands[0], o->report, o->batch);
    if (!code)
        code = print_results(&evaluation, o);
    confusion_free(&evaluation.confusion);
    decision_free(&evaluation.decision);
    free(evaluation.predictions);
    free(evaluation.before);
    weft_predictor_destroy(&evaluation.predictor);
    weft_dataset_destroy(&evaluation.data);
    weft_model_destroy(&evaluation.model);
    return code;
}

const struct app_command cmd_eval = {
    .args =
        {
            .name = "eval",
            .operands = "MODEL",
            .summary = "prints the accuracy of a model, overall and per class",
            .examples = "  weft eval runs/a/best.safetensors\n"
                        "  weft eval runs/a --report a.html\n"
                        "  weft eval runs/a/best.safetensors --data other.csv -f json",
            .about =
                "MODEL is a model file or the folder of a run. Prints precision, recall "
                "and F1 of every class and the confusion "
                "matrix. Warns of test images that are training images of the model.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults = &(const struct eval_options){.batch = BATCH},
    .options_size = sizeof(struct eval_options),
    .run = eval_main,
};
