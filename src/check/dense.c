/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of dense layers. */
#include "check.h"

#include <math.h>

struct dense_case {
    struct check_case base;
    struct weft_dense dense;
    struct weft_activation activation, gate_activation;
    struct check_tensor *x, *w, *bias, *y, *dy, *dw, *dbias, *dx, *gate;
};

static double work_of(const struct weft_dense *d)
{
    return (double)d->n * d->in * d->out;
}

static void draw_dense(struct check *k, struct weft_dense *d)
{
    double least, limit = check_work_draw(k, &least);
    do {
        d->n = CHECK_PICK(k, 1, 1, 2, 3, 5, 7, 13, 17, 31, 33, 65, 128);
        d->in = CHECK_PICK(k, 1, 3, 4, 5, 7, 13, 16, 17, 31, 33, 40, 65, 129, 257, 1000);
        d->out = CHECK_PICK(k, 1, 2, 3, 5, 7, 10, 13, 16, 17, 31, 32, 33, 40, 65, 129);
    } while (work_of(d) > limit || work_of(d) < least);
}

static struct weft_dense_args forward_args(const struct dense_case *d,
                                           enum check_side side)
{
    const struct check_case *c = &d->base;
    return (struct weft_dense_args){
        .dense = d->dense,
        .activation = d->activation,
        .x = check_view(c, d->x, side),
        .w = check_view(c, d->w, side),
        .bias = check_view(c, d->bias, side),
        .y = check_view(c, d->y, side),
    };
}

static enum weft_status record_forward(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    struct weft_dense_args args = forward_args((const struct dense_case *)c, side);
    return list->device->backend->dense_forward(list, &args);
}

/* Without an activation: sums of |x w| for the bounds, and L for the gradients. */
static enum weft_status record_linear(const struct check_case *c, enum check_side side,
                                      struct weft_list *list)
{
    struct weft_dense_args args = forward_args((const struct dense_case *)c, side);
    args.activation = (struct weft_activation){0};
    return list->device->backend->dense_forward(list, &args);
}

static struct weft_dense_args data_args(const struct dense_case *d, enum check_side side)
{
    const struct check_case *c = &d->base;
    return (struct weft_dense_args){
        .dense = d->dense,
        .activation = d->activation,
        .w = check_view(c, d->w, side),
        .dy = check_view(c, d->dy, side),
        .dx = check_view(c, d->dx, side),
    };
}

static enum weft_status record_data(const struct check_case *c, enum check_side side,
                                    struct weft_list *list)
{
    const struct dense_case *d = (const struct dense_case *)c;
    struct weft_dense_args args = data_args(d, side);
    args.gate.activation = d->gate_activation;
    args.gate.output = check_view(c, d->gate, side);
    return list->device->backend->dense_backward_data(list, &args);
}

/* Without the gate, for the bounds. */
static enum weft_status record_ungated(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    struct weft_dense_args args = data_args((const struct dense_case *)c, side);
    return list->device->backend->dense_backward_data(list, &args);
}

static enum weft_status record_weights(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct dense_case *d = (const struct dense_case *)c;
    const struct weft_dense_args args = {
        .dense = d->dense,
        .activation = d->activation,
        .x = check_view(c, d->x, side),
        .dy = check_view(c, d->dy, side),
        .dw = check_view(c, d->dw, side),
        .dbias = check_view(c, d->dbias, side),
    };
    return list->device->backend->dense_backward_weights(list, &args);
}

struct runs {
    struct check_run *forward, *data, *weights, *linear, *ungated;
};

static void add_runs(struct dense_case *d, struct runs *r)
{
    struct check_case *c = &d->base;
    r->forward = check_run_add(c, "forward", record_forward,
                               (struct check_tensor *[]){d->y, NULL});
    r->data = check_run_add(c, "backward-data", record_data,
                            (struct check_tensor *[]){d->dx, NULL});
    r->weights = check_run_add(c, "backward-weights", record_weights,
                               (struct check_tensor *[]){d->dw, d->dbias, NULL});
    r->linear =
        check_run_add(c, "linear", record_linear, (struct check_tensor *[]){d->y, NULL});
    r->ungated = check_run_add(c, "ungated", record_ungated,
                               (struct check_tensor *[]){d->dx, NULL});
}

static void fill(struct dense_case *d, bool integers)
{
    struct check_case *c = &d->base;
    struct check_tensor *const tensors[] = {d->x, d->w, d->bias, d->dy};
    for (size_t i = 0; i < WEFT_COUNT(tensors); i++)
        if (integers)
            check_nonzero(c, tensors[i], 3);
        else
            check_reals(c, tensors[i], -1, 1);
    /* One output at least is not shut by its bias. */
    float *bias = d->bias ? check_image(c, d->bias) : &(float){0};
    bias[0] = fabsf(bias[0]);
    check_act_outputs(c, d->gate, d->gate_activation, integers);
}

static enum weft_status bound_forward(struct dense_case *d, struct runs *r, bool integers)
{
    struct check_case *c = &d->base;
    const float *result = check_result(c, d->y, CHECK_REFERENCE);
    double gamma = integers ? 0 : check_products(c, r->forward, d->dense.in + 5);
    if (integers && check_act_is_exact(d->activation))
        return WEFT_OK;
    WEFT_TRY(check_replay(c, r->forward, CHECK_REFERENCE));
    for (size_t i = 0; i < d->y->count; i++)
        d->y->bound[i] = (double)result[i];
    WEFT_TRY(check_absolute(c, r->linear));
    for (size_t i = 0; i < d->y->count; i++) {
        double size = (double)result[i];
        d->y->bound[i] =
            check_act_bound(d->activation, size, gamma * size, d->y->bound[i]);
    }
    return WEFT_OK;
}

static enum weft_status bound_data(struct dense_case *d, struct runs *r)
{
    struct check_case *c = &d->base;
    WEFT_TRY(check_absolute(c, r->ungated));
    const float *sum = check_result(c, d->dx, CHECK_REFERENCE);
    const float *gate = d->gate ? check_image(c, d->gate) : NULL;
    bool rough = d->gate && !check_act_is_exact(d->gate_activation);
    double gamma = check_products(c, r->data, d->dense.out + 4);
    for (size_t i = 0; i < d->dx->count; i++) {
        double slope =
            gate ? fabs(check_act_slope(d->gate_activation, 0, (double)gate[i])) : 1;
        d->dx->bound[i] = (double)sum[i] * (gamma * slope + (rough ? 4 * CHECK_UNIT : 0));
    }
    return WEFT_OK;
}

static enum weft_status bound_weights(struct dense_case *d, struct runs *r)
{
    struct check_case *c = &d->base;
    double gamma = check_products(c, r->weights, d->dense.n + 4);
    WEFT_TRY(check_absolute(c, r->weights));
    for (int i = 0; r->weights->writes[i]; i++) {
        struct check_tensor *t = r->weights->writes[i];
        const float *sum = check_result(c, t, CHECK_REFERENCE);
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] = gamma * (double)sum[j];
    }
    return WEFT_OK;
}

static enum weft_status compare_all(struct dense_case *d, struct runs *r, bool integers)
{
    const char *name = integers ? "integers" : "real";
    struct check_case *c = &d->base;
    fill(d, integers);
    check_exact(c);
    WEFT_TRY(bound_forward(d, r, integers));
    WEFT_TRY(check_compare(c, r->forward, name));
    if (!integers)
        WEFT_TRY(bound_data(d, r));
    WEFT_TRY(check_compare(c, r->data, name));
    if (!integers)
        WEFT_TRY(bound_weights(d, r));
    return check_compare(c, r->weights, name);
}

static enum weft_status check_slopes(struct dense_case *d, struct runs *r,
                                     enum check_side side)
{
    struct check_case *c = &d->base;
    struct check_slope slope = {.what = "dw",
                                .forward = r->linear,
                                .backward = r->weights,
                                .input = d->w,
                                .output = d->y,
                                .gradient = d->dw,
                                .coefficients = d->dy,
                                .step = 0.125};
    fill(d, true);
    WEFT_TRY(check_slope(c, &slope, side));
    if (d->bias) {
        slope.what = "dbias";
        slope.input = d->bias;
        slope.gradient = d->dbias;
        WEFT_TRY(check_slope(c, &slope, side));
    }
    slope.what = "dx";
    slope.backward = r->data;
    slope.input = d->x;
    slope.gradient = d->dx;
    slope.gate = d->gate;
    slope.activation = d->gate_activation;
    if (d->gate && !check_act_is_exact(d->gate_activation)) {
        if (side == CHECK_DEVICE)
            return WEFT_OK;
        check_reals(c, d->x, -2, 2);
        slope.step = 0x1p-5;
        slope.tolerance = 2e-3;
    }
    return check_slope(c, &slope, side);
}

static enum weft_status run_case(struct dense_case *d)
{
    struct check_case *c = &d->base;
    struct runs r;
    add_runs(d, &r);
    WEFT_TRY(check_case_place(c));
    WEFT_TRY(compare_all(d, &r, true));
    WEFT_TRY(compare_all(d, &r, false));
    if (check_halves(c->check))
        return WEFT_OK;
    WEFT_TRY(check_slopes(d, &r, CHECK_REFERENCE));
    if (d->activation.act == WEFT_ACT_identity && work_of(&d->dense) <= CHECK_USUAL_WORK)
        return check_slopes(d, &r, CHECK_DEVICE);
    return WEFT_OK;
}

static enum weft_status run(struct check *k)
{
    struct dense_case d = {0};
    struct check_case *c = &d.base;
    draw_dense(k, &d.dense);
    d.activation = check_act_draw(k, false);
    d.gate_activation = check_act_draw(k, true);
    bool bias = check_chance(k, 70);
    int n = d.dense.n, in = d.dense.in, out = d.dense.out;

    check_case_init(c, k);
    check_tell(c, " n=%d, %d inputs, %d outputs, %s bias, %s slope %g, gate %s slope %g",
               n, in, out, bias ? "with" : "no", weft_act_names[d.activation.act],
               (double)d.activation.slope, weft_act_names[d.gate_activation.act],
               (double)d.gate_activation.slope);
    d.x = check_tensor_add(c, "x", CHECK_FLOAT, n, 1, 1, in);
    d.w = check_tensor_add(c, "w", CHECK_FLOAT, in, 1, 1, out);
    d.y = check_tensor_add(c, "y", CHECK_FLOAT, n, 1, 1, out);
    d.dy = check_tensor_add(c, "dy", CHECK_FLOAT, n, 1, 1, out);
    d.dw = check_tensor_add(c, "dw", CHECK_FLOAT, in, 1, 1, out);
    d.dx = check_tensor_add(c, "dx", CHECK_FLOAT, n, 1, 1, in);
    if (bias) {
        d.bias = check_tensor_add(c, "bias", CHECK_FLOAT, 1, 1, 1, out);
        d.dbias = check_tensor_add(c, "dbias", CHECK_FLOAT, 1, 1, 1, out);
    }
    if (d.gate_activation.act != WEFT_ACT_identity)
        d.gate = check_tensor_add(c, "gate", CHECK_FLOAT, n, 1, 1, in);
    check_store(c, d.x, 75);
    check_store(c, d.w, 75);
    check_store(c, d.y, 75);
    check_store(c, d.dy, 75);
    check_store(c, d.dx, 75);
    check_store(c, d.gate, 75);
    enum weft_status status = run_case(&d);
    check_case_finish(c);
    return status;
}

const struct check_op check_dense = {"dense", run, true};
