/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces clblast.c in builds without CLBlast. */
#include "opencl/select/algorithm.h"
#include "opencl/runtime/primitives.h"

enum weft_status ocl_clblast_open(struct ocl_device *device)
{
    return weft_fail(
        device->base.context, WEFT_ERR_ARG,
        "clblast: this weft was built without CLBlast; use weft's own kernels, or "
        "install CLBlast's development files and build again");
}

static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    (void)device;
    (void)problem;
    (void)values;
    return OCL_NOT_APPLICABLE;
}

const struct ocl_algorithm ocl_clblast[OCL_PASS_COUNT] = {
    {.name = "clblast", .applicability = applicability},
    {.name = "clblast", .applicability = applicability},
    {.name = "clblast", .applicability = applicability},
};
