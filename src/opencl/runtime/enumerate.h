/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery of devices, and diagnostics of drivers. */
#ifndef WEFT_OPENCL_RUNTIME_ENUMERATE_H
#define WEFT_OPENCL_RUNTIME_ENUMERATE_H

#include "opencl/runtime/ocl.h"

/* A text property of a platform or device without blanks around it, cut to `size`; ""
 * where the query fails, whose error is returned. */
cl_int ocl_platform_text(cl_platform_id id, cl_platform_info what, char *out,
                         size_t size);
cl_int ocl_device_text(cl_device_id id, cl_device_info what, char *out, size_t size);

/* Fails if any of its queries does. */
enum weft_status ocl_identify(weft_context *ctx, cl_device_id id,
                              struct ocl_identity *out);

enum weft_status ocl_enumerate(weft_context *ctx);

/* The limits that the smallest tile of family `tile` needs (conv_tile.c), on which `sg`
 * and `mma` build. */
enum { OCL_TILE_MIN_WORK_GROUP = 64, OCL_TILE_MIN_LOCAL_BYTES = 6144 };
bool ocl_supports_tile_family(const struct weft_device_info *info);

/* diagnostics.c */

/* Diagnoses a platform that has no devices, or whose devices cannot be queried. */
enum weft_status ocl_diagnose_platform(weft_context *ctx, const char *name, cl_int error);
/* Diagnoses this machine's drivers. */
enum weft_status ocl_diagnose_machine(weft_context *ctx, int devices, int gpus);

#endif
