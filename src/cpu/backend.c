/* SPDX-License-Identifier: Apache-2.0 */
/* The host backend: its device, memory and lists. A list is an array of loops that a
 * replay executes at once. */
#define _POSIX_C_SOURCE 200809L
#include "cpu/cpu.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "os/memory.h"
#include "os/processors.h"

struct step {
    cpu_work *work;
    size_t items;
    void *args;
};

struct cpu_command_list {
    struct weft_command_list base;
    struct step *steps;
    size_t count, room;
    struct weft_mem scratch; /* the workspace in views; allocated by finalize */
    size_t scratch_used;     /* by the current primitive */
    struct weft_mem *memory; /* the workspace; NULL: none */
};

/* Name of the processor, or its architecture if Linux does not report it. */
static void read_cpu_model(char *text, size_t size)
{
    struct utsname machine;
    snprintf(text, size, "%.*s", (int)size - 1,
             uname(&machine) < 0 ? "" : machine.machine);
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof(line), file)) {
        char *value = strstr(line, ": ");
        if (strncmp(line, "model name", 10) || !value)
            continue;
        value[strcspn(value, "\n")] = 0;
        snprintf(text, size, "%.*s", (int)size - 1, value + 2);
        break;
    }
    fclose(file);
}

static enum weft_status enumerate_devices(weft_context *ctx)
{
    struct weft_device_candidate found = {.backend = &weft_backend_cpu};
    struct weft_device_info *info = &found.info;
    info->kind = WEFT_DEVICE_HOST;
    snprintf(info->name, sizeof(info->name), "cpu");
    snprintf(info->platform, sizeof(info->platform), "built-in");
    read_cpu_model(info->vendor, sizeof(info->vendor));
    snprintf(info->driver, sizeof(info->driver), "%s", weft_version());
    snprintf(info->id, sizeof(info->id), "cpu@built-in#0");
    info->platform_index = -1;
    info->compute_units = (unsigned)weft_processor_count("");
    info->global_mem_bytes = weft_memory_bytes("");
    info->max_alloc_bytes = info->global_mem_bytes;
    info->max_work_group_size = 1;
    info->fp64 = true;
    info->family = WEFT_FAMILY_VEC;
    return weft_devices_add(ctx, &found);
}

static void close_device(struct weft_device *device)
{
    cpu_threads_destroy(((struct cpu_device *)device)->threads);
    free(device);
}

static enum weft_status open_device(weft_context *ctx,
                                    const struct weft_device_candidate *found,
                                    const struct weft_device_params *params,
                                    struct weft_device **out)
{
    if (params->gemm == WEFT_GEMM_CLBLAST)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "cpu: CLBlast needs an OpenCL device; choose one, or weft's own "
                         "matrix multiplication");
    if (params->family > WEFT_FAMILY_VEC || params->avoid)
        weft_log_message(
            ctx, WEFT_LOG_WARN,
            "cpu: the host backend has no kernel families, and no kernels to avoid; the "
            "option changes nothing here");
    struct cpu_device *device = calloc(1, sizeof(*device));
    if (!device)
        return weft_out_of_memory(ctx, "cpu", sizeof(*device));
    device->base.context = ctx;
    device->base.backend = found->backend;
    device->base.info = found->info;
    device->base.family = WEFT_FAMILY_VEC;
    int units = (int)found->info.compute_units;
    device->threads = cpu_threads_create(units);
    if (!device->threads) {
        free(device);
        return weft_out_of_memory(ctx, "cpu: threads", (size_t)units * sizeof(void *));
    }
    if (cpu_threads_count(device->threads) < units)
        weft_log_message(ctx, WEFT_LOG_WARN,
                         "cpu: only %d of %d threads could be created; work takes longer",
                         cpu_threads_count(device->threads), units);
    *out = &device->base;
    return WEFT_OK;
}

/* Struct and data in one block; calloc lets the system clear large ones at first
 * access. */
static enum weft_status alloc(struct weft_device *device, size_t bytes,
                              struct weft_mem **out)
{
    size_t extra = sizeof(struct weft_mem) + WEFT_ALIGN + WEFT_BUFFER_PADDING;
    struct weft_mem *mem = bytes > SIZE_MAX - extra ? NULL : calloc(1, bytes + extra);
    if (!mem)
        return weft_out_of_memory(device->context, "cpu: memory", bytes);
    uintptr_t end = (uintptr_t)(mem + 1);
    mem->data = (unsigned char *)(mem + 1) + (WEFT_ALIGN - end % WEFT_ALIGN) % WEFT_ALIGN;
    mem->bytes = bytes;
    device->allocated += bytes + WEFT_BUFFER_PADDING;
    *out = mem;
    return WEFT_OK;
}

static void free_memory(struct weft_device *device, struct weft_mem *mem)
{
    device->allocated -= mem->bytes + WEFT_BUFFER_PADDING;
    free(mem);
}

static enum weft_status write_memory(struct weft_device *device, struct weft_mem *to,
                                     size_t offset, const void *from, size_t bytes)
{
    (void)device;
    assert(offset <= to->bytes && bytes <= to->bytes - offset);
    if (bytes)
        memcpy(to->data + offset, from, bytes);
    return WEFT_OK;
}

static enum weft_status write_ahead(struct weft_device *device, struct weft_mem *to,
                                    const void *from, size_t bytes)
{
    return write_memory(device, to, 0, from, bytes);
}

static enum weft_status read_memory(struct weft_device *device, void *to,
                                    struct weft_mem *from, size_t offset, size_t bytes)
{
    (void)device;
    assert(offset <= from->bytes + WEFT_BUFFER_PADDING &&
           bytes <= from->bytes + WEFT_BUFFER_PADDING - offset);
    if (bytes)
        memcpy(to, from->data + offset, bytes);
    return WEFT_OK;
}

static enum weft_status wait_device(struct weft_device *device)
{
    (void)device;
    return WEFT_OK;
}

static enum weft_status list_create(struct weft_device *device,
                                    const struct weft_command_list_params *params,
                                    struct weft_command_list **out)
{
    struct cpu_command_list *list = calloc(1, sizeof(*list));
    if (!list)
        return weft_out_of_memory(device->context, "cpu: list", sizeof(*list));
    weft_command_list_init(&list->base, device, &weft_recorded_primitives, params);
    *out = &list->base;
    return WEFT_OK;
}

enum weft_status cpu_append(struct weft_command_list *base, size_t items, cpu_work *work,
                            const void *args, size_t size)
{
    struct cpu_command_list *list = (struct cpu_command_list *)base;
    weft_context *ctx = base->device->context;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        struct step *steps = realloc(list->steps, room * sizeof(*steps));
        if (!steps)
            return weft_out_of_memory(ctx, "cpu: list", room * sizeof(*steps));
        list->steps = steps;
        list->room = room;
    }
    void *copy = malloc(size);
    if (!copy)
        return weft_out_of_memory(ctx, "cpu: list", size);
    memcpy(copy, args, size);
    list->steps[list->count++] = (struct step){work, items, copy};
    base->info.launches++;
    return WEFT_OK;
}

void cpu_begin(struct weft_command_list *list)
{
    ((struct cpu_command_list *)list)->scratch_used = 0;
}

struct weft_view cpu_scratch(struct weft_command_list *base, size_t count)
{
    struct cpu_command_list *list = (struct cpu_command_list *)base;
    size_t place = list->scratch_used, bytes = count * sizeof(float);
    list->scratch_used += (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
    if (list->scratch_used > base->info.workspace_bytes)
        base->info.workspace_bytes = list->scratch_used;
    return (struct weft_view){
        .mem = &list->scratch, .offset = place / sizeof(float), .count = count};
}

static enum weft_status list_finalize(struct weft_command_list *base)
{
    struct cpu_command_list *list = (struct cpu_command_list *)base;
    if (!base->info.workspace_bytes)
        return WEFT_OK;
    WEFT_TRY(alloc(base->device, base->info.workspace_bytes, &list->memory));
    list->scratch.data = list->memory->data;
    return WEFT_OK;
}

static enum weft_status replay_range(struct weft_command_list *base, int first, int end)
{
    struct cpu_command_list *list = (struct cpu_command_list *)base;
    struct cpu_threads *threads = ((struct cpu_device *)base->device)->threads;
    for (int i = first; i < end; i++)
        cpu_parallel(threads, list->steps[i].items, list->steps[i].work,
                     list->steps[i].args);
    return WEFT_OK;
}

static enum weft_status replay(struct weft_command_list *list)
{
    return replay_range(list, 0, list->info.launches);
}

static void describe_launch(const struct weft_command_list *list, int index,
                            struct weft_launch_description *out)
{
    (void)list;
    (void)index;
    *out = (struct weft_launch_description){.kernel = "C"};
}

static void list_destroy(struct weft_command_list *base)
{
    struct cpu_command_list *list = (struct cpu_command_list *)base;
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        free(list->steps[i].args);
    free(list->steps);
    if (list->memory)
        free_memory(base->device, list->memory);
    weft_command_list_finish(base);
    free(list);
}

static const struct weft_primitives primitives = {
#define PRIMITIVE(name, args, output) .name = cpu_##name,
#include "device/primitives.def"
#undef PRIMITIVE
};

const struct weft_backend weft_backend_cpu = {
    .name = "cpu",
    .enumerate = enumerate_devices,
    .open = open_device,
    .close = close_device,
    .alloc = alloc,
    .alloc_staged = alloc,
    .free = free_memory,
    .write = write_memory,
    .write_async = write_memory,
    .write_ahead = write_ahead,
    .wait_written = wait_device,
    .read = read_memory,
    .wait = wait_device,
    .list_create = list_create,
    .list_finalize = list_finalize,
    .replay = replay,
    .replay_range = replay_range,
    .describe_launch = describe_launch,
    .list_destroy = list_destroy,
    .primitives = &primitives,
};
