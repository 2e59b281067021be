/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution with 3x3 filters: the problem, for all families. */
#include "opencl/conv/winograd.h"
#include "opencl/runtime/primitives.h"

bool winograd_applicable(const struct weft_conv *c)
{
    return c->r == 3 && c->s == 3 && c->stride_y == 1 && c->stride_x == 1 &&
           c->dilation_y == 1 && c->dilation_x == 1 && c->groups == 1;
}

static struct winograd forward_of(const struct weft_problem *problem, int outputs)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_pool *pool = &args->pool;
    bool fused =
        pool_is_nonoverlapping(pool) && outputs % pool->r == 0 && outputs % pool->s == 0;
    return (struct winograd){
        .pass = OCL_PASS_FORWARD,
        .shape = args->conv,
        .outputs = outputs,
        .x = OCL_VIEW(args->x),
        .w = OCL_VIEW(args->w),
        .y = OCL_VIEW(args->y),
        .bias = args->bias,
        .argmax = args->argmax,
        .activation = args->activation,
        .pool = fused ? pool : NULL,
        .constant_weights = problem->constant_weights,
    };
}

static struct winograd data_of(const struct weft_problem *problem, int outputs)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *conv = &args->conv;
    struct weft_conv shape = *conv;
    shape.c = conv->k;
    shape.k = conv->c;
    shape.h = conv->out_h;
    shape.w = conv->out_w;
    shape.out_h = conv->h;
    shape.out_w = conv->w;
    shape.pad_top = 2 - conv->pad_top;
    shape.pad_left = 2 - conv->pad_left;
    struct winograd job = {
        .pass = OCL_PASS_BWD_DATA,
        .shape = shape,
        .outputs = outputs,
        .x = OCL_VIEW(args->dy),
        .w = OCL_VIEW(args->w),
        .y = OCL_VIEW(args->dx),
        .from = args->argmax,
        .act_grad = args->act_grad.output,
        .activation = args->act_grad.activation,
        .pool = pool_is_nonoverlapping(&args->pool) ? &args->pool : NULL,
    };
    if (job.activation.act == WEFT_ACT_identity)
        job.act_grad.mem = NULL;
    return job;
}

static struct winograd weights_of(const struct weft_problem *problem, int outputs)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    return (struct winograd){
        .pass = OCL_PASS_BWD_WEIGHTS,
        .shape = args->conv,
        .outputs = outputs,
        .x = OCL_VIEW(args->x),
        .w = OCL_VIEW(args->dw),
        .y = OCL_VIEW(args->dy),
        .from = args->argmax,
        .pool = pool_is_nonoverlapping(&args->pool) ? &args->pool : NULL,
    };
}

struct winograd winograd_of(enum ocl_conv_pass pass, const struct weft_problem *problem,
                            int outputs)
{
    return pass == OCL_PASS_FORWARD    ? forward_of(problem, outputs)
           : pass == OCL_PASS_BWD_DATA ? data_of(problem, outputs)
                                       : weights_of(problem, outputs);
}

long winograd_tiles(const struct winograd *job)
{
    const struct weft_conv *s = &job->shape;
    bool pooled = job->pool && job->pass == OCL_PASS_FORWARD;
    int h = pooled ? job->pool->out_h * job->pool->r : s->out_h;
    int w = pooled ? job->pool->out_w * job->pool->s : s->out_w;
    return s->n * div_up(h, job->outputs) * div_up(w, job->outputs);
}

long winograd_transform_elements(const struct winograd *job)
{
    return (long)(job->outputs + 2) * (job->outputs + 2);
}

void winograd_define(struct ocl_options *options, const struct winograd *job)
{
    ocl_define_conv(options, &job->shape);
    ocl_define(options, "OUTPUT_TILE", job->outputs);
    ocl_define(options, "ROTATED_180", job->pass == OCL_PASS_BWD_DATA);
    ocl_define_arg_fp16(options, "X_HALF", &job->x);
    ocl_define_arg_fp16(options, "W_HALF", &job->w);
    ocl_define_arg_fp16(options, "Y_HALF", &job->y);
}

void winograd_define_epilogue(struct ocl_options *options, const struct winograd *job)
{
    ocl_define(options, "BIAS", job->bias.mem != NULL);
    ocl_define(options, "ACT_GRAD", job->act_grad.mem != NULL);
    ocl_define_activation(options, job->activation);
    ocl_define_view_fp16(options, "ACT_GRAD_HALF", job->act_grad);
    if (job->pool) {
        ocl_define_pool(options, job->pool);
        ocl_define(options, job->pass == OCL_PASS_FORWARD ? "FUSED_POOL" : "POOL_SCATTER",
                   1);
        ocl_define(options, "ARGMAX", job->argmax.mem != NULL);
    }
}

enum weft_status winograd_record(
    struct weft_command_list *list, enum ocl_conv_pass pass,
    const struct weft_problem *problem, const int *values, int outputs,
    enum weft_status (*convolve)(struct weft_command_list *list,
                                 const struct winograd *job, const int *values))
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *conv = &args->conv;
    struct winograd job = winograd_of(pass, problem, outputs);
    if (list->info.winograd < outputs)
        list->info.winograd = outputs;
    if (!args->pool.r || job.pool)
        return convolve(list, &job, values);
    struct ocl_arg whole = OCL_WORKSPACE(
        ocl_workspace(list, sizeof(float) * (size_t)conv->n * (size_t)conv->out_h *
                                (size_t)conv->out_w * (size_t)conv->k));
    if (pass == OCL_PASS_FORWARD) {
        job.y = whole;
        WEFT_TRY(convolve(list, &job, values));
        return ocl_pool_max(list, &args->pool, whole, (struct ocl_arg)OCL_VIEW(args->y),
                            args->argmax);
    }
    *(pass == OCL_PASS_BWD_DATA ? &job.x : &job.y) = whole;
    WEFT_TRY(ocl_pool_scatter(list, &args->pool, (struct ocl_arg)OCL_VIEW(args->dy),
                              args->argmax, whole));
    return convolve(list, &job, values);
}
