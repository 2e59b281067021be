/* SPDX-License-Identifier: Apache-2.0 */
/* A streaming JSON writer (RFC 8259). */
#include "core/json.h"

#include "core/plain_text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

static void quoted(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text) {
        unsigned control;
        size_t length = plain_text_character(text, &control);
        if (!length)
            fputs("\\ufffd", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else if (control)
            fprintf(out, "\\u%04x", control);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
    fputc('"', out);
}

static void line(struct json *j, int depth)
{
    if (!j->lines)
        fprintf(j->out, "\n%*s", 2 * depth, "");
}

static void before(struct json *j, const char *key)
{
    if (j->filled[j->depth])
        fputs(j->lines ? ", " : ",", j->out);
    j->filled[j->depth] = true;
    if (j->depth)
        line(j, j->depth);
    if (key) {
        quoted(j->out, key);
        fputs(": ", j->out);
    }
}

static void open(struct json *j, const char *key, char opening, char closing)
{
    before(j, key);
    assert(j->depth < JSON_MAX_DEPTH);
    fputc(opening, j->out);
    j->depth++;
    j->filled[j->depth] = false;
    j->closing[j->depth] = closing;
}

void emit_object(struct json *j, const char *key)
{
    open(j, key, '{', '}');
}

void emit_list(struct json *j, const char *key)
{
    open(j, key, '[', ']');
}

void emit_end(struct json *j)
{
    assert(j->depth > 0);
    bool filled = j->filled[j->depth];
    char closing = j->closing[j->depth--];
    if (filled)
        line(j, j->depth);
    fputc(closing, j->out);
    if (!j->depth)
        fputc('\n', j->out);
}

void emit_text(struct json *j, const char *key, const char *value)
{
    before(j, key);
    if (value)
        quoted(j->out, value);
    else
        fputs("null", j->out);
}

void emit_int(struct json *j, const char *key, int64_t value)
{
    before(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void emit_uint(struct json *j, const char *key, uint64_t value)
{
    before(j, key);
    fprintf(j->out, "%" PRIu64, value);
}

void emit_double(struct json *j, const char *key, double value)
{
    before(j, key);
    if (isfinite(value))
        fprintf(j->out, "%.9g", value);
    else
        fputs("null", j->out);
}

void emit_bool(struct json *j, const char *key, bool value)
{
    before(j, key);
    fputs(value ? "true" : "false", j->out);
}
