/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that crashes later than at its first touch (probe.h) ends the process: this
 * says whose it was, and how to go on without it. */
#ifndef WEFT_CMD_CORE_CRASH_HANDLER_H
#define WEFT_CMD_CORE_CRASH_HANDLER_H

#include <weft/device.h>

/* From now on a crash is told in a sentence, and the exit code is 1. To be called before
 * the first OpenCL use: the compilers of drivers put handlers of their own before those
 * that they find, and hand on to them. Signals that are handled already stay so. */
void crash_handler_install(const char *command);

/* It will be this device's driver that crashed, most likely. */
void crash_handler_set_device(const struct weft_device_info *device);

#endif
