/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that take the next index of a loop. */
#define _POSIX_C_SOURCE 200809L
#include "os/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { MAX_THREADS = 64 };

struct loop {
    atomic_size_t next;
    size_t count;
    void (*work)(void *priv, size_t i);
    void *priv;
};

static void *take_calls(void *priv)
{
    struct loop *loop = priv;
    for (size_t i; (i = atomic_fetch_add(&loop->next, 1)) < loop->count;)
        loop->work(loop->priv, i);
    return NULL;
}

void weft_parallel_for(int threads, size_t count, void (*work)(void *priv, size_t i),
                       void *priv)
{
    struct loop loop = {.count = count, .work = work, .priv = priv};
    pthread_t others[MAX_THREADS];
    int started = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (started < MAX_THREADS && started < threads - 1 &&
           (size_t)started + 1 < count &&
           !pthread_create(&others[started], NULL, take_calls, &loop))
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    take_calls(&loop);
    while (started)
        pthread_join(others[--started], NULL);
}
