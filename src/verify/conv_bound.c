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
    return WEFT_OK;
}

/* True: Winograd's algorithm, with errors of its own. The points of 2x2 tiles, 0 and +-1,
 * keep integers exact. */
bool conv_run_is_winograd(const struct verify_run *run, bool integers)
{
    const struct weft_command_list *list = run->list[LAB_DEVICE];
    return list && list->info.winograd > (integers ? 2 : 0);
}

/* The maximum of sums |a b| bounds the maximum too. */
enum weft_status conv_set_forward_bounds(struct conv_case *v, struct conv_runs *r,
                                         bool integers)
{
    struct verify_case *c = &v->base;
    bool tiled = conv_run_is_winograd(r->forward, integers);
    double *own = NULL;
    if (integers && act_is_exact(v->activation) && !tiled)
        return WEFT_OK;
    const float *result = lab_result(&c->lab, v->y, LAB_REFERENCE);
    double gamma =
        integers ? 0 : products_error_bound(c, r->forward, terms_forward(v) + 4);
    WEFT_TRY(run_execute(c, r->forward, LAB_REFERENCE));
    for (size_t i = 0; i < v->y->count; i++)
        v->y->bound[i] = (double)result[i];
    WEFT_TRY(run_reference_abs(c, r->linear));
    if (tiled)
        WEFT_TRY(conv_winograd_bounds(v, r->forward, false, integers, &own));
    for (size_t i = 0; i < v->y->count; i++) {
        double size = (double)result[i], off = own ? own[i] : gamma * size;
        v->y->bound[i] = act_error_bound(v->activation, size, off, v->y->bound[i]);
    }
    free(own);
    return WEFT_OK;
}

enum weft_status conv_set_dgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers)
{
    struct verify_case *c = &v->base;
    bool tiled = conv_run_is_winograd(r->data, integers);
    double *own = NULL;
    if (integers && !tiled && !v->act_output)
        return WEFT_OK;
    WEFT_TRY(run_reference_abs(c, r->data_without_act_grad));
    if (tiled)
        WEFT_TRY(conv_winograd_bounds(v, r->data, true, integers, &own));
    const float *sum = lab_result(&c->lab, v->dx, LAB_REFERENCE);
    const float *act_output = v->act_output ? lab_initial(&c->lab, v->act_output) : NULL;
    double gamma = integers ? 0 : products_error_bound(c, r->data, terms_data(v) + 4);
    double rough = v->act_output && !act_is_exact(v->upstream_activation)
                       ? 4 * FP32_UNIT_ROUNDOFF
                       : 0;
    for (size_t i = 0; i < v->dx->count; i++) {
        double slope = act_output ? fabs(act_gradient_reference(v->upstream_activation, 0,
                                                                (double)act_output[i]))
                                  : 1;
        double by_slope = integers || own ? act_gradient_rounding(slope) : rough;
        if (own && slope != 1)
            by_slope += rough + 2 * FP32_UNIT_ROUNDOFF * slope;
        v->dx->bound[i] =
            (double)sum[i] * by_slope + slope * (own ? own[i] : gamma * (double)sum[i]);
    }
    free(own);
    return WEFT_OK;
}

enum weft_status conv_set_wgrad_bounds(struct conv_case *v, struct conv_runs *r,
                                       bool integers)
{
    struct verify_case *c = &v->base;
    bool tiled = conv_run_is_winograd(r->weights, integers);
    if (tiled)
        WEFT_TRY(conv_winograd_weight_bounds(v, r->weights, integers));
    if (integers)
        return WEFT_OK;
    WEFT_TRY(run_reference_abs(c, r->weights));
    double gamma = products_error_bound(c, r->weights, terms_weights(v) + 4);
    for (int i = 0; r->weights->outputs[i]; i++) {
        struct lab_tensor *t = r->weights->outputs[i];
        const float *sum = lab_result(&c->lab, t, LAB_REFERENCE);
        for (size_t j = 0; j < t->count && !(tiled && t == v->dw); j++)
            t->bound[j] = gamma * (double)sum[j];
    }
    return WEFT_OK;
}
