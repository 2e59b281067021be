/* SPDX-License-Identifier: Apache-2.0 */
/* Text in files: encoding and numbers. */
#ifndef WEFT_UTIL_TEXT_H
#define WEFT_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* True if `size` bytes are UTF-8 (RFC 3629): no overlong forms, no surrogates. */
bool weft_text_is_utf8(const char *text, size_t size);

/* True if a name is safe for a terminal and for files: 1 to 127 bytes of UTF-8 without
 * control characters. */
bool weft_text_is_name(const char *text);

/* As strtod, with a decimal point in every locale. */
double weft_number_read(const char *text, char **end);

/* As snprintf of "%.*g", with a decimal point in every locale. 32 bytes suffice for 17
 * digits. */
void weft_number_write(char *out, size_t size, int digits, double number);

#endif
