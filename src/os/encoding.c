/* SPDX-License-Identifier: Apache-2.0 */
/* Characters of UTF-8, and the signs of other encodings. */
#include "os/encoding.h"

#include <stdbool.h>
#include <stdint.h>
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

size_t weft_utf8_length(const char *text, size_t left)
{
    const uint8_t *at = (const uint8_t *)text;
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
