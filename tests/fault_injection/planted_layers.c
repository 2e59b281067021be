/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in convolutions, dense layers, pooling, activations and sums. */
#include "fault_injection/planted_faults.h"

#include <math.h>

static void shift_rows(union weft_primitive_args *a)
{
    a->conv_forward.conv.pad_top++;
}

static void shift_columns(union weft_primitive_args *a)
{
    a->conv_forward.conv.pad_left--;
}

static void lose_row(union weft_primitive_args *a)
{
    a->conv_forward.conv.r--;
}

static void lose_stride(union weft_primitive_args *a)
{
    a->conv_forward.conv.stride_x = 1;
}

static void swap_strides(union weft_primitive_args *a)
{
    int y = a->conv_forward.conv.stride_y;
    a->conv_forward.conv.stride_y = a->conv_forward.conv.stride_x;
    a->conv_forward.conv.stride_x = y;
}

static void lose_dilation(union weft_primitive_args *a)
{
    a->conv_forward.conv.dilation_y = 1;
}

static void lose_conv_bias(union weft_primitive_args *a)
{
    a->conv_forward.bias = (struct weft_view){0};
}

static void lose_conv_activation(union weft_primitive_args *a)
{
    a->conv_forward.activation.act = WEFT_ACT_identity;
}

static void take_silu_for_gelu(union weft_primitive_args *a)
{
    if (a->conv_forward.activation.act == WEFT_ACT_gelu)
        a->conv_forward.activation.act = WEFT_ACT_silu;
}

static void lose_conv_act_grad(union weft_primitive_args *a)
{
    a->conv_forward.act_grad = (struct weft_act_grad){0};
}

static void lose_dbias(union weft_primitive_args *a)
{
    a->conv_forward.dbias = (struct weft_view){0};
}

static void lose_pool_stride(union weft_primitive_args *a)
{
    a->conv_forward.pool.stride_y =
        a->conv_forward.pool.r ? 1 : a->conv_forward.pool.stride_y;
}

static void lose_conv_argmax(union weft_primitive_args *a)
{
    a->conv_forward.argmax = (struct weft_view){0};
}

static void lose_image(union weft_primitive_args *a)
{
    a->dense_forward.dense.n--;
}

static void use_next_input(union weft_primitive_args *a)
{
    a->dense_forward.x.offset++;
}

static void lose_dense_bias(union weft_primitive_args *a)
{
    a->dense_forward.bias = (struct weft_view){0};
}

static void lose_dense_act_grad(union weft_primitive_args *a)
{
    a->dense_forward.act_grad = (struct weft_act_grad){0};
}

static void lose_counted_padding(union weft_primitive_args *a)
{
    a->pool_forward.pool.count_top = a->pool_forward.pool.count_left = 0;
    a->pool_forward.pool.count_bottom = a->pool_forward.pool.count_right = 0;
}

static void lose_pool_pad(union weft_primitive_args *a)
{
    a->pool_forward.pool.pad_left = 0;
}

static void mistake_large(union weft_primitive_args *a)
{
    if (weft_pool_argmax_bytes(&a->pool_forward.pool) > 1)
        a->pool_forward.argmax = (struct weft_view){0};
}

static void flip_slope(union weft_primitive_args *a)
{
    a->act_forward.activation.alpha = 1 - a->act_forward.activation.alpha;
}
static void widen_bounds(union weft_primitive_args *a)
{
    a->act_forward.activation.beta *= 2;
}

static void forget_gradient(union weft_primitive_args *a)
{
    if (weft_act_grad_from_output[a->act_forward.activation.act])
        a->act_forward.activation.act = WEFT_ACT_identity;
}

static void lose_other(union weft_primitive_args *a)
{
    a->add.other = a->add.x;
}

static void lose_add_act_grad(union weft_primitive_args *a)
{
    a->add.act_grad = (struct weft_act_grad){0};
}

static void lose_add_activation(union weft_primitive_args *a)
{
    a->add.activation.act = WEFT_ACT_identity;
}

/* Only where x is in the same buffer, so that the byte belongs to the case. */
static void write_beyond(struct recorded_primitive *l)
{
    if (l->out.mem == l->args.conv_forward.x.mem)
        poke(l, l->out, l->out.count, 1);
}

static void write_before(struct recorded_primitive *l)
{
    l->out.offset--;
    poke(l, l->out, 0, 1);
    l->out.offset++;
}

static void write_input(struct recorded_primitive *l)
{
    poke(l, l->args.conv_forward.w, 0, 9);
}

static void turn_sign(struct recorded_primitive *l)
{
    for (size_t i = 0; i < l->out.count; i++)
        poke(l, l->out, i, -peek(l, l->out, i));
}

static void become_nan(struct recorded_primitive *l)
{
    poke(l, l->out, l->out.count / 2, NAN);
}

static void vary(struct recorded_primitive *l)
{
    float last = peek(l, l->out, l->out.count - 1);
    if (l->replays % 2 == 0 && last != 0)
        poke(l, l->out, l->out.count - 1, nextafterf(last, 0));
}

/* Each filter's result goes to the next channel. */
static void rotate_channels(struct recorded_primitive *l)
{
    size_t k = (size_t)l->args.conv_forward.conv.k;
    for (size_t i = 0; i < l->out.count; i += k) {
        float last = peek(l, l->out, i + k - 1);
        for (size_t j = k - 1; j > 0; j--)
            poke(l, l->out, i + j, peek(l, l->out, i + j - 1));
        poke(l, l->out, i, last);
    }
}

/* Padding takes part in the maximum, as zero. */
static void let_padding_win(struct recorded_primitive *l)
{
    for (size_t i = 0; i < l->out.count && l->args.pool_forward.pool.pad_top; i++)
        poke(l, l->out, i, fmaxf(peek(l, l->out, i), 0));
}

/* The last of equals wins: in the window that begins at (y, x), for channel c. */
static uint8_t last_maximum(const struct recorded_primitive *l, int n, int y, int x,
                            int c)
{
    const struct weft_pool *p = &l->args.pool_forward.pool;
    float best = -INFINITY;
    int config = 0;
    for (int i = 0; i < p->r * p->s; i++) {
        int row = y + i / p->s, column = x + i % p->s;
        if (row < 0 || row >= p->h || column < 0 || column >= p->w)
            continue;
        float value = peek(l, l->args.pool_forward.x,
                           (size_t)(((n * p->h + row) * p->w + column) * p->c + c));
        if (value >= best) {
            best = value;
            config = i;
        }
    }
    return (uint8_t)config;
}

static void prefer_last(struct recorded_primitive *l)
{
    const struct weft_pool *p = &l->args.pool_forward.pool;
    struct weft_view to = l->args.pool_forward.argmax;
    bool bytes = weft_pool_argmax_bytes(p) == 1;
    for (size_t i = 0; to.mem && bytes && i < to.count; i++) {
        int rest = (int)i / p->c, c = (int)i % p->c;
        int x = rest % p->out_w, y = rest / p->out_w % p->out_h;
        uint8_t config =
            last_maximum(l, rest / p->out_w / p->out_h, y * p->stride_y - p->pad_top,
                         x * p->stride_x - p->pad_left, c);
        weft_backend_cpu.write(l->device, to.mem, to.offset + i, &config, 1);
    }
}

/* Where windows overlap, the last gradient replaces the sum. */
static void lose_overlap(struct recorded_primitive *l)
{
    const struct weft_pool *p = &l->args.pool_forward.pool;
    struct weft_view argmax = l->args.pool_forward.argmax;
    bool bytes = weft_pool_argmax_bytes(p) == 1;
    for (size_t i = 0; bytes && i < argmax.count; i++) {
        int rest = (int)i / p->c, c = (int)i % p->c;
        int n = rest / p->out_w / p->out_h;
        uint8_t config;
        weft_backend_cpu.read(l->device, &config, argmax.mem, argmax.offset + i, 1);
        int row = rest / p->out_w % p->out_h * p->stride_y - p->pad_top + config / p->s;
        int column = rest % p->out_w * p->stride_x - p->pad_left + config % p->s;
        poke(l, l->out, (size_t)(((n * p->h + row) * p->w + column) * p->c + c),
             peek(l, l->args.pool_forward.dy, i));
    }
}

/* Padding counts: means over the whole window. */
static void count_padding(struct recorded_primitive *l)
{
    const struct weft_pool *p = &l->args.pool_forward.pool;
    for (size_t i = 0; p->kind == WEFT_POOL_MEAN && i < l->out.count; i++) {
        int pixel = (int)i / p->c, inside = 0;
        int y = pixel / p->out_w % p->out_h * p->stride_y - p->pad_top;
        int x = pixel % p->out_w * p->stride_x - p->pad_left;
        for (int j = 0; j < p->r * p->s; j++)
            inside += y + j / p->s >= 0 && y + j / p->s < p->h && x + j % p->s >= 0 &&
                      x + j % p->s < p->w;
        poke(l, l->out, i, peek(l, l->out, i) * (float)inside / (float)(p->r * p->s));
    }
}

const struct fault layer_faults[] = {
    {"padding one row off", "conv", IN(conv_forward), .modify = shift_rows},
    {"padding one column off", "conv", IN(conv_backward_weights),
     .modify = shift_columns},
    {"padding one row off", "conv", IN(conv_backward_data), .modify = shift_rows},
    {"last row of taps missing", "conv", IN(conv_forward), .modify = lose_row},
    {"last row of taps missing", "conv", IN(conv_backward_data), .modify = lose_row},
    {"stride ignored", "conv", IN(conv_forward), .modify = lose_stride},
    {"strides swapped", "conv", IN(conv_backward_weights), .modify = swap_strides},
    {"dilation ignored", "conv", IN(conv_backward_data), .modify = lose_dilation},
    {"wrong group", "conv", IN(conv_forward), .after = rotate_channels},
    {"dropped bias", "conv", IN(conv_forward), .modify = lose_conv_bias},
    {"no activation", "conv", IN(conv_forward), .modify = lose_conv_activation},
    {"one activation for another", "conv", IN(conv_forward),
     .modify = take_silu_for_gelu},
    {"no activation gradient", "conv", IN(conv_backward_data),
     .modify = lose_conv_act_grad},
    {"no dbias", "conv", IN(conv_backward_weights), .modify = lose_dbias},
    {"no argmax", "conv", IN(conv_forward), .modify = lose_conv_argmax},
    {"stride of the fused pool", "conv", IN(conv_forward), .modify = lose_pool_stride},
    {"sign of dw", "conv", IN(conv_backward_weights), .after = turn_sign},
    {"writes beyond y", "conv", IN(conv_forward), .after = write_beyond},
    {"writes before y", "conv", IN(conv_forward), .after = write_before},
    {"writes beyond dw", "conv", IN(conv_backward_weights), .after = write_beyond},
    {"writes its input", "conv", IN(conv_forward), .after = write_input},
    {"last of y unwritten", "conv", IN(conv_forward), .before = keep_last,
     .after = restore_last},
    {"last of dx unwritten", "conv", IN(conv_backward_data), .before = keep_last,
     .after = restore_last},
    {"half precision", "conv", IN(conv_forward), .after = round_to_half},
    {"not a number", "conv", IN(conv_backward_data), .after = become_nan},
    {"second run differs", "conv", IN(conv_backward_weights), .after = vary},
    {"last image missing", "dense", IN(dense_forward), .modify = lose_image},
    {"inputs one off", "dense", IN(dense_backward_weights), .modify = use_next_input},
    {"dropped bias", "dense", IN(dense_forward), .modify = lose_dense_bias},
    {"no activation gradient", "dense", IN(dense_backward_data),
     .modify = lose_dense_act_grad},
    {"sign of dx", "dense", IN(dense_backward_data), .after = turn_sign},
    {"second run differs", "dense", IN(dense_forward), .after = vary},
    {"left padding ignored", "pool", IN(pool_forward), .modify = lose_pool_pad},
    {"padding wins", "pool", IN(pool_forward), .after = let_padding_win},
    {"ties to the last", "pool", IN(pool_forward), .after = prefer_last},
    {"padding does not count", "pool", IN(pool_forward), .modify = lose_counted_padding},
    {"padding does not count", "pool", IN(pool_backward), .modify = lose_counted_padding},
    {"padding counts", "pool", IN(pool_forward), .after = count_padding},
    {"places of large windows", "pool", IN(pool_forward), .modify = mistake_large},
    {"overlaps lost", "pool", IN(pool_backward), .after = lose_overlap},
    {"slope of leaky relu", "act", IN(act_forward), .modify = flip_slope},
    {"upper bound of clip", "act", IN(act_forward), .modify = widen_bounds},
    {"upper bound of clip", "act", IN(act_backward), .modify = widen_bounds},
    {"no derivative", "act", IN(act_backward), .modify = forget_gradient},
    {"half precision", "act", IN(act_forward), .after = round_to_half},
    {"one twice", "add", IN(add), .modify = lose_other},
    {"no activation", "add", IN(add), .modify = lose_add_activation},
    {"no activation gradient", "add", IN(add), .modify = lose_add_act_grad},
    {"dx halved on both", "conv", IN(conv_backward_data), true, .after = halve_gradient},
    {"dw halved on both", "conv", IN(conv_backward_weights), true,
     .after = halve_gradient},
    {"no activation gradient on both", "conv", IN(conv_backward_data), true,
     .modify = lose_conv_act_grad},
    {"dx halved on both", "dense", IN(dense_backward_data), true,
     .after = halve_gradient},
    {"gradient halved on both", "pool", IN(pool_backward), true, .after = halve_gradient},
    {"no derivative on both", "act", IN(act_backward), true, .modify = forget_gradient},
    {"no activation gradient on both", "add", IN(add), true, .modify = lose_add_act_grad},
    {.primitive = WEFT_PRIMITIVE_COUNT},
};
