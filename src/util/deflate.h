/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of gzip in one call with libdeflate, twice as fast as zlib. */
#ifndef WEFT_UTIL_DEFLATE_H
#define WEFT_UTIL_DEFLATE_H

#include "util/file.h"

/* Decompresses gzip of one member to at most `capacity` bytes. False: several members,
 * damaged or larger contents, or a build without libdeflate; zlib then decides. */
bool weft_deflate_gunzip(const void *bytes, size_t size, size_t capacity,
                         struct weft_file *out);

#endif
