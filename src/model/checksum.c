/* SPDX-License-Identifier: Apache-2.0 */
/* The contents of a model file as sorted JSON, with a 64-bit hash in place of the values
 * of each tensor; the checksum is the SHA-256 of this text. The 64-bit hash differs for
 * any change within one word, and takes a small part of the time of SHA-256. */
#include "model/checksum.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weft_checksum_init(struct weft_checksum *checksum)
{
    checksum->contents = json_object();
}

static void set(struct weft_checksum *checksum, const char *name, json_t *value)
{
    if (!json_object_set_new(checksum->contents, name, value))
        return;
    json_decref(checksum->contents);
    checksum->contents = NULL;
}

void weft_checksum_add(struct weft_checksum *checksum, const char *name,
                       const json_t *entry, const void *bytes, size_t size)
{
    char hash[32];
    snprintf(hash, sizeof(hash), "%016" PRIx64, weft_hash64(bytes, size));
    set(checksum, name,
        json_pack("[O, O, s]", json_object_get(entry, "dtype"),
                  json_object_get(entry, "shape"), hash));
}

bool weft_checksum_finish(struct weft_checksum *checksum, json_t *metadata,
                          char out[2 * WEFT_SHA256_BYTES + 1])
{
    uint8_t sum[WEFT_SHA256_BYTES];
    json_t *others = metadata ? json_copy(metadata) : json_object();
    json_object_del(others, META_CHECKSUM);
    set(checksum, "__metadata__", others);
    char *text = json_dumps(checksum->contents, JSON_COMPACT | JSON_SORT_KEYS);
    if (text) {
        weft_sha256(text, strlen(text), sum);
        weft_sha256_hex(sum, out);
    }
    bool done = text;
    free(text);
    json_decref(checksum->contents);
    checksum->contents = NULL;
    return done;
}
