/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms: rows of a table, each one implementation of a primitive with its tunable
 * numbers.
 *
 * A family has a list of algorithms for each primitive that can be tuned (vec.c,
 * conv_tile.c, ...). The device's tuning chooses; without a row for the problem, the
 * first algorithm that prefers the problem, or else the first that can do it
 * (dispatch.c). */
#ifndef WEFT_OPENCL_SELECT_ALGORITHM_H
#define WEFT_OPENCL_SELECT_ALGORITHM_H

#include "device/problem.h"
#include "opencl/runtime/record.h"
#include "shared/conv_pass.h"

enum {
    OCL_MAX_TUNABLES = 10,
    OCL_MAX_VALUES = 10,
    OCL_MAX_SOURCES = 4,    /* of an algorithm */
    OCL_MAX_ALGORITHMS = 8, /* of a primitive in a family */
    OCL_CONFIG_TEXT = 256
};

/* A number that may be tuned, and the values worth a trial, ascending. A default may be
 * another one. */
struct ocl_tunable {
    const char *name; /* "tile"; in tuning files too */
    int count, values[OCL_MAX_VALUES];
};
#define OCL_TUNABLE(label, ...)                                                         \
    {                                                                                   \
        .name = label, .count = sizeof((int[]){__VA_ARGS__}) / sizeof(int), .values = { \
            __VA_ARGS__                                                                 \
        }                                                                               \
    }

enum ocl_applicability { OCL_NOT_APPLICABLE, OCL_APPLICABLE, OCL_PREFERRED };

struct ocl_algorithm {
    const char *name;
    const struct ocl_tunable *tunables; /* no name after the last */
    /* Suitability of the algorithm for the problem on this device; unless none,
     * `values` receives the default of each tunable. */
    enum ocl_applicability (*applicability)(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values);
    /* True if the values, from a file or random, are valid together for a problem that
     * the algorithm can do: ranges, registers, local memory. */
    bool (*validate_config)(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values);
    /* Appends to the list, after ocl_begin_primitive. */
    enum weft_status (*record)(struct weft_command_list *list,
                               const struct weft_problem *problem, const int *values);
    const char *sources[OCL_MAX_SOURCES + 1]; /* files of cl/ that it may launch */
    bool fp32_only; /* float16 arguments are replaced by float32 copies */
};

/* NULL-terminated lists by primitive; NULL: the primitive has no algorithms. */
struct ocl_family {
    const struct ocl_algorithm *const *algorithms[WEFT_PRIMITIVE_COUNT];
};
extern const struct ocl_family ocl_family_vec;  /* vec.c */
extern const struct ocl_family ocl_family_tile; /* conv_tile.c */
extern const struct ocl_family ocl_family_sg;   /* conv_sg.c */
extern const struct ocl_family ocl_family_mma;  /* conv_mma.c */

/* The primitives without matrix products, for `vec` and for the families whose work-items
 * share work-groups: primitives/families.c. */
extern const struct ocl_family ocl_primitives_vec, ocl_primitives_work_group;

/* The passes of a convolution, in the order of their primitives. */
enum ocl_conv_pass {
    OCL_PASS_FORWARD = PASS_FORWARD,
    OCL_PASS_BWD_DATA = PASS_BWD_DATA,
    OCL_PASS_BWD_WEIGHTS = PASS_BWD_WEIGHTS,
    OCL_PASS_COUNT
};

/* Matrix products through local memory, on which other families build: conv_tile.c. */
extern const struct ocl_algorithm ocl_gemm_tile[OCL_PASS_COUNT];

/* Depthwise convolutions: conv_depthwise.c, and with work-groups
 * conv_depthwise_weights_tile.c. */
extern const struct ocl_algorithm ocl_depthwise_forward, ocl_depthwise_bwd_data;
extern const struct ocl_algorithm ocl_depthwise_bwd_weights_tile;

/* 1x1 convolutions and dense layers through CLBlast, on every family: clblast.c, or
 * clblast_stub.c, where they are never applicable. */
extern const struct ocl_algorithm ocl_clblast[OCL_PASS_COUNT];

/* The arguments of a convolution, whichever its pass. */
static inline const struct weft_conv_args *ocl_conv_args(const struct weft_problem *p)
{
    return &p->call.args.conv_forward;
}

/* True if the convolution is a plain matrix product: 1x1 window, stride 1, no padding,
 * one group. */
static inline bool ocl_is_gemm(const struct weft_conv *c)
{
    return c->r == 1 && c->s == 1 && c->stride_y == 1 && c->stride_x == 1 &&
           !c->pad_top && !c->pad_left && !c->pad_bottom && !c->pad_right &&
           c->groups == 1;
}

/* True if kernels may use vectors of this many floats: at most twice the native width. */
static inline bool ocl_vector_width_valid(const struct ocl_device *device, int width)
{
    return width >= 1 && width <= 16 && width <= 2 * device->vector_width &&
           !(width & (width - 1));
}

static inline bool ocl_work_group_valid(const struct ocl_device *device, int items)
{
    return items >= 1 && (size_t)items <= device->max_work_group_size;
}

/* Excludes algorithms from the device, as in struct weft_device_params. */
enum weft_status ocl_avoid(struct ocl_device *device, const char *words);

/* The algorithms for a primitive on this device, in the order of the table; returns their
 * number. */
int ocl_list_algorithms(const struct ocl_device *device, enum weft_primitive primitive,
                        const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS]);

#endif
