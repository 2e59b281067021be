/* SPDX-License-Identifier: Apache-2.0 */
/* The text format of tuning results. */
#include "device/tuning_file.h"

#include "util/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 5 };

/* Removes spaces at both ends. */
static char *trim(char *text)
{
    while (*text == ' ')
        text++;
    size_t length = strlen(text);
    while (length && text[length - 1] == ' ')
        text[--length] = 0;
    return text;
}

/* Splits a line at its bars; returns the number of fields. */
static int split_fields(char *line, char *fields[FIELDS])
{
    int count = 0;
    for (char *at = line; at; count++) {
        char *bar = strchr(at, '|');
        if (bar)
            *bar++ = 0;
        if (count < FIELDS)
            fields[count] = trim(at);
        at = bar;
    }
    return count;
}

/* Words of printable ASCII, separated by one space. */
static bool is_words(const char *text)
{
    if (!*text || strlen(text) >= 256)
        return false;
    for (const char *s = text; *s; s++)
        if (!isgraph((unsigned char)*s) && (*s != ' ' || s[1] == ' '))
            return false;
    return true;
}

/* "3.51 of 3.90 ms" */
static bool read_times(const char *text, struct weft_tuning_entry *row)
{
    char *end;
    row->seconds = weft_number_read(text, &end) / 1e3;
    if (end == text || strncmp(end, " of ", 4))
        return false;
    text = end + 4;
    row->baseline = weft_number_read(text, &end) / 1e3;
    return end != text && !strcmp(end, " ms") && row->seconds >= 0 &&
           row->seconds < 1e6 && row->baseline >= 0 && row->baseline < 1e6;
}

static bool read_fingerprint(const char *text, uint64_t *out)
{
    if (strlen(text) != 16 || text[strspn(text, "0123456789abcdef")])
        return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

/* Parses a line. The row's strings point into it. */
static bool read_row(char *line, struct weft_tuning_entry *row)
{
    char *fields[FIELDS];
    int count = split_fields(line, fields), state = 0;
    *row = (struct weft_tuning_entry){.state = WEFT_TUNING_BUNDLED};
    if ((count != 2 && count != FIELDS) || !is_words(fields[0]) || !is_words(fields[1]))
        return false;
    row->problem = fields[0];
    row->config = fields[1];
    if (count == 2)
        return true;
    while (state < WEFT_TUNING_STATE_COUNT &&
           strcmp(weft_tuning_entry_states[state], fields[2]))
        state++;
    row->state = (enum weft_tuning_entry_state)state;
    return state < WEFT_TUNING_STATE_COUNT && row->state != WEFT_TUNING_BUNDLED &&
           read_times(fields[3], row) && read_fingerprint(fields[4], &row->fingerprint);
}

enum weft_status weft_tuning_read(weft_context *ctx, struct weft_tuning *t,
                                  const char *text, size_t size, bool bundled,
                                  int *damaged)
{
    char line[WEFT_TUNING_LINE];
    *damaged = 0;
    for (const char *at = text, *end = text + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        struct weft_tuning_entry row;
        if (length >= sizeof(line) || memchr(at, 0, length)) {
            ++*damaged;
        } else if (length && *at != '#') {
            memcpy(line, at, length);
            line[length] = 0;
            if (read_row(line, &row) && (row.state == WEFT_TUNING_BUNDLED) == bundled)
                WEFT_TRY(weft_tuning_set(ctx, t, &row));
            else
                ++*damaged;
        }
        at = newline ? newline + 1 : end;
    }
    return WEFT_OK;
}

/* A growing text; NULL after an allocation failed. */
struct text_builder {
    char *text;
    size_t size, room;
    bool failed;
};

static void append(struct text_builder *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct text_builder *g, const char *format, ...)
{
    enum { MAX_PIECE = 2 * WEFT_TUNING_LINE };
    if (g->room - g->size < MAX_PIECE) {
        g->room = 2 * g->room + 2 * (size_t)MAX_PIECE;
        char *text = realloc(g->text, g->room);
        if (!text)
            free(g->text);
        g->text = text;
        g->failed = g->failed || !text;
        if (!text)
            g->room = g->size = 0;
    }
    if (g->failed)
        return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(g->text + g->size, MAX_PIECE, format, args);
    va_end(args);
    g->size += n < MAX_PIECE ? (size_t)n : MAX_PIECE - 1;
}

char *weft_tuning_write(const struct weft_tuning *t, size_t *size)
{
    struct text_builder g = {0};
    append(&g,
           "# Tuning results of one device. Problem | config | result | its time and the "
           "default's |\n# fingerprint of driver and kernels. Written by `weft tune`; "
           "may be "
           "deleted at any time.\n# %s\n",
           t->about);
    for (int i = t->bundled; i < t->count && !g.failed; i++) {
        const struct weft_tuning_entry *row = &t->rows[i];
        char seconds[32], baseline[32];
        weft_number_write(seconds, sizeof(seconds), 4, row->seconds * 1e3);
        weft_number_write(baseline, sizeof(baseline), 4, row->baseline * 1e3);
        append(&g, "%s | %s | %s | %s of %s ms | %016" PRIx64 "\n", row->problem,
               row->config, weft_tuning_entry_states[row->state], seconds, baseline,
               row->fingerprint);
    }
    *size = g.size;
    return g.text;
}
