/* SPDX-License-Identifier: Apache-2.0 */
/* Problems of the primitives on rows of channels: copies, scales, shuffles, PReLU, layer
 * normalization. */
#include "device/problem_fields.h"

#define ACT_GRAD(args) FIELD_ACTIVATION(args, act_grad.activation.act)

/* The gradient of an activation with outputs laid out as a result of `count`. */
static void complete_act_grad(struct weft_act_grad *a, double count)
{
    a->activation = weft_activation_init(a->activation.act);
    if (a->activation.act != WEFT_ACT_identity)
        set_view(&a->output, count);
}

/* Copies */

#define COPY(field) offsetof(struct weft_copy_channels_args, field)
static const struct problem_field copy_channels[] = {
    NUMBER(weft_copy_channels_args, "rows", rows),
    NUMBER(weft_copy_channels_args, "count", count),
    {"from",
     FIELD_NUMBERS,
     2,
     {COPY(x_channels), COPY(x_first)},
     FIELD_REQUIRED,
     NULL,
     0},
    {"to", FIELD_NUMBERS, 2, {COPY(y_channels), COPY(y_first)}, FIELD_REQUIRED, NULL, 0},
    {"zero-rest", FIELD_FLAG, 1, {COPY(zero_rest)}, 0, NULL, 0},
    ACT_GRAD(weft_copy_channels_args),
    {0}};

static bool complete_copy_channels(union weft_primitive_args *args)
{
    struct weft_copy_channels_args *a = &args->copy_channels;
    double x = (double)a->rows * a->x_channels, y = (double)a->rows * a->y_channels;
    if (a->rows < 1 || a->count < 1 || a->x_channels - a->x_first < a->count ||
        a->y_channels - a->y_first < a->count || !is_possible_count(x) ||
        !is_possible_count(y))
        return false;
    set_view(&a->x, x);
    set_view(&a->y, y);
    complete_act_grad(&a->act_grad, y);
    return true;
}

static double copy_channels_work(const union weft_primitive_args *args)
{
    const struct weft_copy_channels_args *a = &args->copy_channels;
    return PROBLEM_ELEMENT_WORK * a->rows * (a->zero_rest ? a->y_channels : a->count);
}

/* Scales by image and channel */

#define SCALE_SHAPE(args)                                       \
    NUMBER(args, "n", n), NUMBER(args, "positions", positions), \
        NUMBER(args, "channels", channels), ACT_GRAD(args)
static const struct problem_field scale[] = {SCALE_SHAPE(weft_scale_args), {0}};
static const struct problem_field scale_gradient[] = {
    SCALE_SHAPE(weft_scale_gradient_args),
    {"sums",
     FIELD_FLAG,
     1,
     {offsetof(struct weft_scale_gradient_args, sums)},
     0,
     NULL,
     0},
    {0}};

static bool complete_scale(union weft_primitive_args *args)
{
    struct weft_scale_args *a = &args->scale;
    double factors = (double)a->n * a->channels, count = factors * a->positions;
    if (a->n < 1 || a->positions < 1 || a->channels < 1 || !is_possible_count(count))
        return false;
    set_view(&a->x, count);
    set_view(&a->scale, factors);
    set_view(&a->y, count);
    complete_act_grad(&a->act_grad, count);
    return true;
}

static bool complete_scale_gradient(union weft_primitive_args *args)
{
    struct weft_scale_gradient_args *a = &args->scale_gradient;
    double factors = (double)a->n * a->channels, count = factors * a->positions;
    if (a->n < 1 || a->positions < 1 || a->channels < 1 || !is_possible_count(count))
        return false;
    if (!a->sums)
        set_view(&a->x, count);
    set_view(&a->dy, count);
    set_view(&a->dscale, factors);
    complete_act_grad(&a->act_grad, factors);
    return true;
}

static double scale_work(const union weft_primitive_args *args)
{
    const struct weft_scale_args *a = &args->scale;
    return PROBLEM_ELEMENT_WORK * a->n * a->positions * a->channels;
}

static double scale_gradient_work(const union weft_primitive_args *args)
{
    const struct weft_scale_gradient_args *a = &args->scale_gradient;
    return PROBLEM_ELEMENT_WORK * a->n * a->positions * a->channels;
}

/* Shuffles */

static const struct problem_field channel_shuffle[] = {
    NUMBER(weft_channel_shuffle_args, "rows", rows),
    NUMBER(weft_channel_shuffle_args, "channels", channels),
    NUMBER(weft_channel_shuffle_args, "groups", groups),
    ACT_GRAD(weft_channel_shuffle_args),
    {0}};

static bool complete_channel_shuffle(union weft_primitive_args *args)
{
    struct weft_channel_shuffle_args *a = &args->channel_shuffle;
    double count = (double)a->rows * a->channels;
    if (a->rows < 1 || a->channels < 1 || a->groups < 1 || a->channels % a->groups ||
        !is_possible_count(count))
        return false;
    set_view(&a->x, count);
    set_view(&a->y, count);
    complete_act_grad(&a->act_grad, count);
    return true;
}

static double channel_shuffle_work(const union weft_primitive_args *args)
{
    const struct weft_channel_shuffle_args *a = &args->channel_shuffle;
    return PROBLEM_ELEMENT_WORK * a->rows * a->channels;
}

/* PReLU */

#define PRELU_SHAPE \
    NUMBER(weft_prelu_args, "rows", rows), NUMBER(weft_prelu_args, "channels", channels)
static const struct problem_field prelu_forward[] = {PRELU_SHAPE, {0}};
static const struct problem_field prelu_backward[] = {
    PRELU_SHAPE, VIEW(weft_prelu_args, dx), {0}};

static bool complete_prelu(struct weft_prelu_args *a, double *count)
{
    *count = (double)a->rows * a->channels;
    if (a->rows < 1 || a->channels < 1 || !is_possible_count(*count))
        return false;
    set_view(&a->x, *count);
    set_view(&a->slope, a->channels);
    return true;
}

static bool complete_prelu_forward(union weft_primitive_args *args)
{
    struct weft_prelu_args *a = &args->prelu_forward;
    double count;
    if (!complete_prelu(a, &count))
        return false;
    set_view(&a->y, count);
    return true;
}

static bool complete_prelu_backward(union weft_primitive_args *args)
{
    struct weft_prelu_args *a = &args->prelu_backward;
    double count;
    if (!complete_prelu(a, &count))
        return false;
    set_view(&a->dy, count);
    set_view(&a->dslope, a->channels);
    set_optional_view(&a->dx, count);
    return true;
}

static double prelu_work(const union weft_primitive_args *args)
{
    const struct weft_prelu_args *a = &args->prelu_forward;
    return PROBLEM_ELEMENT_WORK * a->rows * a->channels;
}

/* Layer normalization */

#define LAYER_NORM_SHAPE                                    \
    NUMBER(weft_layer_norm_args, "rows", rows),             \
        NUMBER(weft_layer_norm_args, "channels", channels), \
        FIELD_ACTIVATION(weft_layer_norm_args, activation.act)
static const struct problem_field layer_norm_forward[] = {
    LAYER_NORM_SHAPE, VIEW(weft_layer_norm_args, mean), {0}};
static const struct problem_field layer_norm_backward[] = {
    LAYER_NORM_SHAPE, VIEW(weft_layer_norm_args, dx), {0}};

static bool complete_layer_norm(struct weft_layer_norm_args *a, double *count)
{
    *count = (double)a->rows * a->channels;
    if (a->rows < 1 || a->channels < 1 || !is_possible_count(*count))
        return false;
    a->activation = weft_activation_init(a->activation.act);
    a->epsilon = 1e-5f;
    set_view(&a->x, *count);
    set_view(&a->weight, a->channels);
    set_view(&a->bias, a->channels);
    return true;
}

static bool complete_layer_norm_forward(union weft_primitive_args *args)
{
    struct weft_layer_norm_args *a = &args->layer_norm_forward;
    double count;
    if (!complete_layer_norm(a, &count))
        return false;
    set_view(&a->y, count);
    if (a->mean.mem) {
        set_view(&a->mean, a->rows);
        set_view(&a->inverse, a->rows);
    }
    return true;
}

static bool complete_layer_norm_backward(union weft_primitive_args *args)
{
    struct weft_layer_norm_args *a = &args->layer_norm_backward;
    double count;
    if (!complete_layer_norm(a, &count))
        return false;
    set_view(&a->mean, a->rows);
    set_view(&a->inverse, a->rows);
    set_view(&a->dy, count);
    set_view(&a->dweight, a->channels);
    set_view(&a->dbias, a->channels);
    set_optional_view(&a->dx, count);
    return true;
}

static double layer_norm_work(const union weft_primitive_args *args)
{
    const struct weft_layer_norm_args *a = &args->layer_norm_forward;
    return 3 * PROBLEM_ELEMENT_WORK * a->rows * a->channels;
}

const struct problem_kind problem_copy_channels = {copy_channels, complete_copy_channels,
                                                   copy_channels_work};
const struct problem_kind problem_scale = {scale, complete_scale, scale_work};
const struct problem_kind problem_scale_gradient = {
    scale_gradient, complete_scale_gradient, scale_gradient_work};
const struct problem_kind problem_channel_shuffle = {
    channel_shuffle, complete_channel_shuffle, channel_shuffle_work};
const struct problem_kind problem_prelu_forward = {prelu_forward, complete_prelu_forward,
                                                   prelu_work};
const struct problem_kind problem_prelu_backward = {prelu_backward,
                                                    complete_prelu_backward, prelu_work};
const struct problem_kind problem_layer_norm_forward = {
    layer_norm_forward, complete_layer_norm_forward, layer_norm_work};
const struct problem_kind problem_layer_norm_backward = {
    layer_norm_backward, complete_layer_norm_backward, layer_norm_work};
