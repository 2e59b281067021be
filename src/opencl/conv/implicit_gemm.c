/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as GEMM: its size and operands in each pass, and splits of the depth
 * (split-K) where the result alone does not occupy the device. */
#include "opencl/conv/implicit_gemm.h"
#include "opencl/runtime/primitives.h"
#include "opencl/runtime/quirk.h"

#include "shared/partial_sums.h"
#include "shared/strided_dgrad.h"

/* Split-K: a split sums `span` of the depth and writes partial sums. */
struct split_k {
    size_t count, span;
    size_t stride, bias_grad_at; /* of a split's partial sums, in floats */
};

enum {
    STEPS_PER_SPLIT = 4, /* at least: a split has to be worth its partial sums */
    MAX_PARTIAL_BYTES = 256 << 20,
    MAX_DEFERRED_BYTES = 64 << 20 /* of a GEMM, where the optimizer reduces them */
};

static size_t div_up_size(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t pixels_out(const struct weft_conv *c)
{
    return (size_t)c->n * (size_t)c->out_h * (size_t)c->out_w;
}

static size_t taps(const struct weft_conv *c)
{
    return (size_t)c->r * (size_t)c->s;
}

static struct ocl_gemm forward_gemm(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct ocl_gemm){
        .pass = OCL_PASS_FORWARD,
        .conv = *c,
        .activation = args->activation,
        .m = pixels_out(c),
        .n = (size_t)(c->k / c->groups),
        .depth = taps(c) * (size_t)(c->c / c->groups),
        .batch = (size_t)c->groups,
        .count = pixels_out(c) * (size_t)c->k,
        .a = OCL_VIEW(args->x),
        .b = OCL_VIEW(args->w),
        .out = OCL_VIEW(args->y),
        .bias_or_act_grad = args->bias,
    };
}

static struct ocl_gemm bwd_data_gemm(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    size_t rows = div_up_size((size_t)c->h, (size_t)c->stride_y);
    size_t columns = div_up_size((size_t)c->w, (size_t)c->stride_x);
    size_t taps_down =
        div_up_size((size_t)c->r, (size_t)weft_tap_step(c->stride_y, c->dilation_y));
    size_t taps_across =
        div_up_size((size_t)c->s, (size_t)weft_tap_step(c->stride_x, c->dilation_x));
    return (struct ocl_gemm){
        .pass = OCL_PASS_BWD_DATA,
        .conv = *c,
        .activation = args->act_grad.activation,
        .m = (size_t)c->n * rows * columns,
        .n = (size_t)(c->c / c->groups),
        .depth = taps_down * taps_across * (size_t)(c->k / c->groups),
        .batch = (size_t)(c->groups * c->stride_y * c->stride_x),
        .count = (size_t)c->n * (size_t)c->h * (size_t)c->w * (size_t)c->c,
        .b = OCL_VIEW(args->w),
        .out = OCL_VIEW(args->dx),
        .bias_or_act_grad = args->act_grad.output,
    };
}

static struct ocl_gemm bwd_weights_gemm(const struct weft_conv_args *args)
{
    const struct weft_conv *c = &args->conv;
    return (struct ocl_gemm){
        .pass = OCL_PASS_BWD_WEIGHTS,
        .conv = *c,
        .m = taps(c) * (size_t)(c->c / c->groups),
        .n = (size_t)(c->k / c->groups),
        .depth = pixels_out(c),
        .batch = (size_t)c->groups,
        .count = taps(c) * (size_t)(c->c / c->groups) * (size_t)c->k,
        .a = OCL_VIEW(args->x),
        .out = OCL_VIEW(args->dw),
        .bias_grad = args->dbias,
    };
}

struct ocl_gemm ocl_gemm_of(enum ocl_conv_pass pass, const struct weft_conv_args *args)
{
    static struct ocl_gemm (*const gemms[OCL_PASS_COUNT])(
        const struct weft_conv_args *args) = {
        [OCL_PASS_FORWARD] = forward_gemm,
        [OCL_PASS_BWD_DATA] = bwd_data_gemm,
        [OCL_PASS_BWD_WEIGHTS] = bwd_weights_gemm,
    };
    return gemms[pass](args);
}

size_t ocl_gemm_work_groups(const struct ocl_gemm *p, int m, int n)
{
    return div_up_size(p->m, (size_t)m) * div_up_size(p->n, (size_t)n) * p->batch;
}

static size_t bias_grad_offset(const struct ocl_gemm *p)
{
    return div_up_size(p->count, 16) * 16;
}

static size_t partial_stride(const struct ocl_gemm *p)
{
    return bias_grad_offset(p) +
           (p->bias_grad.mem ? div_up_size((size_t)p->conv.k, 16) * 16 : 0);
}

static size_t max_split_k(const struct ocl_device *device, const struct ocl_gemm *p)
{
    size_t bytes = min_size(MAX_PARTIAL_BYTES, (size_t)device->max_alloc / 2);
    return min_size(OCL_MAX_SPLIT_K, bytes / (partial_stride(p) * sizeof(cl_float)));
}

int ocl_gemm_choose_split_k(const struct ocl_device *device, const struct ocl_gemm *p,
                            int m, int n, int step)
{
    size_t wanted = OCL_WORK_GROUPS_PER_COMPUTE_UNIT * (size_t)device->compute_units /
                    ocl_gemm_work_groups(p, m, n);
    size_t splits = min_size(wanted, (size_t)ocl_gemm_max_split_k(device, p, step));
    return splits ? (int)splits : 1;
}

int ocl_gemm_max_split_k(const struct ocl_device *device, const struct ocl_gemm *p,
                         int step)
{
    size_t worth = p->depth / (size_t)(STEPS_PER_SPLIT * step);
    size_t splits = min_size(worth, max_split_k(device, p));
    return splits ? (int)splits : 1;
}

double ocl_macs_per_float(const struct ocl_device *device)
{
    return device->quirks & OCL_QUIRK_HIGH_BANDWIDTH ? 25 : 54;
}

double ocl_launch_macs(const struct ocl_device *device)
{
    const double of_a_unit = 1e6; /* 5 us at 128 a clock, 1.6 GHz */
    return of_a_unit * (double)device->compute_units;
}

double ocl_gemm_split_k_macs(const struct ocl_device *device, const struct ocl_gemm *p,
                             int splits)
{
    if (splits == 1)
        return 0;
    double moved = (2.0 * splits + 1) * (double)partial_stride(p);
    return ocl_macs_per_float(device) * moved +
           (p->pass == OCL_PASS_BWD_WEIGHTS ? 0 : ocl_launch_macs(device));
}

bool ocl_gemm_split_k_valid(const struct ocl_device *device, const struct ocl_gemm *p,
                            int splits, int step)
{
    return splits == 1 || (splits > 1 && (size_t)splits * (size_t)step <= p->depth &&
                           (size_t)splits <= max_split_k(device, p));
}

static struct split_k split_k_of(const struct ocl_gemm *p,
                                 const struct ocl_gemm_tiling *tiling)
{
    size_t splits = (size_t)tiling->splits, step = (size_t)tiling->step;
    size_t span = div_up_size(div_up_size(p->depth, splits), step) * step;
    return (struct split_k){div_up_size(p->depth, span), span, partial_stride(p),
                            bias_grad_offset(p)};
}

static void define_gemm(struct ocl_options *options, const struct ocl_gemm *p)
{
    const struct weft_conv *c = &p->conv;
    ocl_define(options, "PASS", (long)p->pass);
    ocl_define_conv(options, c);
    ocl_define(options, "PHASE_TAP_STEP_Y", weft_tap_step(c->stride_y, c->dilation_y));
    ocl_define(options, "PHASE_TAP_STEP_X", weft_tap_step(c->stride_x, c->dilation_x));
    ocl_define_pool(options, &p->pool);
    ocl_define(options, "BIAS_OR_ACT_GRAD", p->bias_or_act_grad.mem || p->bias_grad.mem);
    ocl_define_activation(options, p->activation);
}

static enum weft_status reduce_partial_sums(struct weft_command_list *list,
                                            const struct ocl_gemm *p,
                                            const struct split_k *split,
                                            struct ocl_arg partial_sums)
{
    struct ocl_options options = {""};
    size_t reduce_slices = 4;
    while (reduce_slices < 16 && reduce_slices < split->count &&
           2 * REDUCE_COLUMNS * reduce_slices <= ocl_device_of(list)->max_work_group_size)
        reduce_slices *= 2;
    define_gemm(&options, p);
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", p->bias_or_act_grad);
    ocl_define_arg_fp16(&options, "Y_HALF", &p->out);
    ocl_define(&options, "REDUCE_SLICES", (long)reduce_slices);
    struct ocl_launch launch = {
        .source = "gemm_sum.cl",
        .kernel = "gemm_split_k_reduce",
        .global = {div_up_size(split->stride, REDUCE_VW * REDUCE_COLUMNS) *
                       REDUCE_COLUMNS,
                   reduce_slices},
        .local = {REDUCE_COLUMNS, reduce_slices},
        .arg_count = 9,
        .args = {partial_sums, OCL_VIEW(p->bias_or_act_grad), p->out,
                 OCL_VIEW(p->bias_grad), OCL_INT(split->count), OCL_INT(split->stride),
                 OCL_INT(p->count), OCL_INT(split->bias_grad_at),
                 OCL_ACT_PARAMS(p->activation)},
    };
    return ocl_launch(list, options.text, &launch);
}

/* Leaves the reduction to the optimizer step. */
static enum weft_status defer_partial_sums(struct weft_command_list *list,
                                           const struct ocl_gemm *p,
                                           const struct split_k *split,
                                           struct ocl_arg partial_sums)
{
    size_t from = partial_sums.bytes / sizeof(cl_float);
    struct ocl_partial_sums sums = {p->out.view, from, split->stride, split->count};
    WEFT_TRY(ocl_defer_reduction(list, &sums));
    if (!p->bias_grad.mem)
        return WEFT_OK;
    sums.to = p->bias_grad;
    sums.from = from + split->bias_grad_at;
    return ocl_defer_reduction(list, &sums);
}

enum weft_status ocl_gemm_record_kernels(struct weft_command_list *list,
                                         const struct ocl_gemm *p,
                                         const struct ocl_gemm_tiling *tiling)
{
    const size_t limit = INT32_MAX / 2; /* kernels index pixels by int */
    if (p->m > limit || p->depth > limit)
        return weft_fail(list->device->context, WEFT_ERR_NOMEM,
                         "opencl: a layer of %d images has %zu pixels, which exceeds the "
                         "32-bit index range of kernels (%zu); reduce the batch size",
                         p->conv.n, p->m > limit ? p->m : p->depth, limit);
    struct split_k split = split_k_of(p, tiling);
    struct ocl_options options = tiling->options;
    define_gemm(&options, p);
    ocl_define(&options, "SPLIT_K", split.count > 1);

    struct ocl_arg out = p->out, sums = OCL_VIEW(p->bias_grad);
    size_t bytes = split.count * split.stride * sizeof(cl_float);
    bool deferred = p->pass == OCL_PASS_BWD_WEIGHTS &&
                    list->params.defer_weight_grad_reduction &&
                    p->out.kind == OCL_ARG_VIEW && bytes <= MAX_DEFERRED_BYTES;
    if (split.count > 1) {
        out = deferred ? (struct ocl_arg)OCL_PERSISTENT(ocl_persistent_alloc(list, bytes))
                       : (struct ocl_arg)OCL_WORKSPACE(ocl_workspace(list, bytes));
        sums = out;
        sums.bytes += split.bias_grad_at * sizeof(cl_float);
    }
    ocl_define_arg_fp16(&options, "X_HALF", &p->a);
    ocl_define_arg_fp16(&options, "W_HALF", &p->b);
    ocl_define_view_fp16(&options, "ACT_GRAD_HALF", p->bias_or_act_grad);
    ocl_define_arg_fp16(&options, "Y_HALF", &out);
    size_t groups = ocl_gemm_work_groups(p, tiling->m, tiling->n) / p->batch;
    struct ocl_launch launch = {
        .source = tiling->source,
        .kernel = tiling->kernel ? tiling->kernel : "gemm",
        .global = {groups * (size_t)tiling->items, split.count, p->batch},
        .local = {(size_t)tiling->items, 1, 1},
        .arg_count = 10,
        .args = {p->a, p->b, OCL_VIEW(p->argmax), OCL_VIEW(p->bias_or_act_grad), out,
                 sums, OCL_INT(p->conv.n), OCL_INT(split.span), OCL_INT(split.stride),
                 OCL_ACT_PARAMS(p->activation)},
    };
    WEFT_TRY(ocl_launch(list, options.text, &launch));
    if (split.count == 1)
        return WEFT_OK;
    return deferred ? defer_partial_sums(list, p, &split, out)
                    : reduce_partial_sums(list, p, &split, out);
}

/* dz for the GEMM: dy itself; dy with argmax where no pixel belongs to two windows; else
 * scattered to the workspace first. */
static enum weft_status prepare_dz(struct weft_command_list *list,
                                   const struct weft_conv_args *args, struct ocl_gemm *p,
                                   struct ocl_arg *dz)
{
    const struct weft_pool *pool = &args->pool;
    *dz = (struct ocl_arg)OCL_VIEW(args->dy);
    if (!pool->r)
        return WEFT_OK;
    if (pool->stride_y >= pool->r && pool->stride_x >= pool->s) {
        p->pool = *pool;
        p->argmax = args->argmax;
        return WEFT_OK;
    }
    size_t floats = pixels_out(&args->conv) * (size_t)args->conv.k;
    *dz = (struct ocl_arg)OCL_WORKSPACE(ocl_workspace(list, floats * sizeof(cl_float)));
    return ocl_pool_scatter(list, pool, (struct ocl_arg)OCL_VIEW(args->dy), args->argmax,
                            *dz);
}

enum weft_status ocl_gemm_record(struct weft_command_list *list, enum ocl_conv_pass pass,
                                 const struct weft_conv_args *args,
                                 const struct ocl_gemm_tiling *tiling)
{
    struct ocl_gemm p = ocl_gemm_of(pass, args);
    if (pass == OCL_PASS_BWD_DATA)
        WEFT_TRY(prepare_dz(list, args, &p, &p.a));
    if (pass == OCL_PASS_BWD_WEIGHTS)
        WEFT_TRY(prepare_dz(list, args, &p, &p.b));
    if (pass != OCL_PASS_FORWARD || !args->pool.r)
        return ocl_gemm_record_kernels(list, &p, tiling);
    p.out =
        (struct ocl_arg)OCL_WORKSPACE(ocl_workspace(list, p.count * sizeof(cl_float)));
    WEFT_TRY(ocl_gemm_record_kernels(list, &p, tiling));
    return ocl_pool_max(list, &args->pool, p.out, (struct ocl_arg)OCL_VIEW(args->y),
                        args->argmax);
}
