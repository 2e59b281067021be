/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of batches in host memory. Steps are numbered from the beginning of the run;
 * released <= taken <= filled, and the batch of a step has the slot step % slots. */
#define _POSIX_C_SOURCE 200809L
#include "train/stream.h"

#include "dataset/dataset.h"
#include "shared/balance.h"
#include "util/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { RING_BYTES = 64 << 20, LEAST_SLOTS = 4, MOST_SLOTS = 32, MESSAGE = 256 };
enum { AHEAD_BYTES = 8 << 20, MOST_AHEAD = 8 }; /* of what the disk is asked for */

struct weft_stream {
    weft_context *ctx;
    weft_dataset *data;
    struct weft_dataset_info info;
    int batch, rows, steps_per_epoch, slots;
    uint64_t seed;
    const uint32_t *balance; /* NULL: no balanced sampling */
    size_t image_bytes;
    const uint8_t *features; /* of all images; NULL: their pixels are gathered */
    uint8_t *pixels;         /* of all slots */
    int32_t *labels;         /* of all slots */
    uint32_t *images;        /* of the slot that is being filled */
    double stalled;
    int ahead;        /* steps */
    int64_t expected; /* the first one whose images the disk was not asked for */

    bool threaded; /* else weft_stream_take gathers */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* With the mutex held: */
    int64_t filled, taken, released;
    bool filling, stop;
    enum weft_status status; /* of the batch of step `filled`, unless it is WEFT_OK */
    char message[MESSAGE];
};

static void list_images(struct weft_stream *s, int64_t step)
{
    uint32_t epoch = (uint32_t)(step / s->steps_per_epoch);
    uint32_t first = (uint32_t)(step % s->steps_per_epoch) * (uint32_t)s->batch;
    uint32_t count = (uint32_t)s->info.count;
    uint32_t key0 = (uint32_t)s->seed, key1 = (uint32_t)(s->seed >> 32);
    for (uint32_t row = 0; row < (uint32_t)s->rows; row++) {
        uint32_t at = first + row < count ? first + row : 0;
        s->images[row] =
            s->balance
                ? weft_balanced_sample(s->balance, count, at, epoch, key0, key1).image
                : weft_shuffled_sample(count, at, epoch, key0, key1).image;
    }
}

/* The images of the next steps: a disk reads many at once faster than one after the
 * other. */
static void expect(struct weft_stream *s, int64_t step)
{
    if (s->expected < step || s->expected > step + s->ahead + 1)
        s->expected = step;
    for (; s->expected <= step + s->ahead; s->expected++) {
        list_images(s, s->expected);
        weft_dataset_expect(s->data, s->images, s->rows);
    }
}

/* Without the mutex: nothing else uses the slot. */
static enum weft_status fill(struct weft_stream *s, int64_t step)
{
    size_t slot = (size_t)(step % s->slots);
    uint8_t *to = s->pixels + slot * (size_t)s->rows * s->image_bytes;
    if (step == s->steps_per_epoch) /* also those that no batch of the first epoch had */
        WEFT_TRY(weft_dataset_finish_decoding(NULL, s->data));
    if (!s->features)
        expect(s, step);
    list_images(s, step);
    for (size_t row = 0; row < (size_t)s->rows; row++)
        s->labels[slot * (size_t)s->rows + row] = s->info.labels[s->images[row]];
    if (!s->features)
        return weft_dataset_gather(NULL, s->data, s->images, s->rows, to);
    for (int row = 0; row < s->rows; row++)
        memcpy(to + (size_t)row * s->image_bytes,
               s->features + s->images[row] * s->image_bytes, s->image_bytes);
    return WEFT_OK;
}

/* Fills the slot of the step `filled`; the mutex is held, but for the filling itself. */
static void fill_next(struct weft_stream *s)
{
    int64_t step = s->filled;
    s->filling = true;
    pthread_mutex_unlock(&s->mutex);
    enum weft_status status = fill(s, step);
    pthread_mutex_lock(&s->mutex);
    s->filling = false;
    s->status = status;
    if (status)
        strcpy(s->message, weft_error(NULL));
    else
        s->filled++;
    pthread_cond_broadcast(&s->changed);
}

static void *fill_ahead(void *priv)
{
    struct weft_stream *s = priv;
    pthread_mutex_lock(&s->mutex);
    while (!s->stop) {
        if (s->status || s->filled - s->released >= s->slots)
            pthread_cond_wait(&s->changed, &s->mutex);
        else
            fill_next(s);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static void start_thread(struct weft_stream *s)
{
    sigset_t all, before;
    sigfillset(&all); /* signals are for the caller's threads */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    s->threaded = !pthread_create(&s->thread, NULL, fill_ahead, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

enum weft_status weft_stream_create(weft_context *ctx, const struct weft_stream_params *p,
                                    struct weft_stream **out)
{
    struct weft_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return weft_out_of_memory(ctx, "stream", sizeof(*s));
    s->ctx = ctx;
    s->data = weft_dataset_retain(p->data);
    weft_dataset_info(p->data, &s->info);
    s->batch = p->batch;
    s->rows = p->rows;
    s->steps_per_epoch = s->info.count / p->batch;
    s->seed = p->seed;
    s->balance = p->balance;
    s->features = (const uint8_t *)p->features;
    s->image_bytes = p->features ? p->feature_count * sizeof(*p->features)
                                 : weft_dataset_image_bytes(&s->info);
    size_t slot = (size_t)p->rows * s->image_bytes, fits = RING_BYTES / slot;
    s->slots = fits < LEAST_SLOTS  ? LEAST_SLOTS
               : fits < MOST_SLOTS ? (int)fits
                                   : MOST_SLOTS;
    fits = AHEAD_BYTES / slot;
    s->ahead = fits < 1 ? 1 : fits < MOST_AHEAD ? (int)fits : MOST_AHEAD;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->pixels = malloc((size_t)s->slots * slot);
    s->labels = malloc((size_t)s->slots * (size_t)p->rows * sizeof(*s->labels));
    s->images = malloc((size_t)p->rows * sizeof(*s->images));
    if (!s->pixels || !s->labels || !s->images) {
        weft_stream_destroy(&s);
        return weft_out_of_memory(ctx, "stream", LEAST_SLOTS * slot);
    }
    start_thread(s);
    *out = s;
    return WEFT_OK;
}

void weft_stream_destroy(struct weft_stream **stream)
{
    struct weft_stream *s = *stream;
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    if (s->threaded)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    weft_dataset_destroy(&s->data);
    free(s->pixels);
    free(s->labels);
    free(s->images);
    free(s);
    *stream = NULL;
}

size_t weft_stream_image_bytes(const struct weft_stream *s)
{
    return s->image_bytes;
}

bool weft_stream_is_full(const struct weft_stream *s)
{
    /* The other half is filled meanwhile. */
    return s->taken - s->released >= s->slots / 2;
}

enum weft_status weft_stream_take(struct weft_stream *s, const uint8_t **pixels,
                                  const int32_t **labels)
{
    enum weft_status status = WEFT_OK;
    double begin = weft_clock_seconds();
    pthread_mutex_lock(&s->mutex);
    bool ready = s->filled > s->taken;
    while (s->filled == s->taken && !s->status) {
        if (s->threaded)
            pthread_cond_wait(&s->changed, &s->mutex);
        else
            fill_next(s);
    }
    size_t slot = (size_t)(s->taken % s->slots);
    if (s->filled == s->taken)
        status = weft_fail(s->ctx, s->status, "%s", s->message);
    else
        s->taken++;
    pthread_mutex_unlock(&s->mutex);
    if (!ready)
        s->stalled += weft_clock_seconds() - begin;
    *pixels = s->pixels + slot * (size_t)s->rows * s->image_bytes;
    *labels = s->labels + slot * (size_t)s->rows;
    return status;
}

void weft_stream_release(struct weft_stream *s)
{
    pthread_mutex_lock(&s->mutex);
    s->released = s->taken;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

void weft_stream_seek(struct weft_stream *s, int64_t step)
{
    pthread_mutex_lock(&s->mutex);
    while (s->filling)
        pthread_cond_wait(&s->changed, &s->mutex);
    if (s->taken != step || s->released != step || s->status)
        s->filled = s->taken = s->released = step;
    s->status = WEFT_OK;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

double weft_stream_stall_seconds(const struct weft_stream *s)
{
    return s->stalled;
}
