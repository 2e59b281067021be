/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as GEMM, shared by all families whose kernels load their operands through
 * cl/lib/im2col_gather.h. */
#ifndef WEFT_OPENCL_CONV_IMPLICIT_GEMM_H
#define WEFT_OPENCL_CONV_IMPLICIT_GEMM_H

#include "opencl/select/algorithm.h"

/* out[m][n] = sum over `depth` of a[m][k] b[k][n], `batch` times: groups, and phases of
 * a strided data gradient. */
struct ocl_gemm {
    enum ocl_conv_pass pass;
    struct weft_conv conv;
    struct weft_activation activation; /* of the result, or of act_grad */
    struct weft_pool pool;             /* r == 0: dz is not pooled, or in the workspace */
    size_t m, n, depth, batch, count;  /* count: floats of `out` */
    struct ocl_arg a, b, out;
    struct weft_view argmax, bias_or_act_grad, bias_grad;
};

struct ocl_gemm ocl_gemm_of(enum ocl_conv_pass pass, const struct weft_conv_args *args);

/* Tiling: a kernel with the arguments of `gemm` (cl/lib/gemm_schedule.h) computes m x n
 * of the result in a work-group. */
struct ocl_gemm_tiling {
    const char *source, *kernel; /* NULL: gemm */
    int m, n;
    int step;  /* splits of the depth begin at multiples */
    int items; /* of a work-group */
    int splits;
    struct ocl_options options; /* options of the source alone */
};

enum { OCL_MAX_SPLIT_K = 256 };

/* Work-groups of m x n, without splits. */
size_t ocl_gemm_work_groups(const struct ocl_gemm *p, int m, int n);

/* Number of splits that gives each compute unit OCL_WORK_GROUPS_PER_COMPUTE_UNIT,
 * limited by the cost of partial sums. */
enum { OCL_WORK_GROUPS_PER_COMPUTE_UNIT = 4 };
int ocl_gemm_choose_split_k(const struct ocl_device *device, const struct ocl_gemm *p,
                            int m, int n, int step);
/* Estimated time in multiply-adds of a GEMM at the device's peak: of a float of main
 * memory, or less; of a launch; of the partial sums of splits, which the optimizer reads
 * in the weight gradient. */
double ocl_macs_per_float(const struct ocl_device *device);
double ocl_launch_macs(const struct ocl_device *device);
double ocl_gemm_split_k_macs(const struct ocl_device *device, const struct ocl_gemm *p,
                             int splits);
/* The largest number of splits that are valid, and worth their partial sums. */
int ocl_gemm_max_split_k(const struct ocl_device *device, const struct ocl_gemm *p,
                         int step);
bool ocl_gemm_split_k_valid(const struct ocl_device *device, const struct ocl_gemm *p,
                            int splits, int step);

/* Appends the GEMM, whose operands and result are set, and the reduction of its splits.
 */
enum weft_status ocl_gemm_record_kernels(struct weft_command_list *list,
                                         const struct ocl_gemm *p,
                                         const struct ocl_gemm_tiling *tiling);

/* Appends all launches of the pass: scattering a pool's gradient where needed, GEMM,
 * reduction of its splits, max pool. */
enum weft_status ocl_gemm_record(struct weft_command_list *list, enum ocl_conv_pass pass,
                                 const struct weft_conv_args *args,
                                 const struct ocl_gemm_tiling *tiling);

/* Defines the three functions of an algorithm for a pass, from functions that take the
 * pass or the GEMM. */
#define OCL_GEMM_DEFINE_PASS(pass, name, applicability_, validate_config_, record_) \
    static enum ocl_applicability name##_applicability(                             \
        const struct ocl_device *device, const struct weft_problem *problem,        \
        int *values)                                                                \
    {                                                                               \
        struct ocl_gemm p = ocl_gemm_of(pass, ocl_conv_args(problem));              \
        return applicability_(device, &p, values);                                  \
    }                                                                               \
    static bool name##_validate_config(const struct ocl_device *device,             \
                                       const struct weft_problem *problem,          \
                                       const int *values)                           \
    {                                                                               \
        struct ocl_gemm p = ocl_gemm_of(pass, ocl_conv_args(problem));              \
        return validate_config_(device, &p, values);                                \
    }                                                                               \
    static enum weft_status name##_record(struct weft_command_list *list,           \
                                          const struct weft_problem *problem,       \
                                          const int *values)                        \
    {                                                                               \
        return record_(list, pass, ocl_conv_args(problem), values);                 \
    }

/* The algorithm of a pass that OCL_GEMM_DEFINE_PASS defined. */
#define OCL_GEMM_ROW(label, tunables_, pass, source_, fp32_only_)                    \
    {                                                                                \
        .name = label, .tunables = tunables_, .applicability = pass##_applicability, \
        .validate_config = pass##_validate_config, .record = pass##_record,          \
        .sources = {source_, "gemm_sum.cl", "pool.cl"}, .fp32_only = fp32_only_      \
    }

/* A family with matrix products of its own, a table of passes; tile's come next, and
 * depthwise convolutions first. */
#define OCL_GEMM_FAMILY_ROW(primitive, gemm, pass, depthwise)   \
    [primitive] = (const struct ocl_algorithm *const[])         \
    {                                                           \
        &(depthwise), &(gemm)[pass], &ocl_gemm_tile[pass], NULL \
    }
#define OCL_GEMM_FAMILY(gemm)                                                         \
    {                                                                                 \
        .algorithms = {                                                               \
            OCL_GEMM_FAMILY_ROW(WEFT_PRIMITIVE_conv_forward, gemm, OCL_PASS_FORWARD,  \
                                ocl_depthwise_forward),                               \
            OCL_GEMM_FAMILY_ROW(WEFT_PRIMITIVE_conv_backward_data, gemm,              \
                                OCL_PASS_BWD_DATA, ocl_depthwise_bwd_data),           \
            OCL_GEMM_FAMILY_ROW(WEFT_PRIMITIVE_conv_backward_weights, gemm,           \
                                OCL_PASS_BWD_WEIGHTS, ocl_depthwise_bwd_weights_tile) \
        }                                                                             \
    }

#endif
