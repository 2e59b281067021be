/* SPDX-License-Identifier: Apache-2.0 */
/* A model read from a file. */
#ifndef WEFT_MODEL_MODEL_H
#define WEFT_MODEL_MODEL_H

#include "net/graph.h"
#include "model/safetensors.h"

#include <weft/model.h>

struct weft_model {
    weft_context *ctx;
    struct weft_safetensors file; /* for the metadata */
    struct weft_net *net;
    json_t *classes; /* the array with the names */
    const char **class_names;
    double mean[WEFT_MAX_CHANNELS], stddev[WEFT_MAX_CHANNELS];
    struct weft_preprocess_params preprocess;
    float *weights;
    /* of a model that was taught, not loaded (examples.h); else NULL */
    struct weft_model_examples *examples;
};

/* A model without a file, from the metadata that its file would have, which it keeps a
 * reference of. Owns `weights`, all of the network's in the layout of its graph: on
 * failure they are freed. */
enum weft_status weft_model_from_weights(weft_context *ctx, json_t *metadata,
                                         float *weights, struct weft_model **out);

#endif
