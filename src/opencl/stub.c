/* SPDX-License-Identifier: Apache-2.0 */
/* In place of the OpenCL backend where weft was built without it: there are no
 * devices. */
#include "../backend.h"

static enum weft_status find_nothing(weft_context *ctx)
{
    return weft_devices_note(ctx, "this weft was built without OpenCL: build it with "
                                  "ocl-icd-opencl-dev installed");
}

const struct weft_backend weft_backend_opencl = {.name = "opencl", .find = find_nothing};
