/* SPDX-License-Identifier: Apache-2.0 */
/* Weight preparation for inference, once for all batches: batch-norms folded into the
 * layer in front, the scale of a batch-norm by itself, and in float16 the weights of conv
 * and dense in float16 with copies of all other params. */
#ifndef WEFT_NET_PREPARE_H
#define WEFT_NET_PREPARE_H

#include "net/graph.h"

/* The prepared params of a node, in a buffer of their own. */
struct weft_prepared_weights {
    int batch_norm;      /* the node folded in, possibly itself; WEFT_NO_NODE: none */
    enum weft_type type; /* of the weight; all others are float32 */
    struct weft_param params[WEFT_MAX_PARAMS]; /* count 0: that of the node */
};

/* Fills `prepared` for each node of a graph fused for inference, and sets `floats` to the
 * size of the buffer; 0: nothing is to be prepared. */
void weft_prepared_reserve(const struct weft_graph *graph, enum weft_type type,
                           struct weft_prepared_weights *prepared, size_t *floats);

/* Replaces params by prepared ones in the buffer `mem`. */
void weft_prepared_bind(const struct weft_prepared_weights *prepared,
                        struct weft_mem *mem, struct weft_node_tensors *tensors);

/* Appends the launches that prepare params of `weights` into the buffer `mem`. To be
 * replayed before the first batch, and again whenever weights have changed. */
enum weft_status weft_prepared_record(const struct weft_graph *graph,
                                      const struct weft_prepared_weights *prepared,
                                      struct weft_mem *weights, struct weft_mem *mem,
                                      struct weft_command_list *list);

#endif
