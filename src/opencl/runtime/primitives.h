/* SPDX-License-Identifier: Apache-2.0 */
/* The primitives of the OpenCL backend, and parts of them that others call. */
#ifndef WEFT_OPENCL_RUNTIME_PRIMITIVES_H
#define WEFT_OPENCL_RUNTIME_PRIMITIVES_H

#include "opencl/runtime/record.h"

#define PRIMITIVE(name, args, output)                           \
    enum weft_status ocl_##name(struct weft_command_list *list, \
                                const struct weft_##args##_args *args);
#include "device/primitives.def"
#undef PRIMITIVE

/* The launches of a pool alone, for a convolution whose output or its gradient is in
 * the workspace. */
enum weft_status ocl_pool_max(struct weft_command_list *list,
                              const struct weft_pool *pool, struct ocl_arg x,
                              struct ocl_arg y, struct weft_view argmax);
enum weft_status ocl_pool_scatter(struct weft_command_list *list,
                                  const struct weft_pool *pool, struct ocl_arg dy,
                                  struct weft_view argmax, struct ocl_arg dx);

/* For devices opened with WEFT_GEMM_CLBLAST: logs that its kernels compile at first use;
 * WEFT_ERR_ARG in builds without CLBlast. */
enum weft_status ocl_clblast_open(struct ocl_device *device);

#endif
