/* SPDX-License-Identifier: Apache-2.0 */
/* Encodings of texts. */
#ifndef WEFT_OS_ENCODING_H
#define WEFT_OS_ENCODING_H

#include <stddef.h>

/* Length of the character at the start of `left` bytes of UTF-8, one at least; 0: invalid
 * (RFC 3629: no overlong forms, no surrogates). */
size_t weft_utf8_length(const char *text, size_t left);

/* The name of an encoding other than UTF-8 that the first bytes show, by their byte order
 * mark or by zero bytes between letters: "UTF-16", "UTF-32"; else NULL. */
const char *weft_text_foreign_encoding(const void *bytes, size_t size);

/* Size of the byte order mark at the start of a text in UTF-8: 3, or 0. */
size_t weft_text_mark(const void *bytes, size_t size);

#endif
