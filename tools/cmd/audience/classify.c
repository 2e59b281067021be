/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to the images of all customers. Images are decoded in threads while a batch
 * runs. */
#include "audience/audience.h"

#include "core/image_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Batches have few sizes, whose programs the cache shares. A batch's images take at most
 * BATCH_BYTES. */
static const int batch_sizes[] = {128, 32, 8, 1};
enum { BATCH_BYTES = 64 << 20 };

struct batch {
    struct audience *audience;
    int size, count;
    size_t image_bytes;
    uint8_t *pixels;
    float *probabilities;
    int *owners;
};

static int choose_size(const struct audience *a, size_t image_bytes)
{
    size_t bytes = image_bytes + a->net.output_values * sizeof(float);
    const int *size = batch_sizes;
    while (*size > 1 && (*size > a->list.count || (size_t)*size * bytes > BATCH_BYTES))
        size++;
    return *size;
}

static enum app_exit create_predictor(struct audience *a, int batch)
{
    struct weft_model_info info;
    weft_model_info(a->model, &info);
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = batch,
                               .precision =
                                   (enum weft_precision)a->options->app.precision,
                               .logits = a->options->app.tta);
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status =
        weft_predictor_create(a->app->device, a->model, &params, &a->predictor);
    term_wait_end();
    if (status)
        return app_report_error(a->app, APP_WORK, status);
    app_print_precision(a->predictor, a->options->app.precision);
    tta_init(&a->tta, a->app, a->predictor, info.net);
    decision_check_tta(&a->decision, tta_name(&a->tta));
    return APP_OK;
}

/* The most likely class, the number of classes for no answer, or -1: not numbers. */
static int answer_of(const struct audience *a, const float *p)
{
    int best = 0;
    for (int k = 0; k < a->net.classes; k++) {
        if (!isfinite(p[k]))
            return -1;
        best = p[k] > p[best] ? k : best;
    }
    return decision_is_unsure(&a->decision, p[best]) ? a->net.classes : best;
}

static enum app_exit run_batch(struct batch *b)
{
    struct audience *a = b->audience;
    if (!b->count)
        return APP_OK;
    enum app_exit code = tta_run(&a->tta, b->pixels, b->count, b->probabilities);
    for (int i = 0; i < b->count && !code; i++) {
        struct customer *c = &a->customers[b->owners[i]];
        int answer = answer_of(a, b->probabilities + (size_t)i * (size_t)a->net.classes);
        if (answer < 0) {
            a->nonfinite++;
            continue;
        }
        c->answers[answer]++;
        c->images++;
        a->all.answers[answer]++;
        a->all.images++;
    }
    b->count = 0;
    return code;
}

static enum app_exit add(struct batch *b, const struct image_input *input, int owner)
{
    struct audience *a = b->audience;
    const char *why =
        input->left ? "is a file of several images, which belong to no one" : input->why;
    if (input->no_memory)
        return app_error(a->app, APP_FAILED, "%s", input->why);
    if (why) {
        app_error(a->app, APP_BAD_INPUT, "%s%s%s; skipped",
                  input->left ? input->path.path : "", input->left ? ": " : "", why);
        a->customers[owner].unread++;
        a->all.unread++;
        return APP_OK;
    }
    memcpy(b->pixels + (size_t)b->count * b->image_bytes, input->pixels, b->image_bytes);
    b->owners[b->count++] = owner;
    return b->count == b->size ? run_batch(b) : APP_OK;
}

static enum app_exit run_all(struct batch *b)
{
    struct audience *a = b->audience;
    enum app_exit code = APP_OK;
    struct image_stream *stream = image_stream_start(a->app->context, &a->preprocess,
                                                     IMAGE_STREAM_PIXELS, b->size + 1);
    for (int put = 0, taken = 0; taken < a->list.count && !code; taken++) {
        while (put < a->list.count && image_stream_has_room(stream))
            image_stream_put(stream, &a->list.paths[put++]);
        term_progress("%s of %s files", table_thousands(taken),
                      table_thousands(a->list.count));
        code = add(b, image_stream_take(stream), a->owners[taken]);
    }
    image_stream_stop(&stream);
    return code ? code : run_batch(b);
}

static void estimate(const struct audience *a, struct customer *c)
{
    if (a->rates && c->images > c->answers[a->net.classes])
        shares_adjusted(a->rates, a->net.classes, c->answers, c->shares);
    else
        shares_counted(a->net.classes, c->answers, c->shares);
    c->leader = shares_leader(c->shares, a->net.classes);
}

enum app_exit audience_classify(struct audience *a)
{
    struct batch b = {.audience = a};
    b.image_bytes =
        (size_t)a->net.height * (size_t)a->net.width * (size_t)a->net.channels;
    b.size = choose_size(a, b.image_bytes);
    size_t size = (size_t)b.size;
    enum app_exit code = create_predictor(a, b.size);
    if (code)
        return code;
    b.pixels = term_realloc_or_exit(NULL, size * b.image_bytes);
    b.owners = term_realloc_or_exit(NULL, size * sizeof(*b.owners));
    b.probabilities =
        term_realloc_or_exit(NULL, size * a->net.output_values * sizeof(float));
    code = run_all(&b);
    free(b.pixels);
    free(b.owners);
    free(b.probabilities);
    for (int i = 0; i < a->customer_count && !code; i++)
        estimate(a, &a->customers[i]);
    if (!code)
        estimate(a, &a->all);
    return code;
}
