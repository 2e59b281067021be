/* SPDX-License-Identifier: Apache-2.0 */
/* Taking apart one line of a network's text. */
#include "words.h"

#include "text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum weft_status weft_words_fail(struct weft_words *words, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return weft_fail(words->ctx, WEFT_ERR_FORMAT, "%s, line %d: %s", words->where,
                     words->line, text);
}

static enum weft_status add_word(struct weft_words *words, char *word)
{
    char *equals = strchr(word, '=');
    if (!equals) {
        if (words->option_count)
            return weft_words_fail(words, "\"%s\" must stand before the options", word);
        if (words->count == WEFT_MAX_WORDS)
            return weft_words_fail(words, "more than %d words", WEFT_MAX_WORDS);
        words->word[words->count++] = word;
        return WEFT_OK;
    }
    *equals = 0;
    for (int i = 0; i < words->option_count; i++)
        if (!strcmp(words->option[i].name, word))
            return weft_words_fail(words, "option \"%s\" stands there twice", word);
    if (words->option_count == WEFT_MAX_WORDS)
        return weft_words_fail(words, "more than %d options", WEFT_MAX_WORDS);
    words->option[words->option_count].name = word;
    words->option[words->option_count].value = equals + 1;
    words->option[words->option_count++].used = false;
    return WEFT_OK;
}

enum weft_status weft_words_split(struct weft_words *words, const char *line,
                                  size_t length)
{
    words->count = words->next = words->option_count = 0;
    const char *comment = memchr(line, '#', length);
    if (comment)
        length = (size_t)(comment - line);
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t' && line[i] != '\r') ||
            line[i] == 0x7f)
            return weft_words_fail(words,
                                   "holds a control character (byte %d): is it "
                                   "a text?",
                                   line[i]);
    if (length >= sizeof(words->text))
        return weft_words_fail(words, "is longer than %d characters", WEFT_MAX_LINE - 1);
    memcpy(words->text, line, length);
    words->text[length] = 0;
    char *rest = words->text;
    while (*(rest += strspn(rest, " \t\r"))) {
        char *word = rest;
        rest += strcspn(rest, " \t\r");
        if (*rest)
            *rest++ = 0;
        WEFT_TRY(add_word(words, word));
    }
    return WEFT_OK;
}

const char *weft_words_peek(const struct weft_words *words)
{
    return words->next < words->count ? words->word[words->next] : NULL;
}

/* A whole number at the start of `text`; `end` is where it stops, `text` itself if there
 * is none. */
static long whole(const char *text, const char **end)
{
    char *stop;
    errno = 0;
    long value = strtol(text, &stop, 10);
    *end = errno ? text : stop;
    return value;
}

static enum weft_status number(struct weft_words *words, const char *what,
                               const char *text, int min, int max, int *out)
{
    const char *end;
    long value = whole(text, &end);
    if (end == text || *end)
        return weft_words_fail(words, "%s must be a whole number, not \"%s\"", what,
                               text);
    if (value < min || value > max)
        return weft_words_fail(words, "%s is %ld, must be %d to %d", what, value, min,
                               max);
    *out = (int)value;
    return WEFT_OK;
}

static enum weft_status real(struct weft_words *words, const char *what, const char *text,
                             float min, float max, float *out)
{
    char *end;
    float value = (float)weft_number_read(text, &end);
    if (end == text || *end || !isfinite(value))
        return weft_words_fail(words, "%s must be a number, not \"%s\"", what, text);
    if (value < min || value > max)
        return weft_words_fail(words, "%s is %g, must be %g to %g", what, value, min,
                               max);
    *out = value;
    return WEFT_OK;
}

static enum weft_status pair(struct weft_words *words, const char *what, const char *text,
                             int min, int max, int out[2])
{
    const char *middle, *end;
    long rows = whole(text, &middle), columns = rows;
    end = middle;
    if (middle != text && *middle == 'x') {
        columns = whole(middle + 1, &end);
        if (end == middle + 1)
            end = text;
    }
    if (end == text || *end)
        return weft_words_fail(words, "%s must be a number or ROWSxCOLUMNS, not \"%s\"",
                               what, text);
    if (rows < min || rows > max || columns < min || columns > max)
        return weft_words_fail(words, "%s is %s, must be %d to %d", what, text, min, max);
    out[0] = (int)rows;
    out[1] = (int)columns;
    return WEFT_OK;
}

static enum weft_status take(struct weft_words *words, const char *what, const char **out)
{
    if (words->next == words->count)
        return weft_words_fail(words, "%s is missing after \"%s\"", what,
                               words->word[words->count - 1]);
    *out = words->word[words->next++];
    return WEFT_OK;
}

enum weft_status weft_words_int(struct weft_words *words, const char *what, int min,
                                int max, int *out)
{
    const char *text = NULL;
    WEFT_TRY(take(words, what, &text));
    return number(words, what, text, min, max, out);
}

enum weft_status weft_words_float(struct weft_words *words, const char *what, float min,
                                  float max, float *out)
{
    const char *text = NULL;
    WEFT_TRY(take(words, what, &text));
    return real(words, what, text, min, max, out);
}

enum weft_status weft_words_pair(struct weft_words *words, const char *what, int min,
                                 int max, int out[2])
{
    const char *text = NULL;
    WEFT_TRY(take(words, what, &text));
    return pair(words, what, text, min, max, out);
}

const char *weft_words_option(struct weft_words *words, const char *name)
{
    for (int i = 0; i < words->option_count; i++)
        if (!strcmp(words->option[i].name, name)) {
            words->option[i].used = true;
            return words->option[i].value;
        }
    return NULL;
}

enum weft_status weft_words_option_int(struct weft_words *words, const char *name,
                                       int min, int max, int *out)
{
    const char *text = weft_words_option(words, name);
    return text ? number(words, name, text, min, max, out) : WEFT_OK;
}

enum weft_status weft_words_option_pair(struct weft_words *words, const char *name,
                                        int min, int max, int out[2])
{
    const char *text = weft_words_option(words, name);
    return text ? pair(words, name, text, min, max, out) : WEFT_OK;
}

enum weft_status weft_words_option_float(struct weft_words *words, const char *name,
                                         float min, float max, float *out)
{
    const char *text = weft_words_option(words, name);
    return text ? real(words, name, text, min, max, out) : WEFT_OK;
}

enum weft_status weft_words_option_name(struct weft_words *words, const char *name,
                                        const char *const *names, int *out)
{
    const char *text = weft_words_option(words, name);
    if (!text)
        return WEFT_OK;
    char list[128] = "";
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) {
            *out = i;
            return WEFT_OK;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", names[i]);
    }
    return weft_words_fail(words, "%s=%s is not known; choose from %s", name, text, list);
}

enum weft_status weft_words_option_bool(struct weft_words *words, const char *name,
                                        bool *out)
{
    static const char *const names[] = {"no", "yes", NULL};
    int value = *out;
    WEFT_TRY(weft_words_option_name(words, name, names, &value));
    *out = value;
    return WEFT_OK;
}

enum weft_status weft_words_end(struct weft_words *words)
{
    if (words->next < words->count)
        return weft_words_fail(words, "\"%s\" is not expected after \"%s\"",
                               words->word[words->next],
                               words->word[words->next ? words->next - 1 : 0]);
    for (int i = 0; i < words->option_count; i++)
        if (!words->option[i].used)
            return weft_words_fail(words, "\"%s\" has no option \"%s\"", words->word[0],
                                   words->option[i].name);
    return WEFT_OK;
}
