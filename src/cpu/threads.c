/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of persistent threads, which sleep between loops. Within a loop threads take
 * runs of items from a counter, so a slow item delays no other. The caller does not wait
 * for threads that wake up after the last item was taken: a short loop costs no more
 * than its items. */
#define _POSIX_C_SOURCE 200809L
#include "cpu/cpu.h"

#include "util/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

struct cpu_threads {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    unsigned loop; /* number of the loop; a worker joins when it changes */
    bool open;     /* the loop may be joined: the caller has not found it empty */
    int busy;      /* workers inside the loop */
    bool quit;

    /* The current loop. */
    cpu_work *work;
    const void *args;
    size_t items, run;
    atomic_size_t next;

    int count; /* workers without the caller */
    pthread_t workers[];
};

/* Wake-up time of a thread in seconds: shorter loops run on the caller only. */
static const double WAKE_SECONDS = 40e-6;

static void take_items(struct cpu_threads *t)
{
    size_t begin;
    while ((begin = atomic_fetch_add(&t->next, t->run)) < t->items)
        for (size_t i = begin; i < t->items && i < begin + t->run; i++)
            t->work(t->args, i);
}

static void *worker(void *data)
{
    struct cpu_threads *t = data;
    unsigned seen = 0;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->quit && t->loop == seen)
            pthread_cond_wait(&t->wake, &t->lock);
        if (t->quit)
            break;
        seen = t->loop;
        if (!t->open)
            continue;
        t->busy++;
        pthread_mutex_unlock(&t->lock);
        take_items(t);
        pthread_mutex_lock(&t->lock);
        if (--t->busy == 0)
            pthread_cond_signal(&t->done);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

struct cpu_threads *cpu_threads_create(int count)
{
    size_t worker_count = count > 1 ? (size_t)count - 1 : 0;
    struct cpu_threads *t = calloc(1, sizeof(*t) + worker_count * sizeof(*t->workers));
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->done, NULL);

    /* Blocks all signals: they belong to the threads of the application. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while ((size_t)t->count < worker_count &&
           !pthread_create(&t->workers[t->count], NULL, worker, t))
        t->count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return t;
}

void cpu_threads_destroy(struct cpu_threads *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->quit = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->count; i++)
        pthread_join(t->workers[i], NULL);
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int cpu_threads_count(const struct cpu_threads *t)
{
    return t->count + 1;
}

void cpu_parallel(struct cpu_threads *t, size_t items, cpu_work *work, const void *args)
{
    if (t->count == 0 || items <= 1) {
        for (size_t i = 0; i < items; i++)
            work(args, i);
        return;
    }
    /* Runs of items keep adjacent ones on one thread, and are short enough for balance.
     * The caller runs the first alone to estimate the duration of the loop. */
    size_t run = 1 + items / (8 * ((size_t)t->count + 1));
    double start = weft_clock_seconds();
    for (size_t i = 0; i < run; i++)
        work(args, i);
    double left = (weft_clock_seconds() - start) * (double)(items - run) / (double)run;
    if (left < WAKE_SECONDS) {
        for (size_t i = run; i < items; i++)
            work(args, i);
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->work = work;
    t->args = args;
    t->items = items;
    t->run = run;
    atomic_store(&t->next, run);
    t->open = true;
    t->loop++;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);

    take_items(t);

    pthread_mutex_lock(&t->lock);
    t->open = false;
    while (t->busy)
        pthread_cond_wait(&t->done, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
