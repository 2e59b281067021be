/* SPDX-License-Identifier: Apache-2.0 */
/* The lock around drivers, and the count of forks. */
#define _POSIX_C_SOURCE 200809L
#include "device/process.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned generation;
static bool opencl_loaded; /* in this process or one before a fork */
static unsigned opencl_generation;

static void lock_mutex(void)
{
    pthread_mutex_lock(&lock);
}

static void unlock_mutex(void)
{
    pthread_mutex_unlock(&lock);
}

/* The child has one thread, which holds the lock. */
static void begin_child(void)
{
    generation++;
    unlock_mutex();
}

static void watch_forks(void)
{
    pthread_atfork(lock_mutex, unlock_mutex, begin_child);
}

void weft_drivers_lock(void)
{
    pthread_once(&once, watch_forks);
    lock_mutex();
}

void weft_drivers_unlock(void)
{
    unlock_mutex();
}

unsigned weft_process_generation(void)
{
    return generation;
}

bool weft_opencl_begin(void)
{
    if (!opencl_loaded)
        opencl_generation = generation;
    opencl_loaded = true;
    return opencl_generation == generation;
}
