/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms: the ways in which a convolution can be done, and the numbers in them that
 * may be tuned.
 *
 * A problem is a pass (forward, one of the two gradients) with its arguments; a dense
 * layer comes as the convolution that it is (weft_dense_as_conv). Each family has a row
 * of algorithms for each pass. What the device's tuning says of a problem is done; where
 * it is silent, the first algorithm that prefers the problem, or else the first that can
 * do it. */
#ifndef WEFT_OPENCL_SELECT_ALGORITHM_H
#define WEFT_OPENCL_SELECT_ALGORITHM_H

#include "opencl/runtime/ocl.h"
#include "shared/conv_pass.h"

enum ocl_conv_pass {
    OCL_PASS_FORWARD = PASS_FORWARD,
    OCL_PASS_BWD_DATA = PASS_BWD_DATA,
    OCL_PASS_BWD_WEIGHTS = PASS_BWD_WEIGHTS,
    OCL_PASS_COUNT
};
extern const char *const ocl_conv_pass_names[OCL_PASS_COUNT]; /* "forward" */

enum {
    OCL_MAX_TUNABLES = 10,
    OCL_MAX_VALUES = 10,
    OCL_MAX_ALGORITHMS = 8,      /* of a pass */
    OCL_PROBLEM_KEY_BYTES = 256, /* of ocl_problem_key_format, and of ocl_config_format */
};

/* A number that may be tuned, and the values worth a trial, ascending. A default may be
 * another one. */
struct ocl_tunable {
    const char *name; /* "tile"; in tuning files too */
    int count, values[OCL_MAX_VALUES];
};

enum ocl_applicability { OCL_NOT_APPLICABLE, OCL_APPLICABLE, OCL_PREFERRED };

struct ocl_algorithm {
    const char *name;
    struct ocl_tunable tunables[OCL_MAX_TUNABLES + 1]; /* no name after the last */
    /* How well the problem suits it on this device; unless not at all, `values` has the
     * default of each tunable. */
    enum ocl_applicability (*applicability)(const struct ocl_device *device,
                                            const struct weft_conv_args *args,
                                            int *values);
    /* Whether any numbers, from a file or drawn, may be used together for a problem that
     * it fits: in range, enough registers and local memory. */
    bool (*validate_config)(const struct ocl_device *device,
                            const struct weft_conv_args *args, const int *values);
    /* Appends to the list, after ocl_begin_primitive. */
    enum weft_status (*record)(struct weft_command_list *list,
                               const struct weft_conv_args *args, const int *values);
    bool fp32_only; /* alone: of what is float16 it is given copies */
};

/* One row a family; lists end in NULL. */
struct ocl_family {
    const struct ocl_algorithm *const *algorithms[OCL_PASS_COUNT];
};
extern const struct ocl_family ocl_family_vec;  /* vec.c */
extern const struct ocl_family ocl_family_tile; /* conv_tile.c */
extern const struct ocl_family ocl_family_sg;   /* conv_sg.c */
extern const struct ocl_family ocl_family_mma;  /* conv_mma.c */

/* Matrix products through local memory, which other families build on: conv_tile.c. */
extern const struct ocl_algorithm ocl_gemm_tile[OCL_PASS_COUNT];

/* 1x1 convolutions and dense layers through CLBlast, on every family: clblast.c, or
 * clblast_stub.c, where they fit nothing. */
extern const struct ocl_algorithm ocl_clblast[OCL_PASS_COUNT];

/* The algorithms of a pass on this device, in the order of the table; how many. */
int ocl_list_algorithms(const struct ocl_device *device, enum ocl_conv_pass pass,
                        const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS]);

/* A problem in words, the device's family in front: "vec forward n=64 in=14x14x32
 * out=14x14x64 window=3x3 ... relu". What changes neither speed nor result is left
 * out. */
void ocl_problem_key_format(const struct ocl_device *device, enum ocl_conv_pass pass,
                            const struct weft_conv_args *args,
                            char out[OCL_PROBLEM_KEY_BYTES]);

/* The way back, for trials. What the problem has of bias, argmax and gate is present as a
 * view of one element without memory; false: no problem of this device's family. */
struct ocl_problem {
    enum ocl_conv_pass pass;
    struct weft_conv_args args;
    bool bias, argmax;
};
bool ocl_problem_key_parse(const struct ocl_device *device, const char *text,
                           struct ocl_problem *out);

struct ocl_kernel_config {
    const struct ocl_algorithm *algorithm; /* NULL: nothing can do it */
    int values[OCL_MAX_TUNABLES];
};

/* What will do the problem: tuned, or the default. */
struct ocl_kernel_config ocl_select_config(const struct ocl_device *device,
                                           enum ocl_conv_pass pass,
                                           const struct weft_conv_args *args);

struct ocl_kernel_config ocl_select_default_config(const struct ocl_device *device,
                                                   enum ocl_conv_pass pass,
                                                   const struct weft_conv_args *args);

/* choice.c: configs as text, and what the device's tuning says. */

/* What is known of the problem, or else of the same one at a batch at most four times
 * larger or smaller: measured with these kernels and this driver, or else shipped with
 * weft. False: nothing. */
bool ocl_select_tuned_config(const struct ocl_device *device, enum ocl_conv_pass pass,
                             const struct weft_conv_args *args,
                             struct ocl_kernel_config *out);

/* "direct width=8 vectors=2 tile=6" */
void ocl_config_format(const struct ocl_kernel_config *config,
                       char out[OCL_PROBLEM_KEY_BYTES]);

/* False: no algorithm has this name and fits, or it does not allow these numbers. What
 * the text leaves out is the default. */
bool ocl_config_parse(const struct ocl_device *device, enum ocl_conv_pass pass,
                      const struct weft_conv_args *args, const char *text,
                      struct ocl_kernel_config *out);

/* What a measurement of the config depends on: weft's release, the driver and the sources
 * of the kernels that it launches. 0: it cannot be recorded. */
uint64_t ocl_config_fingerprint(struct ocl_device *device, enum ocl_conv_pass pass,
                                const struct weft_conv_args *args,
                                const struct ocl_kernel_config *config);

extern const struct weft_tuner ocl_tuner; /* tuner.c */

/* Chooses and records. */
enum weft_status ocl_record_conv(struct weft_command_list *list, enum ocl_conv_pass pass,
                                 const struct weft_conv_args *args);

/* Whether the convolution is a plain matrix product: a window of one place, stride 1, no
 * padding, one group. */
static inline bool ocl_is_gemm(const struct weft_conv *c)
{
    return c->r == 1 && c->s == 1 && c->stride_y == 1 && c->stride_x == 1 &&
           !c->pad_top && !c->pad_left && !c->pad_bottom && !c->pad_right &&
           c->groups == 1;
}

#endif
