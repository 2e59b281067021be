/* SPDX-License-Identifier: Apache-2.0 */
/* The header of IDX, the format of MNIST: two zero bytes, the type (8: unsigned bytes),
 * the number of dimensions, and an extent of four bytes for each, most significant byte
 * first. The elements follow. */
#ifndef WEFT_OS_IDX_HEADER_H
#define WEFT_OS_IDX_HEADER_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT_IDX_PREFIX = 4, WEFT_IDX_HEADER = 20, WEFT_IDX_REASON = 96 };

struct weft_idx_header {
    size_t size;         /* bytes of the header */
    int dimensions;      /* 1 to 4 */
    uint32_t extents[4]; /* those beyond the dimensions are 1 */
};

/* Reads a header from the first `size` bytes of a file, WEFT_IDX_HEADER of them or, of a
 * shorter file, all. Returns NULL, or why they are no header of unsigned bytes: the end
 * of a sentence, in `reason`. With WEFT_IDX_PREFIX bytes only, out->size is valid if
 * these are the beginning of a header. */
const char *weft_idx_parse(const uint8_t *bytes, size_t size, struct weft_idx_header *out,
                           char reason[WEFT_IDX_REASON]);

#endif
