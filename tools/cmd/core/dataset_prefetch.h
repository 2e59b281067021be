/* SPDX-License-Identifier: Apache-2.0 */
/* Data that is read on a thread while the command does something else. */
#ifndef WEFT_CMD_CORE_DATASET_PREFETCH_H
#define WEFT_CMD_CORE_DATASET_PREFETCH_H

#include <weft/dataset.h>

#include <pthread.h>
#include <stdbool.h>

/* All zero: nothing is to be read. */
struct dataset_prefetch {
    const char *spec; /* what is to be read; kept by the caller */
    enum weft_split split;
    bool running;
    pthread_t thread;
    weft_context *context; /* its own, so that two threads never share one */
    weft_dataset *data;
};

/* Begins to read, if there is something. No process may be forked from here on until it
 * is taken. */
void dataset_prefetch_start(struct dataset_prefetch *prefetch);

/* Waits for the thread. True: it has read just this, and `out` is its data set, which
 * lives no longer than the reader. False: read it yourself, a failure is told then. */
bool dataset_prefetch_take(struct dataset_prefetch *prefetch, const char *spec,
                           enum weft_split split, weft_dataset **out);

void dataset_prefetch_finish(struct dataset_prefetch *prefetch);

#endif
