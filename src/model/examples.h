/* SPDX-License-Identifier: Apache-2.0 */
/* The examples that a model was taught with (weft_teach). */
#ifndef WEFT_MODEL_EXAMPLES_H
#define WEFT_MODEL_EXAMPLES_H

#include "model/model.h"
#include "model/weights.h"

struct weft_model_examples {
    int count, features;
    float *values; /* count x features */
    float *labels; /* count; classes as floats, as in the file */
};

enum weft_status weft_model_examples_create(weft_context *ctx, int count, int features,
                                            struct weft_model_examples **out);
void weft_model_examples_destroy(struct weft_model_examples **examples);

/* A copy of those of a model. WEFT_ERR_ARG if it has none, WEFT_ERR_FORMAT. */
enum weft_status weft_model_examples_of(const struct weft_model *model,
                                        struct weft_model_examples **out);

/* The same; NULL if it has none. */
enum weft_status weft_model_examples_copy(const struct weft_model *model,
                                          struct weft_model_examples **out);

/* Adds them to the tensors of a file; nothing if the model has none. */
enum weft_status weft_model_examples_add(const struct weft_model *model,
                                         struct weft_tensors *tensors);

#endif
