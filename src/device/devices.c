/* SPDX-License-Identifier: Apache-2.0 */
/* The list of devices over all backends, in its fixed order, and diagnostics. */
#include "device/devices.h"
#include "device/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum weft_status weft_devices_add(weft_context *ctx,
                                  const struct weft_device_candidate *found)
{
    struct weft_devices *d = ctx->devices;
    struct weft_device_candidate *more =
        realloc(d->found, ((size_t)d->count + 1) * sizeof(*more));
    if (!more)
        return weft_out_of_memory(ctx, "devices", sizeof(*more));
    d->found = more;
    d->found[d->count++] = *found;
    return WEFT_OK;
}

static enum weft_status add_diagnostic(weft_context *ctx, const char *format,
                                       va_list args)
{
    struct weft_devices *d = ctx->devices;
    char **more =
        realloc(d->diagnostics, ((size_t)d->diagnostic_count + 1) * sizeof(*more));
    if (!more)
        return weft_out_of_memory(ctx, "devices", sizeof(*more));
    d->diagnostics = more;
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    char *copy = strdup(text);
    if (!copy)
        return weft_out_of_memory(ctx, "devices", sizeof(text));
    d->diagnostics[d->diagnostic_count++] = copy;
    return WEFT_OK;
}

enum weft_status weft_device_diagnostic_add(weft_context *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum weft_status status = add_diagnostic(ctx, format, args);
    va_end(args);
    return status;
}

enum weft_status weft_device_failure_add(weft_context *ctx, const char *format, ...)
{
    struct weft_devices *d = ctx->devices;
    va_list args;
    va_start(args, format);
    enum weft_status status = add_diagnostic(ctx, format, args);
    va_end(args);
    if (status)
        return status;
    d->failure = d->failure ? d->failure : d->diagnostic_count;
    weft_log_message(ctx, WEFT_LOG_WARN, "%s", d->diagnostics[d->diagnostic_count - 1]);
    return WEFT_OK;
}

/* "pci:0000:01:00.0" of an id. */
enum { PCI_CHARS = 16 };

static bool has_pci(const struct weft_device_info *info)
{
    return !strncmp(info->id, "pci:", 4);
}

/* Drivers that serve the hardware of any vendor come after those of one. */
static bool is_portable(const struct weft_device_info *info)
{
    static const char *const platforms[] = {"rusticl", "Clover", "clvk",
                                            "Portable Computing Language"};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(platforms); i++)
        if (!strcmp(info->platform, platforms[i]))
            return info->kind != WEFT_DEVICE_CPU;
    return false;
}

static int compare_candidates(const void *left, const void *right)
{
    const struct weft_device_info *a =
        &((const struct weft_device_candidate *)left)->info;
    const struct weft_device_info *b =
        &((const struct weft_device_candidate *)right)->info;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    bool a_pci = has_pci(a), b_pci = has_pci(b);
    if (a_pci != b_pci)
        return a_pci ? -1 : 1;
    int order = a_pci ? strncmp(a->id, b->id, PCI_CHARS) : 0;
    if (!order)
        order = is_portable(a) - is_portable(b);
    if (!order)
        order = strcmp(a->platform, b->platform);
    if (!order)
        order = strcmp(a->name, b->name);
    return order ? order : a->device_index - b->device_index;
}

static bool is_gpu(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_DISCRETE || info->kind == WEFT_DEVICE_INTEGRATED;
}

/* The number of GPUs of a platform that have a name. */
static int count_named(const struct weft_devices *d, const struct weft_device_info *like)
{
    int count = 0;
    for (int i = 0; i < d->count; i++)
        count += d->found[i].info.platform_index == like->platform_index &&
                 !strcmp(d->found[i].info.name, like->name);
    return count;
}

/* Evidence that two devices are the same hardware; NULL: they are not. Drivers of GPUs
 * do not name hardware alike, and two cards of a kind have one name: it counts only where
 * an address is missing and each platform has one such GPU. */
static const char *same_by(const struct weft_devices *d,
                           const struct weft_device_candidate *x,
                           const struct weft_device_candidate *y)
{
    static const uint8_t unknown[sizeof(x->uuid)];
    const struct weft_device_info *a = &x->info, *b = &y->info;
    if (a->platform_index == b->platform_index || a->kind == WEFT_DEVICE_HOST ||
        b->kind == WEFT_DEVICE_HOST)
        return NULL;
    if (a->kind == WEFT_DEVICE_CPU && b->kind == WEFT_DEVICE_CPU)
        return "this machine's processor";
    if (has_pci(a) && has_pci(b))
        return strncmp(a->id, b->id, PCI_CHARS) ? NULL : "its PCI address";
    if (memcmp(x->uuid, unknown, sizeof(unknown)) &&
        !memcmp(x->uuid, y->uuid, sizeof(unknown)))
        return "its UUID";
    return is_gpu(a) && is_gpu(b) && !strcmp(a->name, b->name) &&
                   count_named(d, a) == 1 && count_named(d, b) == 1
               ? "its name"
               : NULL;
}

/* Each device has the index of the first that is the same. */
static void find_same(struct weft_devices *d)
{
    for (int i = 0; i < d->count; i++) {
        struct weft_device_info *info = &d->found[i].info;
        info->same_as = -1;
        for (int k = 0; k < i && info->same_as < 0; k++) {
            const char *by = same_by(d, &d->found[k], &d->found[i]);
            if (!by || d->found[k].info.same_as >= 0)
                continue;
            info->same_as = k;
            snprintf(info->same_by, sizeof(info->same_by), "%s", by);
        }
    }
}

enum weft_status weft_devices_enumerate(weft_context *ctx, bool opencl)
{
    struct weft_devices *d = ctx->devices;
    if (opencl && weft_opencl_begin())
        WEFT_TRY(weft_backend_opencl.enumerate(ctx));
    else if (opencl)
        WEFT_TRY(weft_device_diagnostic_add(
            ctx, "OpenCL devices are left out: this process was forked from one that had "
                 "loaded OpenCL, whose drivers do not survive fork(); create contexts in "
                 "the children only, or call exec() in them"));
    WEFT_TRY(weft_backend_cpu.enumerate(ctx));
    qsort(d->found, (size_t)d->count, sizeof(*d->found), compare_candidates);
    find_same(d);
    return WEFT_OK;
}

void weft_devices_destroy(struct weft_devices *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->diagnostic_count; i++)
        free(d->diagnostics[i]);
    free(d->diagnostics);
    free(d->found);
    free(d);
}

const struct weft_device_candidate *weft_devices_at(const weft_context *ctx, int index)
{
    const struct weft_devices *d = ctx->devices;
    index = index == WEFT_HOST_DEVICE ? d->count - 1 : index;
    return index >= 0 && index < d->count ? &d->found[index] : NULL;
}

const char *weft_device_diagnostic(weft_context *ctx, int index)
{
    return ctx && index >= 0 && index < ctx->devices->diagnostic_count
               ? ctx->devices->diagnostics[index]
               : NULL;
}

enum weft_status(weft_device_info)(const weft_context *ctx, int index,
                                   struct weft_device_info *out, size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, ctx, "context");
    WEFT_REQUIRE_POINTER(NULL, out, "out");
    const struct weft_device_candidate *found = weft_devices_at(ctx, index);
    if (!found)
        return WEFT_ERR_ARG;
    WEFT_WRITE_INFO(out, size, &found->info);
    return WEFT_OK;
}
