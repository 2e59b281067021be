/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms of a device. */
#include "opencl/select/algorithm.h"

static const struct ocl_family *const families[] = {
    [WEFT_FAMILY_VEC] = &ocl_family_vec,
    [WEFT_FAMILY_TILE] = &ocl_family_tile,
    [WEFT_FAMILY_SUBGROUP] = &ocl_family_sg,
    [WEFT_FAMILY_MMA] = &ocl_family_mma,
};

int ocl_list_algorithms(const struct ocl_device *device, enum weft_primitive primitive,
                        const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS])
{
    static const enum weft_primitive passes[OCL_PASS_COUNT] = {
        [OCL_PASS_FORWARD] = WEFT_PRIMITIVE_conv_forward,
        [OCL_PASS_BWD_DATA] = WEFT_PRIMITIVE_conv_backward_data,
        [OCL_PASS_BWD_WEIGHTS] = WEFT_PRIMITIVE_conv_backward_weights,
    };
    const struct ocl_algorithm *const *own =
        families[device->base.family]->algorithms[primitive];
    int count = 0;
    for (int pass = 0; pass < OCL_PASS_COUNT; pass++)
        if (passes[pass] == primitive)
            out[count++] = &ocl_clblast[pass];
    while (own && *own && count < OCL_MAX_ALGORITHMS)
        out[count++] = *own++;
    return count;
}
