/* SPDX-License-Identifier: Apache-2.0 */
/* A cache folder for PoCL, which has no devices without one. */
#ifndef WEFT_CMD_CORE_POCL_CACHE_H
#define WEFT_CMD_CORE_POCL_CACHE_H

#include <stdbool.h>

/* If the folder that PoCL would use cannot be written, is full, or belongs to another
 * user: sets POCL_CACHE_DIR to a temporary folder, warns, and returns true. Must precede
 * the first OpenCL call. */
bool pocl_cache_replace_unusable(void);

#endif
