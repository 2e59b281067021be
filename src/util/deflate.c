/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of gzip with libdeflate. */
#include "util/deflate.h"

#include <libdeflate.h>
#include <stdlib.h>

bool weft_deflate_gunzip(const void *bytes, size_t size, size_t capacity,
                         struct weft_file *out)
{
    struct libdeflate_decompressor *with = libdeflate_alloc_decompressor();
    struct weft_file file = {malloc(capacity + 1), 0};
    size_t used = 0;
    bool ok = with && file.bytes &&
              libdeflate_gzip_decompress_ex(with, bytes, size, file.bytes, capacity,
                                            &used, &file.size) == LIBDEFLATE_SUCCESS &&
              used == size;
    libdeflate_free_decompressor(with);
    if (!ok) {
        free(file.bytes);
        return false;
    }
    file.bytes[file.size] = 0;
    *out = file;
    return true;
}
