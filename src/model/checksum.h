/* SPDX-License-Identifier: Apache-2.0 */
/* Checksum of a model file, over its tensors and the other metadata, as an entry of the
 * metadata. It does not depend on the order or layout in which a program writes them. */
#ifndef WEFT_MODEL_CHECKSUM_H
#define WEFT_MODEL_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "util/hash.h"

#define META_CHECKSUM "weft.checksum"

/* Tensors added so far. */
struct weft_checksum {
    json_t *contents; /* NULL: out of memory */
};

void weft_checksum_init(struct weft_checksum *checksum);

/* `entry` is that of the header; only its type and shape count. */
void weft_checksum_add(struct weft_checksum *checksum, const char *name,
                       const json_t *entry, const void *bytes, size_t size);

/* Adds the metadata except the checksum itself and frees `checksum`. False: out of
 * memory. */
bool weft_checksum_finish(struct weft_checksum *checksum, json_t *metadata,
                          char out[2 * WEFT_SHA256_BYTES + 1]);

#endif
