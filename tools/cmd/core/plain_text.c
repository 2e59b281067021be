/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes control characters. */
#define _POSIX_C_SOURCE 200809L
#include "core/plain_text.h"

#include "os/encoding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Controls of ASCII and Latin-1, bidirectional controls, line and paragraph separators,
 * and the byte order mark, which is invisible. */
static const struct {
    unsigned first, last;
} controls[] = {
    {0x01, 0x1f},     {0x7f, 0x9f},     {0x61c, 0x61c},   {0x200e, 0x200f},
    {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfeff, 0xfeff},
};

size_t plain_text_character(const char *text, unsigned *control)
{
    enum { LONGEST = 4 };
    const unsigned char *s = (const unsigned char *)text;
    size_t length = weft_utf8_length(text, *text ? strnlen(text, LONGEST) : 1);
    unsigned code = length <= 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (s[i] & 0x3fu);
    *control = 0;
    for (size_t i = 0; length && i < sizeof(controls) / sizeof(*controls); i++)
        if (code >= controls[i].first && code <= controls[i].last)
            *control = code;
    return length;
}

size_t plain_text_prefix(const char *text, int characters)
{
    size_t size = 0;
    for (; text[size] && (characters > 0 || (text[size] & 0xc0) == 0x80); size++)
        characters -= (text[size] & 0xc0) != 0x80;
    return size;
}

static bool is_plain(const char *text)
{
    unsigned control = 0;
    for (size_t length; *text && !control; text += length)
        if (!(length = plain_text_character(text, &control)))
            return false;
    return !control;
}

/* At most six bytes for each byte of the text. */
static char *escape(char *out, unsigned code, unsigned char byte)
{
    static const char names[] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (code < sizeof(names) && names[code])
        return out + sprintf(out, "\\%c", names[code]);
    if (code < 0x80)
        return out + sprintf(out, "\\x%02x", code ? code : byte);
    return out + sprintf(out, "\\u%04x", code);
}

char *plain_text_copy(const char *text, size_t (*keep)(const char *at))
{
    char *copy = malloc(6 * strlen(text) + 1), *out = copy;
    while (copy && *text) {
        unsigned control = 0;
        size_t kept = keep ? keep(text) : 0;
        size_t length = kept ? kept : plain_text_character(text, &control);
        if (!length || control) {
            out = escape(out, control, (unsigned char)*text);
            text += length ? length : 1;
            continue;
        }
        memcpy(out, text, length);
        out += length;
        text += length;
    }
    if (copy)
        *out = '\0';
    return copy;
}

const char *plain_text(const char *text)
{
    static char *copies[8];
    static int turn;
    if (is_plain(text))
        return text;
    char **copy = &copies[turn++ % 8];
    free(*copy);
    *copy = plain_text_copy(text, NULL);
    return *copy ? *copy : "(out of memory)";
}
