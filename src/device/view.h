/* SPDX-License-Identifier: Apache-2.0 */
/* Views: ranges of buffers, which the arguments of primitives are made of. */
#ifndef WEFT_DEVICE_VIEW_H
#define WEFT_DEVICE_VIEW_H

#include "shared/memory_layout.h"

#include <stddef.h>
#include <stdint.h>

/* A buffer of a backend. WEFT_BUFFER_PADDING readable bytes follow the requested size,
 * initially zero, so that vector loads need no tails; they must not be written. */
struct weft_mem;
enum { WEFT_BUFFER_PADDING = BUFFER_PADDING, WEFT_ALIGN = BUFFER_ALIGNMENT };

/* The elements of any view: kernels count in uints, and read up to a vector beyond the
 * end. */
#define WEFT_MAX_ELEMENTS ((size_t)UINT32_MAX - WEFT_BUFFER_PADDING)

/* Storage type of the elements of a view. */
enum weft_type { WEFT_FLOAT32, WEFT_FLOAT16, WEFT_INT32, WEFT_UINT8 };

static inline size_t weft_type_bytes(enum weft_type type)
{
    static const size_t bytes[] = {[WEFT_FLOAT32] = sizeof(float),
                                   [WEFT_FLOAT16] = sizeof(uint16_t),
                                   [WEFT_INT32] = sizeof(int32_t),
                                   [WEFT_UINT8] = sizeof(uint8_t)};
    return bytes[type];
}

/* A range of elements in a buffer, passed by value. `offset` and `count` are in
 * elements: floats, or what the primitive names. Offsets are multiples of WEFT_ALIGN
 * bytes. `mem` NULL: absent, where the primitive allows it. */
struct weft_view {
    struct weft_mem *mem;
    size_t offset, count;
    enum weft_type type; /* float32 by default */
};

#endif
