/* SPDX-License-Identifier: Apache-2.0 */
/* ZIP archives in memory (PKWARE APPNOTE 6.3.3), read by their central directory. */
#ifndef WEFT_UTIL_ZIP_H
#define WEFT_UTIL_ZIP_H

#include "util/file.h"

struct weft_zip {
    weft_context *ctx;
    const char *name; /* for error messages */
    const uint8_t *bytes;
    size_t size;
    const uint8_t *at; /* the next entry of the directory */
    size_t left;       /* bytes of it */
};

struct weft_zip_entry {
    const char *name; /* not terminated */
    size_t name_length;
    unsigned flags, method;
    uint32_t crc;
    size_t packed, size, offset; /* offset: of the entry's own header */
};

/* Finds the directory. WEFT_ERR_FORMAT. */
enum weft_status weft_zip_open(weft_context *ctx, const char *name,
                               const struct weft_file *file, struct weft_zip *out);

/* Takes the next entry; false: there is none. */
bool weft_zip_next(struct weft_zip *zip, struct weft_zip_entry *out);

/* The contents of an entry, which may not be far larger than is usual for its packed
 * size. WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
enum weft_status weft_zip_extract(const struct weft_zip *zip,
                                  const struct weft_zip_entry *entry,
                                  struct weft_file *out);

#endif
