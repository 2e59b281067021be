/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in the float16 storage of tensors, and in the loss scale. */
#include "fault_injection/planted_faults.h"

#include "util/half.h"

static uint16_t take(const struct recorded_primitive *l, size_t i)
{
    uint16_t half;
    l->device->backend->read(l->device, &half, l->out.mem, 2 * (l->out.offset + i),
                             sizeof(half));
    return half;
}

static void put(const struct recorded_primitive *l, size_t i, uint16_t half)
{
    l->device->backend->write(l->device, l->out.mem, 2 * (l->out.offset + i), &half,
                              sizeof(half));
}

/* Each value the next one toward zero, as a rounding that cuts off gives at worst. */
static void cut_off(struct recorded_primitive *l)
{
    for (size_t i = 0; l->out.type == WEFT_FLOAT16 && i < l->out.count; i++) {
        uint16_t half = take(l, i);
        if (half & 0x7FFF && (half & 0x7FFF) < 0x7C00)
            put(l, i, (uint16_t)(half - 1));
    }
}

static void write_one_more(struct recorded_primitive *l)
{
    if (l->out.type == WEFT_FLOAT16)
        put(l, l->out.count, weft_fp32_to_fp16(1));
}

static void become_wide(struct weft_view *view)
{
    if (view->type == WEFT_FLOAT16)
        view->offset /= 2;
    view->type = WEFT_FLOAT32;
}
static void write_wide(union weft_primitive_args *args)
{
    become_wide(&args->conv_forward.y);
}
static void read_wide(union weft_primitive_args *args)
{
    become_wide(&args->dense_forward.w);
}
static void read_wide_pool(union weft_primitive_args *args)
{
    become_wide(&args->pool_forward.x);
}
static void write_wide_input(union weft_primitive_args *args)
{
    become_wide(&args->make_batch.x);
}
static void read_wide_gradient(union weft_primitive_args *args)
{
    become_wide(&args->conv_forward.dy);
}
static void read_wide_act_grad(union weft_primitive_args *args)
{
    become_wide(&args->dense_forward.act_grad.output);
}
static void lose_loss_exponent(union weft_primitive_args *args)
{
    args->loss.loss_scale_log2 = 0;
}
static void lose_update_exponent(union weft_primitive_args *args)
{
    args->optimizer_step.loss_scale_log2 = 0;
}

const struct fault half_faults[] = {
    {"rounded to the wrong side", "conv", IN(conv_forward), .after = cut_off,
     .half = true},
    {"rounded to the wrong side", "add", IN(add), .after = cut_off, .half = true},
    {"rounded to the wrong side", "fold-batch-norm", IN(fold_batch_norm),
     .after = cut_off, .half = true},
    {"writes beyond y", "conv", IN(conv_forward), .after = write_one_more, .half = true},
    {"writes float32", "conv", IN(conv_forward), .modify = write_wide, .half = true},
    {"writes float32", "batch", IN(make_batch), .modify = write_wide_input, .half = true},
    {"reads float32", "dense", IN(dense_forward), .modify = read_wide, .half = true},
    {"rounded to the wrong side", "conv", IN(conv_backward_data), .after = cut_off,
     .half = true},
    {"rounded to the wrong side", "batch-norm", IN(batch_norm_backward), .after = cut_off,
     .half = true},
    {"writes beyond dx", "pool", IN(pool_backward), .after = write_one_more,
     .half = true},
    {"reads float32", "conv", IN(conv_backward_weights), .modify = read_wide_gradient,
     .half = true},
    {"activation gradient as float32", "dense", IN(dense_backward_data),
     .modify = read_wide_act_grad, .half = true},
    {"reads float32", "pool", IN(pool_forward), .modify = read_wide_pool, .half = true},
    {"power of two ignored", "loss", IN(loss), .modify = lose_loss_exponent},
    {"power of two ignored", "optimizer", IN(optimizer_step),
     .modify = lose_update_exponent},
    {.primitive = WEFT_PRIMITIVE_COUNT},
};
