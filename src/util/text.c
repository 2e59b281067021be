/* SPDX-License-Identifier: Apache-2.0 */
/* Names, spaces and ends of lines; numbers with a decimal point in every locale. */
#define _POSIX_C_SOURCE 200809L
#include "util/text.h"

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool weft_text_is_utf8(const char *text, size_t size)
{
    for (size_t step; size; text += step, size -= step)
        if (!(step = weft_utf8_length(text, size)))
            return false;
    return true;
}

bool weft_text_is_name(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) /* U+0080 to U+009F are control characters too */
        if (at[i] < ' ' || at[i] == 0x7f || (at[i] == 0xc2 && at[i + 1] < 0xa0))
            return false;
    return size >= 1 && size <= 127 && weft_text_is_utf8(text, size);
}

size_t weft_text_space(const char *at, size_t left)
{
    static const char *const wide[] = {
        "\xc2\xa0",     /* U+00A0, no-break space */
        "\xe2\x80\x87", /* U+2007, figure space */
        "\xe2\x80\xaf", /* U+202F, narrow no-break space */
        "\xe3\x80\x80", /* U+3000, ideographic space */
        "\xef\xbb\xbf", /* U+FEFF, a mark where files were joined */
    };
    if (left && (*at == ' ' || *at == '\t' || *at == '\r'))
        return 1;
    if (!left || !((uint8_t)*at & 0x80))
        return 0;
    for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++) {
        size_t size = strlen(wide[i]);
        if (left >= size && !memcmp(at, wide[i], size))
            return size;
    }
    return 0;
}

void weft_text_end_lines(char *text, size_t size)
{
    char *at = memchr(text, '\n', size) ? NULL : text;
    while (at && (at = memchr(at, '\r', size - (size_t)(at - text))))
        *at = '\n';
}

size_t weft_text_trim(const char *line, size_t length)
{
    enum { MOST = 3 }; /* bytes of a space */
    for (size_t size = 1; size <= MOST && size <= length; size++)
        if (weft_text_space(line + length - size, size) == size) {
            length -= size;
            size = 0;
        }
    return length;
}

/* The locale of the thread, not of the process. The "C" locale always exists; if the
 * system has no memory for it, numbers follow the thread's locale. */
void weft_number_locale_begin(struct weft_number_locale *locale)
{
    locale->plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    locale->before = uselocale(locale->plain);
}

void weft_number_locale_end(struct weft_number_locale *locale)
{
    uselocale(locale->before);
    if (locale->plain)
        freelocale(locale->plain);
}

double weft_number_read(const char *text, char **end)
{
    struct weft_number_locale locale;
    weft_number_locale_begin(&locale);
    double number = strtod(text, end);
    weft_number_locale_end(&locale);
    return number;
}

void weft_number_write(char *out, size_t size, int digits, double number)
{
    struct weft_number_locale locale;
    weft_number_locale_begin(&locale);
    snprintf(out, size, "%.*g", digits, number);
    weft_number_locale_end(&locale);
}

void weft_float_write(char *out, size_t size, float number)
{
    for (int digits = 1; digits <= 9; digits++) {
        weft_number_write(out, size, digits, (double)number);
        if ((float)weft_number_read(out, NULL) == number)
            break;
    }
}
