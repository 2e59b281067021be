/* SPDX-License-Identifier: Apache-2.0 */
/* Known-answer tests that lists have passed, remembered beside the compiled programs. */
#ifndef WEFT_OPENCL_RUNTIME_PROOF_H
#define WEFT_OPENCL_RUNTIME_PROOF_H

#include "opencl/runtime/ocl.h"

/* As in struct weft_backend. The key is that of a compiled program: sources, options,
 * driver, device, with the sizes of the launches. */
bool ocl_is_proven(struct weft_command_list *list, bool remember);
void ocl_proofs_destroy(struct ocl_device *device);

#endif
