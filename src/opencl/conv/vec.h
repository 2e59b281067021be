/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the `vec` family share. */
#ifndef WEFT_OPENCL_CONV_VEC_H
#define WEFT_OPENCL_CONV_VEC_H

#include "opencl/select/algorithm.h"

static inline int div_up(long a, long b)
{
    return (int)((a + b - 1) / b);
}

/* A convolution as the kernels see it: its input is padded. In depthwise ones, one input
 * and one output a group, all channels are treated as one group. */
struct vec_conv_shape {
    int n, in, out; /* images, channels */
    int groups, c_per_group, k_per_group;
    int group_count; /* groups that have channel blocks of their own */
    bool depthwise;
    int in_h, in_w, out_h, out_w;
    int r, s, stride_y, stride_x, dilation_y, dilation_x;
};

/* The forward convolution, not padded yet. */
struct vec_conv_shape vec_conv_shape_of(const struct weft_conv *conv);

/* Fills in what follows from in, out and groups. */
struct vec_conv_shape vec_conv_shape_set_groups(struct vec_conv_shape shape);

/* Whether each place belongs to at most one window, and all windows lie inside. */
bool pool_is_nonoverlapping(const struct weft_pool *pool);

void vec_define_shape(struct ocl_options *options, const struct vec_conv_shape *shape);
void vec_define_pool(struct ocl_options *options, const struct weft_pool *pool);

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
                               const struct weft_conv *conv, struct vec_conv_shape *shape,
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
