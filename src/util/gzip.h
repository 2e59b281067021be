/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression of gzip (RFC 1952, any number of members). */
#ifndef WEFT_UTIL_GZIP_H
#define WEFT_UTIL_GZIP_H

#include "util/file.h"

/* Decompresses from memory to at most `limit` bytes; `name` is for error messages.
 * WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_gunzip(weft_context *ctx, const char *name, const void *bytes,
                             size_t size, size_t limit, struct weft_file *out);

/* As weft_file_read_within, decompressed if the contents begin like gzip. The limit
 * applies to both sizes; contents far larger than usual for the compressed size are
 * WEFT_ERR_FORMAT too. */
enum weft_status weft_file_read_gz(weft_context *ctx, const char *path,
                                   const struct weft_file_limits *limits,
                                   struct weft_file *out);

#endif
