/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of several parts (RFC 7578, RFC 2046), in memory. */
#ifndef WEFT_CMD_SERVE_MULTIPART_H
#define WEFT_CMD_SERVE_MULTIPART_H

#include <stddef.h>
#include <stdint.h>

struct multipart_part {
    const char *name; /* of the file, or else of the field; not terminated */
    size_t name_size;
    const uint8_t *data;
    size_t size;
};

/* Finds the parts of a body of the given Content-Type, multipart/form-data; at most
 * `most`. Returns their number; 0: *why is the reason. */
int multipart_split(const char *type, const uint8_t *body, size_t size,
                    struct multipart_part *parts, int most, const char **why);

#endif
