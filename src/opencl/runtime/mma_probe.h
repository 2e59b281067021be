/* SPDX-License-Identifier: Apache-2.0 */
/* Detection of matrix units. */
#ifndef WEFT_OPENCL_RUNTIME_MMA_PROBE_H
#define WEFT_OPENCL_RUNTIME_MMA_PROBE_H

#include "opencl/runtime/ocl.h"
#include "shared/matrix_unit.h"

enum ocl_mma_path { OCL_MMA_EMULATED = MMA_PATH_EMULATED, OCL_MMA_PTX = MMA_PATH_PTX };

/* Tests the matrix units that the vendor's devices have, and sets `mma_path`. Without a
 * correct one local memory emulates it, with a warning. WEFT_ERR_ARG: neither works. */
enum weft_status ocl_mma_detect(struct ocl_device *device);

#endif
