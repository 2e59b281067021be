/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of dense layers. */
#include "verify/verify.h"

#include <math.h>

struct dense_case {
    struct verify_case base;
    struct weft_dense dense;
    struct weft_activation activation, upstream_activation;
    struct lab_tensor *x, *w, *bias, *y, *dy, *dw, *dbias, *dx, *act_output;
};

static double dense_macs(const struct weft_dense *d)
{
    return (double)d->n * d->in * d->out;
}

static void random_dense(struct verify_context *k, struct weft_dense *d)
{
    double least, limit = random_case_macs(k, &least);
    do {
        d->n = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 13, 17, 31, 33, 65, 128);
        d->in = LAB_RANDOM_CHOICE(&k->random, 1, 3, 4, 5, 7, 13, 16, 17, 31, 33, 40, 65,
                                  129, 257, 1000);
        d->out = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 7, 10, 13, 16, 17, 31, 32, 33,
                                   40, 65, 129);
    } while (dense_macs(d) > limit || dense_macs(d) < least);
}

static struct weft_dense_args forward_args(const struct dense_case *d, enum lab_side side)
{
    const struct verify_case *c = &d->base;
    return (struct weft_dense_args){
        .dense = d->dense,
        .activation = d->activation,
        .x = lab_view(&c->lab, d->x, side),
        .w = lab_view(&c->lab, d->w, side),
        .bias = lab_view(&c->lab, d->bias, side),
        .y = lab_view(&c->lab, d->y, side),
    };
}

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    struct weft_dense_args args = forward_args((const struct dense_case *)c, side);
    return list->primitives->dense_forward(list, &args);
}

/* Without an activation: sums of |x w| for the bounds, and the loss L of the gradient
 * checks. */
static enum weft_status record_linear(const struct verify_case *c, enum lab_side side,
                                      struct weft_command_list *list)
{
    struct weft_dense_args args = forward_args((const struct dense_case *)c, side);
    args.activation = (struct weft_activation){0};
    return list->primitives->dense_forward(list, &args);
}

static struct weft_dense_args data_args(const struct dense_case *d, enum lab_side side)
{
    const struct verify_case *c = &d->base;
    return (struct weft_dense_args){
        .dense = d->dense,
        .activation = d->activation,
        .w = lab_view(&c->lab, d->w, side),
        .dy = lab_view(&c->lab, d->dy, side),
        .dx = lab_view(&c->lab, d->dx, side),
    };
}

static enum weft_status record_data(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct dense_case *d = (const struct dense_case *)c;
    struct weft_dense_args args = data_args(d, side);
    args.act_grad.activation = d->upstream_activation;
    args.act_grad.output = lab_view(&c->lab, d->act_output, side);
    return list->primitives->dense_backward_data(list, &args);
}

/* Without the fused activation gradient, for the bounds. */
static enum weft_status record_data_without_act_grad(const struct verify_case *c,
                                                     enum lab_side side,
                                                     struct weft_command_list *list)
{
    struct weft_dense_args args = data_args((const struct dense_case *)c, side);
    return list->primitives->dense_backward_data(list, &args);
}

static enum weft_status record_weights(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct dense_case *d = (const struct dense_case *)c;
    const struct weft_dense_args args = {
        .dense = d->dense,
        .activation = d->activation,
        .x = lab_view(&c->lab, d->x, side),
        .dy = lab_view(&c->lab, d->dy, side),
        .dw = lab_view(&c->lab, d->dw, side),
        .dbias = lab_view(&c->lab, d->dbias, side),
    };
    return list->primitives->dense_backward_weights(list, &args);
}

struct dense_runs {
    struct verify_run *forward, *data, *weights, *linear, *data_without_act_grad;
};

static void add_runs(struct dense_case *d, struct dense_runs *r)
{
    struct verify_case *c = &d->base;
    r->forward =
        case_add_run(c, "forward", record_forward, (struct lab_tensor *[]){d->y, NULL});
    r->data = case_add_run(c, "backward-data", record_data,
                           (struct lab_tensor *[]){d->dx, NULL});
    r->weights = case_add_run(c, "backward-weights", record_weights,
                              (struct lab_tensor *[]){d->dw, d->dbias, NULL});
    r->linear =
        case_add_run(c, "linear", record_linear, (struct lab_tensor *[]){d->y, NULL});
    r->data_without_act_grad =
        case_add_run(c, "backward-data without act grad", record_data_without_act_grad,
                     (struct lab_tensor *[]){d->dx, NULL});
}

static void fill(struct dense_case *d, bool integers)
{
    struct verify_case *c = &d->base;
    struct lab_tensor *const tensors[] = {d->x, d->w, d->bias, d->dy};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        if (integers)
            lab_fill_nonzero(&c->lab, tensors[i], 3);
        else
            lab_fill_uniform(&c->lab, tensors[i], -1, 1);
    /* At least one output is not disabled by its bias. */
    float *bias = d->bias ? lab_initial(&c->lab, d->bias) : &(float){0};
    bias[0] = fabsf(bias[0]);
    tensor_fill_act_outputs(c, d->act_output, d->upstream_activation, integers);
}

static enum weft_status bound_forward(struct dense_case *d, struct dense_runs *r,
                                      bool integers)
{
    struct verify_case *c = &d->base;
    const float *result = lab_result(&c->lab, d->y, LAB_REFERENCE);
    double gamma = integers ? 0 : products_error_bound(c, r->forward, d->dense.in + 5);
    if (integers && act_is_exact(d->activation))
        return WEFT_OK;
    WEFT_TRY(run_execute(c, r->forward, LAB_REFERENCE));
    for (size_t i = 0; i < d->y->count; i++)
        d->y->bound[i] = (double)result[i];
    WEFT_TRY(run_reference_abs(c, r->linear));
    for (size_t i = 0; i < d->y->count; i++) {
        double size = (double)result[i];
        d->y->bound[i] =
            act_error_bound(d->activation, size, gamma * size, d->y->bound[i]);
    }
    return WEFT_OK;
}

static enum weft_status bound_data(struct dense_case *d, struct dense_runs *r,
                                   bool integers)
{
    struct verify_case *c = &d->base;
    WEFT_TRY(run_reference_abs(c, r->data_without_act_grad));
    const float *sum = lab_result(&c->lab, d->dx, LAB_REFERENCE);
    const float *act_output = d->act_output ? lab_initial(&c->lab, d->act_output) : NULL;
    bool rough = d->act_output && !act_is_exact(d->upstream_activation);
    double gamma = products_error_bound(c, r->data, d->dense.out + 4);
    for (size_t i = 0; i < d->dx->count; i++) {
        double slope = act_output ? fabs(act_gradient_reference(d->upstream_activation, 0,
                                                                (double)act_output[i]))
                                  : 1;
        d->dx->bound[i] =
            (double)sum[i] * (integers
                                  ? act_gradient_rounding(slope)
                                  : gamma * slope + (rough ? 4 * FP32_UNIT_ROUNDOFF : 0));
    }
    return WEFT_OK;
}

static enum weft_status bound_weights(struct dense_case *d, struct dense_runs *r)
{
    struct verify_case *c = &d->base;
    double gamma = products_error_bound(c, r->weights, d->dense.n + 4);
    WEFT_TRY(run_reference_abs(c, r->weights));
    for (int i = 0; r->weights->outputs[i]; i++) {
        struct lab_tensor *t = r->weights->outputs[i];
        const float *sum = lab_result(&c->lab, t, LAB_REFERENCE);
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] = gamma * (double)sum[j];
    }
    return WEFT_OK;
}

static enum weft_status compare_all(struct dense_case *d, struct dense_runs *r,
                                    bool integers)
{
    const char *name = integers ? "integers" : "real";
    struct verify_case *c = &d->base;
    fill(d, integers);
    bounds_zero(c);
    WEFT_TRY(bound_forward(d, r, integers));
    WEFT_TRY(run_and_compare(c, r->forward, name));
    if (!integers || d->act_output)
        WEFT_TRY(bound_data(d, r, integers));
    WEFT_TRY(run_and_compare(c, r->data, name));
    if (!integers)
        WEFT_TRY(bound_weights(d, r));
    return run_and_compare(c, r->weights, name);
}

static enum weft_status verify_gradients(struct dense_case *d, struct dense_runs *r,
                                         enum lab_side side)
{
    struct verify_case *c = &d->base;
    struct gradient_check slope = {.what = "dw",
                                   .forward = r->linear,
                                   .backward = r->weights,
                                   .input = d->w,
                                   .output = d->y,
                                   .gradient = d->dw,
                                   .coefficients = d->dy,
                                   .step = 0.125};
    fill(d, true);
    WEFT_TRY(verify_gradient(c, &slope, side));
    if (d->bias) {
        slope.what = "dbias";
        slope.input = d->bias;
        slope.gradient = d->dbias;
        WEFT_TRY(verify_gradient(c, &slope, side));
    }
    slope.what = "dx";
    slope.backward = r->data;
    slope.input = d->x;
    slope.gradient = d->dx;
    slope.act_output = d->act_output;
    slope.activation = d->upstream_activation;
    if (d->act_output && !act_is_exact(d->upstream_activation)) {
        if (side == LAB_DEVICE)
            return WEFT_OK;
        lab_fill_uniform(&c->lab, d->x, -2, 2);
        slope.step = 0x1p-5;
        slope.rounded = true;
    }
    return verify_gradient(c, &slope, side);
}

static enum weft_status run_case(struct dense_case *d)
{
    struct verify_case *c = &d->base;
    struct dense_runs r;
    add_runs(d, &r);
    WEFT_TRY(case_allocate(c));
    WEFT_TRY(compare_all(d, &r, true));
    WEFT_TRY(compare_all(d, &r, false));
    if (is_fp16_run(c->check))
        return WEFT_OK;
    WEFT_TRY(verify_gradients(d, &r, LAB_REFERENCE));
    if (d->activation.act == WEFT_ACT_identity &&
        dense_macs(&d->dense) <= TYPICAL_CASE_MACS)
        return verify_gradients(d, &r, LAB_DEVICE);
    return WEFT_OK;
}

static enum weft_status verify_dense_case(struct verify_context *k)
{
    struct dense_case d = {0};
    struct verify_case *c = &d.base;
    random_dense(k, &d.dense);
    d.activation = random_activation(k, false);
    d.upstream_activation = random_activation(k, true);
    bool bias = lab_random_bool(&k->random, 70);
    int n = d.dense.n, in = d.dense.in, out = d.dense.out;

    case_init(c, k);
    case_describe(c, " n=%d, %d inputs, %d outputs, %s bias", n, in, out,
                  bias ? "with" : "no");
    case_describe_act(c, ", ", d.activation);
    case_describe_act(c, ", upstream ", d.upstream_activation);
    d.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, n, 1, 1, in);
    d.w = lab_add_tensor(&c->lab, "w", LAB_FLOAT, in, 1, 1, out);
    d.y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, n, 1, 1, out);
    d.dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, n, 1, 1, out);
    d.dw = lab_add_tensor(&c->lab, "dw", LAB_FLOAT, in, 1, 1, out);
    d.dx = lab_add_tensor(&c->lab, "dx", LAB_FLOAT, n, 1, 1, in);
    if (bias) {
        d.bias = lab_add_tensor(&c->lab, "bias", LAB_FLOAT, 1, 1, 1, out);
        d.dbias = lab_add_tensor(&c->lab, "dbias", LAB_FLOAT, 1, 1, 1, out);
    }
    if (d.upstream_activation.act != WEFT_ACT_identity)
        d.act_output = lab_add_tensor(&c->lab, "act_output", LAB_FLOAT, n, 1, 1, in);
    tensor_set_fp16(c, d.x, 75);
    tensor_set_fp16(c, d.w, 75);
    tensor_set_fp16(c, d.y, 75);
    tensor_set_fp16(c, d.dy, 75);
    tensor_set_fp16(c, d.dx, 75);
    tensor_set_fp16(c, d.act_output, 75);
    enum weft_status status = run_case(&d);
    case_finish(c);
    return status;
}

const struct verify_check verify_dense = {"dense", verify_dense_case, true};
