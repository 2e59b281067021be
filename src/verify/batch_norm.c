/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of batch normalization. */
#include "verify/norm.h"

#include <math.h>

static struct weft_batch_norm_args arguments(const struct verify_case *c,
                                             enum lab_side side)
{
    const struct norm_case *n = (const struct norm_case *)c;
    return (struct weft_batch_norm_args){
        .rows = n->rows,
        .channels = n->channels,
        .momentum = n->momentum,
        .epsilon = n->epsilon,
        .activation = n->activation,
        .x = lab_view(&c->lab, n->x, side),
        .weight = lab_view(&c->lab, n->weight, side),
        .bias = lab_view(&c->lab, n->bias, side),
        .running_mean = lab_view(&c->lab, n->running_mean, side),
        .running_variance = lab_view(&c->lab, n->running_variance, side),
        .mean = lab_view(&c->lab, n->mean, side),
        .inverse = lab_view(&c->lab, n->inverse, side),
        .scale = lab_view(&c->lab, n->scale, side),
        .y = lab_view(&c->lab, n->y, side),
        .dy = lab_view(&c->lab, n->dy, side),
        .dx = lab_view(&c->lab, n->dx, side),
        .dweight = lab_view(&c->lab, n->dweight, side),
        .dbias = lab_view(&c->lab, n->dbias, side),
    };
}

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct weft_batch_norm_args args = arguments(c, side);
    return list->primitives->batch_norm_forward(list, &args);
}

/* Without the views that inference does not read. */
static enum weft_status record_inference(const struct verify_case *c, enum lab_side side,
                                         struct weft_command_list *list)
{
    const struct weft_batch_norm_args all = arguments(c, side);
    const struct weft_batch_norm_args args = {.rows = all.rows,
                                              .channels = all.channels,
                                              .activation = all.activation,
                                              .x = all.x,
                                              .bias = all.bias,
                                              .mean = all.mean,
                                              .scale = all.scale,
                                              .y = all.y};
    return list->primitives->batch_norm_inference(list, &args);
}

static enum weft_status record_backward(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct weft_batch_norm_args args = arguments(c, side);
    return list->primitives->batch_norm_backward(list, &args);
}

static enum weft_status record_without_dx(const struct verify_case *c, enum lab_side side,
                                          struct weft_command_list *list)
{
    struct weft_batch_norm_args args = arguments(c, side);
    args.dx = (struct weft_view){0};
    return list->primitives->batch_norm_backward(list, &args);
}

static void add_statistics(struct norm_case *n, int images, int height, int width)
{
    const struct {
        const char *name;
        struct lab_tensor **tensor;
    } vectors[] = {{"running_mean", &n->running_mean},
                   {"running_variance", &n->running_variance},
                   {"mean", &n->mean},
                   {"inverse", &n->inverse},
                   {"scale", &n->scale}};
    (void)images, (void)height, (void)width;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(vectors); i++)
        *vectors[i].tensor = lab_add_tensor(&n->base.lab, vectors[i].name, LAB_FLOAT, 1,
                                            1, 1, n->channels);
    n->running_mean->is_in_out = n->running_variance->is_in_out = true;
    n->running_variance->may_be_zero = n->rows < 3;
}

static void bound_statistics(struct norm_case *n, size_t k, const struct norm_moments *m)
{
    double momentum = (double)n->momentum;
    double weight = norm_value(n, n->weight, k);
    double old_mean = norm_value(n, n->running_mean, k);
    double old_variance = norm_value(n, n->running_variance, k);
    double spread = n->rows > 1 ? (double)n->rows / (n->rows - 1) : 1;
    n->scale->bound[k] = fabs(weight) * (m->inverse_bound + FP32_EPSILON * m->inverse);
    n->running_mean->bound[k] = momentum * m->mean_bound +
                                4 * FP32_UNIT_ROUNDOFF * (fabs(old_mean) + fabs(m->mean));
    n->running_variance->bound[k] =
        momentum * spread * m->variance_bound +
        4 * FP32_EPSILON * (fabs(old_variance) + spread * m->variance);
}

static enum weft_status verify_batch_norm_case(struct verify_context *k)
{
    static const int channels[] = {1,  2,  3,  4,  5,  7,  8,   13,  16,
                                   17, 31, 32, 33, 40, 65, 128, 257, 0};
    static const struct norm_kind kind = {
        .forward = record_forward,
        .inference = record_inference,
        .backward = record_backward,
        .backward_without_dx = record_without_dx,
        .add_statistics = add_statistics,
        .bound_statistics = bound_statistics,
        .inference_reads_statistics = true,
    };
    return norm_check(k, &kind, channels);
}

const struct verify_check verify_batch_norm = {"batch-norm", verify_batch_norm_case,
                                               true};
