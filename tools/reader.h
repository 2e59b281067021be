/* SPDX-License-Identifier: Apache-2.0 */
/* Data that is read on a thread while the command does something else. */
#ifndef WEFT_TOOLS_READER_H
#define WEFT_TOOLS_READER_H

#include <weft/data.h>

#include <pthread.h>
#include <stdbool.h>

/* All zero: nothing is to be read. */
struct reader {
    const char *spec; /* what is to be read; kept by the caller */
    enum weft_data_part part;
    bool running;
    pthread_t thread;
    weft_context *context; /* its own, so that two threads never share one */
    weft_data *data;
};

/* Begins to read, if there is something. No process may be forked from here on until it
 * is taken. */
void reader_start(struct reader *reader);

/* Waits for the thread. True: it has read just this, and `out` is its data set, which
 * lives no longer than the reader. False: read it yourself, a failure is told then. */
bool reader_take(struct reader *reader, const char *spec, enum weft_data_part part,
                 weft_data **out);

void reader_finish(struct reader *reader);

#endif
