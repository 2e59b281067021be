/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for a driver that crashes after passing the smoke test, which name the driver
 * and the way to run without it. */
#ifndef WEFT_CMD_CORE_CRASH_HANDLER_H
#define WEFT_CMD_CORE_CRASH_HANDLER_H

#include <weft/device.h>

/* A crash in a driver now prints a message and exits with code 1, one in weft a message
 * of its own. Must precede the first OpenCL call:
 * the compilers of drivers install handlers that chain to earlier ones. Signals that
 * already have a handler keep it. */
void crash_handler_install(const char *command);

/* Names this device's driver in the message. */
void crash_handler_set_device(const struct weft_device_info *device);

#endif
