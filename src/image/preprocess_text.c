/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing as a property of a model. */
#include "image/preprocess.h"

#include "base/context.h"
#include "os/words.h"
#include "util/text.h"

#include <stdio.h>
#include <string.h>

enum { FIT, TRIM, INVERT, FILTER, FIELD_COUNT };

static const struct {
    const char *name, *values;
} fields[FIELD_COUNT] = {
    [FIT] = {"fit", WEFT_FIT_WORDS},
    [TRIM] = {"trim", "no|yes"},
    [INVERT] = {"invert", WEFT_INVERT_WORDS},
    [FILTER] = {"filter", WEFT_FILTER_WORDS},
};
static const char crop_fraction[] = "crop-fraction=";

enum weft_status weft_preprocess_check(weft_context *ctx,
                                       const struct weft_preprocess_params *params)
{
    WEFT_REQUIRE(ctx, (unsigned)params->fit <= WEFT_FIT_NONE,
                 "fit must be a value of enum weft_fit");
    WEFT_REQUIRE(ctx, (unsigned)params->invert <= WEFT_INVERT_AUTO,
                 "invert must be a value of enum weft_invert");
    WEFT_REQUIRE(ctx, (unsigned)params->filter <= WEFT_FILTER_BICUBIC,
                 "filter must be a value of enum weft_filter");
    WEFT_REQUIRE(ctx, params->crop_fraction >= 0 && params->crop_fraction <= 1,
                 "crop_fraction must be 0 to 1");
    return WEFT_OK;
}

enum weft_status weft_preprocess_check_all(weft_context *ctx,
                                           const struct weft_preprocess_params *params)
{
    enum { MAX_SIDE = 65535 };
    const int height = params->height, width = params->width;
    WEFT_REQUIRE(ctx,
                 height >= 1 && height <= MAX_SIDE && width >= 1 && width <= MAX_SIDE,
                 "height and width must be 1 to 65535");
    WEFT_REQUIRE(ctx, params->channels == 1 || params->channels == 3,
                 "channels must be 1 or 3");
    return weft_preprocess_check(ctx, params);
}

void weft_preprocess_write(const struct weft_preprocess_params *params,
                           char out[WEFT_PREPROCESS_TEXT])
{
    const int values[FIELD_COUNT] = {[FIT] = (int)params->fit,
                                     [TRIM] = params->trim,
                                     [INVERT] = (int)params->invert,
                                     [FILTER] = (int)params->filter};
    size_t at = 0, length = 0;
    for (int i = 0; i < FIELD_COUNT; i++) {
        const char *word = weft_word_at(fields[i].values, values[i], &length);
        if (i < FILTER || values[i])
            at += (size_t)snprintf(out + at, WEFT_PREPROCESS_TEXT - at, "%s%s=%.*s",
                                   i ? " " : "", fields[i].name, (int)length, word);
    }
    if (params->crop_fraction > 0 && params->crop_fraction < 1) {
        char number[32];
        weft_float_write(number, sizeof(number), params->crop_fraction);
        snprintf(out + at, WEFT_PREPROCESS_TEXT - at, " %s%s", crop_fraction, number);
    }
}

/* The index of the value in "name=value" of `length` bytes; -1: another field or an
 * unknown value. */
static int value_of(int field, const char *word, size_t length)
{
    size_t name = strlen(fields[field].name), span;
    const char *value;
    if (length <= name || strncmp(word, fields[field].name, name) != 0 ||
        word[name] != '=')
        return -1;
    word += name + 1;
    length -= name + 1;
    for (int i = 0; (value = weft_word_at(fields[field].values, i, &span)); i++)
        if (span == length && !strncmp(word, value, length))
            return i;
    return -1;
}

/* The number in "crop-fraction=X" of `length` bytes; 0: another word or no fraction. */
static float fraction_of(const char *word, size_t length)
{
    const size_t name = sizeof(crop_fraction) - 1;
    char number[32];
    char *end;
    if (length <= name || length - name >= sizeof(number) ||
        strncmp(word, crop_fraction, name) != 0)
        return 0;
    memcpy(number, word + name, length - name);
    number[length - name] = '\0';
    float value = (float)weft_number_read(number, &end);
    return !*end && value > 0 && value <= 1 ? value : 0;
}

bool weft_preprocess_read(const char *text, struct weft_preprocess_params *params)
{
    int values[FIELD_COUNT];
    bool given[FIELD_COUNT] = {false};
    float fraction = 0;
    while (*(text += strspn(text, " "))) {
        size_t length = strcspn(text, " ");
        int field = 0, value = -1;
        while (field < FIELD_COUNT && (value = value_of(field, text, length)) < 0)
            field++;
        if (value >= 0 && !given[field]) {
            values[field] = value;
            given[field] = true;
        } else if (value >= 0 || fraction > 0 ||
                   !((fraction = fraction_of(text, length)) > 0)) {
            return false;
        }
        text += length;
    }
    if (given[FIT])
        params->fit = (enum weft_fit)values[FIT];
    if (given[TRIM])
        params->trim = values[TRIM];
    if (given[INVERT])
        params->invert = (enum weft_invert)values[INVERT];
    if (given[FILTER])
        params->filter = (enum weft_filter)values[FILTER];
    if (fraction > 0)
        params->crop_fraction = fraction;
    return true;
}
