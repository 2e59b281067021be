/* SPDX-License-Identifier: Apache-2.0 */
/* Dataset prefetch on a thread that shares no state with others until it is joined. */
#define _POSIX_C_SOURCE 200809L
#include "core/dataset_prefetch.h"

#include <signal.h>
#include <string.h>

static void *read_thread(void *priv)
{
    struct dataset_prefetch *r = priv;
    const struct weft_context_params params = *weft_context_params(.no_opencl = true);
    if (!weft_context_create(&r->context, &params))
        weft_dataset_open(r->context, r->spec, r->split, r->params, &r->data);
    return NULL;
}

void dataset_prefetch_start(struct dataset_prefetch *r)
{
    sigset_t all, before;
    if (!r->spec || r->running)
        return;
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r->running = !pthread_create(&r->thread, NULL, read_thread, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void join(struct dataset_prefetch *r)
{
    if (r->running)
        pthread_join(r->thread, NULL);
    r->running = false;
}

bool dataset_prefetch_take(struct dataset_prefetch *r, const char *spec,
                           enum weft_split split, weft_dataset **out)
{
    join(r);
    if (!r->data || r->split != split || strcmp(r->spec, spec) != 0)
        return false;
    *out = r->data;
    r->data = NULL;
    return true;
}

void dataset_prefetch_finish(struct dataset_prefetch *r)
{
    join(r);
    weft_dataset_destroy(&r->data);
    weft_context_destroy(&r->context);
}
