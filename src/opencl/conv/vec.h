/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the `vec` family share. */
#ifndef WEFT_OPENCL_CONV_VEC_H
#define WEFT_OPENCL_CONV_VEC_H

#include "opencl/select/algorithm.h"

static inline int div_up(long a, long b)
{
    return (int)((a + b - 1) / b);
}

/* Depthwise: one input and one output channel a group. All its channels are then one
 * block group, whose vectors read an input channel a lane (cl/lib/conv_shape.h). */
static inline bool vec_is_depthwise(const struct weft_conv *c)
{
    return c->groups > 1 && c->groups == c->c && c->c == c->k;
}

static inline int vec_block_groups(const struct weft_conv *c)
{
    return vec_is_depthwise(c) ? 1 : c->groups;
}

static inline int vec_c_per_group(const struct weft_conv *c)
{
    return c->c / c->groups;
}

static inline int vec_k_per_group(const struct weft_conv *c)
{
    return c->k / vec_block_groups(c);
}

/* Whether each place belongs to at most one window, and all windows lie inside. */
bool pool_is_nonoverlapping(const struct weft_pool *pool);

/* Floats of the vectors that suit this many channels. */
int vec_width(const struct ocl_device *device, int channels);

/* Whether kernels may be written in vectors of so many floats: at most twice what the
 * device has. */
bool vec_width_valid(const struct ocl_device *device, int width);

/* Local size (1,1,1) on the host's processor: PoCL keeps a work-item's registers in
 * registers only there. Elsewhere the driver chooses. */
void vec_set_local_size(const struct weft_command_list *list, struct ocl_launch *launch);

/* Whether what kernels read number by number for every tap is of float16, and worth a
 * copy in float32: on a processor it would be widened anew each time. */
bool vec_needs_fp32_copy(const struct weft_command_list *list, const struct ocl_arg *arg);

/* Has x copied with zeros around it, if the convolution needs that, or widened; x and the
 * shape's input then are the copy, in float32. */
enum weft_status vec_pad_input(struct weft_command_list *list,
                               const struct weft_conv *conv, struct weft_conv *shape,
                               struct ocl_arg *x);

/* Rows of x that a tile of the kernels for depthwise convolutions may span: they unroll
 * them. */
enum { VEC_DEPTHWISE_MAX_ROWS = 32 };

/* The family's algorithms. Direct convolution does everything. */
extern const struct ocl_algorithm vec_direct_forward,
    vec_direct_bwd_data; /* conv_vec.c */
/* conv_weights_vec.c; pooled: in registers, for few weights behind a pool. */
extern const struct ocl_algorithm vec_direct_bwd_weights, vec_pooled_bwd_weights,
    vec_depthwise_bwd_weights;
extern const struct ocl_algorithm vec_depthwise_forward, /* conv_depthwise_vec.c */
    vec_depthwise_bwd_data;
/* conv_winograd_vec.c: tiles of 2x2, 3x3 and 4x4. */
extern const struct ocl_algorithm vec_winograd_forward[3], vec_winograd_bwd_data[3];
extern const struct ocl_algorithm vec_winograd_bwd_weights[3]; /* of the same tiles */
extern const struct ocl_algorithm vec_gemm[OCL_PASS_COUNT];    /* dense_vec.c */

#endif
