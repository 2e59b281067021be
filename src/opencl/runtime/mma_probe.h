/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix units as a device has them, found out by trial. */
#ifndef WEFT_OPENCL_RUNTIME_MMA_PROBE_H
#define WEFT_OPENCL_RUNTIME_MMA_PROBE_H

#include "opencl/runtime/ocl.h"
#include "shared/matrix_unit.h"

enum ocl_mma_path { OCL_MMA_EMULATED = MMA_PATH_EMULATED, OCL_MMA_PTX = MMA_PATH_PTX };

/* Tries on the device what its kind should have, and fills in `mma_path`. Without a
 * matrix unit that multiplies right local memory stands in for it, and a warning says so.
 * WEFT_ERR_ARG: not even that works. */
enum weft_status ocl_mma_detect(struct ocl_device *device);

#endif
