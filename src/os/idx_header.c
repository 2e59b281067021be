/* SPDX-License-Identifier: Apache-2.0 */
/* The header of IDX. */
#include "os/idx_header.h"

#include <stdio.h>

enum { TYPE_BYTES = 8 };

const char *weft_idx_parse(const uint8_t *bytes, size_t size, struct weft_idx_header *out,
                           char reason[WEFT_IDX_REASON])
{
    *out = (struct weft_idx_header){.extents = {1, 1, 1, 1}};
    if (size < WEFT_IDX_PREFIX || bytes[0] || bytes[1])
        return "not an IDX file: it must begin with two zero bytes";
    if (bytes[2] != TYPE_BYTES) {
        snprintf(reason, WEFT_IDX_REASON,
                 "has elements of IDX type 0x%02x, must be unsigned bytes (0x08)",
                 bytes[2]);
        return reason;
    }
    if (bytes[3] < 1 || bytes[3] > 4) {
        snprintf(reason, WEFT_IDX_REASON, "has %d dimensions, must be 1 to 4", bytes[3]);
        return reason;
    }
    out->dimensions = bytes[3];
    out->size = WEFT_IDX_PREFIX + 4 * (size_t)bytes[3];
    if (size < out->size) {
        snprintf(reason, WEFT_IDX_REASON,
                 "truncated header: %zu of %zu bytes; download it again", size,
                 out->size);
        return reason;
    }
    for (int i = 0; i < out->dimensions; i++) {
        const uint8_t *p = bytes + WEFT_IDX_PREFIX + 4 * i;
        out->extents[i] =
            (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    return NULL;
}
