/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait, and the threads that read them. */
#define _GNU_SOURCE
#include "serve/serve.h"

#include "os/processors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A signal is noticed within these. */
static const double signal_seconds = 0.05;

void serve_append(struct serve_list *list, struct serve_request *r)
{
    r->next = NULL;
    *(list->first ? list->last : &list->first) = r;
    list->last = &r->next;
}

struct serve_request *serve_take_first(struct serve_list *list)
{
    struct serve_request *r = list->first;
    if (r)
        list->first = r->next;
    return r;
}

void serve_free(struct serve_request *r)
{
    for (int i = 0; r->images && i < r->count; i++) {
        free(r->images[i].error);
        free(r->images[i].input);
    }
    free(r->own_outputs);
    free(r->heat.image);
    free(r->heat.sentence);
    free(r->heat.why);
    free(r->images);
    free(r->pixels);
    free(r->type);
    free(r->id);
    free(r);
}

/* Reads until there is nothing more to read. */
static void *read_requests(void *priv)
{
    struct serve *s = priv;
    weft_context *context = NULL;
    bool ready = !weft_context_create(&context, weft_context_params(.no_opencl = true));
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        struct serve_request *r = serve_take_first(&s->unread);
        if (!r && s->stopping)
            break;
        if (!r) {
            pthread_cond_wait(&s->readable, &s->mutex);
            continue;
        }
        pthread_mutex_unlock(&s->mutex);
        if (!ready)
            http_reply_error(r->exchange, 500, "out of memory");
        bool done = ready && r->kind->read(r, context);
        if (!done)
            serve_free(r);
        pthread_mutex_lock(&s->mutex);
        if (done) {
            r->ready = term_seconds();
            serve_append(&s->waiting, r);
        } else {
            s->queued--;
            s->refused++;
        }
        pthread_cond_signal(&s->ready);
    }
    pthread_mutex_unlock(&s->mutex);
    weft_context_destroy(&context);
    return NULL;
}

enum app_exit serve_start_decoders(struct serve *s)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->readable, NULL);
    pthread_cond_init(&s->ready, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int most = weft_processor_count("");
    most = most < SERVE_DECODERS ? most : SERVE_DECODERS;
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (s->decoder_count < most &&
           !pthread_create(&s->decoders[s->decoder_count], NULL, read_requests, s))
        s->decoder_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->decoder_count ? APP_OK
                            : app_error(s->app, APP_FAILED, "no thread can be started");
}

void serve_stop_decoders(struct serve *s)
{
    if (!s->decoder_count)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_broadcast(&s->readable);
    pthread_mutex_unlock(&s->mutex);
    while (s->decoder_count)
        pthread_join(s->decoders[--s->decoder_count], NULL);
}

/* The number in the argument `name`, from 1 to `most`. False: it is something else. */
static bool read_count(struct http_exchange *exchange, const char *name, int most,
                       int *out)
{
    const char *text = http_argument(exchange, name);
    char *end;
    long value = text ? strtol(text, &end, 10) : *out;
    if (text && (end == text || *end || value < 1))
        return false;
    *out = value < most ? (int)value : most;
    return true;
}

void serve_queue(struct serve *s, const struct serve_kind *kind,
                 struct http_exchange *exchange)
{
    const char *type = http_header(exchange, "Content-Type");
    struct serve_request *r = calloc(1, sizeof(*r));
    int top = SERVE_TOP, most = s->net.classes;
    most = most < SERVE_MOST_TOP ? most : SERVE_MOST_TOP;
    if (!r || (type && !(r->type = strdup(type)))) {
        free(r);
        http_reply_error(exchange, 503, "out of memory");
        return;
    }
    if (!read_count(exchange, "top", most, &top)) {
        serve_free(r);
        http_reply_error(exchange, 400, "top is '%s', but must be a number from 1 on",
                         http_argument(exchange, "top"));
        return;
    }
    r->serve = s;
    r->kind = kind;
    r->exchange = exchange;
    r->top = top;
    r->show_input = http_argument(exchange, "input") != NULL;
    r->show_heat = http_argument(exchange, "heat") != NULL;
    pthread_mutex_lock(&s->mutex);
    s->requests++;
    bool full = s->queued >= s->options->queue || s->stopping;
    if (full)
        s->refused++;
    else {
        s->queued++;
        serve_append(&s->unread, r);
        pthread_cond_signal(&s->readable);
    }
    pthread_mutex_unlock(&s->mutex);
    if (!full)
        return;
    serve_free(r);
    http_reply_error(exchange, 503, "too many requests are waiting");
}

void serve_refuse_all(struct serve *s)
{
    struct serve_list *const lists[] = {&s->unread, &s->waiting, &s->heats};
    for (int i = 0; i < 3; i++)
        for (struct serve_request *r; (r = serve_take_first(lists[i]));) {
            http_reply_error(r->exchange, 503, "the server is about to end");
            serve_free(r);
        }
}

/* Waits on `ready` until a time of term_seconds. */
static void wait_until(struct serve *s, double time)
{
    struct timespec until = {.tv_sec = (time_t)time};
    until.tv_nsec = (long)((time - (double)until.tv_sec) * 1e9);
    pthread_cond_timedwait(&s->ready, &s->mutex, &until);
}

static int images_waiting(const struct serve *s)
{
    int count = 0;
    for (const struct serve_request *r = s->waiting.first; r; r = r->next)
        count += r->count;
    return count;
}

static int requests_waiting(const struct serve *s)
{
    int count = 0;
    for (const struct serve_request *r = s->waiting.first; r; r = r->next)
        count++;
    return count;
}

struct serve_request *serve_take_batch(struct serve *s, double seconds,
                                       const volatile sig_atomic_t *stopped)
{
    double end = term_seconds() + seconds;
    struct serve_list batch = {.first = NULL};
    pthread_mutex_lock(&s->mutex);
    while (!s->waiting.first && term_seconds() < end)
        wait_until(s, end);
    /* Requests that the server's thread has begun to read may join. */
    while (s->waiting.first && images_waiting(s) < s->options->batch && !*stopped) {
        double now = term_seconds();
        double most = s->waiting.first->ready + 1e-3 * s->options->batch_wait;
        if (now >= most || http_active(s->http) - s->heat_count <= requests_waiting(s))
            break;
        wait_until(s, fmin(most, now + signal_seconds));
    }
    for (int images = 0; s->waiting.first && images < s->options->batch; s->queued--) {
        struct serve_request *r = serve_take_first(&s->waiting);
        images += r->count;
        serve_append(&batch, r);
    }
    pthread_mutex_unlock(&s->mutex);
    return batch.first;
}
