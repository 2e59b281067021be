/* SPDX-License-Identifier: Apache-2.0 */
/* weft teach: a model of own classes from a few photographs of each. */
#include "core/app.h"
#include "core/confusion.h"
#include "core/plain_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 16 };

struct teach_options {
    struct app_options app;
    const char *out;
    int method; /* enum weft_teach_method */
    bool add;
};

static const struct args_option options[] = {
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct teach_options, out),
     .value = "FILE",
     .help = "model file to write; default: taught.safetensors, with --add MODEL itself"},
    {.name = "add",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct teach_options, add),
     .help = "MODEL was taught: keep its photographs, and add those of DATA, of old or "
             "new classes"},
    {.name = "method",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct teach_options, method),
     .value = "auto|means|ridge",
     .help = "nearest class mean, ridge regression, or, the default, the one that "
             "classifies more photographs correctly that it has not seen"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,  app_cached_tuning_options, app_data_options,
    app_device_options, app_output_options,        NULL};

static const struct table_column columns[] = {
    {.key = "model", .title = "Model", .left = true},
    {.key = "examples", .title = "Images"},
    {.key = "classes", .title = "Classes"},
    {.key = "method", .title = "Method", .left = true},
    {.key = "accuracy", .title = "Held out"},
    {.key = "macro_recall", .title = "Mean recall"},
    {.key = "test_accuracy", .title = "Test", .optional = true},
    {.key = "test_macro_recall", .title = "Test recall", .optional = true},
    {.key = "test_count"},
    {.key = "seconds", .title = "Seconds"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

static const char *const methods[] = {"auto", "means", "ridge"};

struct lesson {
    struct app *app;
    const struct teach_options *options;
    const char *out; /* path of the new model */
    struct app_images images;
    weft_model *from, *taught;
    weft_dataset *data, *test; /* test: NULL if the data has none */
    struct weft_teach_report report;
    struct weft_eval eval;
    double test_recall;
};

/* Accuracy and mean recall on the test split. */
static enum app_exit evaluate(struct lesson *lesson)
{
    struct app *app = lesson->app;
    weft_predictor *predictor = NULL;
    struct weft_dataset_info test;
    struct confusion confusion = {.classes = 0};
    weft_dataset_info(lesson->test, &test);
    struct weft_prediction *predictions =
        term_realloc_or_exit(NULL, (size_t)test.count * sizeof(*predictions));
    enum weft_status status = weft_predictor_create(
        app->device, lesson->taught, weft_predictor_params(.batch = BATCH), &predictor);
    if (!status)
        status =
            weft_predictor_evaluate(predictor, lesson->test, predictions, &lesson->eval);
    int present = 0;
    if (!status)
        confusion_init(&confusion, lesson->report.classes, test.labels, predictions,
                       test.count);
    for (int c = 0; c < confusion.classes; c++)
        if (confusion.of[c].images) {
            lesson->test_recall +=
                (double)confusion.of[c].correct / (double)confusion.of[c].images;
            present++;
        }
    lesson->test_recall /= present ? present : 1;
    weft_predictor_destroy(&predictor);
    confusion_free(&confusion);
    free(predictions);
    return status ? app_report_error(app, APP_WORK, status) : APP_OK;
}

/* The test split, if the data has one and its classes are those of the model. */
static enum app_exit open_test(struct lesson *lesson, const char *spec)
{
    struct app *app = lesson->app;
    struct weft_model_info model;
    struct weft_dataset_info info;
    if (weft_dataset_open(app->context, spec, WEFT_SPLIT_TEST, &lesson->images.params,
                          &lesson->test))
        return APP_OK; /* most have none */
    weft_model_info(lesson->taught, &model);
    weft_dataset_info(lesson->test, &info);
    bool same = info.classes == lesson->report.classes;
    for (int c = 0; c < info.classes && same; c++)
        same = !strcmp(info.class_names[c], model.class_names[c]);
    if (same)
        return APP_OK;
    term_print("The test images of %s are not used: their classes are not those of the "
               "model",
               spec);
    weft_dataset_destroy(&lesson->test);
    return APP_OK;
}

static void write_result(const struct lesson *lesson)
{
    const struct weft_teach_report *r = &lesson->report;
    const struct weft_eval *e = &lesson->eval;
    enum table_format format = (enum table_format)lesson->options->app.format;
    struct table t;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    table_text(&t, lesson->out);
    table_int(&t, r->examples);
    table_int(&t, r->classes);
    table_text(&t, methods[r->method]);
    table_double(&t, r->accuracy, "%.2f %%", 100 * r->accuracy);
    table_double(&t, r->macro_recall, "%.2f %%", 100 * r->macro_recall);
    double test = lesson->test ? e->accuracy : NAN;
    double recall = lesson->test ? lesson->test_recall : NAN;
    table_double(&t, test, "%.2f %s%.2f %%", 100 * test, term_plus_minus(),
                 100 * e->standard_error);
    table_double(&t, recall, "%.2f %%", 100 * recall);
    table_int(&t, e->count);
    double seconds = term_seconds() - lesson->app->start;
    table_double(&t, seconds, "%.1f", seconds);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(lesson->app, &j, "weft.teach/1");
        emit_double(&j, "means_accuracy", r->means_accuracy);
        emit_double(&j, "ridge_accuracy", r->ridge_accuracy);
        emit_double(&j, "ridge", r->ridge);
        emit_double(&j, "feature_seconds", r->feature_seconds);
        emit_double(&j, "fit_seconds", r->fit_seconds);
        table_json(&t, &j, "models");
        emit_end(&j);
    } else {
        table_write(&t);
    }
    table_free(&t);
}

static enum app_exit teach(struct lesson *lesson, const char *model, const char *spec)
{
    struct app *app = lesson->app;
    const struct teach_options *o = lesson->options;
    struct weft_model_info info;
    enum app_exit code = app_open_device(app);
    if (code || (code = app_load_model(app, model, &lesson->from)))
        return code;
    weft_model_info(lesson->from, &info);
    if ((code = app_choose_images(app, &lesson->images, info.preprocess, NULL, NULL)))
        return code;
    lesson->images.params.one_class = o->add;
    code = app_open_dataset(app, spec, WEFT_SPLIT_TRAIN, &lesson->data);
    if (code)
        return code;
    term_wait_begin("Teaching");
    enum weft_status status = weft_teach(
        app->device, lesson->from, lesson->data,
        weft_teach_params(.method = (enum weft_teach_method)o->method, .add = o->add,
                          .features_dir = lesson->images.params.cache_dir),
        &lesson->taught, &lesson->report);
    term_wait_end();
    if (status)
        return app_report_error(app, status == WEFT_ERR_ARG ? APP_INPUT : APP_WORK,
                                status);
    const char *const metadata[] = {"run.data", spec, NULL};
    if ((status = weft_model_save(lesson->taught, lesson->out, metadata)))
        return app_report_error(app, APP_WORK, status);
    app_print_written(lesson->out);
    if ((code = open_test(lesson, spec)) || (lesson->test && (code = evaluate(lesson))))
        return code;
    write_result(lesson);
    return app_flush_stdout(app);
}

static enum app_exit teach_main(struct app *app, const void *given, int count,
                                char **operands)
{
    const struct teach_options *o = given;
    (void)count;
    const char *model = app_model_path(operands[0]);
    struct lesson lesson = {
        .app = app,
        .options = o,
        .out = o->out   ? o->out
               : o->add ? model
                        : "taught.safetensors",
    };
    enum app_exit code = teach(&lesson, model, operands[1]);
    weft_model_destroy(&lesson.from);
    weft_model_destroy(&lesson.taught);
    weft_dataset_destroy(&lesson.data);
    weft_dataset_destroy(&lesson.test);
    return code;
}

const struct app_command cmd_teach = {
    .args =
        {
            .name = "teach",
            .operands = "MODEL DATA",
            .summary = "makes a classifier of own classes from a few photographs of each",
            .examples = "  tools/pretrained lite0\n"
                        "  weft teach lite0.safetensors photos --out shop.safetensors\n"
                        "  weft predict shop.safetensors new.jpg\n"
                        "  weft teach shop.safetensors more --add",
            .about =
                "MODEL is a model file, DATA a folder with a folder of images for each "
                "class. The network before MODEL's last layer is not trained: its "
                "outputs, the features, are computed once for each image, and a linear "
                "classifier of them is chosen by leave-one-out cross-validation. That "
                "takes seconds. The features stay in FILE, so that photographs and "
                "classes can be added. If DATA has test images, the new model is "
                "evaluated on them.",
            .options = options,
            .shared = shared_options,
            .operands_min = 2,
            .operands_max = 2,
        },
    .defaults = &(const struct teach_options){.out = NULL},
    .options_size = sizeof(struct teach_options),
    .run = teach_main,
};
