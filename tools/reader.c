/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ahead, on a thread that shares nothing with the others until it is done. */
#define _POSIX_C_SOURCE 200809L
#include "reader.h"

#include <signal.h>
#include <string.h>

static void *run(void *priv)
{
    struct reader *r = priv;
    const struct weft_context_params params = {.no_opencl = true};
    if (!weft_context_create(&r->context, &params))
        weft_data_open(r->context, r->spec, r->part, &r->data);
    return NULL;
}

void reader_start(struct reader *r)
{
    sigset_t all, before;
    if (!r->spec || r->running)
        return;
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r->running = !pthread_create(&r->thread, NULL, run, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void join(struct reader *r)
{
    if (r->running)
        pthread_join(r->thread, NULL);
    r->running = false;
}

bool reader_take(struct reader *r, const char *spec, enum weft_data_part part,
                 weft_data **out)
{
    join(r);
    if (!r->data || r->part != part || strcmp(r->spec, spec) != 0)
        return false;
    *out = r->data;
    r->data = NULL;
    return true;
}

void reader_finish(struct reader *r)
{
    join(r);
    weft_data_destroy(&r->data);
    weft_context_destroy(&r->context);
}
