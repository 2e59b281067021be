/* SPDX-License-Identifier: Apache-2.0 */
/* Every image has a state; who reads an image that is missing decodes it. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/image_feed.h"

#include "os/threads.h"
#include "util/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum state { MISSING, BUSY, THERE, FAILED };

struct weft_image_feed {
    struct weft_image_cache *cache;
    struct weft_preprocess_params params;
    char **paths; /* of all images */
    size_t count, bytes;
    int threads, users;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* With the mutex held: */
    uint8_t *states;
    char **failures;
    size_t left; /* MISSING or BUSY */
    int decoded;
    double seconds;
    bool damaged;
};

static enum weft_status copy_paths(weft_context *ctx, struct weft_image_feed *f,
                                   const struct weft_image_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!(f->paths[i] = strdup(list->images[i].path)))
            return weft_out_of_memory(ctx, list->images[i].path, 0);
    return WEFT_OK;
}

/* Begins with the states in the cache. */
static enum weft_status set_states(weft_context *ctx, struct weft_image_feed *f,
                                   bool complete)
{
    const struct weft_image_record *records = weft_image_cache_records(f->cache);
    f->left = f->count;
    for (size_t i = 0; i < f->count; i++) {
        const char *failure = weft_image_cache_failure(f->cache, i);
        f->states[i] = *failure ? FAILED : complete || records[i].hash ? THERE : MISSING;
        f->left -= f->states[i] != MISSING;
        if (*failure && !(f->failures[i] = strdup(failure)))
            return weft_out_of_memory(ctx, "images", strlen(failure));
    }
    return WEFT_OK;
}

enum weft_status weft_image_feed_create(weft_context *ctx, struct weft_image_cache *cache,
                                        const struct weft_image_list *list, bool complete,
                                        const struct weft_preprocess_params *params,
                                        int threads, struct weft_image_feed **out)
{
    struct weft_image_feed *f = calloc(1, sizeof(*f));
    if (!f) {
        weft_image_cache_close(&cache);
        return weft_out_of_memory(ctx, "images", sizeof(*f));
    }
    *f = (struct weft_image_feed){.cache = cache, .params = *params, .users = 1};
    f->count = list->count;
    f->bytes = (size_t)params->height * (size_t)params->width * (size_t)params->channels;
    f->threads = threads;
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->paths = calloc(f->count, sizeof(*f->paths));
    f->states = calloc(f->count, sizeof(*f->states));
    f->failures = calloc(f->count, sizeof(*f->failures));
    enum weft_status status =
        f->paths && f->states && f->failures
            ? copy_paths(ctx, f, list)
            : weft_out_of_memory(ctx, "images", f->count * sizeof(*f->paths));
    if (!status)
        status = set_states(ctx, f, complete);
    if (status)
        weft_image_feed_release(&f);
    *out = f;
    return status;
}

struct weft_image_feed *weft_image_feed_retain(struct weft_image_feed *f)
{
    f->users++;
    return f;
}

void weft_image_feed_release(struct weft_image_feed **feed)
{
    struct weft_image_feed *f = *feed;
    *feed = NULL;
    if (!f || --f->users)
        return;
    for (size_t i = 0; i < f->count; i++) {
        if (f->paths)
            free(f->paths[i]);
        if (f->failures)
            free(f->failures[i]);
    }
    free(f->paths);
    free(f->states);
    free(f->failures);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->mutex);
    weft_image_cache_close(&f->cache);
    free(f);
}

/* The state once no other thread decodes the image; MISSING: it is BUSY now, for the
 * caller. */
static enum state claim(struct weft_image_feed *f, size_t i)
{
    pthread_mutex_lock(&f->mutex);
    while (f->states[i] == BUSY)
        pthread_cond_wait(&f->changed, &f->mutex);
    enum state state = f->states[i];
    if (state == MISSING)
        f->states[i] = BUSY;
    pthread_mutex_unlock(&f->mutex);
    return state;
}

/* The end of the work on an image; takes `failure`. The last one completes the file. */
static void settle(struct weft_image_feed *f, size_t i, enum state state, char *failure)
{
    pthread_mutex_lock(&f->mutex);
    f->states[i] = (uint8_t)state;
    f->failures[i] = failure;
    f->decoded += state != MISSING;
    f->left -= state != MISSING;
    if (!f->left)
        weft_image_cache_complete(f->cache, f->failures);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

/* The file has lost an image. */
static void lose(struct weft_image_feed *f, size_t i)
{
    pthread_mutex_lock(&f->mutex);
    f->left += f->states[i] == THERE;
    if (f->states[i] == THERE)
        f->states[i] = MISSING;
    pthread_mutex_unlock(&f->mutex);
}

/* False: out of memory. */
static bool decode(struct weft_image_feed *f, size_t i, uint8_t *pixels)
{
    struct weft_image_record record = {0};
    uint8_t *own = pixels ? NULL : malloc(f->bytes), *to = pixels ? pixels : own;
    enum weft_status status =
        to ? weft_image_file_decode(f->paths[i], &f->params, &record, to)
           : WEFT_ERR_NOMEM;
    char *failure = status && status != WEFT_ERR_NOMEM ? strdup(weft_error(NULL)) : NULL;
    bool lost = status && !failure;
    if (!status)
        weft_image_cache_store(f->cache, i, &record, to);
    settle(f, i, lost ? MISSING : status ? FAILED : THERE, failure);
    free(own);
    return !lost;
}

/* A selection that is read. */
struct job {
    struct weft_image_feed *feed;
    const struct weft_image_selection *selection;
    uint8_t *pixels;
    atomic_bool no_memory;
};

static size_t place(const struct weft_image_selection *s, size_t k)
{
    size_t i = s->images ? s->images[s->first + k] : s->first + k;
    return s->order ? s->order[i] : i;
}

/* One index of the loop. */
static void read_one(void *priv, size_t k)
{
    struct job *job = priv;
    struct weft_image_feed *f = job->feed;
    size_t i = place(job->selection, k);
    uint8_t *pixels = job->pixels ? job->pixels + k * f->bytes : NULL;
    while (!atomic_load(&job->no_memory)) {
        enum state state = claim(f, i);
        if (state == MISSING) {
            if (!decode(f, i, pixels))
                atomic_store(&job->no_memory, true);
            return;
        }
        if (state == FAILED || !pixels || weft_image_cache_load(f->cache, i, pixels))
            return;
        lose(f, i);
    }
}

static bool has_missing(struct weft_image_feed *f, const struct weft_image_selection *s)
{
    bool missing = false;
    pthread_mutex_lock(&f->mutex);
    for (size_t k = 0; f->left && k < s->count && !missing; k++)
        missing = f->states[place(s, k)] == MISSING;
    pthread_mutex_unlock(&f->mutex);
    return missing;
}

enum weft_status weft_image_feed_decode(weft_context *ctx, struct weft_image_feed *f,
                                        const struct weft_image_selection *s,
                                        uint8_t *pixels)
{
    struct job job = {.feed = f, .selection = s, .pixels = pixels};
    double start = weft_clock_seconds();
    bool missing = has_missing(f, s);
    weft_parallel_for(missing ? f->threads : 1, s->count, read_one, &job);
    if (missing) {
        pthread_mutex_lock(&f->mutex);
        f->seconds += weft_clock_seconds() - start;
        pthread_mutex_unlock(&f->mutex);
    }
    return atomic_load(&job.no_memory) ? weft_out_of_memory(ctx, "images", f->bytes)
                                       : WEFT_OK;
}

void weft_image_feed_expect(struct weft_image_feed *f,
                            const struct weft_image_selection *s)
{
    if (weft_image_feed_is_decoding(f))
        return;
    for (size_t k = 0; k < s->count; k++)
        weft_image_cache_expect(f->cache, place(s, k));
}

enum weft_status weft_image_feed_finish(weft_context *ctx, struct weft_image_feed *f)
{
    const struct weft_image_selection all = {.count = f->count};
    return weft_image_feed_is_decoding(f) ? weft_image_feed_decode(ctx, f, &all, NULL)
                                          : WEFT_OK;
}

enum weft_status weft_image_feed_read(weft_context *ctx, struct weft_image_feed *f,
                                      const struct weft_image_selection *s,
                                      uint8_t *pixels)
{
    WEFT_TRY(weft_image_feed_decode(ctx, f, s, pixels));
    for (size_t k = 0; k < s->count; k++) {
        const char *failure = weft_image_feed_failure(f, place(s, k));
        if (!failure)
            continue;
        WEFT_TRY(weft_image_feed_finish(ctx, f));
        pthread_mutex_lock(&f->mutex);
        f->damaged = true;
        pthread_mutex_unlock(&f->mutex);
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "an image file is left out when you start again: %.200s",
                         failure);
    }
    return WEFT_OK;
}

bool weft_image_feed_is_decoding(struct weft_image_feed *f)
{
    pthread_mutex_lock(&f->mutex);
    bool decoding = f->left;
    pthread_mutex_unlock(&f->mutex);
    return decoding;
}

bool weft_image_feed_is_damaged(struct weft_image_feed *f)
{
    pthread_mutex_lock(&f->mutex);
    bool damaged = f->damaged;
    pthread_mutex_unlock(&f->mutex);
    return damaged;
}

/* Set once, before the state of the image is. */
const char *weft_image_feed_failure(const struct weft_image_feed *f, size_t image)
{
    struct weft_image_feed *shared = (struct weft_image_feed *)(uintptr_t)f;
    pthread_mutex_lock(&shared->mutex);
    const char *failure = f->failures[image];
    pthread_mutex_unlock(&shared->mutex);
    return failure;
}

struct weft_image_record weft_image_feed_record(const struct weft_image_feed *f,
                                                size_t image)
{
    return weft_image_cache_records(f->cache)[image];
}

int weft_image_feed_decoded(struct weft_image_feed *f, double *seconds)
{
    pthread_mutex_lock(&f->mutex);
    int decoded = f->decoded;
    *seconds = f->seconds;
    pthread_mutex_unlock(&f->mutex);
    return decoded;
}
