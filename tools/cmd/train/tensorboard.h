/* SPDX-License-Identifier: Apache-2.0 */
/* Event files of TensorBoard: records of length, CRC-32C of the length, a protobuf
 * message Event, CRC-32C of the message. */
#ifndef WEFT_CMD_TRAIN_TENSORBOARD_H
#define WEFT_CMD_TRAIN_TENSORBOARD_H

#include <stdbool.h>
#include <stdint.h>

struct tensorboard_scalar {
    const char *tag; /* at most 64 bytes */
    double value;    /* left out if it is NaN */
};

/* Appends one event of at most 16 scalars; a new file begins with its version. False on
 * failure, with errno set. */
bool tensorboard_append(const char *path, int64_t step,
                        const struct tensorboard_scalar *scalars, int count);

/* Removes the events behind the first one of `step`, and what is not an event. */
bool tensorboard_truncate(const char *path, int64_t step);

#endif
