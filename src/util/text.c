/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of UTF-8; numbers with a decimal point in every locale. */
#define _POSIX_C_SOURCE 200809L
#include "util/text.h"

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sequences of two and more bytes by their first byte. The range of the second byte
 * excludes overlong forms, surrogates and code points beyond U+10FFFF. */
static const struct form {
    uint8_t first, last; /* of the first byte */
    uint8_t low, high;   /* of the second */
    uint8_t length;
} forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};
enum { FORMS = sizeof(forms) / sizeof(*forms) };

/* Length of the character at `at`; 0: invalid. */
static size_t character_length(const uint8_t *at, size_t left)
{
    size_t row = 0;
    if (at[0] < 0x80)
        return 1;
    while (row < FORMS && !(at[0] >= forms[row].first && at[0] <= forms[row].last))
        row++;
    if (row == FORMS || left < forms[row].length || at[1] < forms[row].low ||
        at[1] > forms[row].high)
        return 0;
    for (size_t i = 2; i < forms[row].length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return forms[row].length;
}

bool weft_text_is_utf8(const char *text, size_t size)
{
    const uint8_t *at = (const uint8_t *)text;
    for (size_t step; size; at += step, size -= step)
        if (!(step = character_length(at, size)))
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

const char *weft_text_foreign_encoding(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    if (size >= 4 && ((!memcmp(b, "\xff\xfe\0", 4)) || !memcmp(b, "\0\0\xfe\xff", 4)))
        return "UTF-32";
    if (size >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
        return "UTF-16";
    /* Without a mark: two characters of ASCII. */
    bool little = size >= 4 && b[0] && !b[1] && b[2] && !b[3];
    bool big = size >= 4 && !b[0] && b[1] && !b[2] && b[3];
    bool text = little ? b[0] < 0x7f && b[2] < 0x7f : big && b[1] < 0x7f && b[3] < 0x7f;
    return text && (little ? b[0] : b[1]) >= '\t' ? "UTF-16" : NULL;
}

size_t weft_text_mark(const void *bytes, size_t size)
{
    return size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
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

size_t weft_text_trim(const char *line)
{
    enum { MOST = 3 }; /* bytes of a space */
    size_t length = strlen(line);
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
