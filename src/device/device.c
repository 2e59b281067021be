/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a device. */
#include "device/devices.h"
#include "device/process.h"
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

static enum weft_status require_process(weft_context *ctx, const char *function)
{
    if (ctx->generation == weft_process_generation())
        return WEFT_OK;
    return weft_fail(ctx, WEFT_ERR_DEVICE,
                     "%s: the context was made before this process was forked, and its "
                     "devices do not survive fork(): create a context in the child",
                     function);
}

enum weft_status weft_device_require(const struct weft_device *device,
                                     const char *function)
{
    if (!device)
        return weft_fail(NULL, WEFT_ERR_ARG, "%s: device must not be NULL", function);
    return require_process(device->context, function);
}

bool weft_device_is_lost(const struct weft_device *device)
{
    return device->context->generation != weft_process_generation();
}

enum weft_status weft_device_open(weft_context *ctx, int index,
                                  const struct weft_device_params *params,
                                  weft_device **out)
{
    struct weft_device_params own, *p = &own;
    WEFT_REQUIRE_POINTER(NULL, ctx, "context");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(require_process(ctx, __func__));
    const struct weft_device_candidate *found = weft_devices_at(ctx, index);
    if (!found)
        return weft_fail(ctx, WEFT_ERR_ARG, "device %d: must be 0 to %d", index,
                         ctx->devices->count - 1);
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    struct weft_device *device = NULL;
    weft_drivers_lock();
    enum weft_status status = found->backend->open(ctx, found, p, &device);
    weft_drivers_unlock();
    WEFT_TRY(status);
    status = p->no_tuning ? WEFT_OK : open_tuning(ctx, device);
    if (status)
        weft_device_close(&device);
    else
        *out = device;
    return status;
}

void weft_device_close(weft_device **device)
{
    if (!device || !*device)
        return;
    struct weft_tuning *tuning = (*device)->tuning;
    if (!weft_device_is_lost(*device)) {
        weft_drivers_lock();
        (*device)->backend->close(*device);
        weft_drivers_unlock();
    }
    weft_tuning_destroy(&tuning);
    *device = NULL;
}
