/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing as a property of a model. */
#include "image/preprocess.h"

#include "base/context.h"

#include <stdio.h>
#include <string.h>

enum { FIT, TRIM, INVERT, FIELD_COUNT, MAX_VALUES = 4 };

static const struct {
    const char *name;
    const char *values[MAX_VALUES]; /* in the order of the enum */
} fields[FIELD_COUNT] = {
    [FIT] = {"fit", {"pad", "crop", "stretch", "none"}},
    [TRIM] = {"trim", {"no", "yes"}},
    [INVERT] = {"invert", {"no", "yes", "auto"}},
};

enum weft_status weft_preprocess_check(weft_context *ctx,
                                       const struct weft_preprocess_params *params)
{
    WEFT_REQUIRE(ctx, (unsigned)params->fit <= WEFT_FIT_NONE,
                 "fit must be a value of enum weft_fit");
    WEFT_REQUIRE(ctx, (unsigned)params->invert <= WEFT_INVERT_AUTO,
                 "invert must be a value of enum weft_invert");
    return WEFT_OK;
}

void weft_preprocess_write(const struct weft_preprocess_params *params,
                           char out[WEFT_PREPROCESS_TEXT])
{
    const int values[FIELD_COUNT] = {
        [FIT] = (int)params->fit, [TRIM] = params->trim, [INVERT] = (int)params->invert};
    size_t at = 0;
    for (int i = 0; i < FIELD_COUNT; i++)
        at += (size_t)snprintf(out + at, WEFT_PREPROCESS_TEXT - at, "%s%s=%s",
                               i ? " " : "", fields[i].name, fields[i].values[values[i]]);
}

/* The index of the value in "name=value" of `length` bytes; -1: another field or an
 * unknown value. */
static int value_of(int field, const char *word, size_t length)
{
    size_t name = strlen(fields[field].name);
    if (length <= name || strncmp(word, fields[field].name, name) != 0 ||
        word[name] != '=')
        return -1;
    word += name + 1;
    length -= name + 1;
    for (int i = 0; i < MAX_VALUES && fields[field].values[i]; i++)
        if (strlen(fields[field].values[i]) == length &&
            !strncmp(word, fields[field].values[i], length))
            return i;
    return -1;
}

bool weft_preprocess_read(const char *text, struct weft_preprocess_params *params)
{
    int values[FIELD_COUNT];
    bool given[FIELD_COUNT] = {false};
    while (*(text += strspn(text, " "))) {
        size_t length = strcspn(text, " ");
        int field = 0, value = -1;
        while (field < FIELD_COUNT && (value = value_of(field, text, length)) < 0)
            field++;
        if (value < 0 || given[field])
            return false;
        values[field] = value;
        given[field] = true;
        text += length;
    }
    if (given[FIT])
        params->fit = (enum weft_fit)values[FIT];
    if (given[TRIM])
        params->trim = values[TRIM];
    if (given[INVERT])
        params->invert = (enum weft_invert)values[INVERT];
    return true;
}
