/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes as text: "64x28x28x32:64x3x3:stride=2". */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum weft_status shape_error(const struct bench_shape *s, const char *what)
{
    return weft_fail(s->ctx, WEFT_ERR_ARG, "%s \"%s\": %s", s->op, s->text, what);
}

enum weft_status bench_shape_begin(weft_context *ctx, const char *op, const char *text,
                                   struct bench_shape *shape)
{
    *shape = (struct bench_shape){.ctx = ctx, .op = op, .text = text};
    if (strlen(text) >= sizeof(shape->rest))
        return shape_error(shape, "too long for a shape");
    strcpy(shape->rest, text);
    shape->next = shape->rest;
    return WEFT_OK;
}

/* The part up to the next colon, or NULL after the last. */
static char *next_token(struct bench_shape *s)
{
    char *piece = s->next;
    if (!piece)
        return NULL;
    s->next = strchr(piece, ':');
    if (s->next)
        *s->next++ = '\0';
    return piece;
}

enum weft_status bench_shape_extents(struct bench_shape *s, const char *form, int count,
                                     int *out)
{
    const char *at = next_token(s);
    char what[96];
    snprintf(what, sizeof(what), "expected %s, each from 1 to 16777216", form);
    for (int i = 0; i < count; i++) {
        char *end = NULL;
        long value = at && *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : 0;
        if (value < 1 || value > 1 << 24 || *end != (i + 1 < count ? 'x' : '\0'))
            return shape_error(s, what);
        out[i] = (int)value;
        at = end + 1;
    }
    return WEFT_OK;
}

/* Removes the word at `from` from the rest. */
static void consume_token(struct bench_shape *s, char *from, size_t length)
{
    char *behind = from + length + (from[length] == ':');
    memmove(from, behind, strlen(behind) + 1);
    size_t left = strlen(s->next);
    if (left && s->next[left - 1] == ':')
        s->next[left - 1] = '\0';
    if (!*s->next)
        s->next = NULL;
}

enum weft_status bench_shape_number(struct bench_shape *s, const char *name, int min,
                                    int max, int *out)
{
    size_t length = strlen(name);
    for (char *at = s->next; at && *at;) {
        size_t word = strcspn(at, ":");
        if (word > length && !strncmp(at, name, length) && at[length] == '=') {
            char *end, what[96];
            long value = strtol(at + length + 1, &end, 10);
            snprintf(what, sizeof(what), "%s must be from %d to %d", name, min, max);
            if (end != at + word || value < min || value > max)
                return shape_error(s, what);
            *out = (int)value;
            consume_token(s, at, word);
            return WEFT_OK;
        }
        at += word + (at[word] == ':');
    }
    return WEFT_OK;
}

bool bench_shape_name(struct bench_shape *s, const char *const *names, int count,
                      int *out)
{
    for (char *at = s->next; at && *at;) {
        size_t word = strcspn(at, ":");
        for (int i = 0; i < count; i++)
            if (strlen(names[i]) == word && !strncmp(at, names[i], word)) {
                *out = i;
                consume_token(s, at, word);
                return true;
            }
        at += word + (at[word] == ':');
    }
    return false;
}

enum weft_status bench_shape_end(struct bench_shape *s)
{
    char what[BENCH_SHAPE_BYTES + 64];
    if (!s->next)
        return WEFT_OK;
    snprintf(what, sizeof(what), "\"%s\" is unknown", s->next);
    return shape_error(s, what);
}
