/* SPDX-License-Identifier: Apache-2.0 */
/* A slow disk, for LD_PRELOAD: pread takes as many milliseconds more as the variable
 * SLOW_READS has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef ssize_t read_fn(int, void *, size_t, off64_t);

ssize_t pread64(int fd, void *to, size_t size, off64_t at)
{
    const char *text = getenv("SLOW_READS");
    long milliseconds = text ? strtol(text, NULL, 10) : 0;
    const struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    read_fn *next;
    *(void **)&next = dlsym(RTLD_NEXT, "pread64");
    nanosleep(&time, NULL);
    return next(fd, to, size, at);
}
