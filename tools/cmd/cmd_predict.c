/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: classifies images. */
#include "core/app.h"

#include "core/image_files.h"
#include "core/plain_text.h"
#include "core/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 128, LABEL = 160, NOTES = 128, MAX_TOP = 100 };

struct predict_options {
    struct app_options app;
    int top;
};

static const struct args_option options[] = {
    {.name = "top",
     .letter = 'k',
     .kind = ARGS_INT,
     .offset = offsetof(struct predict_options, top),
     .value = "K",
     .help = "classes to print per image; default 3",
     .min = 1,
     .max = MAX_TOP},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_preprocess_options, app_precision_options, app_cached_tuning_options,
    app_device_options,     app_output_options,    NULL};

static const struct table_column columns[] = {
    {.key = "file", .title = "File", .left = true},
    {.key = "rank", .title = "Rank"},
    {.key = "class_id", .title = "Id"},
    {.key = "class", .title = "Class", .left = true},
    {.key = "probability", .title = "Probability"},
    {.key = "notes", .title = "Notes", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct item {
    char label[LABEL]; /* the file, with the index for IDX */
    struct weft_preprocess_info preprocessing;
};

struct prediction {
    struct app *app;
    const struct predict_options *options;
    weft_model *model;
    struct weft_net_info net;
    const char *const *names;
    struct weft_preprocess_params preprocess;
    weft_predictor *predictor;
    size_t image_bytes;
    uint8_t *pixels;
    float *probabilities;
    struct item *items;
    int count; /* items in the current batch */
    int done, failed;
    int nonfinite; /* those of `failed` whose outputs are not numbers */
    struct json json;
    struct table table;
    char **errors; /* `failed` messages, for JSON */
};

static void top_classes(const float *p, int classes, int top, int *out)
{
    for (int n = 0; n < top; n++) {
        int best = -1;
        for (int c = 0; c < classes; c++) {
            bool listed = false;
            for (int k = 0; k < n && !listed; k++)
                listed = out[k] == c;
            if (!listed && (best < 0 || p[c] > p[best]))
                best = c;
        }
        out[n] = best;
    }
}

static void format_notes(char out[NOTES], const struct weft_preprocess_info *info,
                         float best)
{
    static const char *const words[] = {"resized", "cropped", "inverted",
                                        "uneven background: unreliable", "uncertain"};
    bool holds[] = {info->resized, info->cropped, info->inverted, info->uneven_background,
                    best < 0.5f};
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(holds) / sizeof(*holds); i++)
        if (holds[i])
            at +=
                (size_t)snprintf(out + at, NOTES - at, "%s%s", at ? "; " : "", words[i]);
}

static void print_text(const struct prediction *prediction, const struct item *item,
                       const float *p, const int *order, int top, int width,
                       int class_width)
{
    const char *label = plain_text(item->label);
    int columns_wide = term_columns(label), cut = columns_wide - width;
    char note[NOTES];
    format_notes(note, &item->preprocessing, p[order[0]]);
    if (cut > 0) /* keep the end of the path */
        printf("...%s", label + strlen(label) - (size_t)(width - 3));
    else
        printf("%s%*s", label, width - columns_wide, "");
    printf("  %s%-*s %5.1f %%%s", term_style_begin(stdout, TERM_BOLD), class_width,
           plain_text(prediction->names[order[0]]), 100.0 * (double)p[order[0]],
           term_style_end(stdout));
    for (int k = 1; k < top; k++)
        printf("   %s %.1f", plain_text(prediction->names[order[k]]),
               100.0 * (double)p[order[k]]);
    if (*note)
        printf("   %s(%s)%s", term_style_begin(stdout, TERM_DIM), note,
               term_style_end(stdout));
    putchar('\n');
}

static void write_json(struct prediction *prediction, const struct item *item,
                       const float *p, const int *order, int top)
{
    struct json *j = &prediction->json;
    emit_object(j, NULL);
    emit_text(j, "file", item->label);
    emit_list(j, "predictions");
    for (int k = 0; k < top; k++) {
        emit_object(j, NULL);
        emit_int(j, "class_id", order[k]);
        emit_text(j, "class", prediction->names[order[k]]);
        emit_double(j, "probability", (double)p[order[k]]);
        emit_end(j);
    }
    emit_end(j);
    emit_bool(j, "resized", item->preprocessing.resized);
    emit_bool(j, "cropped", item->preprocessing.cropped);
    emit_bool(j, "inverted", item->preprocessing.inverted);
    emit_bool(j, "uneven_background", item->preprocessing.uneven_background);
    emit_end(j);
}

static void write_rows(struct prediction *prediction, const struct item *item,
                       const float *p, const int *order, int top)
{
    struct table *t = &prediction->table;
    char notes[NOTES];
    format_notes(notes, &item->preprocessing, p[order[0]]);
    for (int k = 0; k < top; k++) {
        table_text(t, item->label);
        table_int(t, k + 1);
        table_int(t, order[k]);
        table_text(t, prediction->names[order[k]]);
        table_double(t, (double)p[order[k]], "%.4f", (double)p[order[k]]);
        table_text(t, notes);
    }
}

static void add_failure(struct prediction *prediction, const char *why)
{
    prediction->errors =
        term_realloc_or_exit(prediction->errors, ((size_t)prediction->failed + 1) *
                                                     sizeof(*prediction->errors));
    size_t size = strlen(why) + 1;
    prediction->errors[prediction->failed++] =
        memcpy(term_realloc_or_exit(NULL, size), why, size);
}

static void skip(struct prediction *prediction, const char *why)
{
    app_error(prediction->app, APP_BAD_INPUT, "%s; skipped", why);
    add_failure(prediction, why);
}

/* False: an output is not a number, so no class is the most likely one. */
static bool check_outputs(struct prediction *prediction, const struct item *item,
                          const float *p)
{
    char why[LABEL + 64];
    int c = 0;
    while (c < prediction->net.classes && isfinite(p[c]))
        c++;
    if (c == prediction->net.classes)
        return true;
    snprintf(why, sizeof(why), "%s: the outputs of the network are not numbers",
             item->label);
    add_failure(prediction, why);
    app_error(prediction->app, APP_FAILED, "%s", why);
    prediction->nonfinite++;
    return false;
}

static void print_batch(struct prediction *prediction)
{
    int classes = prediction->net.classes, width = 4, class_width = 0, order[MAX_TOP];
    int top = prediction->options->top < classes ? prediction->options->top : classes;
    for (int i = 0; i < prediction->count; i++) {
        int w = term_columns(prediction->items[i].label);
        width = w > width ? w : width;
    }
    width = width > 36 ? 36 : width;
    for (int c = 0; c < classes; c++) {
        int w = term_columns(prediction->names[c]);
        class_width = w > class_width && w <= 24 ? w : class_width;
    }
    term_progress_clear();
    for (int i = 0; i < prediction->count; i++) {
        const float *p = prediction->probabilities + (size_t)i * (size_t)classes;
        if (!check_outputs(prediction, &prediction->items[i], p))
            continue;
        prediction->done++;
        top_classes(p, classes, top, order);
        if (prediction->options->app.format == TABLE_HUMAN)
            print_text(prediction, &prediction->items[i], p, order, top, width,
                       class_width);
        else if (prediction->options->app.format == TABLE_JSON)
            write_json(prediction, &prediction->items[i], p, order, top);
        else
            write_rows(prediction, &prediction->items[i], p, order, top);
    }
    term_flush_stdout();
}

/* Runs the current batch. The predictor is created for the first batch's size. */
static enum app_exit flush(struct prediction *prediction)
{
    enum weft_status status = WEFT_OK;
    if (!prediction->count)
        return APP_OK;
    if (!prediction->predictor) {
        const struct weft_predictor_params params = *weft_predictor_params(
                .batch = prediction->count,
                .precision = (enum weft_precision)prediction->options->app.precision,
                .pixels = prediction->pixels, .pixel_count = prediction->count);
        term_wait_begin("Compiling kernels (cached for the next run)");
        status = weft_predictor_create(prediction->app->device, prediction->model,
                                       &params, &prediction->predictor);
        term_wait_end();
        if (!status)
            app_print_precision(prediction->predictor,
                                prediction->options->app.precision);
    }
    if (!status) {
        term_wait_begin("Predicting");
        status = weft_predictor_run(prediction->predictor, prediction->pixels,
                                    prediction->count, prediction->probabilities);
        term_wait_end();
    }
    if (status)
        return app_report_error(prediction->app, APP_WORK, status);
    print_batch(prediction);
    prediction->count = 0;
    return APP_OK;
}

static enum app_exit add_file(struct prediction *prediction, const char *path)
{
    struct image_file file;
    char why[512];
    enum app_exit code = APP_OK;
    if (!image_file_open(prediction->app, &file, path, why)) {
        skip(prediction, why);
        image_file_close(&file);
        return APP_OK;
    }
    struct weft_preprocess_params preprocess = prediction->preprocess;
    if (file.idx && preprocess.invert == WEFT_INVERT_AUTO)
        preprocess.invert = WEFT_INVERT_NO;
    for (int i = 0; i < file.count && !code; i++) {
        struct item *item = &prediction->items[prediction->count];
        struct weft_image image = image_file_image(&file, i);
        snprintf(item->label, LABEL, file.idx ? "%.140s[%d]" : "%.150s", path, i);
        enum weft_status status = weft_image_preprocess(
            prediction->app->context, &image, &preprocess,
            prediction->pixels + (size_t)prediction->count * prediction->image_bytes,
            &item->preprocessing);
        if (status == WEFT_ERR_NOMEM)
            code = app_report_error(prediction->app, APP_WORK, status);
        else if (status) {
            snprintf(why, sizeof(why), "%.300s: %.200s", path,
                     weft_error(prediction->app->context));
            skip(prediction, why);
        } else if (++prediction->count == MAX_BATCH)
            code = flush(prediction);
    }
    image_file_close(&file);
    return code;
}

static enum app_exit prepare(struct prediction *prediction, const char *model)
{
    struct app *app = prediction->app;
    struct weft_model_info info;
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    enum weft_status status = weft_model_load(app->context, model, &prediction->model);
    if (status)
        return app_report_error(app, APP_INPUT, status);
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
    prediction->image_bytes = (size_t)prediction->net.height *
                              (size_t)prediction->net.width *
                              (size_t)prediction->net.channels;
    prediction->pixels = term_realloc_or_exit(NULL, MAX_BATCH * prediction->image_bytes);
    prediction->items =
        term_realloc_or_exit(NULL, MAX_BATCH * sizeof(*prediction->items));
    prediction->probabilities =
        term_realloc_or_exit(NULL, MAX_BATCH * prediction->net.output_values *
                                       sizeof(*prediction->probabilities));
    return APP_OK;
}

static void begin_output(struct prediction *prediction, const char *model)
{
    enum table_format format = (enum table_format)prediction->options->app.format;
    table_init(&prediction->table, stdout, format, columns, COLUMN_COUNT, true);
    if (format != TABLE_JSON)
        return;
    app_json_begin(prediction->app, &prediction->json, "weft.predict/2");
    emit_text(&prediction->json, "model", model);
    emit_list(&prediction->json, "classes");
    for (int c = 0; c < prediction->net.classes; c++)
        emit_text(&prediction->json, NULL, prediction->names[c]);
    emit_end(&prediction->json);
    app_json_preprocess(&prediction->preprocess, &prediction->json);
    emit_list(&prediction->json, "images");
}

static void end_output(struct prediction *prediction)
{
    if (prediction->options->app.format == TABLE_JSON) {
        emit_end(&prediction->json);
        emit_list(&prediction->json, "failed");
        for (int i = 0; i < prediction->failed; i++)
            emit_text(&prediction->json, NULL, prediction->errors[i]);
        emit_end(&prediction->json);
        emit_end(&prediction->json);
    }
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

static enum app_exit predict(struct prediction *prediction, const char *model, int count,
                             char **files)
{
    struct image_paths list = {0};
    enum app_exit code = APP_OK;
    for (int i = 0; i < count && !code; i++)
        code = image_paths_add(prediction->app, &list, files[i]);
    if (!code)
        code = prepare(prediction, model);
    if (!code) {
        begin_output(prediction, model);
        for (int i = 0; i < list.count && !code; i++) {
            term_progress("%s of %s files", table_thousands(i),
                          table_thousands(list.count));
            code = add_file(prediction, list.paths[i]);
        }
        if (!code)
            code = flush(prediction);
        end_output(prediction);
    }
    image_paths_free(&list);
    if (!code)
        code = app_flush_stdout(prediction->app);
    return code ? code : report_failures(prediction);
}

static enum app_exit predict_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct predict_options *o = given;
    struct prediction prediction = {.app = app, .options = o, .json = {.out = stdout}};
    enum app_exit code = predict(&prediction, operands[0], count - 1, operands + 1);
    for (int i = 0; i < prediction.failed; i++)
        free(prediction.errors[i]);
    free(prediction.errors);
    free(prediction.items);
    free(prediction.pixels);
    free(prediction.probabilities);
    table_free(&prediction.table);
    weft_predictor_destroy(&prediction.predictor);
    weft_model_destroy(&prediction.model);
    return code;
}

const struct app_command cmd_predict = {
    .args =
        {
            .name = "predict",
            .operands = "MODEL FILE|DIR|-...",
            .summary = "classifies images: PNG, JPEG, PGM, IDX",
            .examples = "  weft predict runs/a/best.safetensors shoe.jpg --top 5\n"
                        "  weft predict runs/a/best.safetensors photos/ -f csv\n"
                        "  cat shoe.png | weft predict runs/a/best.safetensors -",
            .about =
                "Folders are searched recursively, in sorted order. Unreadable files are "
                "reported and skipped; the exit code is then 4.",
            .options = options,
            .shared = shared_options,
            .operands_min = 2,
            .operands_max = -1,
        },
    .defaults = &(const struct predict_options){.top = 3},
    .options_size = sizeof(struct predict_options),
    .run = predict_main,
};
