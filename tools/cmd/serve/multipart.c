/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of several parts. */
#define _GNU_SOURCE
#include "serve/multipart.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { MOST_BOUNDARY = 70, LEAD = 4 }; /* RFC 2046; "\r\n--" */

/* The value of `key` in the parameters of a header, plain or quoted; its size, or 0. */
static size_t find_parameter(const char *text, size_t size, const char *key,
                             const char **value)
{
    size_t length = strlen(key);
    for (size_t at = 0; at + length + 1 < size; at++) {
        bool begins = !at || text[at - 1] == ';' || text[at - 1] == ' ';
        if (!begins || strncasecmp(text + at, key, length) || text[at + length] != '=')
            continue;
        at += length + 1;
        bool quoted = text[at] == '"';
        size_t begin = at += quoted;
        while (at < size &&
               (quoted ? text[at] != '"' : text[at] != ';' && text[at] != ' '))
            at++;
        *value = text + begin;
        return at - begin;
    }
    return 0;
}

/* Reads the headers of a part, which end with an empty line. NULL: they do not. */
static const uint8_t *read_headers(const uint8_t *at, const uint8_t *end,
                                   struct multipart_part *part)
{
    static const char disposition[] = "content-disposition:";
    while (at < end) {
        const uint8_t *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!stop)
            return NULL;
        size_t size = (size_t)(stop - at);
        const char *line = (const char *)at;
        at = stop + 2;
        if (!size)
            return at;
        if (size < sizeof(disposition) ||
            strncasecmp(line, disposition, sizeof(disposition) - 1))
            continue;
        part->name_size = find_parameter(line, size, "filename", &part->name);
        if (!part->name_size)
            part->name_size = find_parameter(line, size, "name", &part->name);
    }
    return NULL;
}

int multipart_split(const char *type, const uint8_t *body, size_t size,
                    struct multipart_part *parts, int most, const char **why)
{
    char mark[LEAD + MOST_BOUNDARY] = "\r\n--";
    const char *boundary;
    size_t length = find_parameter(type, strlen(type), "boundary", &boundary);
    *why = "the header Content-Type has no boundary of 1 to 70 characters";
    if (!length || length > MOST_BOUNDARY)
        return 0;
    memcpy(mark + LEAD, boundary, length);
    length += LEAD;
    const uint8_t *end = body + size, *at;
    *why = "the body has no part: its boundary does not occur in it";
    /* The first boundary may begin the body, without a line break. */
    if (size >= length - 2 && !memcmp(body, mark + 2, length - 2))
        at = body + length - 2;
    else if ((at = memmem(body, size, mark, length)))
        at += length;
    else
        return 0;
    for (int count = 0;; count++) {
        *why = "the body has no part";
        if (end - at >= 2 && !memcmp(at, "--", 2))
            return count;
        *why = "the body has too many parts";
        if (count == most)
            return 0;
        *why = "a part of the body has no end";
        while (at < end && (*at == ' ' || *at == '\t')) /* after a boundary */
            at++;
        if (end - at < 2 || memcmp(at, "\r\n", 2) != 0)
            return 0;
        struct multipart_part *part = &parts[count];
        *part = (struct multipart_part){.name = ""};
        part->data = read_headers(at + 2, end, part);
        /* The mark of an empty part may begin with the line break of its headers. */
        at = part->data
                 ? memmem(part->data - 2, (size_t)(end - part->data) + 2, mark, length)
                 : NULL;
        if (!at)
            return 0;
        part->size = at > part->data ? (size_t)(at - part->data) : 0;
        at += length;
    }
}
