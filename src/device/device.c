/* SPDX-License-Identifier: Apache-2.0 */
/* The context, and its flat list of devices over all backends. */
#include "device/tuning_file.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const weft_act_names[WEFT_ACT_COUNT] = {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) name,
#include "shared/activations.def"
#undef ACT
};

const bool weft_act_grad_from_output[WEFT_ACT_COUNT] = {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) grad_from_output,
#include "shared/activations.def"
#undef ACT
};

#define ROW(...) __VA_ARGS__
const struct weft_act_parameter weft_act_parameters[WEFT_ACT_COUNT][WEFT_ACT_PARAMETERS] =
    {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) {ROW parameters},
#include "shared/activations.def"
#undef ACT
};

struct weft_activation weft_activation_init(enum weft_act act)
{
    const struct weft_act_parameter *parameters = weft_act_parameters[act];
    return (struct weft_activation){act, parameters[0].initial, parameters[1].initial};
}

struct weft_devices {
    struct weft_device_candidate *found;
    int count;
    char **notes;
    int note_count;
    char reason[160];
};

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

enum weft_status weft_device_diagnostic_add(weft_context *ctx, const char *format, ...)
{
    struct weft_devices *d = ctx->devices;
    char **more = realloc(d->notes, ((size_t)d->note_count + 1) * sizeof(*more));
    if (!more)
        return weft_out_of_memory(ctx, "devices", sizeof(*more));
    d->notes = more;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    char *copy = strdup(text);
    if (!copy)
        return weft_out_of_memory(ctx, "devices", sizeof(text));
    d->notes[d->note_count++] = copy;
    return WEFT_OK;
}

static int compare_candidates(const void *left, const void *right)
{
    const struct weft_device_info *a =
        &((const struct weft_device_candidate *)left)->info;
    const struct weft_device_info *b =
        &((const struct weft_device_candidate *)right)->info;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    bool a_pci = !strncmp(a->id, "pci:", 4), b_pci = !strncmp(b->id, "pci:", 4);
    if (a_pci != b_pci)
        return a_pci ? -1 : 1;
    int order = a_pci ? strcmp(a->id, b->id) : 0;
    if (!order)
        order = strcmp(a->platform, b->platform);
    if (!order)
        order = strcmp(a->name, b->name);
    return order ? order : a->device_index - b->device_index;
}

enum weft_status weft_context_create(weft_context **out,
                                     const struct weft_context_params *params)
{
    struct weft_context_params own, *p = &own;
    WEFT_TRY(WEFT_READ_PARAMS(NULL, params, p));
    weft_context *ctx = calloc(1, sizeof(*ctx));
    if (!ctx)
        return WEFT_ERR_NOMEM;
    ctx->log = p->log;
    ctx->log_priv = p->log_priv;
    ctx->log_level = p->log_level;
    ctx->devices = calloc(1, sizeof(*ctx->devices));
    ctx->icd_dir = strdup(p->icd_dir ? p->icd_dir : "/etc/OpenCL/vendors");
    ctx->cache_dir = p->cache_dir ? strdup(p->cache_dir) : NULL;
    ctx->tuning_dir = p->tuning_dir ? strdup(p->tuning_dir) : NULL;
    enum weft_status status = WEFT_ERR_NOMEM;
    if (!ctx->devices || !ctx->icd_dir || (p->cache_dir && !ctx->cache_dir) ||
        (p->tuning_dir && !ctx->tuning_dir))
        goto fail;
    if (!p->no_opencl && (status = weft_backend_opencl.enumerate(ctx)))
        goto fail;
    if ((status = weft_backend_cpu.enumerate(ctx)))
        goto fail;
    qsort(ctx->devices->found, (size_t)ctx->devices->count, sizeof(*ctx->devices->found),
          compare_candidates);
    *out = ctx;
    return WEFT_OK;

fail:
    weft_context_destroy(&ctx);
    return status;
}

void weft_context_destroy(weft_context **context)
{
    weft_context *ctx = *context;
    if (!ctx)
        return;
    if (ctx->devices) {
        for (int i = 0; i < ctx->devices->note_count; i++)
            free(ctx->devices->notes[i]);
        free(ctx->devices->notes);
        free(ctx->devices->found);
        free(ctx->devices);
    }
    free(ctx->cache_dir);
    free(ctx->tuning_dir);
    free(ctx->icd_dir);
    free(ctx->error);
    free(ctx);
    *context = NULL;
}

const char *weft_device_diagnostic(weft_context *ctx, int index)
{
    return index >= 0 && index < ctx->devices->note_count ? ctx->devices->notes[index]
                                                          : NULL;
}

enum weft_status(weft_device_info)(const weft_context *ctx, int index,
                                   struct weft_device_info *out, size_t size)
{
    const struct weft_devices *d = ctx->devices;
    index = index == WEFT_HOST_DEVICE ? d->count - 1 : index;
    if (index < 0 || index >= d->count)
        return WEFT_ERR_ARG;
    WEFT_WRITE_INFO(out, size, &d->found[index].info);
    return WEFT_OK;
}

/* Whether `part` is in `text`, without regard to case. */
static bool holds(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return false;
}

static bool is_gpu(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_DISCRETE || info->kind == WEFT_DEVICE_INTEGRATED;
}

static bool is_integrated(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_INTEGRATED;
}

static bool is_builtin(const struct weft_device_info *info)
{
    return info->kind == WEFT_DEVICE_HOST;
}

/* Selectors that mean the first device of a kind. */
static const struct {
    const char *word;
    bool (*is)(const struct weft_device_info *info);
} kinds[] = {{"gpu", is_gpu}, {"igpu", is_integrated}, {"cpu", is_builtin}};

/* "; there are 0 (NAME), 1 (NAME)" for an error sentence. */
static void list_devices(const struct weft_devices *d, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < d->count && used < size; i++) {
        int n = snprintf(text + used, size - used, "%s%d (%s)", i ? ", " : "", i,
                         d->found[i].info.name);
        used += n > 0 ? (size_t)n : 0;
    }
}

/* The one device whose name, platform or id holds `part`: its index, -1 for none, -2 for
 * several. */
static int find_by_name(const struct weft_devices *d, const char *part)
{
    int match = -1;
    for (int i = 0; i < d->count; i++) {
        const struct weft_device_info *info = &d->found[i].info;
        if (!holds(info->name, part) && !holds(info->platform, part) &&
            !holds(info->id, part))
            continue;
        if (match >= 0)
            return -2;
        match = i;
    }
    return match;
}

/* What a selector that is a number, P:D or the word for a kind means; -1: it is none of
 * these, or there is no such device. */
static int find_by_place(const struct weft_devices *d, const char *selector)
{
    for (size_t k = 0; k < WEFT_ARRAY_SIZE(kinds); k++)
        for (int i = 0; i < d->count && !strcasecmp(selector, kinds[k].word); i++)
            if (kinds[k].is(&d->found[i].info))
                return i;
    int platform, device, used = 0;
    if (sscanf(selector, "%d:%d%n", &platform, &device, &used) == 2 && !selector[used])
        for (int i = 0; i < d->count; i++)
            if (d->found[i].info.platform_index == platform &&
                d->found[i].info.device_index == device)
                return i;
    if (sscanf(selector, "%d%n", &device, &used) == 1 && !selector[used] && device >= 0 &&
        device < d->count)
        return device;
    return -1;
}

static bool is_place(const char *selector)
{
    for (size_t k = 0; k < WEFT_ARRAY_SIZE(kinds); k++)
        if (!strcasecmp(selector, kinds[k].word))
            return true;
    return selector[strspn(selector, "0123456789:")] == 0;
}

enum weft_status weft_device_find(weft_context *ctx, const char *selector, int *index,
                                  const char **reason)
{
    struct weft_devices *d = ctx->devices;
    if (!selector || !selector[0]) {
        *index = 0;
        if (d->count == 1)
            snprintf(d->reason, sizeof(d->reason),
                     "no OpenCL device found, so the built-in CPU backend; `weft "
                     "devices` says why");
        else
            snprintf(d->reason, sizeof(d->reason), "best of %d; change with -d",
                     d->count);
    } else {
        int match =
            is_place(selector) ? find_by_place(d, selector) : find_by_name(d, selector);
        char list[1024];
        list_devices(d, list, sizeof(list));
        if (match == -2)
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "device \"%s\": several match; choose by number from %s",
                             selector, list);
        if (match < 0)
            return weft_fail(ctx, WEFT_ERR_NO_DEVICE,
                             "device \"%s\": none matches; there are %s", selector, list);
        *index = match;
        snprintf(d->reason, sizeof(d->reason), "chosen by \"%.100s\"", selector);
    }
    if (reason)
        *reason = d->reason;
    return WEFT_OK;
}

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
    const struct weft_devices *d = ctx->devices;
    index = index == WEFT_HOST_DEVICE ? d->count - 1 : index;
    if (index < 0 || index >= d->count)
        return weft_fail(ctx, WEFT_ERR_ARG, "device %d: must be 0 to %d", index,
                         d->count - 1);
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    const struct weft_device_candidate *found = &d->found[index];
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
