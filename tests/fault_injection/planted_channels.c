/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in the ops on channels. */
#include "fault_injection/planted_faults.h"

static void use_next_channel(union weft_primitive_args *a)
{
    struct weft_copy_channels_args *copy = &a->copy_channels;
    copy->x_first += copy->x_first + copy->count < copy->x_channels;
}

static void lose_channel(union weft_primitive_args *a)
{
    a->copy_channels.count -= a->copy_channels.count > 1;
}

static void lose_zeros(union weft_primitive_args *a)
{
    a->copy_channels.zero_rest = false;
}

static void clear_rest(union weft_primitive_args *a)
{
    a->copy_channels.zero_rest = true;
}

static void lose_copy_act_grad(union weft_primitive_args *a)
{
    a->copy_channels.act_grad = (struct weft_act_grad){0};
}

static void use_first_image(union weft_primitive_args *a)
{
    a->scale.positions *= a->scale.n;
    a->scale.n = 1;
}

static void lose_scale_act_grad(union weft_primitive_args *a)
{
    a->scale.act_grad = (struct weft_act_grad){0};
}

static void lose_position(union weft_primitive_args *a)
{
    a->scale_gradient.positions -=
        a->scale_gradient.positions > 1 && a->scale_gradient.n == 1;
}

static void lose_factor_act_grad(union weft_primitive_args *a)
{
    a->scale_gradient.act_grad = (struct weft_act_grad){0};
}

static void swap_groups(union weft_primitive_args *a)
{
    struct weft_channel_shuffle_args *s = &a->channel_shuffle;
    s->groups = s->channels / s->groups;
}

static void lose_shuffle_act_grad(union weft_primitive_args *a)
{
    a->channel_shuffle.act_grad = (struct weft_act_grad){0};
}

const struct fault channel_faults[] = {
    {"channels one off", "copy-channels", IN(copy_channels), .modify = use_next_channel},
    {"last channel missing", "copy-channels", IN(copy_channels), .modify = lose_channel},
    {"rest not cleared", "copy-channels", IN(copy_channels), .modify = lose_zeros},
    {"rest cleared", "copy-channels", IN(copy_channels), .modify = clear_rest},
    {"no derivative", "copy-channels", IN(copy_channels), .modify = lose_copy_act_grad},
    {"last of y unwritten", "copy-channels", IN(copy_channels), .before = keep_last,
     .after = restore_last},
    {"factors of the first image", "scale", IN(scale), .modify = use_first_image},
    {"no derivative", "scale", IN(scale), .modify = lose_scale_act_grad},
    {"half precision", "scale", IN(scale), .after = round_to_half},
    {"last position missing", "scale", IN(scale_gradient), .modify = lose_position},
    {"no derivative of the factors", "scale", IN(scale_gradient),
     .modify = lose_factor_act_grad},
    {"groups and members exchanged", "channel-shuffle", IN(channel_shuffle),
     .modify = swap_groups},
    {"no derivative", "channel-shuffle", IN(channel_shuffle),
     .modify = lose_shuffle_act_grad},
    {"no derivative on both", "copy-channels", IN(copy_channels), true,
     .modify = lose_copy_act_grad},
    {"half of the gradient on both", "scale", IN(scale_gradient), true,
     .after = halve_gradient},
    {"no derivative on both", "scale", IN(scale), true, .modify = lose_scale_act_grad},
    {"no derivative on both", "channel-shuffle", IN(channel_shuffle), true,
     .modify = lose_shuffle_act_grad},
    {.primitive = WEFT_PRIMITIVE_COUNT},
};
