/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting one line of a network's text. */
#include "util/line_parser.h"

#include "os/suggest.h"
#include "util/text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum weft_status weft_line_parser_fail(struct weft_line_parser *parser,
                                       const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return weft_fail(parser->ctx, WEFT_ERR_FORMAT, "%s", text);
}

static enum weft_status add_word(struct weft_line_parser *parser, char *word)
{
    char *equals = strchr(word, '=');
    if (!equals) {
        if (parser->count == WEFT_MAX_WORDS)
            return weft_line_parser_fail(parser, "more than %d words", WEFT_MAX_WORDS);
        parser->word[parser->count++] = word;
        return WEFT_OK;
    }
    *equals = 0;
    for (int i = 0; i < parser->option_count; i++)
        if (!strcmp(parser->option[i].name, word))
            return weft_line_parser_fail(parser, "duplicate option \"%s\"", word);
    if (parser->option_count == WEFT_MAX_WORDS)
        return weft_line_parser_fail(parser, "more than %d options", WEFT_MAX_WORDS);
    parser->option[parser->option_count].name = word;
    parser->option[parser->option_count].value = equals + 1;
    parser->option[parser->option_count++].used = false;
    return WEFT_OK;
}

enum weft_status weft_line_parser_split(struct weft_line_parser *parser, const char *line,
                                        size_t length)
{
    parser->count = parser->next = parser->option_count = parser->asked_count = 0;
    const char *comment = memchr(line, '#', length);
    if (comment)
        length = (size_t)(comment - line);
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t' && line[i] != '\r') ||
            line[i] == 0x7f)
            return weft_line_parser_fail(parser,
                                         "has a control character (byte %d): is it "
                                         "a text?",
                                         line[i]);
    if (length >= sizeof(parser->text))
        return weft_line_parser_fail(parser, "is longer than %d characters",
                                     WEFT_MAX_LINE - 1);
    memcpy(parser->text, line, length);
    parser->text[length] = 0;
    char *end = parser->text + length;
    for (char *rest = parser->text; rest < end;) {
        size_t space = 0;
        char *word = rest;
        while (rest < end && !(space = weft_text_space(rest, (size_t)(end - rest))))
            rest++;
        *rest = 0;
        rest += rest < end ? space : 0;
        if (*word)
            WEFT_TRY(add_word(parser, word));
    }
    return WEFT_OK;
}

const char *weft_line_parser_peek(const struct weft_line_parser *parser)
{
    return parser->next < parser->count ? parser->word[parser->next] : NULL;
}

/* Parses the integer at the start of `text`; *end is behind it, or `text` if there is
 * none. */
static long parse_integer(const char *text, const char **end)
{
    char *stop;
    errno = 0;
    long value = strtol(text, &stop, 10);
    *end = errno ? text : stop;
    return value;
}

enum weft_status weft_line_parser_int(struct weft_line_parser *parser, const char *what,
                                      const char *text, int min, int max, int *out)
{
    const char *end;
    long value = parse_integer(text, &end);
    if (end == text || *end)
        return weft_line_parser_fail(parser, "%s must be an integer, not \"%s\"", what,
                                     text);
    if (value < min || value > max)
        return weft_line_parser_fail(parser, "%s is %ld, must be %d to %d", what, value,
                                     min, max);
    *out = (int)value;
    return WEFT_OK;
}

enum weft_status weft_line_parser_float(struct weft_line_parser *parser, const char *what,
                                        const char *text, float min, float max,
                                        float *out)
{
    char *end;
    float value = (float)weft_number_read(text, &end);
    if (end == text || *end || !isfinite(value))
        return weft_line_parser_fail(parser, "%s must be a number, not \"%s\"", what,
                                     text);
    if (value < min || value > max)
        return weft_line_parser_fail(parser, "%s is %g, must be %g to %g", what, value,
                                     min, max);
    *out = value;
    return WEFT_OK;
}

enum weft_status weft_line_parser_pair(struct weft_line_parser *parser, const char *what,
                                       const char *text, int min, int max, int out[2])
{
    const char *middle, *end;
    long rows = parse_integer(text, &middle), columns = rows;
    end = middle;
    if (middle != text && *middle == 'x') {
        columns = parse_integer(middle + 1, &end);
        if (end == middle + 1)
            end = text;
    }
    if (end == text || *end)
        return weft_line_parser_fail(
            parser, "%s must be a number or ROWSxCOLUMNS, not \"%s\"", what, text);
    if (rows < min || rows > max || columns < min || columns > max)
        return weft_line_parser_fail(parser, "%s is %s, must be %d to %d", what, text,
                                     min, max);
    out[0] = (int)rows;
    out[1] = (int)columns;
    return WEFT_OK;
}

enum weft_status weft_line_parser_take(struct weft_line_parser *parser, const char *what,
                                       const char **out)
{
    if (parser->next == parser->count)
        return weft_line_parser_fail(parser, "%s is missing after \"%s\"", what,
                                     parser->word[parser->count - 1]);
    *out = parser->word[parser->next++];
    return WEFT_OK;
}

const char *weft_line_parser_option(struct weft_line_parser *parser, const char *name)
{
    if (parser->asked_count < WEFT_MAX_ASKED)
        parser->asked[parser->asked_count++] = name;
    for (int i = 0; i < parser->option_count; i++)
        if (!strcmp(parser->option[i].name, name)) {
            parser->option[i].used = true;
            return parser->option[i].value;
        }
    return NULL;
}

enum weft_status weft_line_parser_option_float(struct weft_line_parser *parser,
                                               const char *name, float min, float max,
                                               float *out)
{
    const char *text = weft_line_parser_option(parser, name);
    return text ? weft_line_parser_float(parser, name, text, min, max, out) : WEFT_OK;
}

enum weft_status weft_line_parser_option_name(struct weft_line_parser *parser,
                                              const char *name, const char *const *names,
                                              int *out)
{
    const char *text = weft_line_parser_option(parser, name);
    if (!text)
        return WEFT_OK;
    char list[128] = "", close[WEFT_SUGGESTION];
    int count = 0;
    for (; names[count]; count++) {
        if (!strcmp(names[count], text)) {
            *out = count;
            return WEFT_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", count ? ", " : "",
                 names[count]);
    }
    return weft_line_parser_fail(parser, "%s=%s is not known; choose from %s%s", name,
                                 text, list, weft_suggestion(text, names, count, close));
}

enum weft_status weft_line_parser_row(struct weft_line_parser *parser, const char *what,
                                      const void *rows, size_t row_bytes, int count,
                                      int *out)
{
    enum { MOST = 16 };
    const char *word = weft_line_parser_peek(parser), *names[MOST];
    char list[160] = "", close[WEFT_SUGGESTION];
    for (int i = 0; i < count && i < MOST; i++) {
        names[i] = *(const char *const *)((const char *)rows + (size_t)i * row_bytes);
        if (word && !strcmp(word, names[i])) {
            *out = i;
            parser->next++;
            return WEFT_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s",
                 !i              ? ""
                 : i < count - 1 ? ", "
                                 : " or ",
                 names[i]);
    }
    if (!word)
        return weft_line_parser_fail(parser, "%s must be %s", what, list);
    return weft_line_parser_fail(parser, "%s must be %s, not \"%s\"%s", what, list, word,
                                 weft_suggestion(word, names, count, close));
}

enum weft_status weft_line_parser_option_bool(struct weft_line_parser *parser,
                                              const char *name, bool *out)
{
    static const char *const names[] = {"no", "yes", NULL};
    int value = *out;
    WEFT_TRY(weft_line_parser_option_name(parser, name, names, &value));
    *out = value;
    return WEFT_OK;
}

enum weft_status weft_line_parser_check_all_used(struct weft_line_parser *parser)
{
    if (parser->next < parser->count)
        return weft_line_parser_fail(parser, "unexpected \"%s\" after \"%s\"",
                                     parser->word[parser->next],
                                     parser->word[parser->next ? parser->next - 1 : 0]);
    for (int i = 0; i < parser->option_count; i++)
        if (!parser->option[i].used) {
            char close[WEFT_SUGGESTION];
            return weft_line_parser_fail(parser, "\"%s\" has no option \"%s\"%s",
                                         parser->word[0], parser->option[i].name,
                                         weft_suggestion(parser->option[i].name,
                                                         parser->asked,
                                                         parser->asked_count, close));
        }
    return WEFT_OK;
}
