/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the `vec` family share, and the table of its algorithms. */
#include "vec.h"

struct vec_shape vec_shape_of(const struct weft_conv *conv)
{
    struct vec_shape shape = {
        .n = conv->n,
        .in = conv->c,
        .out = conv->k,
        .groups = conv->groups,
        .r = conv->r,
        .s = conv->s,
        .stride_y = conv->stride_y,
        .stride_x = conv->stride_x,
        .dilation_y = conv->dilation_y,
        .dilation_x = conv->dilation_x,
        .in_h = conv->h,
        .in_w = conv->w,
        .out_h = conv->out_h,
        .out_w = conv->out_w,
    };
    return vec_shape_grouped(shape);
}

struct vec_shape vec_shape_grouped(struct vec_shape shape)
{
    shape.depthwise =
        shape.groups > 1 && shape.groups == shape.in && shape.in == shape.out;
    shape.group_in = shape.in / shape.groups;
    shape.group_out = shape.depthwise ? shape.out : shape.out / shape.groups;
    shape.blocks_of = shape.depthwise ? 1 : shape.groups;
    return shape;
}

bool vec_pool_touches(const struct weft_pool *pool)
{
    return pool->r > 0 && pool->stride_y == pool->r && pool->stride_x == pool->s &&
           !pool->pad_top && !pool->pad_left && pool->out_h * pool->r <= pool->h &&
           pool->out_w * pool->s <= pool->w;
}

void vec_define_shape(struct ocl_options *options, const struct vec_shape *shape)
{
    ocl_define(options, "IN", shape->in);
    ocl_define(options, "OUT", shape->out);
    ocl_define(options, "GROUP_IN", shape->group_in);
    ocl_define(options, "GROUP_OUT", shape->group_out);
    ocl_define(options, "DEPTHWISE", shape->depthwise);
    ocl_define(options, "IN_H", shape->in_h);
    ocl_define(options, "IN_W", shape->in_w);
    ocl_define(options, "OUT_H", shape->out_h);
    ocl_define(options, "OUT_W", shape->out_w);
    ocl_define(options, "R", shape->r);
    ocl_define(options, "S", shape->s);
    ocl_define(options, "STRIDE_Y", shape->stride_y);
    ocl_define(options, "STRIDE_X", shape->stride_x);
    ocl_define(options, "DILATION_Y", shape->dilation_y);
    ocl_define(options, "DILATION_X", shape->dilation_x);
}

void vec_define_pool(struct ocl_options *options, const struct weft_pool *pool)
{
    if (!pool->r)
        return;
    ocl_define(options, "POOL_R", pool->r);
    ocl_define(options, "POOL_S", pool->s);
    ocl_define(options, "POOL_STRIDE_Y", pool->stride_y);
    ocl_define(options, "POOL_STRIDE_X", pool->stride_x);
    ocl_define(options, "POOL_TOP", pool->pad_top);
    ocl_define(options, "POOL_LEFT", pool->pad_left);
    ocl_define(options, "POOL_H", pool->out_h);
    ocl_define(options, "POOL_W", pool->out_w);
}

int vec_width(const struct ocl_device *device, int channels)
{
    int width = 1;
    while (width < device->vector && width < channels)
        width *= 2;
    return width;
}

bool vec_width_allowed(const struct ocl_device *device, int width)
{
    return width >= 1 && width <= 16 && width <= 2 * device->vector &&
           !(width & (width - 1));
}

bool vec_widens(const struct weft_list *list, const struct ocl_arg *arg)
{
    return ocl_arg_is_half(arg) && ocl_of(list)->is_cpu;
}

enum weft_status vec_pad(struct weft_list *list, const struct weft_conv *conv,
                         struct vec_shape *shape, struct ocl_arg *x)
{
    int h = (conv->out_h - 1) * conv->stride_y + (conv->r - 1) * conv->dilation_y + 1;
    int w = (conv->out_w - 1) * conv->stride_x + (conv->s - 1) * conv->dilation_x + 1;
    if (!conv->pad_top && !conv->pad_left && h <= conv->h && w <= conv->w &&
        !vec_widens(list, x))
        return WEFT_OK;
    shape->in_h = h;
    shape->in_w = w;
    struct ocl_options options = {""};
    ocl_define(&options, "CHANNELS", conv->c);
    ocl_define(&options, "HEIGHT", conv->h);
    ocl_define(&options, "WIDTH", conv->w);
    ocl_define(&options, "PAD_H", h);
    ocl_define(&options, "PAD_W", w);
    ocl_define(&options, "TOP", conv->pad_top);
    ocl_define(&options, "LEFT", conv->pad_left);
    ocl_define_arg(&options, "X_HALF", x);
    if (ocl_arg_is_half(x))
        ocl_define(&options, "VW", ocl_of(list)->vector);
    struct ocl_arg padded = OCL_SCRATCH(ocl_scratch(
        list, sizeof(float) * (size_t)conv->n * (size_t)h * (size_t)w * (size_t)conv->c));
    struct ocl_launch launch = {
        .source = "conv_prepare_vec.cl",
        .kernel = "pad",
        .global = {(size_t)h, (size_t)conv->n},
        .arg_count = 2,
        .args = {*x, padded},
    };
    vec_local(list, &launch);
    *x = padded;
    return ocl_launch(list, options.text, &launch);
}

void vec_local(const struct weft_list *list, struct ocl_launch *launch)
{
    if (ocl_of(list)->is_cpu)
        for (int i = 0; i < 3; i++)
            launch->local[i] = 1;
}

/* The first that prefers a problem has it, or else the first that can do it. */
static const struct ocl_algorithm *const forward_algorithms[] = {&vec_depthwise_forward,
                                                                 &vec_direct_forward,
                                                                 &vec_gemm[OCL_FORWARD],
                                                                 &vec_winograd_forward[0],
                                                                 &vec_winograd_forward[1],
                                                                 &vec_winograd_forward[2],
                                                                 NULL};
static const struct ocl_algorithm *const data_algorithms[] = {
    &vec_depthwise_data,
    &vec_direct_data,
    &vec_gemm[OCL_BACKWARD_DATA],
    &vec_winograd_data[0],
    &vec_winograd_data[1],
    &vec_winograd_data[2],
    NULL};
static const struct ocl_algorithm *const weights_algorithms[] = {
    &vec_pooled_weights,      &vec_depthwise_weights,
    &vec_direct_weights,      &vec_gemm[OCL_BACKWARD_WEIGHTS],
    &vec_winograd_weights[0], &vec_winograd_weights[1],
    &vec_winograd_weights[2], NULL};

const struct ocl_family ocl_family_vec = {
    .algorithms = {[OCL_FORWARD] = forward_algorithms,
                   [OCL_BACKWARD_DATA] = data_algorithms,
                   [OCL_BACKWARD_WEIGHTS] = weights_algorithms},
};
