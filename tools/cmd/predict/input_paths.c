/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input is an image, or lists paths, one a line: its first bytes decide, which
 * stay where they are. */
#define _GNU_SOURCE
#include "predict/input_paths.h"

#include "os/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PEEKED = 64 };

/* Copies the first bytes of a pipe, which waits for some. */
static ssize_t peek_pipe(void *out, size_t size)
{
    int copy[2];
    if (pipe2(copy, O_CLOEXEC))
        return -1;
    ssize_t n = tee(STDIN_FILENO, copy[1], size, 0);
    if (n > 0)
        n = read(copy[0], out, size);
    close(copy[0]);
    close(copy[1]);
    return n;
}

static ssize_t peek_once(const struct stat *s, void *out, size_t size)
{
    off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
    return S_ISREG(s->st_mode) && at >= 0 ? pread(STDIN_FILENO, out, size, at)
           : S_ISFIFO(s->st_mode)         ? peek_pipe(out, size)
           : S_ISSOCK(s->st_mode)         ? recv(STDIN_FILENO, out, size, MSG_PEEK)
                                          : 0;
}

/* A program may write a few bytes first: waits a second for more. */
static size_t peek(uint8_t out[PEEKED])
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    struct stat s;
    ssize_t n = 0;
    if (fstat(STDIN_FILENO, &s))
        return 0;
    for (int i = 0; i < 100; i++) {
        n = peek_once(&s, out, PEEKED);
        if (n <= 0 || n == PEEKED || S_ISREG(s.st_mode) || memchr(out, '\n', (size_t)n))
            break;
        nanosleep(&pause, NULL);
    }
    return n > 0 ? (size_t)n : 0;
}

/* The formats that image_files.h reads, and what is no text: it describes that. */
static bool begins_like_image(const uint8_t *b, size_t size)
{
    static const char *const beginnings[] = {"\x89PN", "\xff\xd8", "\x1f\x8b"};
    const uint8_t *end = memchr(b, '\n', size);
    for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++) {
        size_t length = strlen(beginnings[i]);
        if (size >= length && !memcmp(b, beginnings[i], length))
            return true;
    }
    if (size >= 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' &&
        (isspace(b[2]) || b[2] == '#'))
        return true;
    return !size || memchr(b, 0, end ? (size_t)(end - b) : size);
}

static bool stdin_has_paths(void)
{
    uint8_t first[PEEKED];
    return isatty(STDIN_FILENO) || !begins_like_image(first, peek(first));
}

static bool is_readable(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) != 0;
}

static void skip_line(struct input_paths *paths, const char *why)
{
    char *text = term_format_or_exit("stdin, line %d: %s", paths->line, why);
    paths->lines.skip(paths->lines.priv, text);
    paths->lines.failed++;
    free(text);
}

/* Reads more of standard input. */
static void read_more(struct input_paths *paths)
{
    size_t used = paths->end - paths->begin;
    memmove(paths->text, paths->text + paths->begin, used);
    paths->begin = 0;
    paths->end = used;
    ssize_t n;
    do {
        n = read(STDIN_FILENO, paths->text + used, INPUT_LINE - used);
    } while (n < 0 && errno == EINTR);
    paths->ended = n <= 0;
    paths->end += n > 0 ? (size_t)n : 0;
}

/* Adds what the line names. */
static void add_line(struct input_paths *paths, char *line, size_t length)
{
    bool too_long = paths->too_long;
    paths->line++;
    paths->too_long = false;
    if (length && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    size_t mark = paths->line == 1 ? weft_text_mark(line, length) : 0;
    line += mark;
    if (too_long)
        skip_line(paths, "is longer than a path can be");
    else if (strlen(line) < length - mark)
        skip_line(paths, "has a zero byte, which no path has");
    else if (*line)
        image_list_add_line(&paths->lines, line);
}

/* Takes one line from what was read. False: there is no whole line. */
static bool take_line(struct input_paths *paths)
{
    char *line = paths->text + paths->begin;
    size_t length = paths->end - paths->begin;
    char *end = memchr(line, '\n', length);
    if (!end && length == INPUT_LINE) {
        paths->too_long = true;
        paths->begin = paths->end;
        return false;
    }
    if (!end && (!paths->ended || (!length && !paths->too_long)))
        return false;
    length = end ? (size_t)(end - line) : length;
    paths->begin += length + (end != NULL);
    add_line(paths, line, length);
    return true;
}

const struct image_path *input_paths_next(struct input_paths *paths, bool wait,
                                          bool *ended)
{
    *ended = false;
    for (;;) {
        if (paths->next_line < paths->lines.count)
            return &paths->lines.paths[paths->next_line++];
        image_list_clear(&paths->lines);
        paths->next_line = 0;
        if (paths->reading && take_line(paths))
            continue;
        if (paths->reading && !paths->ended) {
            if (!wait && !is_readable())
                return NULL;
            read_more(paths);
            continue;
        }
        paths->reading = false;
        *ended = paths->next == paths->operands.count;
        if (*ended)
            return NULL;
        const struct image_path *path = &paths->operands.paths[paths->next];
        bool input = !path->listed && !strcmp(path->path, "-");
        if (input && !wait && !is_readable())
            return NULL;
        paths->next++;
        paths->reading = input && !paths->ended && stdin_has_paths();
        if (!paths->reading)
            return path;
    }
}

void input_paths_free(struct input_paths *paths)
{
    image_list_free(&paths->operands);
    image_list_free(&paths->lines);
}
