/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a model file, as JSON. */
#include "model/describe.h"
#include "image/preprocess.h"
#include "model/metadata.h"

#include "util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weft_metadata_put(json_t **metadata, const char *name, json_t *value)
{
    if (!json_object_set_new(*metadata, name, value))
        return;
    json_decref(*metadata);
    *metadata = NULL;
}

void weft_metadata_put_text(json_t **metadata, const char *name, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    weft_metadata_put(metadata, name, json_string(text));
}

void weft_metadata_put_numbers(json_t **metadata, const char *name, int digits,
                               const double *numbers, int count)
{
    char text[256] = "";
    for (int i = 0; i < count; i++) {
        char number[32];
        size_t used = strlen(text);
        weft_number_write(number, sizeof(number), digits, numbers[i]);
        snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "", number);
    }
    weft_metadata_put(metadata, name, json_string(text));
}

void weft_metadata_put_pairs(json_t **metadata, const char *const *pairs)
{
    for (; pairs && pairs[0]; pairs += 2)
        weft_metadata_put(metadata, pairs[0],
                          json_object_get(*metadata, pairs[0]) ? NULL
                                                               : json_string(pairs[1]));
}

static void put_classes(json_t **metadata, const char *const *class_names, int classes)
{
    json_t *names = json_array();
    bool whole = true;
    for (int i = 0; i < classes; i++)
        whole = !json_array_append_new(names, json_string(class_names[i])) && whole;
    char *text = whole ? json_dumps(names, JSON_COMPACT) : NULL;
    weft_metadata_put(metadata, META_CLASSES, text ? json_string(text) : NULL);
    free(text);
    json_decref(names);
}

json_t *weft_model_describe(const struct weft_model_description *d)
{
    json_t *metadata = json_object(), *name = json_string(d->net->name);
    char preprocess[WEFT_PREPROCESS_TEXT];
    weft_metadata_put_text(&metadata, META_FORMAT, META_FORMAT_CHECKED);
    /* A file name may be invalid UTF-8; the model then has no name. */
    if (name)
        weft_metadata_put(&metadata, META_NAME, name);
    weft_metadata_put(&metadata, META_TEXT, json_string(d->net->source));
    weft_metadata_put_text(&metadata, META_INPUT, "%d %d %d", d->net->input.h,
                           d->net->input.w, d->net->input.c);
    put_classes(&metadata, d->class_names, d->classes);
    weft_metadata_put(&metadata, META_DATASET, json_string(d->dataset_known_as));
    weft_metadata_put_numbers(&metadata, META_MEAN, 17, d->mean, d->net->input.c);
    weft_metadata_put_numbers(&metadata, META_STDDEV, 17, d->stddev, d->net->input.c);
    weft_preprocess_write(d->preprocess, preprocess);
    weft_metadata_put_text(&metadata, META_PREPROCESS, "%s", preprocess);
    return metadata;
}
