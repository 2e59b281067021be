/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the `vec` family, and its table of algorithms. */
#include "opencl/conv/vec.h"
#include "shared/workspace_layout.h"

bool pool_is_nonoverlapping(const struct weft_pool *pool)
{
    return pool->r > 0 && pool->stride_y == pool->r && pool->stride_x == pool->s &&
           !pool->pad_top && !pool->pad_left && pool->out_h * pool->r <= pool->h &&
           pool->out_w * pool->s <= pool->w;
}

int vec_width(const struct ocl_device *device, int channels)
{
    int width = 1;
    while (width < device->vector_width && width < channels)
        width *= 2;
    return width;
}

bool vec_needs_fp32_copy(const struct weft_command_list *list, const struct ocl_arg *arg)
{
    return ocl_arg_is_fp16(arg) && ocl_device_of(list)->is_cpu;
}

enum weft_status vec_pad_input(struct weft_command_list *list,
                               const struct weft_conv *conv, struct weft_conv *shape,
                               struct ocl_arg *x)
{
    int h = CONV_EXTENT(conv->out_h, conv->stride_y, conv->r, conv->dilation_y);
    int w = CONV_EXTENT(conv->out_w, conv->stride_x, conv->s, conv->dilation_x);
    if (!conv->pad_top && !conv->pad_left && h <= conv->h && w <= conv->w &&
        !vec_needs_fp32_copy(list, x))
        return WEFT_OK;
    shape->h = h;
    shape->w = w;
    shape->pad_top = shape->pad_left = 0;
    struct ocl_options options = {""};
    ocl_define(&options, "C", conv->c);
    ocl_define(&options, "H", conv->h);
    ocl_define(&options, "W", conv->w);
    ocl_define(&options, "PADDED_H", h);
    ocl_define(&options, "PADDED_W", w);
    ocl_define(&options, "HALO_TOP", conv->pad_top);
    ocl_define(&options, "HALO_LEFT", conv->pad_left);
    ocl_define_arg_fp16(&options, "X_HALF", x);
    if (ocl_arg_is_fp16(x))
        ocl_define(&options, "VW", ocl_device_of(list)->vector_width);
    struct ocl_arg padded = OCL_WORKSPACE(ocl_workspace(
        list, sizeof(float) * (size_t)conv->n * (size_t)h * (size_t)w * (size_t)conv->c));
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "pad_input",
        .global = {(size_t)h, (size_t)conv->n},
        .arg_count = 2,
        .args = {*x, padded},
    };
    vec_set_local_size(list, &launch);
    *x = padded;
    return ocl_launch(list, options.text, &launch);
}

void vec_set_local_size(const struct weft_command_list *list, struct ocl_launch *launch)
{
    if (ocl_device_of(list)->is_cpu)
        for (int i = 0; i < 3; i++)
            launch->local[i] = 1;
}

/* The default is the first algorithm that prefers the problem, else the first that is
 * applicable. */
static const struct ocl_algorithm *const forward_algorithms[] = {
    &ocl_depthwise_forward,
    &vec_direct_forward,
    &vec_gemm[OCL_PASS_FORWARD],
    &vec_winograd_forward[0],
    &vec_winograd_forward[1],
    &vec_winograd_forward[2],
    NULL};
static const struct ocl_algorithm *const data_algorithms[] = {
    &ocl_depthwise_bwd_data,
    &vec_direct_bwd_data,
    &vec_gemm[OCL_PASS_BWD_DATA],
    &vec_winograd_bwd_data[0],
    &vec_winograd_bwd_data[1],
    &vec_winograd_bwd_data[2],
    NULL};
static const struct ocl_algorithm *const weights_algorithms[] = {
    &vec_pooled_bwd_weights,      &vec_depthwise_bwd_weights,
    &vec_direct_bwd_weights,      &vec_gemm[OCL_PASS_BWD_WEIGHTS],
    &vec_winograd_bwd_weights[0], &vec_winograd_bwd_weights[1],
    &vec_winograd_bwd_weights[2], NULL};

const struct ocl_family ocl_family_vec = {
    .algorithms = {[WEFT_PRIMITIVE_conv_forward] = forward_algorithms,
                   [WEFT_PRIMITIVE_conv_backward_data] = data_algorithms,
                   [WEFT_PRIMITIVE_conv_backward_weights] = weights_algorithms},
};
