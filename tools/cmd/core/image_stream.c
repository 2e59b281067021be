/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of files: those that are taken, made, being made, and waiting, in this order. */
#define _POSIX_C_SOURCE 200809L
#include "core/image_stream.h"

#include "core/image_files.h"
#include "core/image_hash.h"
#include "os/processors.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Each thread may have a whole photograph in memory. */
enum { MAX_THREADS = 16 };

struct slot {
    struct image_input input;
    bool done;
};

struct image_stream {
    weft_context *context;
    struct weft_preprocess_params params;
    bool hashes;
    size_t bytes; /* of an input */
    struct slot *slots;
    size_t room;
    size_t put, taken; /* files so far; only the caller's thread changes them */
    pthread_t threads[MAX_THREADS];
    int thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t added, made;
    /* With the mutex held: */
    size_t begun;
    bool waiting, stop;
};

static void fail(struct image_input *input, const char *why, enum weft_status status)
{
    input->why = term_format_or_exit("%s: %s", input->path.path, why);
    input->no_memory = status == WEFT_ERR_NOMEM;
}

/* True for a file that cannot be found too: opening it gives the reason. */
static bool is_regular(const char *path)
{
    struct stat s;
    return stat(path, &s) || S_ISREG(s.st_mode);
}

static void make(const struct image_stream *stream, weft_context *context,
                 struct image_input *input)
{
    struct image_file file = {.path = NULL};
    char *why = NULL;
    input->left = !input->path.listed &&
                  (!strcmp(input->path.path, "-") || !is_regular(input->path.path));
    if (input->left)
        return;
    bool opened = image_file_open(&file, &input->path, &why);
    file.purpose = &stream->params;
    input->left = opened && file.idx;
    if (opened && !file.idx && image_file_next(context, &file, &why)) {
        enum weft_status status = weft_image_preprocess(
            context, &file.image, &stream->params, input->pixels, &input->preprocessing);
        if (!status && stream->hashes)
            status = image_hash(context, &file.image, &input->hash);
        if (status)
            fail(input, weft_error(context), status);
    } else
        input->why = why;
    image_file_close(&file);
}

/* The mutex is held, but not during the work. */
static void make_next(struct image_stream *stream, weft_context *context)
{
    size_t i = stream->begun++;
    struct slot *slot = &stream->slots[i % stream->room];
    pthread_mutex_unlock(&stream->mutex);
    make(stream, context, &slot->input);
    pthread_mutex_lock(&stream->mutex);
    slot->done = true;
    if (stream->waiting && i == stream->taken)
        pthread_cond_signal(&stream->made);
}

static void *work(void *priv)
{
    struct image_stream *stream = priv;
    weft_context *context = NULL; /* for messages; of this thread */
    if (weft_context_create(&context, weft_context_params(.no_opencl = true)))
        return NULL;
    pthread_mutex_lock(&stream->mutex);
    while (!stream->stop) {
        if (stream->begun < stream->put)
            make_next(stream, context);
        else
            pthread_cond_wait(&stream->added, &stream->mutex);
    }
    pthread_mutex_unlock(&stream->mutex);
    weft_context_destroy(&context);
    return NULL;
}

struct image_stream *image_stream_start(weft_context *context,
                                        const struct weft_preprocess_params *params,
                                        enum image_stream_extras extras, int room)
{
    struct image_stream *stream = term_realloc_or_exit(NULL, sizeof(*stream));
    *stream = (struct image_stream){
        .context = context, .params = *params, .hashes = extras == IMAGE_STREAM_HASHES};
    stream->bytes =
        (size_t)params->height * (size_t)params->width * (size_t)params->channels;
    stream->room = (size_t)room;
    stream->slots = term_realloc_or_exit(NULL, stream->room * sizeof(*stream->slots));
    memset(stream->slots, 0, stream->room * sizeof(*stream->slots));
    pthread_mutex_init(&stream->mutex, NULL);
    pthread_cond_init(&stream->added, NULL);
    pthread_cond_init(&stream->made, NULL);
    int threads = weft_processor_count("");
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    threads = threads < room ? threads : room - 1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (stream->thread_count < threads &&
           !pthread_create(&stream->threads[stream->thread_count], NULL, work, stream))
        stream->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return stream;
}

void image_stream_stop(struct image_stream **stream)
{
    struct image_stream *s = *stream;
    *stream = NULL;
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stop = true;
    pthread_cond_broadcast(&s->added);
    pthread_mutex_unlock(&s->mutex);
    while (s->thread_count)
        pthread_join(s->threads[--s->thread_count], NULL);
    for (size_t i = 0; i < s->room; i++) {
        free(s->slots[i].input.path.path);
        free(s->slots[i].input.why);
        free(s->slots[i].input.pixels);
    }
    pthread_cond_destroy(&s->added);
    pthread_cond_destroy(&s->made);
    pthread_mutex_destroy(&s->mutex);
    free(s->slots);
    free(s);
}

bool image_stream_is_empty(const struct image_stream *stream)
{
    return stream->put == stream->taken;
}

/* The one that was taken last keeps its place. */
bool image_stream_has_room(const struct image_stream *stream)
{
    return stream->put - stream->taken + 1 < stream->room;
}

void image_stream_put(struct image_stream *stream, const struct image_path *path)
{
    struct slot *slot = &stream->slots[stream->put % stream->room];
    uint8_t *pixels = slot->input.pixels;
    free(slot->input.path.path);
    free(slot->input.why);
    *slot = (struct slot){
        .input = {.path = {term_format_or_exit("%s", path->path), path->listed},
                  .pixels = pixels ? pixels : term_realloc_or_exit(NULL, stream->bytes)}};
    pthread_mutex_lock(&stream->mutex);
    stream->put++;
    pthread_cond_signal(&stream->added);
    pthread_mutex_unlock(&stream->mutex);
}

const struct image_input *image_stream_take(struct image_stream *stream)
{
    struct slot *slot = &stream->slots[stream->taken % stream->room];
    pthread_mutex_lock(&stream->mutex);
    while (!slot->done) {
        if (stream->begun == stream->taken) {
            make_next(stream, stream->context);
            continue;
        }
        stream->waiting = true;
        pthread_cond_wait(&stream->made, &stream->mutex);
        stream->waiting = false;
    }
    stream->taken++;
    pthread_mutex_unlock(&stream->mutex);
    return &slot->input;
}
