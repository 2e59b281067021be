/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of partial sums, and the work distribution of the launches that reduce them.
 * Read by C and OpenCL C. */
#ifndef WEFT_PARTIAL_SUMS_H
#define WEFT_PARTIAL_SUMS_H

/* Rows of a partial for each work-item of conv_bwd_weights_reduce. */
#define REDUCE_ROWS 16

/* Work-group of gemm_split_k_reduce: REDUCE_COLUMNS vectors of REDUCE_VW floats. */
#define REDUCE_COLUMNS 16
#define REDUCE_VW      4

/* A range of the gradient that is not reduced yet when the optimizer reads it: words of
 * its entry in `deferred`. A range begins at a multiple of the vector width. */
enum {
    DEFERRED_BEGIN,    /* first element, in the gradient */
    DEFERRED_COUNT,    /* elements */
    DEFERRED_FROM,     /* first float of its first partial sum */
    DEFERRED_STRIDE,   /* floats from one partial sum to the next */
    DEFERRED_PARTIALS, /* number of partial sums */
    DEFERRED_WORDS
};

#endif
