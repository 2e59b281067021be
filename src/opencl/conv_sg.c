/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of the `sg` family: matrix products by sub-groups (cl/gemm_sg.cl), and
 * what `tile` has. */
#include "product.h"
#include "sub_group.h"

/* The tunables, in the order of their table: a sub-group of LANES makes ROWS x COLUMNS *
 * LANES of the result; STACK of them are a work-group. */
enum { LANES, ROWS, COLUMNS, STACK, SPLITS };

#define TUNABLES                                                                       \
    {                                                                                  \
        {"lanes", 3, {8, 16, 32}}, {"rows", 3, {4, 8, 16}}, {"columns", 3, {1, 2, 4}}, \
            {"stack", 4, {1, 2, 4, 8}}, {"splits", 7, {1, 2, 4, 8, 16, 32, 64}},       \
    }

enum { MOST_SUMS = 64 }; /* of a lane */

static bool allows(const struct ocl_device *device, const struct product *p,
                   const int *values)
{
    int lanes = values[LANES], rows = values[ROWS], stack = values[STACK];
    if ((lanes != 8 && lanes != 16 && lanes != 32) ||
        !(device->lanes & (unsigned)lanes) || rows < 1 || lanes % rows ||
        values[COLUMNS] < 1 || stack < 1 || stack > 16 ||
        rows * values[COLUMNS] > MOST_SUMS)
        return false;
    size_t room = (size_t)(rows * stack * lanes) * sizeof(cl_float);
    return (size_t)(stack * lanes) <= device->max_group &&
           (device->dialect != OCL_DIALECT_NONE || room <= device->local_bytes) &&
           ocl_product_splits_allowed(device, p, values[SPLITS], lanes);
}

/* 8 rows of two registers a lane, which Intel's GPUs have room for; less where the result
 * is small. */
static enum ocl_fit fit(const struct ocl_device *device, const struct product *p,
                        int *values)
{
    values[LANES] = device->lanes & 16 ? 16 : device->lanes & 8 ? 8 : 32;
    values[ROWS] = 8;
    values[COLUMNS] = p->n > (size_t)values[LANES] ? 2 : 1;
    values[STACK] = p->m > 8 ? 2 : 1;
    values[SPLITS] = ocl_product_splits(device, p, values[ROWS] * values[STACK],
                                        values[COLUMNS] * values[LANES], values[LANES]);
    return allows(device, p, values) ? OCL_FIT_PREFERRED : OCL_FIT_NONE;
}

static enum weft_status record(struct weft_list *list, enum ocl_slot slot,
                               const struct weft_conv_args *args, const int *values)
{
    struct ocl_grid grid = {
        .source = "gemm_sg.cl",
        .m = values[ROWS] * values[STACK],
        .n = values[COLUMNS] * values[LANES],
        .step = values[LANES],
        .items = values[STACK] * values[LANES],
        .splits = values[SPLITS],
    };
    ocl_define(&grid.options, "DIALECT", (long)ocl_of(list)->dialect);
    ocl_define(&grid.options, "LANES", values[LANES]);
    ocl_define(&grid.options, "RM", values[ROWS]);
    ocl_define(&grid.options, "RN", values[COLUMNS]);
    ocl_define(&grid.options, "STACK", values[STACK]);
    return ocl_product_record(list, slot, args, &grid);
}

OCL_PRODUCT_SLOT(OCL_FORWARD, forward, fit, allows, record)
OCL_PRODUCT_SLOT(OCL_BACKWARD_DATA, data, fit, allows, record)
OCL_PRODUCT_SLOT(OCL_BACKWARD_WEIGHTS, weights, fit, allows, record)

static const struct ocl_algorithm gemm[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = {"sub-groups", TUNABLES, forward_fit, forward_allows, forward_record,
                     true},
    [OCL_BACKWARD_DATA] = {"sub-groups", TUNABLES, data_fit, data_allows, data_record,
                           true},
    [OCL_BACKWARD_WEIGHTS] = {"sub-groups", TUNABLES, weights_fit, weights_allows,
                              weights_record, true},
};

#define ROW(slot)                                  \
    [slot] = (const struct ocl_algorithm *const[]) \
    {                                              \
        &gemm[slot], &ocl_gemm_tile[slot], NULL    \
    }

const struct ocl_family ocl_family_sg = {
    .algorithms = {ROW(OCL_FORWARD), ROW(OCL_BACKWARD_DATA), ROW(OCL_BACKWARD_WEIGHTS)},
};
