/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions as matrix products, whoever multiplies: what the kernels share that gather
 * their operands by cl/gather.h. */
#ifndef WEFT_OPENCL_PRODUCT_H
#define WEFT_OPENCL_PRODUCT_H

#include "algorithm.h"

/* out[m][n] summed over `depth`, `batch` times (groups, parts of a stride). */
struct product {
    enum ocl_slot slot;
    struct weft_conv conv;
    struct weft_activation activation; /* of the result, or of the gate */
    struct weft_pool pool;             /* r == 0: dz is not pooled, or lies in scratch */
    size_t m, n, depth, batch, count;  /* count: floats of `out` */
    struct ocl_arg a, b, out;
    struct weft_view argmax, extra, sums;
};

struct product ocl_product_of(enum ocl_slot slot, const struct weft_conv_args *args);

/* How it is done: by the kernel `gemm` of a source, whose work-groups make m x n of the
 * result each. */
struct ocl_grid {
    const char *source;
    int m, n;
    int step;  /* splits of the depth begin at multiples of it */
    int items; /* of a work-group */
    int splits;
    struct ocl_options options; /* the source's own */
};

enum { OCL_MAX_SPLITS = 256 };

/* Work-groups of m x n that the product without splits makes. */
size_t ocl_product_groups(const struct product *p, int m, int n);

/* As many splits as bring the device to OCL_GROUPS_PER_UNIT, as far as each is worth its
 * plane. */
enum { OCL_GROUPS_PER_UNIT = 4 };
int ocl_product_splits(const struct ocl_device *device, const struct product *p, int m,
                       int n, int step);
bool ocl_product_splits_allowed(const struct ocl_device *device, const struct product *p,
                                int splits, int step);

/* Appends the product, whose operands and result are set, and the sum of its splits. */
enum weft_status ocl_product_multiply(struct weft_list *list, const struct product *p,
                                      const struct ocl_grid *grid);

/* Appends the slot's launches: spreading a pool's gradient where need be, the product,
 * the sum of its splits, the pool. */
enum weft_status ocl_product_record(struct weft_list *list, enum ocl_slot slot,
                                    const struct weft_conv_args *args,
                                    const struct ocl_grid *grid);

/* The three functions of an algorithm for each slot, from those of a family's file that
 * take the slot too. */
#define OCL_PRODUCT_SLOT(slot, name, fit_, allows_, record_)                          \
    static enum ocl_fit name##_fit(const struct ocl_device *device,                   \
                                   const struct weft_conv_args *args, int *values)    \
    {                                                                                 \
        struct product p = ocl_product_of(slot, args);                                \
        return fit_(device, &p, values);                                              \
    }                                                                                 \
    static bool name##_allows(const struct ocl_device *device,                        \
                              const struct weft_conv_args *args, const int *values)   \
    {                                                                                 \
        struct product p = ocl_product_of(slot, args);                                \
        return allows_(device, &p, values);                                           \
    }                                                                                 \
    static enum weft_status name##_record(                                            \
        struct weft_list *list, const struct weft_conv_args *args, const int *values) \
    {                                                                                 \
        return record_(list, slot, args, values);                                     \
    }

#endif
