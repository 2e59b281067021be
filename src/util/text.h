/* SPDX-License-Identifier: Apache-2.0 */
/* Text that goes into files or comes out of them: its encoding, and numbers in it. */
#ifndef WEFT_UTIL_TEXT_H
#define WEFT_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `size` bytes are UTF-8 (RFC 3629): no overlong forms, no surrogates. */
bool weft_text_is_utf8(const char *text, size_t size);

/* Whether a name may go to a terminal and into files: UTF-8 of 1 to 127 bytes without
 * control characters. */
bool weft_text_is_name(const char *text);

/* As strtod, but with a point whatever the locale of the program that uses us. */
double weft_number_read(const char *text, char **end);

/* As snprintf of "%.*g", but with a point. 32 bytes are enough for 17 digits. */
void weft_number_write(char *out, size_t size, int digits, double number);

#endif
