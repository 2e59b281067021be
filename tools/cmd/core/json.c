/* SPDX-License-Identifier: Apache-2.0 */
/* A streaming JSON writer (RFC 8259). */
#include "core/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>

/* The length of the UTF-8 sequence that begins at `s`, 0 if it is not valid. */
static size_t sequence(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f;
    bool beyond = s[0] == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

static void quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t length = sequence(s);
        if (!length) {
            fputs("\\ufffd", out);
            s++;
        } else if (*s == '"' || *s == '\\') {
            fprintf(out, "\\%c", *s++);
        } else if (*s == '\n') {
            fputs("\\n", out);
            s++;
        } else if (*s < 0x20 || *s == 0x7f) {
            fprintf(out, "\\u%04x", *s++);
        } else {
            fwrite(s, 1, length, out);
            s += length;
        }
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
