/* SPDX-License-Identifier: Apache-2.0 */
/* The weights of a network as tensors of a model file, in the names and layouts of
 * other tools (weft/model.h). */
#ifndef WEFT_MODEL_WEIGHTS_H
#define WEFT_MODEL_WEIGHTS_H

#include "net/graph.h"
#include "model/safetensors.h"

/* Tensors collected for a file. */
struct weft_tensors {
    struct weft_tensor *list;
    int count;
};

/* Trained tensors only, or the running statistics too. */
enum weft_tensor_filter { WEFT_TRAINED, WEFT_ALL };

/* Adds a tensor PREFIX + name for every param of the graph, copied from `weights`. */
enum weft_status weft_tensors_add(weft_context *ctx, const struct weft_graph *graph,
                                  const char *prefix, enum weft_tensor_filter part,
                                  const float *weights, struct weft_tensors *tensors);
/* A file that training cannot continue from must not replace one that it can.
 * WEFT_ERR_FORMAT. */
enum weft_status weft_tensors_require_finite(weft_context *ctx, const char *path,
                                             const struct weft_tensors *tensors);
void weft_tensors_free(struct weft_tensors *tensors);

/* Reads them into `weights`; gaps between params become 0. `finite`: a non-finite
 * value is WEFT_ERR_FORMAT; otherwise a warning. */
enum weft_status weft_tensors_load(const struct weft_safetensors *file,
                                   const struct weft_graph *graph, const char *prefix,
                                   enum weft_tensor_filter part, bool finite,
                                   float *weights);

/* Copies the params that both graphs have, by the names of the layers, in the same shape.
 * Returns their number. */
int weft_weights_copy(const struct weft_graph *from, const float *weights,
                      const struct weft_graph *to, float *out);

/* The place in the buffer of weights of element `i` of a param's tensor. */
size_t weft_param_native_index(const struct weft_node *node, int role, size_t i);

#endif
