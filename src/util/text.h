/* SPDX-License-Identifier: Apache-2.0 */
/* Text in files: names, spaces, lines and numbers. */
#ifndef WEFT_UTIL_TEXT_H
#define WEFT_UTIL_TEXT_H

#include "os/encoding.h"

#include <stdbool.h>
#include <stddef.h>

/* True if `size` bytes are UTF-8 (RFC 3629): no overlong forms, no surrogates. */
bool weft_text_is_utf8(const char *text, size_t size);

/* Size of the space at `at`, which is not the end of a line: of ASCII, or one that does
 * not break a line, or a byte order mark within a text; 0: none. */
size_t weft_text_space(const char *at, size_t left);

/* Ends lines with line feeds, if a text without any has carriage returns, as old systems
 * write them. */
void weft_text_end_lines(char *text, size_t size);

/* `length` without the spaces at the end of a line. */
size_t weft_text_trim(const char *line, size_t length);

/* True if a name is safe for a terminal and for files: 1 to 127 bytes of UTF-8 without
 * control characters. */
bool weft_text_is_name(const char *text);

/* A decimal point in every locale for the numbers that this thread reads until the end;
 * one call of it costs more than reading many numbers. */
struct weft_number_locale {
    void *plain, *before;
};
void weft_number_locale_begin(struct weft_number_locale *locale);
void weft_number_locale_end(struct weft_number_locale *locale);

/* As strtod, with a decimal point in every locale. */
double weft_number_read(const char *text, char **end);

/* As snprintf of "%.*g", with a decimal point in every locale. 32 bytes suffice for 17
 * digits. */
void weft_number_write(char *out, size_t size, int digits, double number);

/* As few digits as read back to the same float. */
void weft_float_write(char *out, size_t size, float number);

#endif
