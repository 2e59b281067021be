/* SPDX-License-Identifier: Apache-2.0 */
/* A hash of what an image file contains. All of the large ones would be gigabytes before
 * the first step, also where their decoded images are kept. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/image_list.h"

#include "image/image.h"
#include "util/hash.h"

#include <unistd.h>

enum { BLOCKS = 16, BLOCK_BYTES = 4096, WHOLE_BYTES = 2 * WEFT_IMAGE_HEAD };

/* Part k of what is hashed, of BLOCKS + 1; never more than WEFT_IMAGE_HEAD bytes. */
struct hashed_range {
    size_t at, size;
};

static struct hashed_range range_of(size_t file_bytes, size_t k)
{
    const size_t head = WEFT_IMAGE_HEAD, block = BLOCK_BYTES;
    if (!k)
        return (struct hashed_range){0, file_bytes < head ? file_bytes : head};
    if (file_bytes <= WHOLE_BYTES) /* the rest, which may be nothing */
        return (struct hashed_range){head,
                                     k == 1 && file_bytes > head ? file_bytes - head : 0};
    size_t last = file_bytes - head - block;
    return (struct hashed_range){head + last / (BLOCKS - 1) * (k - 1) +
                                     last % (BLOCKS - 1) * (k - 1) / (BLOCKS - 1),
                                 block};
}

uint64_t weft_image_contents(const uint8_t *bytes, size_t size)
{
    struct weft_hash64_state hash;
    weft_hash64_init(&hash);
    for (size_t k = 0; k <= BLOCKS; k++) {
        struct hashed_range part = range_of(size, k);
        weft_hash64_add(&hash, bytes + part.at, part.size);
    }
    return weft_hash64_finish(&hash);
}

bool weft_image_contents_read(int fd, size_t size, uint8_t *head, uint64_t *out)
{
    struct weft_hash64_state hash;
    weft_hash64_init(&hash);
    weft_hash64_add(&hash, head, range_of(size, 0).size);
    for (size_t k = 1; k <= BLOCKS; k++) {
        struct hashed_range part = range_of(size, k);
        if (part.size && pread(fd, head, part.size, (off_t)part.at) != (ssize_t)part.size)
            return false;
        weft_hash64_add(&hash, head, part.size);
    }
    *out = weft_hash64_finish(&hash);
    return true;
}
