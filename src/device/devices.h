/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of a context and their diagnostics. */
#ifndef WEFT_DEVICE_DEVICES_H
#define WEFT_DEVICE_DEVICES_H

#include "device/backend.h"

struct weft_devices {
    struct weft_device_candidate *found;
    int count;
    char **diagnostics;
    int diagnostic_count;
    int failure;      /* 1 + the first diagnostic of a query that failed; 0: none did */
    char reason[160]; /* of the last selection */
};

/* Enumerates all backends, OpenCL only if `opencl`, into the empty list of the context,
 * and sorts it. */
enum weft_status weft_devices_enumerate(weft_context *ctx, bool opencl);
void weft_devices_destroy(struct weft_devices *devices);

/* A diagnostic (backend.h) of a query that failed, so that devices are missing which may
 * be there the next time: a warning too, and indices are refused (weft_device_find). */
enum weft_status weft_device_failure_add(weft_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The device at an index of the public API; NULL: there is none. */
const struct weft_device_candidate *weft_devices_at(const weft_context *ctx, int index);

#endif
