/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: what a model sees on pictures. */
#include "app.h"

#include "pictures.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BATCH = 128, LABEL = 160, MOST_TOP = 100 };

struct options {
    struct app_options app;
    int top, invert, precision;
};

static const struct args_option options[] = {
    {"top", 'k', ARGS_INT, offsetof(struct options, top), "K",
     "classes told for each picture; default 3", 1, MOST_TOP},
    {"invert", 0, ARGS_CHOICE, offsetof(struct options, invert), "auto|no|yes",
     "light against dark; auto: pictures with a light background", 0, 0},
    APP_OPTION_PRECISION(struct options, precision),
    APP_OPTIONS_TUNED(struct options),
    APP_OPTIONS_DEVICE(struct options),
    APP_OPTIONS_OUTPUT(struct options),
    APP_OPTIONS_COLOR(struct options),
    {0},
};

static const struct table_column columns[] = {
    {"file", "File", true, 0},
    {"rank", "Rank", false, 0},
    {"class_id", "Id", false, 0},
    {"class", "Class", true, 0},
    {"probability", "Probability", false, 0},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct item {
    char label[LABEL]; /* the file, and in an IDX file the place */
    struct weft_fit fit;
};

struct job {
    struct app *app;
    const struct options *options;
    weft_model *model;
    struct weft_net_info net;
    const char *const *names;
    weft_predictor *predictor;
    size_t picture; /* bytes */
    uint8_t *pixels;
    float *probabilities;
    struct item *items;
    int count; /* waiting to be predicted */
    int done, failed;
    struct json json;
    struct table table;
    char **errors; /* `failed` of them, for the JSON */
};

static void rank(const float *p, int classes, int top, int *out)
{
    for (int n = 0; n < top; n++) {
        int best = -1;
        for (int c = 0; c < classes; c++) {
            bool taken = false;
            for (int k = 0; k < n && !taken; k++)
                taken = out[k] == c;
            if (!taken && (best < 0 || p[c] > p[best]))
                best = c;
        }
        out[n] = best;
    }
}

static void remarks(char out[128], const struct weft_fit *fit, float best)
{
    static const char *const words[] = {"resized", "cropped", "inverted",
                                        "uneven background: expect little", "unsure"};
    bool holds[] = {fit->resized, fit->cropped, fit->inverted, fit->uneven_background,
                    best < 0.5f};
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(holds) / sizeof(*holds); i++)
        if (holds[i])
            at += (size_t)snprintf(out + at, 128 - at, "%s%s", at ? ", " : "", words[i]);
}

static void show(const struct job *job, const struct item *item, const float *p,
                 const int *order, int top, int width, int class_width)
{
    const char *label = item->label;
    int columns_wide = term_columns(label), cut = columns_wide - width;
    char note[128];
    remarks(note, &item->fit, p[order[0]]);
    if (cut > 0) /* the end of a path tells more than its beginning */
        printf("...%s", label + strlen(label) - (size_t)(width - 3));
    else
        printf("%s%*s", label, width - columns_wide, "");
    printf("  %s%-*s %5.1f %%%s", term_on(stdout, TERM_BOLD), class_width,
           job->names[order[0]], 100.0 * (double)p[order[0]], term_off(stdout));
    for (int k = 1; k < top; k++)
        printf("   %s %.1f", job->names[order[k]], 100.0 * (double)p[order[k]]);
    if (*note)
        printf("   %s(%s)%s", term_on(stdout, TERM_DIM), note, term_off(stdout));
    putchar('\n');
}

static void write_json(struct job *job, const struct item *item, const float *p,
                       const int *order, int top)
{
    struct json *j = &job->json;
    emit_object(j, NULL);
    emit_text(j, "file", item->label);
    emit_list(j, "predictions");
    for (int k = 0; k < top; k++) {
        emit_object(j, NULL);
        emit_int(j, "class_id", order[k]);
        emit_text(j, "class", job->names[order[k]]);
        emit_real(j, "probability", (double)p[order[k]]);
        emit_end(j);
    }
    emit_end(j);
    emit_bool(j, "resized", item->fit.resized);
    emit_bool(j, "cropped", item->fit.cropped);
    emit_bool(j, "inverted", item->fit.inverted);
    emit_bool(j, "uneven_background", item->fit.uneven_background);
    emit_end(j);
}

static void write_rows(struct job *job, const struct item *item, const float *p,
                       const int *order, int top)
{
    struct table *t = &job->table;
    for (int k = 0; k < top; k++) {
        table_text(t, item->label);
        table_int(t, k + 1);
        table_int(t, order[k]);
        table_text(t, job->names[order[k]]);
        table_real(t, (double)p[order[k]], "%.4f", (double)p[order[k]]);
    }
}

static void tell_batch(struct job *job)
{
    int classes = job->net.classes, width = 4, class_width = 0, order[MOST_TOP];
    int top = job->options->top < classes ? job->options->top : classes;
    for (int i = 0; i < job->count; i++) {
        int w = term_columns(job->items[i].label);
        width = w > width ? w : width;
    }
    width = width > 36 ? 36 : width;
    for (int c = 0; c < classes; c++) {
        int w = term_columns(job->names[c]);
        class_width = w > class_width && w <= 24 ? w : class_width;
    }
    term_progress_clear();
    for (int i = 0; i < job->count; i++) {
        const float *p = job->probabilities + (size_t)i * (size_t)classes;
        rank(p, classes, top, order);
        if (job->options->app.format == TABLE_HUMAN)
            show(job, &job->items[i], p, order, top, width, class_width);
        else if (job->options->app.format == TABLE_JSON)
            write_json(job, &job->items[i], p, order, top);
        else
            write_rows(job, &job->items[i], p, order, top);
    }
    fflush(stdout);
}

/* The predictor is planned when the first pictures are there: for one, if there is
 * one. */
static enum app_exit flush(struct job *job)
{
    enum weft_status status = WEFT_OK;
    if (!job->count)
        return APP_DONE;
    if (!job->predictor) {
        const struct weft_predictor_params params = {
            .batch = job->count,
            .precision = (enum weft_precision)job->options->precision,
            .pixels = job->pixels,
            .pixel_count = job->count};
        term_wait_begin("Compiling kernels, which are kept for next time");
        status =
            weft_predictor_create(job->app->device, job->model, &params, &job->predictor);
        term_wait_end();
        if (!status)
            app_tell_precision(job->predictor, job->options->precision);
    }
    if (!status) {
        term_wait_begin("Predicting");
        status =
            weft_predict(job->predictor, job->pixels, job->count, job->probabilities);
        term_wait_end();
    }
    if (status)
        return app_fail(job->app, APP_WORK, status);
    tell_batch(job);
    job->done += job->count;
    job->count = 0;
    return APP_DONE;
}

static void skip(struct job *job, const char *why)
{
    app_error(job->app, APP_BAD_INPUT, "%s; skipped", why);
    job->errors =
        term_alloc(job->errors, ((size_t)job->failed + 1) * sizeof(*job->errors));
    size_t size = strlen(why) + 1;
    job->errors[job->failed++] = memcpy(term_alloc(NULL, size), why, size);
}

static enum app_exit add_file(struct job *job, const char *path)
{
    struct picture_file file;
    char why[512];
    enum app_exit code = APP_DONE;
    if (!picture_file_open(job->app, &file, path, why)) {
        skip(job, why);
        picture_file_finish(&file);
        return APP_DONE;
    }
    enum weft_invert invert = (enum weft_invert)job->options->invert;
    if (file.idx && invert == WEFT_INVERT_AUTO)
        invert = WEFT_INVERT_NO;
    for (int i = 0; i < file.count && !code; i++) {
        struct item *item = &job->items[job->count];
        struct weft_picture picture = picture_file_get(&file, i);
        snprintf(item->label, LABEL, file.idx ? "%.140s[%d]" : "%.150s", path, i);
        enum weft_status status =
            weft_picture_fit(job->app->context, &picture, invert, job->net.height,
                             job->net.width, job->net.channels,
                             job->pixels + (size_t)job->count * job->picture, &item->fit);
        if (status == WEFT_ERR_NOMEM)
            code = app_fail(job->app, APP_WORK, status);
        else if (status)
            skip(job, weft_error(job->app->context));
        else if (++job->count == MOST_BATCH)
            code = flush(job);
    }
    picture_file_finish(&file);
    return code;
}

static enum app_exit prepare(struct job *job, const char *model)
{
    struct app *app = job->app;
    struct weft_model_info info;
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    enum weft_status status = weft_model_load(app->context, model, &job->model);
    if (status)
        return app_fail(app, APP_INPUT, status);
    weft_model_info(job->model, &info);
    weft_net_info(info.net, &job->net);
    if (job->net.channels != 1 && job->net.channels != 3)
        return app_error(app, APP_BAD_INPUT,
                         "%s: is for pictures of %d channels, but files are read as grey "
                         "(1 channel) or coloured (3); `weft eval` takes NPY files of "
                         "others",
                         model, job->net.channels);
    job->names = info.class_names;
    job->picture =
        (size_t)job->net.height * (size_t)job->net.width * (size_t)job->net.channels;
    job->pixels = term_alloc(NULL, MOST_BATCH * job->picture);
    job->items = term_alloc(NULL, MOST_BATCH * sizeof(*job->items));
    job->probabilities = term_alloc(NULL, MOST_BATCH * (size_t)job->net.classes *
                                              sizeof(*job->probabilities));
    return APP_DONE;
}

static void begin_output(struct job *job, const char *model)
{
    enum table_format format = (enum table_format)job->options->app.format;
    table_init(&job->table, stdout, format, columns, COLUMN_COUNT, true);
    if (format != TABLE_JSON)
        return;
    app_json_begin(job->app, &job->json, "weft.predict/1");
    emit_text(&job->json, "model", model);
    emit_list(&job->json, "classes");
    for (int c = 0; c < job->net.classes; c++)
        emit_text(&job->json, NULL, job->names[c]);
    emit_end(&job->json);
    emit_list(&job->json, "pictures");
}

static void end_output(struct job *job)
{
    if (job->options->app.format == TABLE_JSON) {
        emit_end(&job->json);
        emit_list(&job->json, "failed");
        for (int i = 0; i < job->failed; i++)
            emit_text(&job->json, NULL, job->errors[i]);
        emit_end(&job->json);
        emit_end(&job->json);
    }
}

static enum app_exit predict(struct job *job, const char *model, int count, char **files)
{
    struct picture_list list = {0};
    enum app_exit code = APP_DONE;
    for (int i = 0; i < count && !code; i++)
        code = picture_list_add(job->app, &list, files[i]);
    if (!code)
        code = prepare(job, model);
    if (!code) {
        begin_output(job, model);
        for (int i = 0; i < list.count && !code; i++) {
            term_progress("%s of %s files", table_thousands(i),
                          table_thousands(list.count));
            code = add_file(job, list.paths[i]);
        }
        if (!code)
            code = flush(job);
        end_output(job);
    }
    picture_list_finish(&list);
    if (!code)
        code = app_flush(job->app);
    if (!code && job->failed) {
        term_say("%d of %d could not be read", job->failed, job->failed + job->done);
        code = APP_BAD_INPUT;
    }
    return code;
}

static enum app_exit run(struct app *app, const void *given, int count, char **operands)
{
    const struct options *o = given;
    struct job job = {.app = app, .options = o, .json = {.out = stdout}};
    enum app_exit code = predict(&job, operands[0], count - 1, operands + 1);
    for (int i = 0; i < job.failed; i++)
        free(job.errors[i]);
    free(job.errors);
    free(job.items);
    free(job.pixels);
    free(job.probabilities);
    table_finish(&job.table);
    weft_predictor_destroy(&job.predictor);
    weft_model_destroy(&job.model);
    return code;
}

const struct app_command cmd_predict = {
    .args =
        {
            .name = "predict",
            .operands = "MODEL FILE|DIR|-...",
            .summary = "tells what is on pictures: PNG, JPEG, PGM, IDX",
            .examples = "  weft predict runs/a/best.safetensors shoe.jpg --top 5\n"
                        "  weft predict runs/a/best.safetensors photos/ -o csv\n"
                        "  cat shoe.png | weft predict runs/a/best.safetensors -",
            .about = "Of a folder, all pictures in it and below, in sorted order. A "
                     "bad file is told and skipped; the exit code is then 4.",
            .options = options,
            .operands_min = 2,
            .operands_max = -1,
        },
    .defaults = &(const struct options){.top = 3},
    .options_size = sizeof(struct options),
    .run = run,
};
