/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a device. */
#include "device/devices.h"
#include "device/tuning_file.h"

#include <stdio.h>

static enum weft_status open_tuning(weft_context *ctx, struct weft_device *device)
{
    const struct weft_tuner *tuner = device->backend->tuner;
    const struct weft_device_info *info = &device->info;
    char name[300], about[600];
    if (!tuner)
        return WEFT_OK;
    snprintf(name, sizeof(name), "%s %s", info->platform, info->name);
    snprintf(about, sizeof(about), "%s, %s, driver %s, %u units; weft %s", info->platform,
             info->name, info->driver, info->compute_units, weft_version());
    return weft_tuning_open(ctx, ctx->tuning_dir, name, about, tuner->bundled(device),
                            &device->tuning);
}

enum weft_status weft_device_open(weft_context *ctx, int index,
                                  const struct weft_device_params *params,
                                  weft_device **out)
{
    struct weft_device_params own, *p = &own;
    const struct weft_device_candidate *found = weft_devices_at(ctx, index);
    if (!found)
        return weft_fail(ctx, WEFT_ERR_ARG, "device %d: must be 0 to %d", index,
                         ctx->devices->count - 1);
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    struct weft_device *device = NULL;
    WEFT_TRY(found->backend->open(ctx, found, p, &device));
    enum weft_status status = p->no_tuning ? WEFT_OK : open_tuning(ctx, device);
    if (status)
        weft_device_close(&device);
    else
        *out = device;
    return status;
}

void weft_device_close(weft_device **device)
{
    if (!*device)
        return;
    struct weft_tuning *tuning = (*device)->tuning;
    (*device)->backend->close(*device);
    weft_tuning_destroy(&tuning);
    *device = NULL;
}
