/* SPDX-License-Identifier: Apache-2.0 */
/* Short names of devices and platforms, for text that people read. */
#ifndef WEFT_CMD_CORE_DEVICE_NAME_H
#define WEFT_CMD_CORE_DEVICE_NAME_H

#include <weft/weft.h>

/* "AMD EPYC 7763 (PoCL)" for "pthread-znver3-AMD EPYC 7763 64-Core Processor": without
 * what PoCL puts before a processor, without trademark signs, clock and "Processor"; the
 * platform only where the name does not begin with it. */
enum { DEVICE_NAME_BYTES = 300 };
void device_short_name(const struct weft_device_info *info, char out[DEVICE_NAME_BYTES]);

#endif
