/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms of primitives without matrix products. */
#ifndef WEFT_OPENCL_PRIMITIVES_ALGORITHMS_H
#define WEFT_OPENCL_PRIMITIVES_ALGORITHMS_H

#include "opencl/select/algorithm.h"

/* pool.c: a row for each work-item, on CPUs; or a vector of one pixel. */
extern const struct ocl_algorithm pool_rows, pool_pixels;

/* batch_norm.c: rows for each work-item, on CPUs; or a vector of some rows, with partial
 * sums merged by one work-item or by a work-group. */
enum batch_norm_pass {
    BATCH_NORM_FORWARD,
    BATCH_NORM_INFERENCE,
    BATCH_NORM_BACKWARD,
    BATCH_NORM_FOLD,
    BATCH_NORM_PASSES
};
extern const struct ocl_algorithm batch_norm_rows[BATCH_NORM_PASSES],
    batch_norm_vectors[BATCH_NORM_PASSES], batch_norm_vectors_tree[BATCH_NORM_PASSES];

/* optimizer.c: metrics by one work-item, or by a work-group. */
extern const struct ocl_algorithm optimizer_serial, optimizer_tree;

extern const struct ocl_algorithm softmax_rows, loss_rows; /* softmax.c */

/* batch.c: without augmentation; with it by whole pixels on CPUs, and any. */
extern const struct ocl_algorithm batch_rows, batch_augmented_rows, batch_augmented;

/* channels.c */
extern const struct ocl_algorithm copy_channels_vectors, scale_vectors,
    scale_gradient_vectors, channel_shuffle_vectors;

/* prelu.c, layer_norm.c: sums over all rows by one work-item for each vector of channels,
 * or by a work-group. */
enum channel_pass { CHANNEL_FORWARD, CHANNEL_BACKWARD, CHANNEL_PASSES };
extern const struct ocl_algorithm prelu_vectors[CHANNEL_PASSES],
    prelu_vectors_tree[CHANNEL_PASSES], layer_norm_rows[CHANNEL_PASSES],
    layer_norm_rows_tree[CHANNEL_PASSES];

/* The widest vector that divides all of some numbers of channels, given as their bitwise
 * or, at most a native one, and on GPUs at most four floats; on CPUs a native one
 * wherever `channels` together are more. */
static inline int ocl_channel_vector_width(const struct ocl_device *device, int edges,
                                           int channels)
{
    int width = 1, widest = device->is_cpu ? device->vector_width : 4;
    while (width < widest && edges % (2 * width) == 0)
        width *= 2;
    return device->is_cpu && channels > widest ? widest : width;
}

#endif
