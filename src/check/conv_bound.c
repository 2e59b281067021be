/* SPDX-License-Identifier: Apache-2.0 */
/* By how much a convolution may differ from the reference. */
#include "conv.h"

#include <math.h>
#include <stdlib.h>

/* How many products a result is the sum of, for each direction. */
static double terms_forward(const struct conv_case *v)
{
    return (double)v->conv.r * v->conv.s * (v->conv.c / v->conv.groups) + 1;
}

static double terms_data(const struct conv_case *v)
{
    return (double)v->conv.r * v->conv.s * (v->conv.k / v->conv.groups) +
           check_pool_overlap(&v->pool);
}

static double terms_weights(const struct conv_case *v)
{
    return (double)v->conv.n * v->conv.out_h * v->conv.out_w +
           check_pool_overlap(&v->pool);
}

/* What the device records tells whether the bounds of sums hold for it. One that does not
 * build is told of when it is to run. */
enum weft_status check_conv_prepare(struct conv_case *v, struct conv_runs *r)
{
    struct check_run *const runs[] = {r->forward, r->data, r->weights, r->update,
                                      r->step};
    for (size_t i = 0; i < WEFT_COUNT(runs); i++) {
        enum weft_status status = check_prepare(&v->base, runs[i], CHECK_DEVICE);
        if (status && status != WEFT_ERR_BUILD && status != WEFT_ERR_ARG)
            return status;
    }
    size_t channels = (size_t)(v->conv.c > v->conv.k ? v->conv.c : v->conv.k);
    size_t count = (size_t)v->conv.n * channels;
    v->tiled = calloc(count, sizeof(*v->tiled));
    return v->tiled ? WEFT_OK
                    : weft_out_of_memory(v->base.check->device[CHECK_DEVICE]->context,
                                         "verify", count * sizeof(*v->tiled));
}

/* Whether the device does a run by Winograd's algorithm, which errs in its own way. The
 * points of 2x2 tiles, 0 and +-1, leave integers exact. */
bool check_conv_is_tiled(const struct check_run *run, bool integers)
{
    const struct weft_list *list = run->list[CHECK_DEVICE];
    return list && list->winograd > (integers ? 2 : 0);
}

static void bound_tiled(struct conv_case *v, const struct check_run *run, bool turned)
{
    const struct check_case *c = &v->base;
    const struct check_tensor *x = turned ? v->dy : v->x;
    const struct check_winograd problem = {
        .conv = &v->conv,
        .outputs = run->list[CHECK_DEVICE]->winograd,
        .turned = turned,
        .x = check_image(c, x),
        .places = (size_t)(x->h * x->w),
        .scale = turned ? check_pool_overlap(&v->pool) : 1,
        .w = check_image(c, v->w),
    };
    check_winograd_bound(&problem, v->tiled);
}

/* The one of element i of y or dx. */
static double tiled_at(const struct conv_case *v, const struct check_tensor *t, size_t i)
{
    size_t channels = (size_t)t->c, picture = (size_t)(t->h * t->w) * channels;
    return v->tiled[i / picture * channels + i % channels];
}

/* A maximum of sums |a b| bounds the maximum too. */
enum weft_status check_conv_bound_forward(struct conv_case *v, struct conv_runs *r,
                                          bool integers)
{
    struct check_case *c = &v->base;
    bool tiled = check_conv_is_tiled(r->forward, integers);
    if (integers && check_act_is_exact(v->activation) && !tiled)
        return WEFT_OK;
    if (tiled)
        bound_tiled(v, r->forward, false);
    const float *result = check_result(c, v->y, CHECK_REFERENCE);
    double gamma = integers ? 0 : check_products(c, r->forward, terms_forward(v) + 4);
    WEFT_TRY(check_replay(c, r->forward, CHECK_REFERENCE));
    for (size_t i = 0; i < v->y->count; i++)
        v->y->bound[i] = (double)result[i];
    WEFT_TRY(check_absolute(c, r->linear));
    for (size_t i = 0; i < v->y->count; i++) {
        double size = (double)result[i], off = gamma * size;
        if (tiled)
            off += tiled_at(v, v->y, i);
        v->y->bound[i] = check_act_bound(v->activation, size, off, v->y->bound[i]);
    }
    return WEFT_OK;
}

enum weft_status check_conv_bound_data(struct conv_case *v, struct conv_runs *r,
                                       bool integers)
{
    struct check_case *c = &v->base;
    bool tiled = check_conv_is_tiled(r->data, integers);
    if (integers && !tiled)
        return WEFT_OK;
    if (tiled)
        bound_tiled(v, r->data, true);
    WEFT_TRY(check_absolute(c, r->ungated));
    const float *sum = check_result(c, v->dx, CHECK_REFERENCE);
    const float *gate = v->gate ? check_image(c, v->gate) : NULL;
    double gamma = check_products(c, r->data, terms_data(v) + 4);
    bool rough = v->gate && !check_act_is_exact(v->gate_activation);
    for (size_t i = 0; i < v->dx->count; i++) {
        double slope =
            gate ? fabs(check_act_slope(v->gate_activation, 0, (double)gate[i])) : 1;
        v->dx->bound[i] = (double)sum[i] * (gamma * slope + (rough ? 4 * CHECK_UNIT : 0));
        if (tiled)
            v->dx->bound[i] += slope * tiled_at(v, v->dx, i);
    }
    return WEFT_OK;
}

/* By how much dw may differ beyond what its sums may. */
static void bound_tiled_weights(struct conv_case *v, const struct check_run *run)
{
    const struct check_case *c = &v->base;
    const struct check_winograd x = {
        .conv = &v->conv,
        .outputs = run->list[CHECK_DEVICE]->winograd,
        .x = check_image(c, v->x),
        .places = (size_t)(v->x->h * v->x->w),
        .scale = 1,
    };
    struct check_winograd dz = x;
    dz.x = check_image(c, v->dy);
    dz.places = (size_t)(v->dy->h * v->dy->w);
    dz.scale = check_pool_overlap(&v->pool);
    check_winograd_bound_weights(&x, &dz, v->dw->bound);
}

enum weft_status check_conv_bound_weights(struct conv_case *v, struct conv_runs *r,
                                          bool integers)
{
    struct check_case *c = &v->base;
    bool tiled = check_conv_is_tiled(r->weights, integers);
    if (tiled)
        bound_tiled_weights(v, r->weights);
    if (integers)
        return WEFT_OK;
    WEFT_TRY(check_absolute(c, r->weights));
    double gamma = check_products(c, r->weights, terms_weights(v) + 4);
    for (int i = 0; r->weights->writes[i]; i++) {
        struct check_tensor *t = r->weights->writes[i];
        const float *sum = check_result(c, t, CHECK_REFERENCE);
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] += gamma * (double)sum[j];
    }
    return WEFT_OK;
}
