/* SPDX-License-Identifier: Apache-2.0 */
/* A network's forward and backward pass without its weights' gradients, and without
 * fusion, so that the output of each layer is in memory. */
#ifndef WEFT_INFERENCE_EXPLAINER_H
#define WEFT_INFERENCE_EXPLAINER_H

#include "inference/inference.h"

#include <weft/explain.h>

struct weft_explainer {
    struct weft_device *device;
    struct weft_net *net; /* a copy of the model's that begins with a copy of the batch */
    struct weft_plan *plan;
    struct weft_buffers buffers;
    struct weft_command_list *forward, *backward;
    struct weft_normalization normalization;
    int batch;
    int count; /* images of the last run */
    bool differentiated;
    float *rows; /* host: batch x the input, or the logits */
};

/* Without a check of its kernels. `net` is copied; `like` as that of an inference. */
enum weft_status weft_explainer_create_unchecked(struct weft_device *device,
                                                 const struct weft_net *net, int batch,
                                                 const struct weft_explainer *like,
                                                 struct weft_explainer **out);
enum weft_status weft_explainer_record(struct weft_explainer *explainer,
                                       const struct weft_explainer *like);

/* The logits, and the gradient at them. */
struct weft_view weft_explainer_logits(const struct weft_explainer *explainer);
struct weft_view weft_explainer_logit_gradient(const struct weft_explainer *explainer);

/* kernel_check.c. The known-answer test, as that of an inference. */
enum weft_status weft_explainer_check_kernels(struct weft_explainer *explainer);

#endif
