/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as matrix products, whoever multiplies: what the kernels share that gather
 * their operands by cl/lib/im2col_gather.h. */
#ifndef WEFT_OPENCL_CONV_IMPLICIT_GEMM_H
#define WEFT_OPENCL_CONV_IMPLICIT_GEMM_H

#include "opencl/select/algorithm.h"

/* out[m][n] summed over `depth`, `batch` times (groups, parts of a stride). */
struct ocl_gemm {
    enum ocl_conv_pass pass;
    struct weft_conv conv;
    struct weft_activation activation; /* of the result, or of the gate */
    struct weft_pool pool;             /* r == 0: dz is not pooled, or lies in scratch */
    size_t m, n, depth, batch, count;  /* count: floats of `out` */
    struct ocl_arg a, b, out;
    struct weft_view argmax, bias_or_act_grad, bias_grad;
};

struct ocl_gemm ocl_gemm_of(enum ocl_conv_pass pass, const struct weft_conv_args *args);

/* How it is done: by the kernel `gemm` of a source, whose work-groups make m x n of the
 * result each. */
struct ocl_gemm_tiling {
    const char *source;
    int m, n;
    int step;  /* splits of the depth begin at multiples of it */
    int items; /* of a work-group */
    int splits;
    struct ocl_options options; /* the source's own */
};

enum { OCL_MAX_SPLIT_K = 256 };

/* Work-groups of m x n that the product without splits makes. */
size_t ocl_gemm_work_groups(const struct ocl_gemm *p, int m, int n);

/* As many splits as bring the device to OCL_WORK_GROUPS_PER_COMPUTE_UNIT, as far as each
 * is worth its plane. */
enum { OCL_WORK_GROUPS_PER_COMPUTE_UNIT = 4 };
int ocl_gemm_choose_split_k(const struct ocl_device *device, const struct ocl_gemm *p,
                            int m, int n, int step);
bool ocl_gemm_split_k_valid(const struct ocl_device *device, const struct ocl_gemm *p,
                            int splits, int step);

/* Appends the product, whose operands and result are set, and the sum of its splits. */
enum weft_status ocl_gemm_record_kernels(struct weft_command_list *list,
                                         const struct ocl_gemm *p,
                                         const struct ocl_gemm_tiling *tiling);

/* Appends the pass's launches: spreading a pool's gradient where need be, the product,
 * the sum of its splits, the pool. */
enum weft_status ocl_gemm_record(struct weft_command_list *list, enum ocl_conv_pass pass,
                                 const struct weft_conv_args *args,
                                 const struct ocl_gemm_tiling *tiling);

/* The three functions of an algorithm for each pass, from those of a family's file that
 * take the pass too. */
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

/* The row of a pass that OCL_GEMM_DEFINE_PASS defined. */
#define OCL_GEMM_ROW(label, tunables_, pass, source_, fp32_only_)                    \
    {                                                                                \
        .name = label, .tunables = tunables_, .applicability = pass##_applicability, \
        .validate_config = pass##_validate_config, .record = pass##_record,          \
        .sources = {source_, "gemm_sum.cl", "pool.cl"}, .fp32_only = fp32_only_      \
    }

#endif
