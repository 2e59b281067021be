/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of users, as editors of any system write them. */
#include "core/text_file.h"

#include "core/paths.h"
#include "os/encoding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *text_file_read(const char *path, size_t most, size_t *size, const char **why)
{
    char *text = paths_read_file(path, most, size, why);
    if (!text)
        return NULL;
    const char *encoding = weft_text_foreign_encoding(text, *size);
    if (encoding) {
        static char fault[64];
        snprintf(fault, sizeof(fault), "is a text in %s; save it in UTF-8", encoding);
        *why = fault;
        errno = 0;
        free(text);
        return NULL;
    }
    size_t mark = weft_text_mark(text, *size);
    *size -= mark;
    memmove(text, text + mark, *size + 1);
    return text;
}
