/* SPDX-License-Identifier: Apache-2.0 */
/* Features of images. */
#include "search/embedding.h"

#include "core/image_hash.h"
#include "core/image_stream.h"
#include "core/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIXELS = 1 << 26, MOST_AHEAD = 256, AHEAD_BYTES = 1 << 26 };

/* Both predictors, for the largest batch that fits. */
static enum weft_status create_predictors(struct embedder *e)
{
    static const int batches[] = {EMBED_BATCH, 8, 1};
    enum weft_status status = WEFT_ERR_NOMEM;
    for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
        const struct weft_predictor_params params =
            *weft_predictor_params(.batch = e->batch = batches[i]);
        weft_predictor_destroy(&e->features);
        status =
            weft_predictor_create(e->app->device, e->backbone, &params, &e->features);
        if (!status)
            status =
                weft_predictor_create(e->app->device, e->model, &params, &e->classes);
        if (status != WEFT_ERR_NOMEM)
            break;
    }
    return status;
}

static enum app_exit check_input(struct embedder *e, const char *model)
{
    size_t pixels = (size_t)e->net.height * (size_t)e->net.width;
    if (pixels > MAX_PIXELS)
        return app_error(e->app, APP_BAD_INPUT,
                         "%s: the model expects images of %dx%d pixels, more than the %d "
                         "of the largest image that can be read",
                         model, e->net.height, e->net.width, MAX_PIXELS);
    e->image_bytes = pixels * (size_t)e->net.channels;
    return APP_OK;
}

static void allocate(struct embedder *e)
{
    size_t batch = (size_t)e->batch;
    e->pixels = term_realloc_or_exit(NULL, batch * e->image_bytes);
    e->rows = term_realloc_or_exit(NULL, batch * (size_t)e->dimensions * sizeof(float));
    e->scores = term_realloc_or_exit(NULL, batch * e->net.output_values * sizeof(float));
    e->images = term_realloc_or_exit(NULL, batch * sizeof(*e->images));
}

enum app_exit embedder_open(struct embedder *e, struct app *app, const char *model)
{
    struct weft_model_info backbone;
    struct weft_net_info features;
    *e = (struct embedder){.app = app};
    enum app_exit code = app_open_device(app);
    if (code || (code = app_load_model(app, model, &e->model)))
        return code;
    weft_model_info(e->model, &e->info);
    weft_net_info(e->info.net, &e->net);
    e->class_count = e->net.classes;
    e->preprocess = *e->info.preprocess;
    app_apply_preprocess(app->options, &e->preprocess);
    if ((code = check_input(e, model)))
        return code;
    enum weft_status status = weft_model_backbone(e->model, &e->backbone);
    if (status)
        return app_report_error(app, APP_INPUT, status);
    weft_model_info(e->backbone, &backbone);
    weft_net_info(backbone.net, &features);
    e->dimensions = features.classes;
    term_wait_begin("Compiling kernels (cached for the next run)");
    status = create_predictors(e);
    term_wait_end();
    if (status)
        return app_report_error(app, APP_WORK, status);
    allocate(e);
    return APP_OK;
}

void embedder_close(struct embedder *e)
{
    while (e->pending)
        free(e->images[--e->pending].file);
    weft_predictor_destroy(&e->features);
    weft_predictor_destroy(&e->classes);
    weft_model_destroy(&e->backbone);
    weft_model_destroy(&e->model);
    free(e->pixels);
    free(e->rows);
    free(e->scores);
    free(e->images);
    *e = (struct embedder){0};
}

/* Divides a row by its norm; false: not finite. A row of zeros stays. */
static bool normalize(float *row, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += (double)row[i] * (double)row[i];
    double factor = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int i = 0; i < count; i++)
        row[i] = (float)((double)row[i] * factor);
    return isfinite(sum);
}

static void classify(const struct embedder *e, const float *scores,
                     struct vector_image *image)
{
    int best = 0;
    for (int c = 1; c < e->class_count; c++)
        best = scores[c] > scores[best] ? c : best;
    image->class_index = best;
    image->probability = scores[best];
}

static enum app_exit skip(struct embedder *e, const char *why)
{
    app_error(e->app, APP_BAD_INPUT, "%s; skipped", why);
    e->failed++;
    return APP_OK;
}

/* Passes one image of the batch on. */
static enum app_exit deliver(struct embedder *e, int i)
{
    struct vector_image *image = &e->images[i];
    float *row = e->rows + (size_t)i * (size_t)e->dimensions;
    if (normalize(row, e->dimensions)) {
        classify(e, e->scores + (size_t)i * (size_t)e->class_count, image);
        e->done++;
        return e->take(e->priv, row, image);
    }
    char *name = vector_image_name(image);
    char *why = term_format_or_exit("%s: its features are not finite", name);
    enum app_exit code = skip(e, why);
    free(why);
    free(name);
    free(image->file);
    return code;
}

static enum app_exit flush(struct embedder *e)
{
    int count = e->pending;
    double start = term_seconds();
    enum weft_status status = weft_predictor_run(e->features, e->pixels, count, e->rows);
    if (!status)
        status = weft_predictor_run(e->classes, e->pixels, count, e->scores);
    if (status)
        return app_report_error(e->app, APP_WORK, status);
    e->seconds += term_seconds() - start;
    enum app_exit code = APP_OK;
    int i = 0;
    while (i < count && !code)
        code = deliver(e, i++);
    for (; i < count; i++) /* after a failure */
        free(e->images[i].file);
    e->pending = 0;
    return code;
}

/* The next image's place in the batch. */
static uint8_t *place(const struct embedder *e)
{
    return e->pixels + (size_t)e->pending * e->image_bytes;
}

static enum app_exit add(struct embedder *e, const char *file, int index, uint64_t hash)
{
    e->images[e->pending++] = (struct vector_image){
        .file = term_format_or_exit("%s", file), .index = index, .hash = hash};
    return e->pending == e->batch ? flush(e) : APP_OK;
}

static enum app_exit add_image(struct embedder *e, const struct image_file *file)
{
    struct weft_preprocess_params preprocess = e->preprocess;
    struct weft_preprocess_info info;
    uint64_t hash;
    if (file->idx && preprocess.invert == WEFT_INVERT_AUTO)
        preprocess.invert = WEFT_INVERT_NO;
    enum weft_status status = weft_image_preprocess(e->app->context, &file->image,
                                                    &preprocess, place(e), &info);
    if (status == WEFT_ERR_NOMEM)
        return app_report_error(e->app, APP_WORK, status);
    if (status) {
        char *why =
            term_format_or_exit("%s: %s", file->path, weft_error(e->app->context));
        enum app_exit code = skip(e, why);
        free(why);
        return code;
    }
    status = image_hash(e->app->context, &file->image, &hash);
    return status ? app_report_error(e->app, APP_WORK, status)
                  : add(e, file->path, file->idx ? file->next - 1 : -1, hash);
}

static enum app_exit add_file(struct embedder *e, const struct image_path *path)
{
    struct image_file file;
    char *why;
    enum app_exit code = APP_OK;
    bool opened = image_file_open(&file, path, &why);
    file.purpose = &e->preprocess;
    while (opened && !code && image_file_next(e->app->context, &file, &why))
        code = add_image(e, &file);
    if (why && !code)
        code = skip(e, why);
    free(why);
    image_file_close(&file);
    return code;
}

static enum app_exit add_input(struct embedder *e, const struct image_input *input)
{
    if (input->left)
        return add_file(e, &input->path);
    if (input->no_memory)
        return app_error(e->app, APP_FAILED, "%s", input->why);
    if (input->why)
        return skip(e, input->why);
    memcpy(place(e), input->pixels, e->image_bytes);
    return add(e, input->path.path, -1, input->hash);
}

/* Files are read in threads while a batch runs. */
static enum app_exit add_files(struct embedder *e, const struct image_list *list)
{
    enum app_exit code = APP_OK;
    size_t ahead = AHEAD_BYTES / e->image_bytes;
    ahead = ahead < 1 ? 1 : ahead < MOST_AHEAD ? ahead : MOST_AHEAD;
    struct image_stream *stream = image_stream_start(e->app->context, &e->preprocess,
                                                     IMAGE_STREAM_HASHES, (int)ahead + 1);
    for (int put = 0, taken = 0; taken < list->count && !code; taken++) {
        while (put < list->count && image_stream_has_room(stream))
            image_stream_put(stream, &list->paths[put++]);
        term_progress("%s of %s files", table_thousands(taken),
                      table_thousands(list->count));
        code = add_input(e, image_stream_take(stream));
    }
    image_stream_stop(&stream);
    return code;
}

static enum app_exit check_shape(const struct embedder *e, const char *spec,
                                 const weft_dataset *data, struct weft_dataset_info *out)
{
    weft_dataset_info(data, out);
    if (out->height == e->net.height && out->width == e->net.width &&
        out->channels == e->net.channels)
        return APP_OK;
    return app_error(e->app, APP_BAD_INPUT,
                     "%s: images of %dx%dx%d, but the model expects %dx%dx%d", spec,
                     out->height, out->width, out->channels, e->net.height, e->net.width,
                     e->net.channels);
}

/* Images of a dataset have the shape of the input, or are made so. */
static enum app_exit add_data(struct embedder *e, const char *spec)
{
    struct app_images images;
    struct weft_dataset_info info;
    weft_dataset *data = NULL;
    static const char *const parts[] = {"", ":test", ":validation"};
    char *name = term_format_or_exit("%s%s", spec, parts[e->split]);
    enum app_exit code = app_choose_images(e->app, &images, &e->preprocess, NULL, NULL);
    if (!code)
        code = app_open_dataset(e->app, spec, (enum weft_split)e->split, &data);
    if (!code)
        code = app_preprocess_dataset(e->app, &e->preprocess, &data);
    if (!code)
        code = check_shape(e, spec, data, &info);
    for (int i = 0; !code && i < info.count; i++) {
        const struct weft_image image = {info.height, info.width, info.channels,
                                         place(e)};
        uint64_t hash;
        enum weft_status status = weft_dataset_read(data, i, 1, place(e));
        if (status) {
            code = app_report_error(e->app, APP_INPUT, status);
            break;
        }
        if (!(i % 1024))
            term_progress("%s of %s images", table_thousands(i),
                          table_thousands(info.count));
        status = image_hash(e->app->context, &image, &hash);
        if (status)
            code = app_report_error(e->app, APP_WORK, status);
        else
            code = info.files ? add(e, info.files[i], -1, hash) : add(e, name, i, hash);
    }
    free(name);
    weft_dataset_destroy(&data);
    e->app->images = NULL;
    return code;
}

/* Data that is no image file and no folder of them. */
static bool is_data(const char *operand)
{
    static const char *const endings[] = {".npy", ".npz", ".csv", ".csv.gz"};
    size_t length = strlen(operand);
    if (!strcmp(operand, "-"))
        return false;
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        size_t n = strlen(endings[i]);
        if (length > n && !strcmp(operand + length - n, endings[i]))
            return true;
    }
    return !paths_exists(operand);
}

static void skip_listed(void *priv, const char *why)
{
    skip(priv, why);
}

static enum app_exit add_operand(struct embedder *e, const char *operand)
{
    struct image_list list = {.skip = skip_listed, .priv = e};
    if (is_data(operand))
        return add_data(e, operand);
    if (e->net.channels != 1 && e->net.channels != 3)
        return app_error(e->app, APP_BAD_INPUT,
                         "%s: the model expects %d channels, but image files have 1 "
                         "(grey) or 3 (colour); name an NPY file",
                         operand, e->net.channels);
    enum app_exit code = image_list_add(e->app, &list, operand);
    if (!code)
        code = add_files(e, &list);
    char *skipped = image_list_skipped(&list);
    if (skipped)
        term_print("%s", skipped);
    free(skipped);
    image_list_free(&list);
    return code;
}

enum app_exit embedder_run(struct embedder *e, int count, char **operands,
                           embed_take take, void *priv)
{
    enum app_exit code = APP_OK;
    e->take = take;
    e->priv = priv;
    for (int i = 0; i < count && !code; i++)
        code = add_operand(e, operands[i]);
    if (!code && e->pending)
        code = flush(e);
    term_progress_clear();
    return code;
}

enum app_exit embedder_report_failures(const struct embedder *e)
{
    if (!e->failed)
        return APP_OK;
    term_print("%s of %s images could not be read", table_thousands(e->failed),
               table_thousands((double)e->done + e->failed));
    return APP_BAD_INPUT;
}

static enum app_exit collect(void *priv, const float *vector,
                             const struct vector_image *image)
{
    vector_set_add(priv, vector, image);
    return APP_OK;
}

enum app_exit embedder_collect(struct embedder *e, int count, char **operands,
                               struct vector_set *set)
{
    *set =
        (struct vector_set){.dimensions = e->dimensions, .class_count = e->class_count};
    set->classes =
        term_realloc_or_exit(NULL, (size_t)e->class_count * sizeof(*set->classes));
    for (int c = 0; c < e->class_count; c++)
        set->classes[c] = term_format_or_exit("%s", e->info.class_names[c]);
    return embedder_run(e, count, operands, collect, set);
}
