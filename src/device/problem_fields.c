/* SPDX-License-Identifier: Apache-2.0 */
/* The primitives that can be tuned, and what their problems consist of. */
#include "device/problem_fields.h"

#include "shared/state.h"

/* Pools */

static const char *const pool_kinds[] = {
    [WEFT_POOL_MAX] = "max", [WEFT_POOL_MEAN] = "mean"};

#define POOL(field) offsetof(struct weft_pool_args, pool.field)
#define POOL_SHAPE                                                                      \
    {"n", FIELD_NUMBERS, 1, {POOL(n)}, FIELD_REQUIRED, NULL, 0},                        \
        {"in", FIELD_NUMBERS, 3, {POOL(h), POOL(w), POOL(c)}, FIELD_REQUIRED, NULL, 0}, \
        {"out", FIELD_NUMBERS, 2, {POOL(out_h), POOL(out_w)}, FIELD_REQUIRED, NULL, 0}, \
        {"window", FIELD_NUMBERS, 2, {POOL(r), POOL(s)}, FIELD_REQUIRED, NULL, 0},      \
        {"stride",       FIELD_NUMBERS, 2, {POOL(stride_y), POOL(stride_x)},            \
         FIELD_REQUIRED, NULL,          0},                                             \
        {"pad", FIELD_NUMBERS,                                                          \
         4,     {POOL(pad_top), POOL(pad_left), POOL(pad_bottom), POOL(pad_right)},     \
         0,     NULL,                                                                   \
         0},                                                                            \
        {"count",                                                                       \
         FIELD_NUMBERS,                                                                 \
         4,                                                                             \
         {POOL(count_top), POOL(count_left), POOL(count_bottom), POOL(count_right)},    \
         0,                                                                             \
         NULL,                                                                          \
         0},                                                                            \
    {                                                                                   \
        "kind", FIELD_NAME, 1, {POOL(kind)}, FIELD_REQUIRED, pool_kinds,                \
            WEFT_ARRAY_SIZE(pool_kinds)                                                 \
    }

static const struct problem_field pool_forward[] = {
    POOL_SHAPE, VIEW(weft_pool_args, argmax), {0}};
static const struct problem_field pool_backward[] = {POOL_SHAPE, {0}};

static double pool_in(const struct weft_pool *p)
{
    return images_in(p->n, p->h, p->w, p->c);
}

static double pool_out(const struct weft_pool *p)
{
    return images_in(p->n, p->out_h, p->out_w, p->c);
}

static bool complete_pool(const struct weft_pool *p)
{
    return are_windows_possible(p) && is_possible_count(pool_in(p)) &&
           is_possible_count(pool_out(p)) && p->count_top <= p->pad_top &&
           p->count_left <= p->pad_left && p->count_bottom <= p->pad_bottom &&
           p->count_right <= p->pad_right;
}

static bool complete_pool_forward(union weft_primitive_args *args)
{
    struct weft_pool_args *a = &args->pool_forward;
    if (!complete_pool(&a->pool))
        return false;
    set_view(&a->x, pool_in(&a->pool));
    set_view(&a->y, pool_out(&a->pool));
    set_optional_view(&a->argmax, pool_out(&a->pool));
    return true;
}

static bool complete_pool_backward(union weft_primitive_args *args)
{
    struct weft_pool_args *a = &args->pool_backward;
    if (!complete_pool(&a->pool))
        return false;
    set_view(&a->dx, pool_in(&a->pool));
    set_view(&a->dy, pool_out(&a->pool));
    if (a->pool.kind == WEFT_POOL_MAX)
        set_view(&a->argmax, pool_out(&a->pool));
    return true;
}

static double pool_work(const union weft_primitive_args *args)
{
    const struct weft_pool *p = &args->pool_forward.pool;
    return PROBLEM_ELEMENT_WORK * (pool_in(p) + pool_out(p));
}

/* Batch normalization */

#define BATCH_NORM_SHAPE                                    \
    NUMBER(weft_batch_norm_args, "rows", rows),             \
        NUMBER(weft_batch_norm_args, "channels", channels), \
        FIELD_ACTIVATION(weft_batch_norm_args, activation.act)

static const struct problem_field batch_norm[] = {BATCH_NORM_SHAPE, {0}};
static const struct problem_field batch_norm_backward[] = {
    BATCH_NORM_SHAPE, VIEW(weft_batch_norm_args, dx), {0}};

static bool complete_batch_norm(union weft_primitive_args *args)
{
    struct weft_batch_norm_args *a = &args->batch_norm_forward;
    double count = (double)a->rows * a->channels;
    if (a->rows < 1 || a->channels < 1 || !is_possible_count(count))
        return false;
    a->activation = weft_activation_init(a->activation.act);
    a->momentum = 0.1f;
    a->epsilon = 1e-5f;
    set_view(&a->x, count);
    struct weft_view *const of_channels[] = {&a->bias, &a->mean, &a->scale};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(of_channels); i++)
        set_view(of_channels[i], a->channels);
    return true;
}

static bool complete_batch_norm_inference(union weft_primitive_args *args)
{
    struct weft_batch_norm_args *a = &args->batch_norm_inference;
    if (!complete_batch_norm(args))
        return false;
    set_view(&a->y, (double)a->x.count);
    return true;
}

static bool complete_batch_norm_forward(union weft_primitive_args *args)
{
    struct weft_batch_norm_args *a = &args->batch_norm_forward;
    if (!complete_batch_norm_inference(args))
        return false;
    struct weft_view *const of_channels[] = {&a->weight, &a->running_mean,
                                             &a->running_variance, &a->inverse};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(of_channels); i++)
        set_view(of_channels[i], a->channels);
    return true;
}

static bool complete_batch_norm_backward(union weft_primitive_args *args)
{
    struct weft_batch_norm_args *a = &args->batch_norm_backward;
    if (!complete_batch_norm(args))
        return false;
    set_view(&a->dy, (double)a->x.count);
    set_optional_view(&a->dx, (double)a->x.count);
    struct weft_view *const of_channels[] = {&a->inverse, &a->dweight, &a->dbias};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(of_channels); i++)
        set_view(of_channels[i], a->channels);
    return true;
}

static double batch_norm_work(const union weft_primitive_args *args)
{
    const struct weft_batch_norm_args *a = &args->batch_norm_forward;
    return 3 * PROBLEM_ELEMENT_WORK * a->rows * a->channels;
}

#define FOLD(field) offsetof(struct weft_fold_batch_norm_args, field)
static const struct problem_field fold_batch_norm[] = {
    NUMBER(weft_fold_batch_norm_args, "rows", rows),
    NUMBER(weft_fold_batch_norm_args, "channels", channels),
    VIEW(weft_fold_batch_norm_args, w),
    VIEW(weft_fold_batch_norm_args, bias),
    {"out-bias", FIELD_VIEW, 1, {FOLD(out_bias)}, 0, NULL, 0},
    {0}};

static bool complete_fold_batch_norm(union weft_primitive_args *args)
{
    struct weft_fold_batch_norm_args *a = &args->fold_batch_norm;
    double count = (double)a->rows * a->channels;
    if (a->rows < 1 || a->channels < 1 || !is_possible_count(count))
        return false;
    a->epsilon = 1e-5f;
    set_optional_view(&a->w, count);
    set_optional_view(&a->bias, a->channels);
    set_optional_view(&a->out_bias, a->channels);
    set_view(&a->out_w, count);
    struct weft_view *const of_channels[] = {&a->weight, &a->shift, &a->mean,
                                             &a->variance};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(of_channels); i++)
        set_view(of_channels[i], a->channels);
    return true;
}

static double fold_work(const union weft_primitive_args *args)
{
    return 2 * PROBLEM_ELEMENT_WORK * args->fold_batch_norm.rows *
           args->fold_batch_norm.channels;
}

/* Softmax and loss */

static const struct problem_field softmax[] = {
    NUMBER(weft_softmax_args, "n", n),
    NUMBER(weft_softmax_args, "classes", classes),
    {0}};
#define WEIGHTS                                                                        \
    {                                                                                  \
        "weights", FIELD_VIEW, 1, {offsetof(struct weft_loss_args, class_weights)}, 0, \
            NULL, 0                                                                    \
    }
static const struct problem_field loss[] = {
    NUMBER(weft_loss_args, "n", n), NUMBER(weft_loss_args, "classes", classes),
    VIEW(weft_loss_args, dlogits),  WEIGHTS,
    VIEW(weft_loss_args, shares),   {0}};

static bool complete_softmax(union weft_primitive_args *args)
{
    struct weft_softmax_args *a = &args->softmax;
    double count = (double)a->n * a->classes;
    if (a->n < 1 || a->classes < 1 || !is_possible_count(count))
        return false;
    set_view(&a->x, count);
    set_view(&a->y, count);
    return true;
}

static bool complete_loss(union weft_primitive_args *args)
{
    struct weft_loss_args *a = &args->loss;
    double count = (double)a->n * a->classes;
    if (a->n < 1 || a->classes < 1 || !is_possible_count(count))
        return false;
    a->global_batch = a->n;
    set_view(&a->logits, count);
    set_optional_view(&a->dlogits, count);
    set_optional_view(&a->class_weights, a->classes);
    set_view(&a->labels, a->n);
    set_optional_view(&a->shares, a->n);
    if (a->shares.mem)
        set_view(&a->partner_labels, a->n);
    set_view(&a->loss, a->n);
    set_view(&a->correct, a->n);
    return true;
}

static double softmax_work(const union weft_primitive_args *args)
{
    return 4 * PROBLEM_ELEMENT_WORK * args->softmax.n * args->softmax.classes;
}

static double loss_work(const union weft_primitive_args *args)
{
    return 4 * PROBLEM_ELEMENT_WORK * args->loss.n * args->loss.classes;
}

/* Optimizer step */

static const char *const optimizers[] = {[WEFT_OPTIMIZER_SGD] = "sgd",
                                         [WEFT_OPTIMIZER_ADAM] = "adam",
                                         [WEFT_OPTIMIZER_ADAMW] = "adamw"};

#define STEP(field) offsetof(struct weft_optimizer_step_args, field)
static const struct problem_field optimizer_step[] = {
    {"w", FIELD_LENGTH, 1, {STEP(w)}, FIELD_REQUIRED, NULL, 0},
    {"optimizer",
     FIELD_NAME,
     1,
     {STEP(optimizer.kind)},
     FIELD_REQUIRED,
     optimizers,
     WEFT_ARRAY_SIZE(optimizers)},
    {"nesterov", FIELD_FLAG, 1, {STEP(optimizer.nesterov)}, 0, NULL, 0},
    {"metrics", FIELD_NUMBERS, 1, {STEP(n)}, 0, NULL, 0},
    {0}};

static bool complete_optimizer_step(union weft_primitive_args *args)
{
    struct weft_optimizer_step_args *a = &args->optimizer_step;
    double count = (double)a->w.count;
    if (!is_possible_count(count))
        return false;
    a->optimizer.momentum = a->optimizer.beta1 = 0.9f;
    a->optimizer.beta2 = 0.999f;
    a->optimizer.epsilon = 1e-8f;
    a->optimizer.weight_decay = 1e-4f;
    set_view(&a->state, STATE_WORDS);
    set_view(&a->w, count);
    set_view(&a->g, count);
    set_view(&a->m, count);
    if (a->optimizer.kind != WEFT_OPTIMIZER_SGD)
        set_view(&a->v, count);
    if (a->n) {
        set_view(&a->loss, a->n);
        set_view(&a->correct, a->n);
    }
    return true;
}

static double optimizer_step_work(const union weft_primitive_args *args)
{
    return 4 * PROBLEM_ELEMENT_WORK * (double)args->optimizer_step.w.count;
}

/* Batches */

static const struct problem_field make_batch[] = {
    NUMBER(weft_batch_args, "n", n),
    NUMBER(weft_batch_args, "pixels", pixels),
    NUMBER(weft_batch_args, "channels", channels),
    VIEW(weft_batch_args, state),
    VIEW(weft_batch_args, labels),
    {"augment",
     FIELD_NUMBERS,
     1,
     {offsetof(struct weft_batch_args, augment.kind)},
     AUGMENT_NONE,
     NULL,
     0},
    {"mix",
     FIELD_NUMBERS,
     1,
     {offsetof(struct weft_batch_args, augment.mix)},
     AUGMENT_NO_MIX,
     NULL,
     0},
    {0}};

static bool complete_make_batch(union weft_primitive_args *args)
{
    struct weft_batch_args *a = &args->make_batch;
    double count = (double)a->n * a->pixels;
    if (a->n < 1 || a->pixels < 1 || a->channels < 1 || a->pixels % a->channels ||
        !is_possible_count(count) || a->augment.kind >= AUGMENT_KINDS ||
        a->augment.mix > AUGMENT_CUTMIX || (a->augment.mix && !a->augment.kind) ||
        (a->augment.kind && !a->state.mem))
        return false;
    a->count = a->global_batch = a->n;
    a->steps_per_epoch = 1;
    for (size_t c = 0; c < WEFT_ARRAY_SIZE(a->scale); c++)
        a->scale[c] = 1.0f / 255;
    set_view(&a->bytes, count);
    set_view(&a->x, count);
    set_optional_view(&a->state, STATE_WORDS);
    if (a->augment.kind && !a->width)
        a->width = a->pixels / a->channels;
    set_optional_view(&a->labels, a->n);
    if (a->labels.mem)
        set_view(&a->batch_labels, a->n);
    if (a->labels.mem && a->augment.mix) {
        set_view(&a->partner_labels, a->n);
        set_view(&a->shares, a->n);
    }
    return true;
}

static double make_batch_work(const union weft_primitive_args *args)
{
    return PROBLEM_ELEMENT_WORK * args->make_batch.n * args->make_batch.pixels;
}

#define KIND(fields, complete, work) \
    &(const struct problem_kind)     \
    {                                \
        fields, complete, work       \
    }
static const struct problem_kind *const kinds[WEFT_PRIMITIVE_COUNT] = {
    [WEFT_PRIMITIVE_conv_forward] = &problem_conv_forward,
    [WEFT_PRIMITIVE_conv_backward_data] = &problem_conv_backward_data,
    [WEFT_PRIMITIVE_conv_backward_weights] = &problem_conv_backward_weights,
    [WEFT_PRIMITIVE_pool_forward] = KIND(pool_forward, complete_pool_forward, pool_work),
    [WEFT_PRIMITIVE_pool_backward] =
        KIND(pool_backward, complete_pool_backward, pool_work),
    [WEFT_PRIMITIVE_copy_channels] = &problem_copy_channels,
    [WEFT_PRIMITIVE_scale] = &problem_scale,
    [WEFT_PRIMITIVE_scale_gradient] = &problem_scale_gradient,
    [WEFT_PRIMITIVE_channel_shuffle] = &problem_channel_shuffle,
    [WEFT_PRIMITIVE_prelu_forward] = &problem_prelu_forward,
    [WEFT_PRIMITIVE_prelu_backward] = &problem_prelu_backward,
    [WEFT_PRIMITIVE_layer_norm_forward] = &problem_layer_norm_forward,
    [WEFT_PRIMITIVE_layer_norm_backward] = &problem_layer_norm_backward,
    [WEFT_PRIMITIVE_batch_norm_forward] =
        KIND(batch_norm, complete_batch_norm_forward, batch_norm_work),
    [WEFT_PRIMITIVE_batch_norm_inference] =
        KIND(batch_norm, complete_batch_norm_inference, batch_norm_work),
    [WEFT_PRIMITIVE_batch_norm_backward] =
        KIND(batch_norm_backward, complete_batch_norm_backward, batch_norm_work),
    [WEFT_PRIMITIVE_fold_batch_norm] =
        KIND(fold_batch_norm, complete_fold_batch_norm, fold_work),
    [WEFT_PRIMITIVE_softmax] = KIND(softmax, complete_softmax, softmax_work),
    [WEFT_PRIMITIVE_loss] = KIND(loss, complete_loss, loss_work),
    [WEFT_PRIMITIVE_optimizer_step] =
        KIND(optimizer_step, complete_optimizer_step, optimizer_step_work),
    [WEFT_PRIMITIVE_make_batch] = KIND(make_batch, complete_make_batch, make_batch_work),
};

const struct problem_kind *problem_kind_of(enum weft_primitive primitive)
{
    static const struct problem_kind none = {NULL, NULL, NULL};
    return kinds[primitive] ? kinds[primitive] : &none;
}
