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
extern const struct ocl_algorithm batch_rows;              /* batch.c */

#endif
