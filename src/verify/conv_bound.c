/* SPDX-License-Identifier: Apache-2.0 */
/* Error bounds of convolution. */
#include "verify/conv.h"

#include <math.h>
#include <stdlib.h>

/* Number of products in the sum of a result, for each direction. */
static double terms_forward(const struct conv_case *v)
{
    return (double)v->conv.r * v->conv.s * (v->conv.c / v->conv.groups) + 1;
}

static double terms_data(const struct conv_case *v)
{
    return (double)v->conv.r * v->conv.s * (v->conv.k / v->conv.groups) +
           pool_max_overlap(&v->pool);
}

static double terms_weights(const struct conv_case *v)
{
    return (double)v->conv.n * v->conv.out_h * v->conv.out_w + pool_max_overlap(&v->pool);
}

/* The recorded algorithms decide whether the bounds of sums hold. A failure to build is
 * reported when the run is executed. */
enum weft_status conv_record_runs(struct conv_case *v, struct conv_runs *r)
{
    struct verify_run *const runs[] = {r->forward, r->data, r->weights, r->update,
                                       r->step};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(runs); i++) {
        enum weft_status status = run_record(&v->base, runs[i], LAB_DEVICE);
        if (status && status != WEFT_ERR_BUILD && status != WEFT_ERR_ARG)
            return status;
    }
    size_t channels = (size_t)(v->conv.c > v->conv.k ? v->conv.c : v->conv.k);
    size_t count = (size_t)v->conv.n * channels;
    v->winograd_bounds = calloc(count, sizeof(*v->winograd_bounds));
    return v->winograd_bounds
               ? WEFT_OK
               : weft_out_of_memory(v->base.check->device[LAB_DEVICE]->context, "verify",
                                    count * sizeof(*v->winograd_bounds));
}

/* True: Winograd's algorithm, with errors of its own. The points of 2x2 tiles, 0 and +-1,
 * keep integers exact. */
bool conv_run_is_winograd(const struct verify_run *run, bool integers)
{
    const struct weft_command_list *list = run->list[LAB_DEVICE];
    return list && list->info.winograd > (integers ? 2 : 0);
}

static enum weft_status bound_tiled(struct conv_case *v, const struct verify_run *run,
                                    bool turned)
{
    const struct verify_case *c = &v->base;
    const struct lab_tensor *x = turned ? v->dy : v->x;
    struct winograd_bound_args problem = {
        .conv = &v->conv,
        .outputs = run->list[LAB_DEVICE]->info.winograd,
        .is_dgrad = turned,
        .x = lab_initial(&c->lab, x),
        .places = (size_t)(x->h * x->w),
        .scale = turned ? pool_max_overlap(&v->pool) : 1,
        .w = lab_initial(&c->lab, v->w),
    };
    int in = turned ? v->conv.k : v->conv.c, out = turned ? v->conv.c : v->conv.k;
    size_t bytes = (size_t)(v->conv.n * in) * sizeof(double);
    double *maxima = malloc(bytes);
    if (!maxima)
        return weft_out_of_memory(lab_context(&c->lab), "verify", bytes);
    winograd_set_shares(&problem, false);
    winograd_maxima(&problem, in, maxima);
    for (int i = 0; i < v->conv.n * out; i++)
        v->winograd_bounds[i] = winograd_bound_at(&problem, maxima, i / out, i % out);
    free(maxima);
    return WEFT_OK;
}

/* The Winograd bound of element i of y or dx. */
static double tiled_at(const struct conv_case *v, const struct lab_tensor *t, size_t i)
{
    size_t channels = (size_t)t->c, image = (size_t)(t->h * t->w) * channels;
    return v->winograd_bounds[i / image * channels + i % channels];
}

/* The maximum of sums |a b| bounds the maximum too. */
enum weft_status conv_set_forward_bounds(struct conv_case *v, struct conv_runs *r,
                                         bool integers)
{
    struct verify_case *c = &v->base;
    bool tiled = conv_run_is_winograd(r->forward, integers);
    if (integers && act_is_exact(v->activation) && !tiled)
        return WEFT_OK;
    if (tiled)
        WEFT_TRY(bound_tiled(v, r->forward, false));
    const float *result = lab_result(&c->lab, v->y, LAB_REFERENCE);
    double gamma =
        integers ? 0 : products_error_bound(c, r->forward, terms_forward(v) + 4);
    WEFT_TRY(run_execute(c, r->forward, LAB_REFERENCE));
    for (size_t i = 0; i < v->y->count; i++)
        v->y->bound[i] = (double)result[i];
    WEFT_TRY(run_reference_abs(c, r->linear));
    for (size_t i = 0; i < v->y->count; i++) {
        double size = (double)result[i], off = gamma * size;
        if (tiled)
            off += tiled_at(v, v->y, i);
        v->y->bound[i] = act_error_bound(v->activation, size, off, v->y->bound[i]);
    }
    return WEFT_OK;
}

enum weft_status conv_set_dgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers)
{
    struct verify_case *c = &v->base;
    bool tiled = conv_run_is_winograd(r->data, integers);
    bool exact = integers && !tiled;
    if (exact && !v->act_output)
        return WEFT_OK;
    if (tiled)
        WEFT_TRY(bound_tiled(v, r->data, true));
    WEFT_TRY(run_reference_abs(c, r->data_without_act_grad));
    const float *sum = lab_result(&c->lab, v->dx, LAB_REFERENCE);
    const float *act_output = v->act_output ? lab_initial(&c->lab, v->act_output) : NULL;
    double gamma = products_error_bound(c, r->data, terms_data(v) + 4);
    bool rough = v->act_output && !act_is_exact(v->upstream_activation);
    for (size_t i = 0; i < v->dx->count; i++) {
        double slope = act_output ? fabs(act_gradient_reference(v->upstream_activation, 0,
                                                                (double)act_output[i]))
                                  : 1;
        v->dx->bound[i] = (double)sum[i] *
                          (exact ? act_gradient_rounding(slope)
                                 : gamma * slope + (rough ? 4 * FP32_UNIT_ROUNDOFF : 0));
        if (tiled)
            v->dx->bound[i] += slope * tiled_at(v, v->dx, i);
    }
    return WEFT_OK;
}

/* The error bound of dw beyond that of its sums. */
static enum weft_status bound_tiled_weights(struct conv_case *v,
                                            const struct verify_run *run)
{
    const struct verify_case *c = &v->base;
    struct winograd_bound_args x = {
        .conv = &v->conv,
        .outputs = run->list[LAB_DEVICE]->info.winograd,
        .x = lab_initial(&c->lab, v->x),
        .places = (size_t)(v->x->h * v->x->w),
        .scale = 1,
    };
    struct winograd_bound_args dz = x;
    dz.x = lab_initial(&c->lab, v->dy);
    dz.places = (size_t)(v->dy->h * v->dy->w);
    dz.scale = pool_max_overlap(&v->pool);
    size_t in = (size_t)(v->conv.n * v->conv.c), out = (size_t)(v->conv.n * v->conv.k);
    size_t plane = (size_t)v->conv.c * (size_t)v->conv.k;
    double *maxima = malloc((in + out) * sizeof(*maxima));
    if (!maxima)
        return weft_out_of_memory(lab_context(&c->lab), "verify",
                                  (in + out) * sizeof(*maxima));
    winograd_set_shares(&x, true);
    winograd_maxima(&x, v->conv.c, maxima);
    winograd_maxima(&dz, v->conv.k, maxima + in);
    for (size_t i = 0; i < 9 * plane; i++)
        v->dw->bound[i] = winograd_weights_bound_at(
            &x, maxima, maxima + in, dz.scale, (int)(i / plane),
            (int)(i % plane / (size_t)v->conv.k), (int)(i % (size_t)v->conv.k));
    free(maxima);
    return WEFT_OK;
}

enum weft_status conv_set_wgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers)
{
    struct verify_case *c = &v->base;
    bool tiled = conv_run_is_winograd(r->weights, integers);
    if (tiled)
        WEFT_TRY(bound_tiled_weights(v, r->weights));
    if (integers)
        return WEFT_OK;
    WEFT_TRY(run_reference_abs(c, r->weights));
    double gamma = products_error_bound(c, r->weights, terms_weights(v) + 4);
    for (int i = 0; r->weights->outputs[i]; i++) {
        struct lab_tensor *t = r->weights->outputs[i];
        const float *sum = lab_result(&c->lab, t, LAB_REFERENCE);
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] += gamma * (double)sum[j];
    }
    return WEFT_OK;
}
