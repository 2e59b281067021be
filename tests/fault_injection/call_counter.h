/* SPDX-License-Identifier: Apache-2.0 */
/* Counts calls across a process and its children, in all and by call site:
 * $WEFT_CALL_COUNTER is a file with a struct call_counter; without it, this process
 * alone.
 *
 * A call site is the function and the return addresses of its innermost callers: all
 * calls of a loop are of one site. */
#ifndef WEFT_TESTS_FAULT_INJECTION_CALL_COUNTER_H
#define WEFT_TESTS_FAULT_INJECTION_CALL_COUNTER_H

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CALL_SITES = 4096,
    CALL_FRAMES = 9
}; /* three of them the test's and the loader's */

/* failing_calls.py reads this. */
struct call_counter {
    long calls, failed;
    struct call_site {
        uint64_t key; /* 0: unused */
        long calls;
        char name[40];
    } sites[CALL_SITES];
};

/* Which calls fail: number `at`, counted from 0, of a site or, with key 0, of all; and
 * unless `once` every call after it. */
struct call_plan {
    uint64_t key;
    long at;
    bool once;
};

/* N, N:once, N@KEY or N@KEY:once; the key is hexadecimal. */
static inline bool call_plan_read(struct call_plan *plan, const char *text)
{
    char *end;
    plan->at = strtol(text, &end, 10);
    bool read = end != text;
    plan->key = *end == '@' ? strtoull(end + 1, &end, 16) : 0;
    plan->once = !strcmp(end, ":once");
    return read && (!*end || plan->once);
}

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

/* The same in every process: addresses count from the start of their file. */
static inline uint64_t call_site_key(const char *name)
{
    void *frames[CALL_FRAMES];
    int count = backtrace(frames, CALL_FRAMES);
    uint64_t key = 0xcbf29ce484222325u;
    for (; *name; name++)
        key = (key ^ (unsigned char)*name) * 0x100000001b3u;
    for (int i = 0; i < count; i++) {
        Dl_info file;
        if (dladdr(frames[i], &file))
            key = (key ^ (uint64_t)((char *)frames[i] - (char *)file.dli_fbase)) *
                  0x100000001b3u;
    }
    return key ? key : 1;
}

static inline struct call_site *call_counter_site(struct call_counter *counter,
                                                  const char *name, uint64_t key)
{
    for (uint64_t i = key >> 32, left = CALL_SITES; left; i++, left--) {
        struct call_site *site = &counter->sites[i % CALL_SITES];
        uint64_t found = 0;
        if (__atomic_compare_exchange_n(&site->key, &found, key, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            snprintf(site->name, sizeof(site->name), "%s", name);
        else if (found != key)
            continue;
        return site;
    }
    abort();
}

static inline bool call_counter_is_due(struct call_counter *counter,
                                       const struct call_plan *plan, const char *name)
{
    uint64_t key = call_site_key(name);
    struct call_site *site = call_counter_site(counter, name, key);
    long number = __atomic_fetch_add(&counter->calls, 1, __ATOMIC_RELAXED);
    long of_site = __atomic_fetch_add(&site->calls, 1, __ATOMIC_RELAXED);
    bool due = plan->key ? plan->key == key && plan->at == of_site : plan->at == number;
    if (!plan->once && __atomic_load_n(&counter->failed, __ATOMIC_RELAXED))
        due = true;
    if (due)
        __atomic_fetch_add(&counter->failed, 1, __ATOMIC_RELAXED);
    return due;
}

#endif
