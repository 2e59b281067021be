/* SPDX-License-Identifier: Apache-2.0 */
/* Built in the place of clblast.c where CLBlast is absent. */
#include "ocl.h"

static enum weft_status open_gemm(struct ocl_device *device)
{
    return weft_fail(
        device->base.context, WEFT_ERR_ARG,
        "clblast: this weft was built without CLBlast; use weft's own kernels, or "
        "install CLBlast's development files and build again");
}

/* No device opens, so nothing else is called. */
const struct ocl_gemm ocl_gemm_clblast = {.open = open_gemm};
