/* SPDX-License-Identifier: Apache-2.0 */
/* In place of the OpenCL backend where weft was built without it: there are no
 * devices. */
#include "device/backend.h"

static enum weft_status enumerate_nothing(weft_context *ctx)
{
    return weft_device_diagnostic_add(ctx,
                                      "this weft was built without OpenCL: build it with "
                                      "ocl-icd-opencl-dev installed");
}

const struct weft_backend weft_backend_opencl = {.name = "opencl",
                                                 .enumerate = enumerate_nothing};
