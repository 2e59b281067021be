/* SPDX-License-Identifier: Apache-2.0 */
/* State of the whole process: the lock around drivers, and forks. */
#ifndef WEFT_DEVICE_PROCESS_H
#define WEFT_DEVICE_PROCESS_H

#include "base/context.h"

struct weft_device;

/* Around calls in which drivers are not thread-safe: enumeration, and opening and closing
 * of devices. PoCL initializes itself in the first call of any kind. */
void weft_drivers_lock(void);
void weft_drivers_unlock(void);

/* Number of forks from the first process that locked the drivers to this one: objects of
 * another generation have neither driver nor threads here. */
unsigned weft_process_generation(void);

/* Marks OpenCL as loaded; false if a process before a fork had loaded it, and it cannot
 * be used in this one. With the lock held. */
bool weft_opencl_begin(void);

/* WEFT_ERR_ARG if the device is NULL, WEFT_ERR_DEVICE in a child of fork(). */
enum weft_status weft_device_require(const struct weft_device *device,
                                     const char *function);
#define WEFT_REQUIRE_DEVICE(device) WEFT_TRY(weft_device_require(device, __func__))

/* In a child of fork(): what was made on the device is left as it is, unused. */
bool weft_device_is_lost(const struct weft_device *device);

#endif
