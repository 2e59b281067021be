/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of users, as editors of any system write them. */
#include "core/text_file.h"

#include "core/paths.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A byte order mark of UTF-16 or UTF-32, or a zero byte beside one of two letters. */
static bool is_utf16(const char *text, size_t size)
{
    return size >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2) ||
                         (size >= 4 && !text[0] == !text[2] && !text[1] == !text[3] &&
                          !text[0] != !text[1]));
}

char *text_file_read(const char *path, size_t most, size_t *size, const char **why)
{
    char *text = paths_read_file(path, most, size);
    *why = NULL;
    if (!text)
        return NULL;
    if (is_utf16(text, *size)) {
        *why = "is a text in UTF-16; save it in UTF-8";
        free(text);
        return NULL;
    }
    if (*size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        *size -= 3;
        memmove(text, text + 3, *size + 1);
    }
    return text;
}
