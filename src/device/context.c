/* SPDX-License-Identifier: Apache-2.0 */
/* Creation and destruction of a context. */
#include "device/devices.h"
#include "device/process.h"

#include <stdlib.h>
#include <string.h>

enum weft_status weft_context_create(weft_context **out,
                                     const struct weft_context_params *params)
{
    struct weft_context_params own, *p = &own;
    WEFT_REQUIRE_POINTER(NULL, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(NULL, params, p));
    weft_context *ctx = calloc(1, sizeof(*ctx));
    if (!ctx)
        return weft_out_of_memory(NULL, "context", sizeof(*ctx));
    ctx->log = p->log;
    ctx->log_priv = p->log_priv;
    ctx->log_level = p->log_level;
    ctx->accept_damaged = p->accept_damaged;
    ctx->devices = calloc(1, sizeof(*ctx->devices));
    ctx->icd_dir = strdup(p->icd_dir ? p->icd_dir : "/etc/OpenCL/vendors");
    ctx->cache_dir = p->cache_dir ? strdup(p->cache_dir) : NULL;
    ctx->tuning_dir = p->tuning_dir ? strdup(p->tuning_dir) : NULL;
    bool whole = ctx->devices && ctx->icd_dir && (ctx->cache_dir || !p->cache_dir) &&
                 (ctx->tuning_dir || !p->tuning_dir);
    weft_drivers_lock();
    ctx->generation = weft_process_generation();
    enum weft_status status = whole ? weft_devices_enumerate(ctx, !p->no_opencl)
                                    : weft_out_of_memory(ctx, "context", sizeof(*ctx));
    weft_drivers_unlock();
    if (!status) {
        *out = ctx;
        return WEFT_OK;
    }
    weft_fail(NULL, status, "%s", weft_error(ctx));
    weft_context_destroy(&ctx);
    return status;
}

void weft_context_destroy(weft_context **context)
{
    weft_context *ctx = context ? *context : NULL;
    if (!ctx)
        return;
    weft_devices_destroy(ctx->devices);
    free(ctx->cache_dir);
    free(ctx->tuning_dir);
    free(ctx->icd_dir);
    free(ctx->error);
    free(ctx);
    *context = NULL;
}
