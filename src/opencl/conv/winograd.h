/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd convolution with 3x3 filters: the problem, and the options of
 * cl/lib/winograd_conv.h, for all families. */
#ifndef WEFT_OPENCL_CONV_WINOGRAD_H
#define WEFT_OPENCL_CONV_WINOGRAD_H

#include "opencl/conv/vec.h"

/* A convolution and its tiles. */
struct winograd {
    struct weft_conv shape; /* as computed: the data gradient has c and k exchanged */
    int outputs;            /* rows and columns of an output tile */
    struct ocl_arg x, w, y; /* of the weight gradient: x, dw, dy */
    struct weft_view from;  /* argmax of the pool whose gradient x is */
    struct weft_view bias, act_grad, argmax;
    struct weft_activation activation; /* of the output, or of `act_grad` */
    const struct weft_pool *pool;      /* NULL: neither fused nor scattered */
    enum ocl_conv_pass pass;
    bool constant_weights; /* weights are transformed once */
};

/* 3x3 filter, stride 1, no dilation, one group. */
bool winograd_applicable(const struct weft_conv *conv);

struct winograd winograd_of(enum ocl_conv_pass pass, const struct weft_problem *problem,
                            int outputs);

long winograd_tiles(const struct winograd *job);
long winograd_transform_elements(const struct winograd *job); /* of a tile */

/* Defines OUTPUT_TILE, ROTATED_180, the shape and the storage types. */
void winograd_define(struct ocl_options *options, const struct winograd *job);
/* Defines the epilogue and the pool. */
void winograd_define_epilogue(struct ocl_options *options, const struct winograd *job);

/* Appends the convolution by `convolve`, and where the kernels do not include the pool,
 * the scattering of its gradient before or the max pool after it. */
enum weft_status winograd_record(
    struct weft_command_list *list, enum ocl_conv_pass pass,
    const struct weft_problem *problem, const int *values, int outputs,
    enum weft_status (*convolve)(struct weft_command_list *list,
                                 const struct winograd *job, const int *values));

/* Defines the algorithms of a family from functions of its file: applicability(device,
 * pass, problem, outputs, values), validate_config(device, job, values), convolve(list,
 * job, values). The other arguments are its sources. */
#define WINOGRAD_DEFINE_ALGORITHMS(family, tunables, ...)              \
    WINOGRAD_DEFINE_PASS_(forward_2, OCL_PASS_FORWARD, 2)              \
    WINOGRAD_DEFINE_PASS_(forward_3, OCL_PASS_FORWARD, 3)              \
    WINOGRAD_DEFINE_PASS_(forward_4, OCL_PASS_FORWARD, 4)              \
    WINOGRAD_DEFINE_PASS_(data_2, OCL_PASS_BWD_DATA, 2)                \
    WINOGRAD_DEFINE_PASS_(data_3, OCL_PASS_BWD_DATA, 3)                \
    WINOGRAD_DEFINE_PASS_(data_4, OCL_PASS_BWD_DATA, 4)                \
    const struct ocl_algorithm family##_winograd_forward[3] = {        \
        WINOGRAD_ROW_("winograd-2", forward_2, tunables, __VA_ARGS__), \
        WINOGRAD_ROW_("winograd-3", forward_3, tunables, __VA_ARGS__), \
        WINOGRAD_ROW_("winograd-4", forward_4, tunables, __VA_ARGS__), \
    };                                                                 \
    const struct ocl_algorithm family##_winograd_bwd_data[3] = {       \
        WINOGRAD_ROW_("winograd-2", data_2, tunables, __VA_ARGS__),    \
        WINOGRAD_ROW_("winograd-3", data_3, tunables, __VA_ARGS__),    \
        WINOGRAD_ROW_("winograd-4", data_4, tunables, __VA_ARGS__),    \
    };

#define WINOGRAD_ROW_(label, pass, tunables_, ...)                                   \
    {                                                                                \
        .name = label, .tunables = tunables_, .applicability = pass##_applicability, \
        .validate_config = pass##_validate_config, .record = pass, .sources = {      \
            __VA_ARGS__                                                              \
        }                                                                            \
    }
#define WINOGRAD_DEFINE_PASS_(name, pass, outputs)                                      \
    static enum ocl_applicability name##_applicability(                                 \
        const struct ocl_device *device, const struct weft_problem *problem,            \
        int *values)                                                                    \
    {                                                                                   \
        return applicability(device, pass, problem, outputs, values);                   \
    }                                                                                   \
    static bool name##_validate_config(const struct ocl_device *device,                 \
                                       const struct weft_problem *problem,              \
                                       const int *values)                               \
    {                                                                                   \
        struct winograd job = winograd_of(pass, problem, outputs);                      \
        return validate_config(device, &job, values);                                   \
    }                                                                                   \
    static enum weft_status name(struct weft_command_list *list,                        \
                                 const struct weft_problem *problem, const int *values) \
    {                                                                                   \
        return winograd_record(list, pass, problem, values, outputs, convolve);         \
    }

#endif
