/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for a driver that crashes after passing the smoke test, which name the driver
 * and the way to run without it, and for data that are cut while they are in use. */
#ifndef WEFT_CMD_CORE_CRASH_HANDLER_H
#define WEFT_CMD_CORE_CRASH_HANDLER_H

#include <weft/device.h>

#include <stdbool.h>
#include <stddef.h>

/* A crash in a driver now prints a message and exits with code 1, one in weft a message
 * of its own. Must precede the first OpenCL call:
 * the compilers of drivers install handlers that chain to earlier ones. Signals that
 * already have a handler keep it. `drivers` false: no OpenCL, cut data only. */
void crash_handler_install(const char *command, bool drivers);

/* Pixels of a data set, which may be in a mapped file (weft_dataset_info). They need not
 * be there any more when others are at their addresses. */
void crash_handler_add_data(const char *source, const void *pixels, size_t size);

/* Names this device's driver in the message. */
void crash_handler_set_device(const struct weft_device_info *device);

#endif
