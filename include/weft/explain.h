/* SPDX-License-Identifier: Apache-2.0 */
/* Explanations: the outputs of all layers, and gradients with respect to them. */
#ifndef WEFT_EXPLAIN_H
#define WEFT_EXPLAIN_H

#include <weft/device.h>
#include <weft/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A trained network whose layers are all computed by themselves, in float32, and kept. It
 * computes what a predictor does, up to rounding: batch normalization has the running
 * statistics, dropout does nothing. Gradients come from the backward pass of training. */
typedef struct weft_explainer weft_explainer;

struct weft_explainer_params {
    size_t struct_size;
    int batch; /* images that run at a time; 0: 1. The outputs and gradients of all layers
                  are in memory for each */
};
#define weft_explainer_params(...) WEFT_PARAMS(weft_explainer_params, __VA_ARGS__)

/* The model, which may be destroyed afterwards, must have softmax as its last layer and
 * only output. Waits. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD,
 * WEFT_ERR_MISMATCH. */
WEFT_API enum weft_status
weft_explainer_create(weft_device *device, const weft_model *model,
                      const struct weft_explainer_params *params, weft_explainer **out);
WEFT_API void weft_explainer_destroy(weft_explainer **explainer);

/* Runs `count` images, at most the batch. `pixels`: height x width x channels values
 * each, 0 to 255 as bytes have them, also fractions and values beyond. `logits`, unless
 * NULL, receives count x classes inputs of softmax. `classes`, unless NULL, has a class
 * for each image: the gradients of its logit are computed, too. Waits.
 * WEFT_ERR_ARG, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_explainer_run(weft_explainer *explainer,
                                             const float *pixels, int count,
                                             const int32_t *classes, float *logits);

/* Reads the outputs of a layer, after its activation, for the images that ran last:
 * count x height x width x channels values; and the gradients of the logits with respect
 * to these. Either may be NULL. `layer` is an index of weft_net_layer, or WEFT_NET_INPUT
 * for the pixels as the first layer reads them: (pixel / 255 - mean) / stddev.
 * WEFT_ERR_ARG: also for softmax, whose input the logits are, and for gradients of a run
 * without classes. WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_explainer_layer(weft_explainer *explainer, int layer,
                                               float *outputs, float *gradients);

#ifdef __cplusplus
}
#endif
#endif
