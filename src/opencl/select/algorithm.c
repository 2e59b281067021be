/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms of a device. */
#include "opencl/select/algorithm.h"

/* Matrix products, and the other primitives. */
static const struct ocl_family *const families[][2] = {
    [WEFT_FAMILY_VEC] = {&ocl_family_vec, &ocl_primitives_vec},
    [WEFT_FAMILY_TILE] = {&ocl_family_tile, &ocl_primitives_work_group},
    [WEFT_FAMILY_SUBGROUP] = {&ocl_family_sg, &ocl_primitives_work_group},
    [WEFT_FAMILY_MMA] = {&ocl_family_mma, &ocl_primitives_work_group},
};

int ocl_list_algorithms(const struct ocl_device *device, enum weft_primitive primitive,
                        const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS])
{
    static const enum weft_primitive passes[OCL_PASS_COUNT] = {
        [OCL_PASS_FORWARD] = WEFT_PRIMITIVE_conv_forward,
        [OCL_PASS_BWD_DATA] = WEFT_PRIMITIVE_conv_backward_data,
        [OCL_PASS_BWD_WEIGHTS] = WEFT_PRIMITIVE_conv_backward_weights,
    };
    int count = 0;
    for (int pass = 0; pass < OCL_PASS_COUNT; pass++)
        if (passes[pass] == primitive)
            out[count++] = &ocl_clblast[pass];
    for (int i = 0; i < 2; i++) {
        const struct ocl_algorithm *const *own =
            families[device->base.family][i]->algorithms[primitive];
        while (own && *own && count < OCL_MAX_ALGORITHMS)
            out[count++] = *own++;
    }
    return count;
}
