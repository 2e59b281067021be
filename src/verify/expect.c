/* SPDX-License-Identifier: Apache-2.0 */
/* Expected results: the table of primitives, and the elementwise ones. */
#include "verify/expect.h"

#include "shared/random.h"

#include <math.h>

static int index_of(const struct verify_call *v, const struct weft_view *view)
{
    for (int i = 0; i < v->argument_count; i++)
        if (v->arguments[i].view == view)
            return i;
    return -1;
}

const void *verify_before(const struct verify_call *v, const struct weft_view *view)
{
    int i = index_of(v, view);
    return i < 0 ? NULL : v->arrays[i].before;
}

const void *verify_after(const struct verify_call *v, const struct weft_view *view)
{
    int i = index_of(v, view);
    return i < 0 ? NULL : v->arrays[i].after;
}

void verify_apply_act_grad(const struct verify_call *v, const struct weft_act_grad *grad,
                           size_t at, double size, struct verify_point *p)
{
    const float *output = verify_floats(v, &grad->output);
    if (!grad->activation.act || !output)
        return;
    double slope = act_gradient_reference(grad->activation, 0, (double)output[at]);
    bool rough = !act_is_exact(grad->activation);
    p->want *= slope;
    p->bound = p->bound * fabs(slope) + FP32_UNIT_ROUNDOFF * fabs(p->want) +
               (rough ? 4 * FP32_UNIT_ROUNDOFF * size : 0) + FP32_MIN_NORMAL;
}

static void expect_act_forward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_act_args *a = &v->call.args.act_forward;
    double x = (double)verify_floats(v, &a->x)[p->at];
    (void)output;
    p->want = act_reference(a->activation, x);
    p->bound = act_error_bound(a->activation, fabs(x), 0, p->want) +
               FP32_UNIT_ROUNDOFF * fabs(p->want) + FP32_MIN_NORMAL;
}

/* f' from x, or where the derivative follows from the output, from y. */
static void expect_act_backward(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_act_args *a = &v->call.args.act_backward;
    const float *x = verify_floats(v, &a->x), *y = verify_floats(v, &a->y);
    double dy = (double)verify_floats(v, &a->dy)[p->at];
    (void)output;
    if (weft_act_grad_from_output[a->activation.act] && y) {
        double slope = act_gradient_reference(a->activation, 0, (double)y[p->at]);
        p->want = dy * slope;
        p->bound = fabs(dy) * (FP32_UNIT_ROUNDOFF * fabs(slope) +
                               (act_is_exact(a->activation) ? 0 : 4 * FP32_EPSILON)) +
                   FP32_MIN_NORMAL;
        return;
    }
    double at = (double)x[p->at];
    p->want =
        dy * act_gradient_reference(a->activation, at, act_reference(a->activation, at));
    p->bound = fabs(dy) * act_gradient_error_bound(a->activation, at, 0) +
               FP32_UNIT_ROUNDOFF * fabs(p->want) + FP32_MIN_NORMAL;
}

static void expect_add(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_add_args *a = &v->call.args.add;
    double sum = (double)verify_floats(v, &a->x)[p->at] +
                 (double)verify_floats(v, &a->other)[p->at];
    (void)output;
    p->want = act_reference(a->activation, sum);
    p->bound = act_error_bound(a->activation, fabs(sum), FP32_UNIT_ROUNDOFF * fabs(sum),
                               p->want) +
               FP32_UNIT_ROUNDOFF * fabs(p->want) + FP32_MIN_NORMAL;
    verify_apply_act_grad(v, &a->act_grad, p->at, fabs(sum), p);
}

static void expect_copy_channels(struct verify_call *v, int output,
                                 struct verify_point *p)
{
    const struct weft_copy_channels_args *a = &v->call.args.copy_channels;
    size_t row = p->at / (size_t)a->y_channels;
    int c = (int)(p->at % (size_t)a->y_channels) - a->y_first;
    (void)output;
    p->bound = 0;
    if (c < 0 || c >= a->count) {
        const float *kept = verify_before(v, &a->y);
        p->want = a->zero_rest || !kept ? 0 : (double)kept[p->at];
        return;
    }
    p->want = (double)verify_floats(
        v, &a->x)[row * (size_t)a->x_channels + (size_t)(a->x_first + c)];
    verify_apply_act_grad(v, &a->act_grad, p->at, fabs(p->want), p);
}

static void expect_channel_shuffle(struct verify_call *v, int output,
                                   struct verify_point *p)
{
    const struct weft_channel_shuffle_args *a = &v->call.args.channel_shuffle;
    size_t channels = (size_t)a->channels, groups = (size_t)a->groups;
    size_t row = p->at / channels, c = p->at % channels;
    (void)output;
    p->want = (double)verify_floats(
        v, &a->x)[row * channels + c % groups * (channels / groups) + c / groups];
    p->bound = 0;
    verify_apply_act_grad(v, &a->act_grad, p->at, fabs(p->want), p);
}

static void expect_scale(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_scale_args *a = &v->call.args.scale;
    size_t channels = (size_t)a->channels;
    size_t image = p->at / channels / (size_t)a->positions;
    (void)output;
    p->want = (double)verify_floats(v, &a->x)[p->at] *
              (double)verify_floats(v, &a->scale)[image * channels + p->at % channels];
    p->bound = FP32_UNIT_ROUNDOFF * fabs(p->want) + FP32_MIN_NORMAL;
    verify_apply_act_grad(v, &a->act_grad, p->at, fabs(p->want), p);
}

static void expect_scale_gradient(struct verify_call *v, int output,
                                  struct verify_point *p)
{
    const struct weft_scale_gradient_args *a = &v->call.args.scale_gradient;
    const float *x = a->sums ? NULL : verify_floats(v, &a->x);
    const float *dy = verify_floats(v, &a->dy);
    size_t channels = (size_t)a->channels, positions = (size_t)a->positions;
    size_t from = p->at / channels * positions * channels + p->at % channels;
    double size = 0;
    (void)output;
    p->want = 0;
    for (size_t i = 0; i < positions; i++) {
        size_t at = from + i * channels;
        double term = (x ? (double)x[at] : 1) * (double)dy[at];
        p->want += term;
        size += fabs(term);
    }
    p->bound = gamma_bound(a->positions + 4.0) * size + FP32_MIN_NORMAL;
    verify_apply_act_grad(v, &a->act_grad, p->at, size, p);
}

static double work_scale_gradient(const struct verify_call *v, int output)
{
    (void)output;
    return v->call.args.scale_gradient.positions;
}

static void expect_cast(struct verify_call *v, int output, struct verify_point *p)
{
    (void)output;
    p->want = (double)verify_floats(v, &v->call.args.cast.x)[p->at];
    p->bound = 0;
}

static void expect_dropout(struct verify_call *v, int output, struct verify_point *p)
{
    const struct weft_dropout_args *a = &v->call.args.dropout;
    const uint32_t *state = verify_before(v, &a->state);
    double fallen = floor(DROPOUT_LEVELS * (double)a->rate + 0.5),
           kept = 1 - fallen / DROPOUT_LEVELS;
    uint32_t number =
        weft_dropout_bits(state[STATE_SEED_LOW], state[STATE_SEED_HIGH], (uint32_t)p->at,
                          state[STATE_STEP], a->layer + (state[STATE_PART] << 16));
    (void)output;
    p->want = number < fallen ? 0 : (double)verify_floats(v, &a->x)[p->at] / kept;
    p->bound = 3 * FP32_EPSILON * fabs(p->want);
}

static double work_one(const struct verify_call *v, int output)
{
    (void)v;
    (void)output;
    return 1;
}

static double work_pool(const struct verify_call *v, int output)
{
    (void)output;
    return v->call.args.pool_forward.pool.r * v->call.args.pool_forward.pool.s;
}

static double work_batch_norm(const struct verify_call *v, int output)
{
    (void)output;
    return 4.0 * v->call.args.batch_norm_forward.rows; /* shared by its channel */
}

static int channels_batch_norm(const struct verify_call *v, int output)
{
    (void)output;
    return v->call.args.batch_norm_forward.channels;
}

static double work_layer_norm(const struct verify_call *v, int output)
{
    const struct weft_layer_norm_args *a = &v->call.args.layer_norm_forward;
    bool sums = verify_is(v, output, &a->dweight) || verify_is(v, output, &a->dbias);
    return sums ? 4.0 * a->rows : 4.0;
}

static double work_prelu_backward(const struct verify_call *v, int output)
{
    const struct weft_prelu_args *a = &v->call.args.prelu_backward;
    return verify_is(v, output, &a->dslope) ? a->rows : 1;
}

static double work_row(const struct verify_call *v, int output)
{
    bool is_loss = v->call.primitive == WEFT_PRIMITIVE_loss;
    (void)output;
    return is_loss ? v->call.args.loss.classes : v->call.args.softmax.classes;
}

#define ROW(name) [WEFT_PRIMITIVE_##name]
const struct verify_expectation verify_expectations[WEFT_PRIMITIVE_COUNT] = {
    ROW(make_batch) = {expect_make_batch, work_one},
    ROW(conv_forward) = {expect_conv_forward, work_conv},
    ROW(conv_backward_data) = {expect_conv_data, work_conv},
    ROW(conv_backward_weights) = {expect_conv_weights, work_conv},
    ROW(dense_forward) = {expect_dense_forward, work_dense},
    ROW(dense_backward_data) = {expect_dense_data, work_dense},
    ROW(dense_backward_weights) = {expect_dense_weights, work_dense},
    ROW(pool_forward) = {expect_pool_forward, work_pool},
    ROW(pool_backward) = {expect_pool_backward, work_pool},
    ROW(act_forward) = {expect_act_forward, work_one},
    ROW(act_backward) = {expect_act_backward, work_one},
    ROW(add) = {expect_add, work_one},
    ROW(copy_channels) = {expect_copy_channels, work_one},
    ROW(scale) = {expect_scale, work_one},
    ROW(scale_gradient) = {expect_scale_gradient, work_scale_gradient},
    ROW(channel_shuffle) = {expect_channel_shuffle, work_one},
    ROW(batch_norm_forward) = {expect_batch_norm_forward, work_batch_norm,
                               channels_batch_norm},
    ROW(batch_norm_inference) = {expect_batch_norm_inference, work_one},
    ROW(batch_norm_backward) = {expect_batch_norm_backward, work_batch_norm,
                                channels_batch_norm},
    ROW(fold_batch_norm) = {expect_fold_batch_norm, work_one},
    ROW(layer_norm_forward) = {expect_layer_norm_forward, work_layer_norm},
    ROW(layer_norm_backward) = {expect_layer_norm_backward, work_layer_norm},
    ROW(prelu_forward) = {expect_prelu_forward, work_one},
    ROW(prelu_backward) = {expect_prelu_backward, work_prelu_backward},
    ROW(cast) = {expect_cast, work_one},
    ROW(dropout) = {expect_dropout, work_one},
    ROW(softmax) = {expect_softmax, work_row},
    ROW(loss) = {expect_loss, work_row},
    ROW(optimizer_step) = {expect_optimizer_step, work_one},
    ROW(accumulate_gradient) = {expect_accumulate_gradient, work_one},
    ROW(clip_gradient) = {expect_clip_gradient, work_one},
    ROW(average) = {expect_average, work_one},
};
