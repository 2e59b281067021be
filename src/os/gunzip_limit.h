/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in proportion to a compressed file: of images, 5 to 15 times its size is
 * usual. */
#ifndef WEFT_OS_GUNZIP_LIMIT_H
#define WEFT_OS_GUNZIP_LIMIT_H

#include <stddef.h>

/* The most bytes that `size` bytes of gzip may decompress to; at most `most`. */
static inline size_t weft_gunzip_limit(size_t size, size_t most)
{
    const size_t any_file = 64 << 20, usual_expansion = 32;
    if (most <= any_file || size > (most - any_file) / usual_expansion)
        return most;
    return any_file + usual_expansion * size;
}

#endif
