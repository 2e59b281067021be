/* SPDX-License-Identifier: Apache-2.0 */
/* Options and output of image preprocessing. */
#include "core/preprocess.h"

#include "os/words.h"

#include <stdio.h>
#include <stdlib.h>

/* The first word, for a value that is not given, is `default`. */
const struct args_option app_preprocess_options[] = {
    {.name = "fit",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, fit),
     .value = "default|" WEFT_FIT_WORDS,
     .help = "how images of another size are brought to the input's: with a border, "
             "cropped, or stretched; none: they are errors"},
    {.name = "trim",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, trim),
     .value = "default|no|yes",
     .help = "cut off uniform background of images of another size"},
    {.name = "invert",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, invert),
     .value = "default|" WEFT_INVERT_WORDS,
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

/* The word for a value, in a static buffer that is valid for four calls. */
static const char *word_of(const char *words, unsigned value)
{
    static char buffers[4][16];
    static int turn;
    char *out = buffers[turn++ % 4];
    size_t length = 0;
    const char *word = weft_word_at(words, (int)value, &length);
    snprintf(out, sizeof(*buffers), "%.*s", (int)length, word ? word : "");
    return out;
}

static bool has_crop_fraction(const struct weft_preprocess_params *p)
{
    return p->crop_fraction > 0 && p->crop_fraction < 1;
}

const char *app_preprocess_text(const struct weft_preprocess_params *p)
{
    static char text[96];
    int length = snprintf(text, sizeof(text), "fit %s, trim %s, invert %s",
                          word_of(WEFT_FIT_WORDS, p->fit), p->trim ? "yes" : "no",
                          word_of(WEFT_INVERT_WORDS, p->invert));
    if (has_crop_fraction(p))
        length += snprintf(text + length, sizeof(text) - (size_t)length,
                           ", center %.4g %%", 100 * (double)p->crop_fraction);
    if (p->filter)
        snprintf(text + length, sizeof(text) - (size_t)length, ", %s",
                 word_of(WEFT_FILTER_WORDS, p->filter));
    return text;
}

void app_json_preprocess(const struct weft_preprocess_params *p, struct json *json)
{
    emit_object(json, "preprocess");
    emit_text(json, "fit", word_of(WEFT_FIT_WORDS, p->fit));
    emit_bool(json, "trim", p->trim);
    emit_text(json, "invert", word_of(WEFT_INVERT_WORDS, p->invert));
    emit_text(json, "filter", word_of(WEFT_FILTER_WORDS, p->filter));
    emit_double(json, "crop_fraction",
                has_crop_fraction(p) ? (double)p->crop_fraction : 1);
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

/* Writes the images of a dataset, made as `params` say, to `out`. */
static enum weft_status make_images(weft_context *context, const weft_dataset *data,
                                    const struct weft_dataset_info *from,
                                    const struct weft_preprocess_params *params,
                                    uint8_t *out)
{
    size_t size = (size_t)from->height * (size_t)from->width * (size_t)from->channels;
    size_t made =
        (size_t)params->height * (size_t)params->width * (size_t)params->channels;
    struct weft_preprocess_info changed;
    const struct weft_image image = {from->height, from->width, from->channels,
                                     term_realloc_or_exit(NULL, size)};
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < from->count && !status; i++) {
        status = weft_dataset_read(data, i, 1, image.pixels);
        if (!status)
            status = weft_image_preprocess(context, &image, params,
                                           out + (size_t)i * made, &changed);
    }
    free(image.pixels);
    return status;
}

enum app_exit app_preprocess_dataset(struct app *app,
                                     const struct weft_preprocess_params *params,
                                     weft_dataset **data)
{
    struct weft_preprocess_params p = *params;
    struct weft_dataset_info info;
    weft_dataset *made = NULL;
    weft_dataset_info(*data, &info);
    bool same_size = info.height == p.height && info.width == p.width;
    bool possible = info.channels % 2 && p.channels % 2; /* 1 or 3 */
    if ((same_size && info.channels == p.channels) || !possible)
        return APP_OK;
    p.invert = p.invert == WEFT_INVERT_AUTO ? WEFT_INVERT_NO : p.invert;
    uint8_t *pixels =
        term_realloc_or_exit(NULL, (size_t)info.count * (size_t)p.height *
                                       (size_t)p.width * (size_t)p.channels);
    term_print("Images  %dx%dx%d, made %dx%dx%d for the model: %s", info.height,
               info.width, info.channels, p.height, p.width, p.channels,
               app_preprocess_text(&p));
    enum weft_status status = make_images(app->context, *data, &info, &p, pixels);
    if (!status)
        status = weft_dataset_from_memory(
            app->context,
            weft_dataset_params(.count = info.count, .height = p.height, .width = p.width,
                                .channels = p.channels, .classes = info.classes,
                                .pixels = pixels, .labels = info.labels,
                                .class_names = info.class_names, .source = info.source,
                                .known_as = info.known_as),
            &made);
    free(pixels);
    if (status)
        return app_report_error(app, APP_INPUT, status);
    weft_dataset_destroy(data);
    *data = made;
    return APP_OK;
}
