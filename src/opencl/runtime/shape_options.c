/* SPDX-License-Identifier: Apache-2.0 */
/* The macros of a convolution and of a pool, one vocabulary for all kernels: defaults in
 * cl/lib/conv_shape.h and cl/lib/pool_shape.h. */
#include "opencl/runtime/record.h"

void ocl_define_filter(struct ocl_options *options, const struct weft_conv *conv)
{
    ocl_define(options, "C", conv->c);
    ocl_define(options, "K", conv->k);
    ocl_define(options, "GROUPS", conv->groups);
    ocl_define(options, "R", conv->r);
    ocl_define(options, "S", conv->s);
    ocl_define(options, "STRIDE_Y", conv->stride_y);
    ocl_define(options, "STRIDE_X", conv->stride_x);
    ocl_define(options, "DILATION_Y", conv->dilation_y);
    ocl_define(options, "DILATION_X", conv->dilation_x);
    ocl_define(options, "PAD_TOP", conv->pad_top);
    ocl_define(options, "PAD_LEFT", conv->pad_left);
}

void ocl_define_conv(struct ocl_options *options, const struct weft_conv *conv)
{
    ocl_define_filter(options, conv);
    ocl_define(options, "H", conv->h);
    ocl_define(options, "W", conv->w);
    ocl_define(options, "OUT_H", conv->out_h);
    ocl_define(options, "OUT_W", conv->out_w);
}

void ocl_define_activation(struct ocl_options *options, struct weft_activation activation)
{
    if (activation.act != WEFT_ACT_identity)
        ocl_define(options, "ACT", activation.act);
}

void ocl_define_pool(struct ocl_options *options, const struct weft_pool *pool)
{
    if (!pool->r)
        return;
    ocl_define(options, "POOL_R", pool->r);
    ocl_define(options, "POOL_S", pool->s);
    ocl_define(options, "POOL_STRIDE_Y", pool->stride_y);
    ocl_define(options, "POOL_STRIDE_X", pool->stride_x);
    ocl_define(options, "POOL_PAD_TOP", pool->pad_top);
    ocl_define(options, "POOL_PAD_LEFT", pool->pad_left);
    ocl_define(options, "POOL_OUT_H", pool->out_h);
    ocl_define(options, "POOL_OUT_W", pool->out_w);
    const struct {
        const char *name;
        int count;
    } counted[] = {{"POOL_COUNT_TOP", pool->count_top},
                   {"POOL_COUNT_LEFT", pool->count_left},
                   {"POOL_COUNT_BOTTOM", pool->count_bottom},
                   {"POOL_COUNT_RIGHT", pool->count_right}};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(counted); i++)
        if (counted[i].count)
            ocl_define(options, counted[i].name, counted[i].count);
}
