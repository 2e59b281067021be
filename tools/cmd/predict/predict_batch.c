/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: batches of images, and what is decided about each result. */
#include "predict/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Batches have few sizes, whose programs the cache shares: the largest of these that is
 * filled. */
static const int batch_sizes[] = {128, 32, 8, 1};
enum { SIZES = sizeof(batch_sizes) / sizeof(*batch_sizes), MOST_UNREAD = 512 };

int predict_batch_size(int count)
{
    int i = 0;
    while (i < SIZES - 1 && batch_sizes[i] > count)
        i++;
    return batch_sizes[i];
}

/* Creates the predictor for the largest batch size that is filled and fits. */
static enum weft_status create_predictor(struct prediction *prediction)
{
    enum weft_status status = WEFT_ERR_NOMEM;
    weft_predictor *predictor = NULL;
    for (int i = 0; i < SIZES && status == WEFT_ERR_NOMEM; i++) {
        if (batch_sizes[i] > prediction->count)
            continue;
        const struct weft_predictor_params params = *weft_predictor_params(
                .batch = batch_sizes[i],
                .precision = (enum weft_precision)prediction->options->app.precision,
                .pixels = prediction->pixels, .pixel_count = prediction->count,
                .logits = prediction->app->options->tta);
        term_wait_begin("Compiling kernels (cached for the next run)");
        status = weft_predictor_create(prediction->app->device, prediction->model,
                                       &params, &predictor);
        term_wait_end();
    }
    if (status)
        return status;
    bool first = !prediction->predictor;
    weft_predictor_destroy(&prediction->predictor);
    prediction->predictor = prediction->tta.predictor = predictor;
    prediction->batch = predict_batch_size(prediction->count);
    if (first) {
        struct weft_model_info model;
        weft_model_info(prediction->model, &model);
        app_print_precision(predictor, prediction->options->app.precision);
        tta_init(&prediction->tta, prediction->app, predictor, model.net);
        decision_check_tta(&prediction->decision, tta_name(&prediction->tta));
    }
    return WEFT_OK;
}

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

/* All that follows from the probabilities. */
static void decide(const struct prediction *prediction, struct predict_result *r)
{
    const struct predict_options *o = prediction->options;
    int classes = prediction->net.classes;
    r->top = o->top < classes ? o->top : classes;
    top_classes(r->p, classes, classes > 1 && r->top < 2 ? 2 : r->top, r->order);
    double best = (double)r->p[r->order[0]];
    r->margin = classes > 1 ? best - (double)r->p[r->order[1]] : best;
    r->unsure = best < prediction->unsure_below || r->margin < o->unsure_margin;
    r->set = prediction->set;
    r->set_count =
        prediction->set ? decision_set(&prediction->decision, r->p, prediction->set) : -1;
}

/* False: an output is not a number, so no class is the most likely one. */
static bool check_outputs(struct prediction *prediction, const struct predict_item *item,
                          const float *p)
{
    int c = 0;
    while (c < prediction->net.classes && isfinite(p[c]))
        c++;
    if (c == prediction->net.classes)
        return true;
    char *why =
        term_format_or_exit("%s: the outputs of the network are not numbers", item->file);
    predict_add_failure(prediction, why);
    app_error(prediction->app, APP_FAILED, "%s", why);
    predict_write_unread(prediction, item->file, why);
    free(why);
    prediction->nonfinite++;
    return false;
}

/* Writes the results of the batch. */
static enum app_exit write_results(struct prediction *prediction)
{
    enum app_exit code = APP_OK;
    size_t classes = (size_t)prediction->net.classes, image = 0;
    term_progress_clear();
    predict_begin_batch(prediction);
    for (int i = 0; i < prediction->item_count && !code; i++) {
        const struct predict_item *item = &prediction->items[i];
        if (item->why) {
            predict_write_unread(prediction, item->file, item->why);
            continue;
        }
        struct predict_result r = {.item = item,
                                   .pixels = prediction->pixels +
                                             image * prediction->image_bytes,
                                   .p = prediction->probabilities + image * classes};
        image++;
        if (!check_outputs(prediction, item, r.p))
            continue;
        prediction->done++;
        decide(prediction, &r);
        predict_find_label(prediction, &r);
        predict_score_result(prediction, &r);
        predict_write_result(prediction, &r);
        code = predict_sort_result(prediction, &r);
    }
    term_flush_stdout();
    return code;
}

static void clear_items(struct prediction *prediction)
{
    while (prediction->item_count) {
        struct predict_item *item = &prediction->items[--prediction->item_count];
        free(item->file);
        free(item->path);
        free(item->why);
    }
    prediction->count = 0;
}

enum app_exit predict_flush(struct prediction *prediction)
{
    enum weft_status status = WEFT_OK;
    enum app_exit code = APP_OK;
    if (prediction->count && predict_batch_size(prediction->count) > prediction->batch)
        status = create_predictor(prediction);
    if (status == WEFT_ERR_NOMEM)
        return app_error(prediction->app, APP_FAILED, "%s: %s", prediction->model_path,
                         weft_error(prediction->app->context));
    if (status)
        return app_report_error(prediction->app, APP_WORK, status);
    if (prediction->count) {
        term_wait_begin("Predicting");
        code = tta_run(&prediction->tta, prediction->pixels, prediction->count,
                       prediction->probabilities);
        term_wait_end();
    }
    if (!code && prediction->item_count)
        code = write_results(prediction);
    clear_items(prediction);
    return code;
}

static struct predict_item *add_item(struct prediction *prediction)
{
    if (prediction->item_count == prediction->item_room) {
        prediction->item_room = prediction->item_room ? 2 * prediction->item_room : 1;
        prediction->items =
            term_realloc_or_exit(prediction->items, (size_t)prediction->item_room *
                                                        sizeof(*prediction->items));
    }
    struct predict_item *item = &prediction->items[prediction->item_count++];
    *item = (struct predict_item){.file = NULL};
    return item;
}

/* Memory for one more image. */
static void reserve(struct prediction *prediction)
{
    if (prediction->count < prediction->room)
        return;
    size_t room = prediction->room ? 2 * (size_t)prediction->room : 1;
    room = room < (size_t)prediction->capacity ? room : (size_t)prediction->capacity;
    prediction->pixels =
        term_realloc_or_exit(prediction->pixels, room * prediction->image_bytes);
    prediction->probabilities = term_realloc_or_exit(
        prediction->probabilities, room * prediction->net.output_values * sizeof(float));
    prediction->room = (int)room;
}

enum app_exit predict_add_image(struct prediction *prediction, char *file, char *path,
                                const uint8_t *pixels,
                                const struct weft_preprocess_info *preprocessing)
{
    struct predict_item *item = add_item(prediction);
    item->file = file;
    item->path = path;
    item->preprocessing = *preprocessing;
    reserve(prediction);
    memcpy(prediction->pixels + (size_t)prediction->count * prediction->image_bytes,
           pixels, prediction->image_bytes);
    return ++prediction->count == prediction->capacity ? predict_flush(prediction)
                                                       : APP_OK;
}

enum app_exit predict_add_unread(struct prediction *prediction, const char *file,
                                 const char *why)
{
    struct predict_item *item = add_item(prediction);
    item->file = term_format_or_exit("%s", file);
    item->why = term_format_or_exit("%s", why);
    predict_skip(prediction, why);
    return prediction->item_count - prediction->count >= MOST_UNREAD
               ? predict_flush(prediction)
               : APP_OK;
}

void predict_free_batch(struct prediction *prediction)
{
    clear_items(prediction);
    free(prediction->items);
    free(prediction->pixels);
    free(prediction->probabilities);
}
