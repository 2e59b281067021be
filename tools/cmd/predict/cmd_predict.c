/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: classifies images. */
#include "predict/predict.h"

#include "core/preprocess.h"

#include <stdlib.h>
#include <string.h>

/* Batches have few sizes, whose programs the cache shares: the largest of these that is
 * filled. A batch's images and outputs take at most BATCH_BYTES. */
static const int batch_sizes[] = {128, 32, 8, 1};
enum { BATCH_BYTES = 64 << 20, MAX_BATCH = 128, MAX_PIXELS = 1 << 26 };

static const struct args_option options[] = {
    {.name = "top",
     .letter = 'k',
     .kind = ARGS_INT,
     .offset = offsetof(struct predict_options, top),
     .value = "K",
     .help = "classes to print per image; default 3",
     .min = 1,
     .max = PREDICT_MAX_TOP},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,     app_preprocess_options,
    app_precision_options, app_cached_tuning_options,
    app_tta_options,       app_device_options,
    app_output_options,    NULL};

static void skip(void *priv, const char *why)
{
    struct prediction *prediction = priv;
    app_error(prediction->app, APP_BAD_INPUT, "%s; skipped", why);
    predict_add_failure(prediction, why);
}

/* Creates the predictor for the largest batch size that is filled and fits. */
static enum weft_status create_predictor(struct prediction *prediction)
{
    enum weft_status status = WEFT_ERR_NOMEM;
    const size_t sizes = sizeof(batch_sizes) / sizeof(*batch_sizes);
    for (size_t i = 0; i < sizes && status == WEFT_ERR_NOMEM; i++) {
        if (batch_sizes[i] > prediction->count)
            continue;
        const struct weft_predictor_params params = *weft_predictor_params(
                .batch = batch_sizes[i],
                .precision = (enum weft_precision)prediction->options->app.precision,
                .pixels = prediction->pixels, .pixel_count = prediction->count,
                .logits = prediction->app->options->tta);
        term_wait_begin("Compiling kernels (cached for the next run)");
        status = weft_predictor_create(prediction->app->device, prediction->model,
                                       &params, &prediction->predictor);
        term_wait_end();
    }
    if (status)
        return status;
    struct weft_model_info model;
    weft_model_info(prediction->model, &model);
    app_print_precision(prediction->predictor, prediction->options->app.precision);
    tta_init(&prediction->tta, prediction->app, prediction->predictor, model.net);
    return WEFT_OK;
}

/* Runs the current batch. */
static enum app_exit flush(struct prediction *prediction)
{
    enum weft_status status = WEFT_OK;
    if (!prediction->count)
        return APP_OK;
    if (!prediction->predictor)
        status = create_predictor(prediction);
    if (status == WEFT_ERR_NOMEM)
        return app_error(prediction->app, APP_FAILED, "%s: %s", prediction->model_path,
                         weft_error(prediction->app->context));
    if (status)
        return app_report_error(prediction->app, APP_WORK, status);
    term_wait_begin("Predicting");
    enum app_exit code = tta_run(&prediction->tta, prediction->pixels, prediction->count,
                                 prediction->probabilities);
    term_wait_end();
    if (code)
        return code;
    predict_write_batch(prediction);
    while (prediction->count)
        free(prediction->items[--prediction->count].label);
    return APP_OK;
}

/* Room for one more item. */
static void reserve(struct prediction *prediction)
{
    if (prediction->count < prediction->room)
        return;
    size_t room = prediction->room ? 2 * (size_t)prediction->room : 1;
    room = room < (size_t)prediction->capacity ? room : (size_t)prediction->capacity;
    prediction->pixels =
        term_realloc_or_exit(prediction->pixels, room * prediction->image_bytes);
    prediction->items =
        term_realloc_or_exit(prediction->items, room * sizeof(*prediction->items));
    prediction->probabilities = term_realloc_or_exit(
        prediction->probabilities, room * prediction->net.output_values * sizeof(float));
    prediction->room = (int)room;
}

/* Adds one image to the batch. */
static enum app_exit add_image(struct prediction *prediction,
                               const struct image_file *file)
{
    struct weft_preprocess_params preprocess = prediction->preprocess;
    if (file->idx && preprocess.invert == WEFT_INVERT_AUTO)
        preprocess.invert = WEFT_INVERT_NO;
    reserve(prediction);
    struct predict_item *item = &prediction->items[prediction->count];
    enum weft_status status = weft_image_preprocess(
        prediction->app->context, &file->image, &preprocess,
        prediction->pixels + (size_t)prediction->count * prediction->image_bytes,
        &item->preprocessing);
    if (status == WEFT_ERR_NOMEM)
        return app_report_error(prediction->app, APP_WORK, status);
    item->label = file->idx ? term_format_or_exit("%s[%d]", file->path, file->next - 1)
                            : term_format_or_exit("%s", file->path);
    if (!status)
        return ++prediction->count == prediction->capacity ? flush(prediction) : APP_OK;
    char *why =
        term_format_or_exit("%s: %s", item->label, weft_error(prediction->app->context));
    skip(prediction, why);
    free(why);
    free(item->label);
    return APP_OK;
}

static enum app_exit add_file(struct prediction *prediction,
                              const struct image_path *path)
{
    struct image_file file;
    char *why;
    enum app_exit code = APP_OK;
    bool opened = image_file_open(&file, path, &why);
    file.purpose = &prediction->preprocess;
    while (opened && !code && image_file_next(prediction->app, &file, &why))
        code = add_image(prediction, &file);
    if (why)
        skip(prediction, why);
    free(why);
    image_file_close(&file);
    return code;
}

static enum app_exit prepare(struct prediction *prediction, const char *model)
{
    struct app *app = prediction->app;
    struct weft_model_info info;
    enum app_exit code = tta_check_options(app);
    if (code || (code = app_open_device(app)))
        return code;
    if ((code = app_load_model(app, model, &prediction->model)))
        return code;
    weft_model_info(prediction->model, &info);
    weft_net_info(info.net, &prediction->net);
    if (prediction->net.channels != 1 && prediction->net.channels != 3)
        return app_error(
            app, APP_BAD_INPUT,
            "%s: the model expects %d channels, but image files have 1 (grey) or "
            "3 (colour); use `weft eval` with an NPY file",
            model, prediction->net.channels);
    prediction->names = info.class_names;
    prediction->preprocess = *info.preprocess;
    app_apply_preprocess(&prediction->options->app, &prediction->preprocess);
    size_t pixels = (size_t)prediction->net.height * (size_t)prediction->net.width;
    if (pixels > MAX_PIXELS)
        return app_error(app, APP_BAD_INPUT,
                         "%s: the model expects images of %dx%d pixels, more than the "
                         "%d of the largest image that can be read",
                         model, prediction->net.height, prediction->net.width,
                         MAX_PIXELS);
    prediction->image_bytes = pixels * (size_t)prediction->net.channels;
    size_t fit = BATCH_BYTES / (prediction->image_bytes +
                                prediction->net.output_values * sizeof(float));
    prediction->capacity = fit > MAX_BATCH ? MAX_BATCH : fit ? (int)fit : 1;
    return APP_OK;
}

static enum app_exit report_failures(const struct prediction *prediction)
{
    int unread = prediction->failed - prediction->nonfinite;
    int images = prediction->failed + prediction->done;
    struct weft_predictor_info precision = {.precision = WEFT_PRECISION_FLOAT32};
    if (unread)
        term_print("%d of %d images could not be read", unread, images);
    if (prediction->predictor)
        weft_predictor_info(prediction->predictor, &precision);
    enum app_exit code = app_report_nonfinite(prediction->app, prediction->nonfinite,
                                              images - unread, precision.precision);
    return code ? code : unread ? APP_BAD_INPUT : APP_OK;
}

static enum app_exit predict(struct prediction *prediction, int count, char **files)
{
    struct image_list *list = &prediction->list;
    enum app_exit code = APP_OK;
    for (int i = 0; i < count && !code; i++)
        code = image_list_add(prediction->app, list, files[i]);
    if (!code)
        code = prepare(prediction, prediction->model_path);
    if (!code) {
        char *skipped = image_list_skipped(list);
        predict_begin_output(prediction);
        for (int i = 0; i < list->count && !code; i++) {
            term_progress("%s of %s files", table_thousands(i),
                          table_thousands(list->count));
            code = add_file(prediction, &list->paths[i]);
        }
        if (!code)
            code = flush(prediction);
        predict_end_output(prediction);
        if (!code && *tta_text(&prediction->tta))
            term_print("With %s", tta_text(&prediction->tta));
        if (skipped)
            term_print("%s", skipped);
        free(skipped);
    }
    if (!code)
        code = app_flush_stdout(prediction->app);
    return code ? code : report_failures(prediction);
}

static enum app_exit predict_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct predict_options *o = given;
    struct prediction prediction = {.app = app,
                                    .options = o,
                                    .model_path = operands[0],
                                    .list = {.skip = skip, .priv = &prediction},
                                    .json = {.out = stdout}};
    enum app_exit code = predict(&prediction, count - 1, operands + 1);
    while (prediction.count)
        free(prediction.items[--prediction.count].label);
    for (int i = 0; i < prediction.failed; i++)
        free(prediction.errors[i]);
    free(prediction.errors);
    free(prediction.items);
    free(prediction.pixels);
    free(prediction.probabilities);
    table_free(&prediction.table);
    image_list_free(&prediction.list);
    weft_predictor_destroy(&prediction.predictor);
    weft_model_destroy(&prediction.model);
    return code;
}

const struct app_command cmd_predict = {
    .args =
        {
            .name = "predict",
            .operands = "MODEL FILE|DIR|-...",
            .summary = "classifies images: PNG, JPEG, PBM, PGM, PPM, IDX",
            .examples = "  weft predict runs/a/best.safetensors shoe.jpg --top 5\n"
                        "  weft predict runs/a/best.safetensors photos/ -f csv\n"
                        "  cat shoe.png | weft predict runs/a/best.safetensors -",
            .about =
                "MODEL is a model file or the folder of a run. Folders of images are "
                "searched recursively, in sorted order. What cannot be read is reported "
                "and skipped, and the exit code is then 4; files of other kinds "
                "are counted. Images are made as the model's metadata say (`weft show "
                "MODEL`), unless options change it.",
            .options = options,
            .shared = shared_options,
            .operands_min = 2,
            .operands_max = -1,
        },
    .defaults = &(const struct predict_options){.top = 3},
    .options_size = sizeof(struct predict_options),
    .run = predict_main,
};
