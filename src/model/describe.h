/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a model file (metadata.h). */
#ifndef WEFT_MODEL_DESCRIBE_H
#define WEFT_MODEL_DESCRIBE_H

#include "net/graph.h"

#include <jansson.h>

#include <weft/image.h>

/* The metadata of every model file. */
struct weft_model_description {
    const struct weft_net *net;
    const char *const *class_names;
    int classes;
    const char *dataset_known_as; /* "": unknown */
    const double *mean, *stddev;  /* one for each channel of the input */
    const struct weft_preprocess_params *preprocess;
};

/* A new object; NULL: out of memory. */
json_t *weft_model_describe(const struct weft_model_description *description);

/* Add an entry. On failure *metadata becomes NULL and remains so. `value` is taken. */
void weft_metadata_put(json_t **metadata, const char *name, json_t *value);
void weft_metadata_put_text(json_t **metadata, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void weft_metadata_put_numbers(json_t **metadata, const char *name, int digits,
                               const double *numbers, int count);

/* Adds pairs "name", "value", NULL after the last, with names that are not there yet. On
 * failure (a name that is there, or no UTF-8) *metadata becomes NULL. */
void weft_metadata_put_pairs(json_t **metadata, const char *const *pairs);

#endif
