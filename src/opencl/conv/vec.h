/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the `vec` family. The convolution that a kernel computes is a
 * struct weft_conv: of the data gradient it has c and k exchanged and h, w of dy. */
#ifndef WEFT_OPENCL_CONV_VEC_H
#define WEFT_OPENCL_CONV_VEC_H

#include "opencl/select/algorithm.h"

static inline int div_up(long a, long b)
{
    return (int)((a + b - 1) / b);
}

/* Depthwise: one input and one output channel a group. All channels then form one block
 * group, in which each lane of a vector reads its own input channel
 * (cl/lib/conv_shape.h). */
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

static inline int vec_k_per_block_group(const struct weft_conv *c)
{
    return c->k / vec_block_groups(c);
}

/* No pixel belongs to two windows, and all windows are inside the image. */
bool pool_is_nonoverlapping(const struct weft_pool *pool);

/* Vector width for this number of channels. */
int vec_width(const struct ocl_device *device, int channels);

/* Local size (1,1,1) on the host's CPU: PoCL keeps the registers of a work-item in
 * registers only there. On other devices the driver chooses. */
void vec_set_local_size(const struct weft_command_list *list, struct ocl_launch *launch);

/* The argument is float16, and worth a copy in float32: kernels read single elements of
 * it for every tap, which a CPU would convert each time. */
bool vec_needs_fp32_copy(const struct weft_command_list *list, const struct ocl_arg *arg);

/* Copies x with zeros around it, or to float32, if the convolution needs that; *x, and
 * h, w and padding of `shape` are then those of the copy. */
enum weft_status vec_pad_input(struct weft_command_list *list,
                               const struct weft_conv *conv, struct weft_conv *shape,
                               struct ocl_arg *x);

/* Most rows of x that a tile of the depthwise kernels may read: they unroll them. */
enum { VEC_DEPTHWISE_MAX_ROWS = 32 };

/* The family's algorithms. Direct convolution is applicable to every problem. */
extern const struct ocl_algorithm vec_direct_forward,
    vec_direct_bwd_data; /* conv_vec.c */
/* conv_weights_vec.c. pooled: few weights behind a max pool, dz in registers. */
extern const struct ocl_algorithm vec_direct_bwd_weights, vec_pooled_bwd_weights,
    vec_depthwise_bwd_weights;
/* conv_winograd_vec.c: tiles of 2x2, 3x3 and 4x4. */
extern const struct ocl_algorithm vec_winograd_forward[3], vec_winograd_bwd_data[3];
extern const struct ocl_algorithm vec_winograd_bwd_weights[3]; /* of the same tiles */
extern const struct ocl_algorithm vec_gemm[OCL_PASS_COUNT];    /* dense_vec.c */

#endif
