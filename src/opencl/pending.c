/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for parts that are being written, until they are there. */
#include "ocl.h"
#define PENDING(name, args)                                                            \
    __attribute__((weak)) enum weft_status name(struct weft_list *list, const args *a) \
    {                                                                                  \
        (void)a;                                                                       \
        return weft_fail(list->device->context, WEFT_ERR_DEVICE, #name " is to come"); \
    }
PENDING(ocl_pool_forward, struct weft_pool_args)
PENDING(ocl_pool_backward, struct weft_pool_args)
__attribute__((weak)) const struct ocl_family ocl_family_vec = {0};
__attribute__((weak)) const struct ocl_family ocl_family_tile = {0};
static enum weft_status open_pending(struct ocl_device *device)
{
    return weft_fail(device->base.context, WEFT_ERR_ARG, "clblast is to come");
}
__attribute__((weak)) const struct ocl_gemm ocl_gemm_clblast = {open_pending, 0, 0, 0};
