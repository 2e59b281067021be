/* SPDX-License-Identifier: Apache-2.0 */
/* Fusion of layers into the launches of the layer that they read. */
#ifndef WEFT_NET_FUSE_H
#define WEFT_NET_FUSE_H

#include "net/graph.h"

/* Fuses followers into their producers, as far as the table of patterns in fuse.c allows.
 * In training an activation is fused only if its derivative follows from its output, or
 * the layer computes it. At inference a batch-norm is fused into the weights. */
void weft_fuse(struct weft_graph *graph, bool training);

#endif
