/* SPDX-License-Identifier: Apache-2.0 */
/* Unpacking gzip at once, where libdeflate is there: twice as fast as zlib. */
#ifndef WEFT_UTIL_DEFLATE_H
#define WEFT_UTIL_DEFLATE_H

#include "util/file.h"

/* Unpacks gzip of one member and at most `room` bytes. False: it is not that, or damaged,
 * or weft was built without libdeflate; zlib knows which. */
bool weft_deflate_gunzip(const void *bytes, size_t size, size_t room,
                         struct weft_file *out);

#endif
