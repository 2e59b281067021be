/* SPDX-License-Identifier: Apache-2.0 */
/* Counts calls across a process and its children: $WEFT_CALL_COUNTER is a file of two
 * numbers, the calls so far and those that failed. Without it, this process alone. */
#ifndef WEFT_TESTS_FAULT_INJECTION_CALL_COUNTER_H
#define WEFT_TESTS_FAULT_INJECTION_CALL_COUNTER_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

struct call_counter {
    long calls, failed;
};

/* Which calls fail: the one with number `at`, counted from 0, or all from there on. */
struct call_plan {
    long at;
    bool once;
};

/* open_file is open(), or the function that takes its place. */
static inline struct call_counter *call_counter_map(int (*open_file)(const char *, int,
                                                                     ...))
{
    static struct call_counter own;
    const char *path = getenv("WEFT_CALL_COUNTER");
    if (!path)
        return &own;
    int fd = open_file(path, O_RDWR | O_CLOEXEC);
    void *shared = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || shared == MAP_FAILED)
        abort();
    return shared; /* the descriptor stays open: close() may be a counted call */
}

static inline bool call_counter_is_due(struct call_counter *counter,
                                       const struct call_plan *plan)
{
    long number = __atomic_fetch_add(&counter->calls, 1, __ATOMIC_RELAXED);
    bool due = plan->once ? number == plan->at : number >= plan->at;
    if (due)
        __atomic_fetch_add(&counter->failed, 1, __ATOMIC_RELAXED);
    return due;
}

#endif
