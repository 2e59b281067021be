/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of dense layers. */
#include "verify/verify.h"

#include <math.h>

struct dense_case {
    struct verify_case base;
    struct weft_dense dense;
    struct weft_activation activation, upstream_activation;
    struct verify_tensor *x, *w, *bias, *y, *dy, *dw, *dbias, *dx, *gate;
};

static double dense_macs(const struct weft_dense *d)
{
    return (double)d->n * d->in * d->out;
}

static void random_dense(struct verify_context *k, struct weft_dense *d)
{
    double least, limit = random_case_macs(k, &least);
    do {
        d->n = RANDOM_CHOICE(k, 1, 1, 2, 3, 5, 7, 13, 17, 31, 33, 65, 128);
        d->in =
            RANDOM_CHOICE(k, 1, 3, 4, 5, 7, 13, 16, 17, 31, 33, 40, 65, 129, 257, 1000);
        d->out = RANDOM_CHOICE(k, 1, 2, 3, 5, 7, 10, 13, 16, 17, 31, 32, 33, 40, 65, 129);
    } while (dense_macs(d) > limit || dense_macs(d) < least);
}

static struct weft_dense_args forward_args(const struct dense_case *d,
                                           enum verify_side side)
{
    const struct verify_case *c = &d->base;
    return (struct weft_dense_args){
        .dense = d->dense,
        .activation = d->activation,
        .x = tensor_view(c, d->x, side),
        .w = tensor_view(c, d->w, side),
        .bias = tensor_view(c, d->bias, side),
        .y = tensor_view(c, d->y, side),
    };
}

static enum weft_status record_forward(const struct verify_case *c, enum verify_side side,
                                       struct weft_command_list *list)
{
    struct weft_dense_args args = forward_args((const struct dense_case *)c, side);
    return list->primitives->dense_forward(list, &args);
}

/* Without an activation: sums of |x w| for the bounds, and L for the gradients. */
static enum weft_status record_linear(const struct verify_case *c, enum verify_side side,
                                      struct weft_command_list *list)
{
    struct weft_dense_args args = forward_args((const struct dense_case *)c, side);
    args.activation = (struct weft_activation){0};
    return list->primitives->dense_forward(list, &args);
}

static struct weft_dense_args data_args(const struct dense_case *d, enum verify_side side)
{
    const struct verify_case *c = &d->base;
    return (struct weft_dense_args){
        .dense = d->dense,
        .activation = d->activation,
        .w = tensor_view(c, d->w, side),
        .dy = tensor_view(c, d->dy, side),
        .dx = tensor_view(c, d->dx, side),
    };
}

static enum weft_status record_data(const struct verify_case *c, enum verify_side side,
                                    struct weft_command_list *list)
{
    const struct dense_case *d = (const struct dense_case *)c;
    struct weft_dense_args args = data_args(d, side);
    args.act_grad.activation = d->upstream_activation;
    args.act_grad.output = tensor_view(c, d->gate, side);
    return list->primitives->dense_backward_data(list, &args);
}

/* Without the gate, for the bounds. */
static enum weft_status record_ungated(const struct verify_case *c, enum verify_side side,
                                       struct weft_command_list *list)
{
    struct weft_dense_args args = data_args((const struct dense_case *)c, side);
    return list->primitives->dense_backward_data(list, &args);
}

static enum weft_status record_weights(const struct verify_case *c, enum verify_side side,
                                       struct weft_command_list *list)
{
    const struct dense_case *d = (const struct dense_case *)c;
    const struct weft_dense_args args = {
        .dense = d->dense,
        .activation = d->activation,
        .x = tensor_view(c, d->x, side),
        .dy = tensor_view(c, d->dy, side),
        .dw = tensor_view(c, d->dw, side),
        .dbias = tensor_view(c, d->dbias, side),
    };
    return list->primitives->dense_backward_weights(list, &args);
}

struct op_runs {
    struct verify_run *forward, *data, *weights, *linear, *ungated;
};

static void add_runs(struct dense_case *d, struct op_runs *r)
{
    struct verify_case *c = &d->base;
    r->forward = case_add_run(c, "forward", record_forward,
                              (struct verify_tensor *[]){d->y, NULL});
    r->data = case_add_run(c, "backward-data", record_data,
                           (struct verify_tensor *[]){d->dx, NULL});
    r->weights = case_add_run(c, "backward-weights", record_weights,
                              (struct verify_tensor *[]){d->dw, d->dbias, NULL});
    r->linear =
        case_add_run(c, "linear", record_linear, (struct verify_tensor *[]){d->y, NULL});
    r->ungated = case_add_run(c, "ungated", record_ungated,
                              (struct verify_tensor *[]){d->dx, NULL});
}

static void fill(struct dense_case *d, bool integers)
{
    struct verify_case *c = &d->base;
    struct verify_tensor *const tensors[] = {d->x, d->w, d->bias, d->dy};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        if (integers)
            tensor_fill_nonzero(c, tensors[i], 3);
        else
            tensor_fill_uniform(c, tensors[i], -1, 1);
    /* One output at least is not shut by its bias. */
    float *bias = d->bias ? tensor_initial_data(c, d->bias) : &(float){0};
    bias[0] = fabsf(bias[0]);
    tensor_fill_act_outputs(c, d->gate, d->upstream_activation, integers);
}

static enum weft_status bound_forward(struct dense_case *d, struct op_runs *r,
                                      bool integers)
{
    struct verify_case *c = &d->base;
    const float *result = tensor_result(c, d->y, VERIFY_REFERENCE);
    double gamma = integers ? 0 : products_error_bound(c, r->forward, d->dense.in + 5);
    if (integers && act_is_exact(d->activation))
        return WEFT_OK;
    WEFT_TRY(run_execute(c, r->forward, VERIFY_REFERENCE));
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

static enum weft_status bound_data(struct dense_case *d, struct op_runs *r)
{
    struct verify_case *c = &d->base;
    WEFT_TRY(run_reference_abs(c, r->ungated));
    const float *sum = tensor_result(c, d->dx, VERIFY_REFERENCE);
    const float *gate = d->gate ? tensor_initial_data(c, d->gate) : NULL;
    bool rough = d->gate && !act_is_exact(d->upstream_activation);
    double gamma = products_error_bound(c, r->data, d->dense.out + 4);
    for (size_t i = 0; i < d->dx->count; i++) {
        double slope =
            gate
                ? fabs(act_gradient_reference(d->upstream_activation, 0, (double)gate[i]))
                : 1;
        d->dx->bound[i] =
            (double)sum[i] * (gamma * slope + (rough ? 4 * FP32_UNIT_ROUNDOFF : 0));
    }
    return WEFT_OK;
}

static enum weft_status bound_weights(struct dense_case *d, struct op_runs *r)
{
    struct verify_case *c = &d->base;
    double gamma = products_error_bound(c, r->weights, d->dense.n + 4);
    WEFT_TRY(run_reference_abs(c, r->weights));
    for (int i = 0; r->weights->outputs[i]; i++) {
        struct verify_tensor *t = r->weights->outputs[i];
        const float *sum = tensor_result(c, t, VERIFY_REFERENCE);
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] = gamma * (double)sum[j];
    }
    return WEFT_OK;
}

static enum weft_status compare_all(struct dense_case *d, struct op_runs *r,
                                    bool integers)
{
    const char *name = integers ? "integers" : "real";
    struct verify_case *c = &d->base;
    fill(d, integers);
    bounds_zero(c);
    WEFT_TRY(bound_forward(d, r, integers));
    WEFT_TRY(run_and_compare(c, r->forward, name));
    if (!integers)
        WEFT_TRY(bound_data(d, r));
    WEFT_TRY(run_and_compare(c, r->data, name));
    if (!integers)
        WEFT_TRY(bound_weights(d, r));
    return run_and_compare(c, r->weights, name);
}

static enum weft_status verify_gradients(struct dense_case *d, struct op_runs *r,
                                         enum verify_side side)
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
    slope.gate = d->gate;
    slope.activation = d->upstream_activation;
    if (d->gate && !act_is_exact(d->upstream_activation)) {
        if (side == VERIFY_DEVICE)
            return WEFT_OK;
        tensor_fill_uniform(c, d->x, -2, 2);
        slope.step = 0x1p-5;
        slope.tolerance = 2e-3;
    }
    return verify_gradient(c, &slope, side);
}

static enum weft_status run_case(struct dense_case *d)
{
    struct verify_case *c = &d->base;
    struct op_runs r;
    add_runs(d, &r);
    WEFT_TRY(case_allocate(c));
    WEFT_TRY(compare_all(d, &r, true));
    WEFT_TRY(compare_all(d, &r, false));
    if (is_fp16_run(c->check))
        return WEFT_OK;
    WEFT_TRY(verify_gradients(d, &r, VERIFY_REFERENCE));
    if (d->activation.act == WEFT_ACT_identity &&
        dense_macs(&d->dense) <= TYPICAL_CASE_MACS)
        return verify_gradients(d, &r, VERIFY_DEVICE);
    return WEFT_OK;
}

static enum weft_status verify_dense_case(struct verify_context *k)
{
    struct dense_case d = {0};
    struct verify_case *c = &d.base;
    random_dense(k, &d.dense);
    d.activation = random_activation(k, false);
    d.upstream_activation = random_activation(k, true);
    bool bias = random_bool(k, 70);
    int n = d.dense.n, in = d.dense.in, out = d.dense.out;

    case_init(c, k);
    case_describe(
        c, " n=%d, %d inputs, %d outputs, %s bias, %s slope %g, gate %s slope %g", n, in,
        out, bias ? "with" : "no", weft_act_names[d.activation.act],
        (double)d.activation.negative_slope, weft_act_names[d.upstream_activation.act],
        (double)d.upstream_activation.negative_slope);
    d.x = case_add_tensor(c, "x", VERIFY_FLOAT, n, 1, 1, in);
    d.w = case_add_tensor(c, "w", VERIFY_FLOAT, in, 1, 1, out);
    d.y = case_add_tensor(c, "y", VERIFY_FLOAT, n, 1, 1, out);
    d.dy = case_add_tensor(c, "dy", VERIFY_FLOAT, n, 1, 1, out);
    d.dw = case_add_tensor(c, "dw", VERIFY_FLOAT, in, 1, 1, out);
    d.dx = case_add_tensor(c, "dx", VERIFY_FLOAT, n, 1, 1, in);
    if (bias) {
        d.bias = case_add_tensor(c, "bias", VERIFY_FLOAT, 1, 1, 1, out);
        d.dbias = case_add_tensor(c, "dbias", VERIFY_FLOAT, 1, 1, 1, out);
    }
    if (d.upstream_activation.act != WEFT_ACT_identity)
        d.gate = case_add_tensor(c, "gate", VERIFY_FLOAT, n, 1, 1, in);
    tensor_set_fp16(c, d.x, 75);
    tensor_set_fp16(c, d.w, 75);
    tensor_set_fp16(c, d.y, 75);
    tensor_set_fp16(c, d.dy, 75);
    tensor_set_fp16(c, d.dx, 75);
    tensor_set_fp16(c, d.gate, 75);
    enum weft_status status = run_case(&d);
    case_finish(c);
    return status;
}

const struct verify_op verify_dense = {"dense", verify_dense_case, true};
