/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a dataset on a separate thread while drivers are loaded. */
#ifndef WEFT_CMD_CORE_DATASET_PREFETCH_H
#define WEFT_CMD_CORE_DATASET_PREFETCH_H

#include <weft/dataset.h>

#include <pthread.h>
#include <stdbool.h>

/* Zero-initialized: nothing to read. */
struct dataset_prefetch {
    const char *spec; /* the dataset; owned by the caller */
    enum weft_split split;
    const struct weft_dataset_open_params *params; /* owned by the caller */
    bool running;
    pthread_t thread;
    weft_context *context; /* a separate one: contexts are not shared by threads */
    weft_dataset *data;
};

/* Starts reading if a dataset is announced. The process must not fork until it is
 * taken. */
void dataset_prefetch_start(struct dataset_prefetch *prefetch);

/* Waits for the thread. True: `*out` is the dataset, owned by the caller but valid no
 * longer than the prefetch. False: it was not prefetched, or failed; open it directly. */
bool dataset_prefetch_take(struct dataset_prefetch *prefetch, const char *spec,
                           enum weft_split split, weft_dataset **out);

void dataset_prefetch_finish(struct dataset_prefetch *prefetch);

#endif
