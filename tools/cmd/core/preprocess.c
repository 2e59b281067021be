/* SPDX-License-Identifier: Apache-2.0 */
/* Options and output of image preprocessing. */
#include "core/preprocess.h"

#include <stdio.h>

#define FIT    "pad|crop|stretch|none"
#define TRIM   "no|yes"
#define INVERT "no|yes|auto"

static const char *const fit_words[] = {"pad", "crop", "stretch", "none"};
static const char *const invert_words[] = {"no", "yes", "auto"};

/* The first word, for a value that is not given, is `default`. */
const struct args_option app_preprocess_options[] = {
    {.name = "fit",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, fit),
     .value = "default|" FIT,
     .help = "how images of another size are brought to the input's: with a border, "
             "cropped, or stretched; none: they are errors"},
    {.name = "trim",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, trim),
     .value = "default|" TRIM,
     .help = "cut off uniform background of images of another size"},
    {.name = "invert",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, invert),
     .value = "default|" INVERT,
     .help =
         "invert brightness; auto: of images of another size with a light background"},
    {0},
};

void app_apply_preprocess(const struct app_options *o, struct weft_preprocess_params *p)
{
    if (o->fit)
        p->fit = (enum weft_fit)(o->fit - 1);
    if (o->trim)
        p->trim = o->trim == 2;
    if (o->invert)
        p->invert = (enum weft_invert)(o->invert - 1);
}

const char *app_preprocess_text(const struct weft_preprocess_params *p)
{
    static char text[64];
    snprintf(text, sizeof(text), "fit %s, trim %s, invert %s", fit_words[p->fit],
             p->trim ? "yes" : "no", invert_words[p->invert]);
    return text;
}

void app_json_preprocess(const struct weft_preprocess_params *p, struct json *json)
{
    emit_object(json, "preprocess");
    emit_text(json, "fit", fit_words[p->fit]);
    emit_bool(json, "trim", p->trim);
    emit_text(json, "invert", invert_words[p->invert]);
    emit_end(json);
}

/* Changes of an image by preprocessing. */
static const struct {
    const char *key, *note;
    size_t offset; /* of a bool in weft_preprocess_info */
} changes[] = {
    {"resized", "resized", offsetof(struct weft_preprocess_info, resized)},
    {"cropped", "cropped", offsetof(struct weft_preprocess_info, cropped)},
    {"inverted", "inverted", offsetof(struct weft_preprocess_info, inverted)},
    {"uneven_background", "uneven background: unreliable",
     offsetof(struct weft_preprocess_info, uneven_background)},
};
enum { CHANGE_COUNT = sizeof(changes) / sizeof(*changes) };

static bool holds(const struct weft_preprocess_info *info, int change)
{
    return *(const bool *)((const char *)info + changes[change].offset);
}

void app_preprocess_notes(const struct weft_preprocess_info *info, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < CHANGE_COUNT; i++)
        if (holds(info, i) && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? "; " : "",
                                   changes[i].note);
}

void app_json_preprocess_info(const struct weft_preprocess_info *info, struct json *json)
{
    for (int i = 0; i < CHANGE_COUNT; i++)
        emit_bool(json, changes[i].key, holds(info, i));
}
