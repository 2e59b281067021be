/* SPDX-License-Identifier: Apache-2.0 */
/* weft show: the kind of a file by its first bytes. */
#define _GNU_SOURCE
#include "show/show.h"

#include "core/paths.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES = 256 };

static bool ends(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n > k && !strcasecmp(text + n - k, end);
}

/* A pipe's contents are copied, not taken: it can be read once only. */
static ssize_t look_into_pipe(int from, unsigned char *head)
{
    ssize_t size = -1;
#ifdef __linux__
    int ends_of_copy[2];
    if (pipe2(ends_of_copy, O_CLOEXEC))
        return -1;
    size = tee(from, ends_of_copy[1], HEAD_BYTES, 0);
    if (size > 0)
        size = read(ends_of_copy[0], head, HEAD_BYTES);
    close(ends_of_copy[0]);
    close(ends_of_copy[1]);
#else
    (void)from;
    (void)head;
#endif
    return size;
}

/* The first bytes; 0: it cannot be opened; -1: unknown. */
static ssize_t look_into(const char *spec, unsigned char *head)
{
    struct stat s;
    int file = paths_open(spec, &s);
    if (file < 0)
        return 0;
    ssize_t size = S_ISREG(s.st_mode)    ? read(file, head, HEAD_BYTES)
                   : S_ISFIFO(s.st_mode) ? look_into_pipe(file, head)
                                         : -1;
    close(file);
    return size;
}

/* True if the first line of a text has fields as CSV. Lines of networks begin with words
 * and have commas in values only, comments begin with #. */
static bool is_csv(const char *text)
{
    size_t line = strcspn(text, "\r\n"), separators = 0;
    for (size_t i = 0; i < line; i++)
        separators += strchr(",;\t", text[i]) != NULL;
    return separators && *text != '#' && !memchr(text, '=', line) &&
           (separators > 8 || strcspn(text, " ") >= strcspn(text, ",;"));
}

static bool is_image(const unsigned char *head)
{
    return !memcmp(head, "\x89PNG", 4) || !memcmp(head, "\xff\xd8\xff", 3) ||
           (head[0] == 'P' && head[1] >= '1' && head[1] <= '6' &&
            (isspace(head[2]) || head[2] == '#'));
}

enum show_kind show_kind_of(const char *spec)
{
    unsigned char head[HEAD_BYTES + 1] = {0};
    char *builtin = app_builtin_net(spec);
    free(builtin);
    if (builtin)
        return SHOW_NET;
    if (app_is_model(spec))
        return SHOW_MODEL;
    if (ends(spec, ".jsonl"))
        return SHOW_LOG;
    if (!strcmp(spec, "fashion-mnist") || paths_is_folder(spec) || ends(spec, ".csv") ||
        ends(spec, ".tsv"))
        return SHOW_DATA;
    ssize_t n = look_into(spec, head);
    if (n < 0)
        return SHOW_DATA;
    bool gzipped = head[0] == 0x1f && head[1] == 0x8b;
    bool npy = !memcmp(head, "\x93NUM", 4), zip = !memcmp(head, "PK\3\4", 4);
    bool idx = n >= 4 && !head[0] && !head[1] && head[2] == 8;
    if (n > 8 && head[8] == '{' && !head[7] && !head[6] && !head[5])
        return SHOW_MODEL;
    if (is_image(head))
        return SHOW_IMAGE;
    return zip || gzipped || npy || idx || is_csv((const char *)head) ? SHOW_DATA
                                                                      : SHOW_NET;
}
