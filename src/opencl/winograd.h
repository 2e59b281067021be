/* SPDX-License-Identifier: Apache-2.0 */
/* Forward convolutions and data gradients of 3x3 windows by Winograd's algorithm,
 * whatever family multiplies: the job, and what cl/winograd_conv.h is told of it. */
#ifndef WEFT_OPENCL_WINOGRAD_H
#define WEFT_OPENCL_WINOGRAD_H

#include "vec.h"

/* One convolution with its tiles. */
struct winograd {
    struct vec_shape shape;
    int outputs, top, left; /* a tile's side; zeros before the picture */
    struct ocl_arg x, w, y;
    struct weft_view from; /* argmax of the pool whose gradient x is */
    struct weft_view bias, gate, argmax;
    struct weft_activation activation; /* of the output, or what made `gate` */
    const struct weft_pool *pool;      /* NULL: neither fused nor spread */
    bool turned;                       /* the data gradient */
    bool frozen;                       /* the weights were transformed before */
};

/* A window of 3x3, no stride, no dilation, one group. */
bool winograd_suits(const struct weft_conv *conv);

/* `slot`: forward or the data gradient. */
struct winograd winograd_of(enum ocl_slot slot, const struct weft_conv_args *args,
                            int outputs);

long winograd_tiles(const struct winograd *job);
long winograd_places(const struct winograd *job); /* of a tile */

/* OUTPUTS, TURNED, and the shape. */
void winograd_define(struct ocl_options *options, const struct winograd *job);
/* And what becomes of inputs and outputs. */
void winograd_define_ends(struct ocl_options *options, const struct winograd *job);

/* Has `convolve` append the convolution; before it spreads the gradient of a pool, and
 * after it takes maxima, that it does not do itself. */
enum weft_status winograd_record(struct weft_list *list, enum ocl_slot slot,
                                 const struct weft_conv_args *args, const int *values,
                                 int outputs,
                                 enum weft_status (*convolve)(struct weft_list *list,
                                                              const struct winograd *job,
                                                              const int *values));

/* The rows of a family, from the functions of its file: fit(device, slot, args, outputs,
 * values), allows(device, job, values), convolve(list, job, values). */
#define WINOGRAD_ALGORITHMS(family, tunables)                   \
    WINOGRAD_ALGORITHM_(forward_2, OCL_FORWARD, 2)              \
    WINOGRAD_ALGORITHM_(forward_3, OCL_FORWARD, 3)              \
    WINOGRAD_ALGORITHM_(forward_4, OCL_FORWARD, 4)              \
    WINOGRAD_ALGORITHM_(data_2, OCL_BACKWARD_DATA, 2)           \
    WINOGRAD_ALGORITHM_(data_3, OCL_BACKWARD_DATA, 3)           \
    WINOGRAD_ALGORITHM_(data_4, OCL_BACKWARD_DATA, 4)           \
    const struct ocl_algorithm family##_winograd_forward[3] = { \
        WINOGRAD_ROW_("winograd-2", forward_2, tunables),       \
        WINOGRAD_ROW_("winograd-3", forward_3, tunables),       \
        WINOGRAD_ROW_("winograd-4", forward_4, tunables),       \
    };                                                          \
    const struct ocl_algorithm family##_winograd_data[3] = {    \
        WINOGRAD_ROW_("winograd-2", data_2, tunables),          \
        WINOGRAD_ROW_("winograd-3", data_3, tunables),          \
        WINOGRAD_ROW_("winograd-4", data_4, tunables),          \
    };

#define WINOGRAD_ROW_(label, name, ...)                     \
    {                                                       \
        label, __VA_ARGS__, name##_fit, name##_allows, name \
    }
#define WINOGRAD_ALGORITHM_(name, slot, outputs)                                       \
    static enum ocl_fit name##_fit(const struct ocl_device *device,                    \
                                   const struct weft_conv_args *args, int *values)     \
    {                                                                                  \
        return fit(device, slot, args, outputs, values);                               \
    }                                                                                  \
    static bool name##_allows(const struct ocl_device *device,                         \
                              const struct weft_conv_args *args, const int *values)    \
    {                                                                                  \
        struct winograd job = winograd_of(slot, args, outputs);                        \
        return allows(device, &job, values);                                           \
    }                                                                                  \
    static enum weft_status name(struct weft_list *list,                               \
                                 const struct weft_conv_args *args, const int *values) \
    {                                                                                  \
        return winograd_record(list, slot, args, values, outputs, convolve);           \
    }

#endif
