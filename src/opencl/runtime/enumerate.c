/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL devices of this machine and their properties. */
#include "opencl/runtime/quirk.h"
#include "opencl/runtime/enumerate.h"
#include "device/devices.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Queries of three extensions for the PCI address, absent from older headers. */
enum {
    QUERY_PCI_KHR = 0x410F,       /* four uints: domain, bus, device, function */
    QUERY_PCI_BUS_NV = 0x4008,    /* uint */
    QUERY_PCI_SLOT_NV = 0x4009,   /* uint: device * 8 + function */
    QUERY_PCI_DOMAIN_NV = 0x400A, /* uint */
    QUERY_TOPOLOGY_AMD = 0x4037,  /* 24 bytes, the last three: bus, device, function */
    AMD_TOPOLOGY_BYTES = 24,
    QUERY_UUID_KHR = 0x106A /* 16 bytes */
};

struct pci {
    unsigned domain, bus, device, function;
};

/* Implausible values; a driver that reports more is not trusted. */
enum { MOST_IDS = 256, MOST_TEXT = 1 << 20 };

/* Copies without the blanks that pad names, and without control bytes. */
static void copy_trimmed(const char *text, char *out, size_t size)
{
    size_t used = 0;
    while ((unsigned char)*text - 1u < ' ')
        text++;
    for (; *text && used + 1 < size; text++)
        out[used++] = (unsigned char)*text < ' ' ? ' ' : *text;
    while (used && out[used - 1] == ' ')
        used--;
    out[used] = 0;
}

/* Room for a text of `bytes`; NULL: none, or an implausible length. */
static char *text_room(cl_int *error, size_t bytes)
{
    char *text = *error || bytes >= MOST_TEXT ? NULL : calloc(1, bytes + 1);
    if (!*error && bytes < MOST_TEXT && !text)
        *error = CL_OUT_OF_HOST_MEMORY;
    return text;
}

/* `text` has `got` bytes, if `error` is CL_SUCCESS; frees it. Returns `error`. */
static cl_int take_text(cl_int error, char *text, size_t got, char *out, size_t size)
{
    out[0] = 0;
    if (error == CL_SUCCESS && text) {
        text[got] = 0;
        copy_trimmed(text, out, size);
    }
    free(text);
    return error;
}

cl_int ocl_platform_text(cl_platform_id id, cl_platform_info what, char *out, size_t size)
{
    size_t bytes = 0;
    cl_int error = clGetPlatformInfo(id, what, 0, NULL, &bytes);
    char *text = text_room(&error, bytes);
    if (text)
        error = clGetPlatformInfo(id, what, bytes, text, NULL);
    return take_text(error, text, bytes, out, size);
}

cl_int ocl_device_text(cl_device_id id, cl_device_info what, char *out, size_t size)
{
    size_t bytes = 0;
    cl_int error = clGetDeviceInfo(id, what, 0, NULL, &bytes);
    char *text = text_room(&error, bytes);
    if (text)
        error = clGetDeviceInfo(id, what, bytes, text, NULL);
    return take_text(error, text, bytes, out, size);
}

/* Queries of a device, and the first error of any. */
struct queries {
    cl_device_id id;
    cl_int error;
};

static void query_text(struct queries *q, cl_device_info what, char *out, size_t size)
{
    cl_int error = ocl_device_text(q->id, what, out, size);
    q->error = q->error ? q->error : error;
}

/* False, with `value` 0, if the query fails. A query that the driver does not know is no
 * error: drivers lack queries of other versions and of extensions. */
static bool query(struct queries *q, cl_device_info what, size_t size, void *value)
{
    cl_int error = clGetDeviceInfo(q->id, what, size, value, NULL);
    if (!error)
        return true;
    memset(value, 0, size);
    if (error != CL_INVALID_VALUE && !q->error)
        q->error = error;
    return false;
}

static cl_uint query_uint(struct queries *q, cl_device_info what)
{
    cl_uint value = 0;
    query(q, what, sizeof(value), &value);
    return value;
}

static cl_ulong query_ulong(struct queries *q, cl_device_info what)
{
    cl_ulong value = 0;
    query(q, what, sizeof(value), &value);
    return value;
}

static size_t query_size(struct queries *q, cl_device_info what)
{
    size_t value = 0;
    query(q, what, sizeof(value), &value);
    return value;
}

enum weft_status ocl_identify(weft_context *ctx, cl_device_id id,
                              struct ocl_identity *out)
{
    static const cl_uint what[OCL_IDENTITY_TEXTS] = {
        CL_PLATFORM_NAME, CL_PLATFORM_VERSION, CL_DEVICE_NAME,
        CL_DEVICE_VENDOR, CL_DRIVER_VERSION,   CL_DEVICE_VERSION};
    cl_int error =
        clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof(out->type), &out->type, NULL);
    if (!error)
        error = clGetDeviceInfo(id, CL_DEVICE_PLATFORM, sizeof(out->platform),
                                &out->platform, NULL);
    if (!error)
        error = clGetDeviceInfo(id, CL_DEVICE_ADDRESS_BITS, sizeof(out->address_bits),
                                &out->address_bits, NULL);
    for (int i = 0; i < OCL_IDENTITY_TEXTS && !error; i++) {
        size_t size = sizeof(out->texts[i]);
        error = i <= OCL_PLATFORM_VERSION
                    ? ocl_platform_text(out->platform, what[i], out->texts[i], size)
                    : ocl_device_text(id, what[i], out->texts[i], size);
    }
    return ocl_check(ctx, error, "querying the device and its platform");
}

static bool has_extension(const char *extensions, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = extensions; (at = strstr(at, name)); at += length)
        if ((at == extensions || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

static bool pci_khr(struct queries *q, struct pci *out)
{
    cl_uint got[4];
    if (!query(q, QUERY_PCI_KHR, sizeof(got), got))
        return false;
    *out = (struct pci){got[0], got[1], got[2], got[3]};
    return true;
}

static bool pci_nv(struct queries *q, struct pci *out)
{
    cl_uint bus, slot;
    if (!query(q, QUERY_PCI_BUS_NV, sizeof(bus), &bus) ||
        !query(q, QUERY_PCI_SLOT_NV, sizeof(slot), &slot))
        return false;
    *out = (struct pci){query_uint(q, QUERY_PCI_DOMAIN_NV), bus, slot / 8, slot % 8};
    return true;
}

static bool pci_amd(struct queries *q, struct pci *out)
{
    unsigned char got[AMD_TOPOLOGY_BYTES];
    if (!query(q, QUERY_TOPOLOGY_AMD, sizeof(got), got))
        return false;
    *out = (struct pci){0, got[21], got[22], got[23]};
    return true;
}

static const struct {
    const char *extension;
    bool (*ask)(struct queries *q, struct pci *out);
} pci_queries[] = {
    {"cl_khr_pci_bus_info", pci_khr},
    {"cl_nv_device_attribute_query", pci_nv},
    {"cl_amd_device_attribute_query", pci_amd},
};

static void set_id(struct queries *q, const char *extensions,
                   struct weft_device_info *info)
{
    struct pci pci;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(pci_queries); i++)
        if (has_extension(extensions, pci_queries[i].extension) &&
            pci_queries[i].ask(q, &pci)) {
            snprintf(info->id, sizeof(info->id), "pci:%04x:%02x:%02x.%x@%.60s",
                     pci.domain, pci.bus, pci.device, pci.function, info->platform);
            return;
        }
    snprintf(info->id, sizeof(info->id), "%.48s@%.32s#%d", info->name, info->platform,
             info->device_index);
}

static enum weft_device_kind kind_of(struct queries *q, cl_device_type type,
                                     unsigned quirks)
{
    if ((type & CL_DEVICE_TYPE_CPU) || (quirks & OCL_QUIRK_SOFTWARE_GPU))
        return WEFT_DEVICE_CPU;
    if (!(type & CL_DEVICE_TYPE_GPU))
        return WEFT_DEVICE_ACCELERATOR;
    return query_uint(q, CL_DEVICE_HOST_UNIFIED_MEMORY) ? WEFT_DEVICE_INTEGRATED
                                                        : WEFT_DEVICE_DISCRETE;
}

bool ocl_supports_tile_family(const struct weft_device_info *info)
{
    return info->max_work_group_size >= OCL_TILE_MIN_WORK_GROUP &&
           info->local_mem_bytes >= OCL_TILE_MIN_LOCAL_BYTES;
}

static void describe(struct queries *q, struct weft_device_candidate *found)
{
    struct weft_device_info *info = &found->info;
    char extensions[16384];
    query_text(q, CL_DEVICE_NAME, info->name, sizeof(info->name));
    query_text(q, CL_DEVICE_VENDOR, info->vendor, sizeof(info->vendor));
    query_text(q, CL_DRIVER_VERSION, info->driver, sizeof(info->driver));
    query_text(q, CL_DEVICE_VERSION, info->version, sizeof(info->version));
    query_text(q, CL_DEVICE_EXTENSIONS, extensions, sizeof(extensions));
    cl_device_type type = query_ulong(q, CL_DEVICE_TYPE);
    const struct ocl_device_class c = ocl_classify_device(info, type);
    info->kind = kind_of(q, type, c.quirks);
    info->compute_units = query_uint(q, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = query_uint(q, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->global_mem_bytes = query_ulong(q, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_alloc_bytes = query_ulong(q, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_mem_bytes = query_ulong(q, CL_DEVICE_LOCAL_MEM_SIZE);
    size_t group = query_size(q, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->max_work_group_size = group ? group : 1; /* a group of one item there must be */
    info->fp16 = has_extension(extensions, "cl_khr_fp16");
    info->fp64 = has_extension(extensions, "cl_khr_fp64");
    info->family = ocl_supports_tile_family(info) ? c.family : WEFT_FAMILY_VEC;
    set_id(q, extensions, info);
    if (has_extension(extensions, "cl_khr_device_uuid"))
        query(q, QUERY_UUID_KHR, sizeof(found->uuid), found->uuid);
}

/* Buffers hold numbers as the device has them, and we write them as this machine does. */
static bool has_other_endianness(struct queries *q)
{
    const uint16_t one = 1;
    const cl_bool ours = *(const uint8_t *)&one;
    cl_bool little;
    return query(q, CL_DEVICE_ENDIAN_LITTLE, sizeof(little), &little) && little != ours;
}

/* Why the device is of no use to us; NULL: it is. */
static const char *unusable_reason(struct queries *q, const struct weft_device_info *info)
{
    int major = 0, minor = 0;
    bool available = query_uint(q, CL_DEVICE_AVAILABLE);
    bool has_compiler = query_uint(q, CL_DEVICE_COMPILER_AVAILABLE);
    bool other_endianness = has_other_endianness(q);
    if (q->error)
        return "a query of its properties fails; start weft again, and update its driver "
               "if that does not help";
    if (!available)
        return "its driver says that it is not available";
    if (!has_compiler)
        return "its driver has no compiler for OpenCL C";
    if (other_endianness)
        return "it has the bytes of a number in another order than this machine";
    if (!info->max_alloc_bytes || !info->global_mem_bytes)
        return "its driver says that it has no memory";
    if (sscanf(info->version, "OpenCL %d.%d", &major, &minor) != 2 ||
        major * 10 + minor < 12)
        return "weft needs OpenCL 1.2 or later";
    return NULL;
}

struct count {
    int devices, gpus;
};

static enum weft_status enumerate_platform(weft_context *ctx, cl_platform_id platform,
                                           int index, struct count *count)
{
    char name[128];
    cl_uint n = 0;
    cl_int error = ocl_platform_text(platform, CL_PLATFORM_NAME, name, sizeof(name));
    if (error)
        snprintf(name, sizeof(name), "%d", index);
    else
        error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &n);
    if (error || !n)
        return ocl_diagnose_platform(ctx, name, error);
    if (n > MOST_IDS)
        return weft_device_diagnostic_add(
            ctx,
            "platform %s is left out: it reports %u devices, an "
            "implausible number; its driver is at fault",
            name, n);
    cl_device_id *ids = calloc(n, sizeof(*ids));
    if (!ids)
        return weft_out_of_memory(ctx, "opencl: devices", n * sizeof(*ids));
    enum weft_status status = WEFT_OK;
    if ((error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, n, ids, NULL)))
        status = ocl_diagnose_platform(ctx, name, error);
    for (cl_uint i = 0; i < n && !error && !status; i++) {
        struct weft_device_candidate found = {.backend = &weft_backend_opencl,
                                              .handle = ids[i]};
        found.info.platform_index = index;
        found.info.device_index = (int)i;
        memcpy(found.info.platform, name, sizeof(name));
        struct queries queries = {ids[i], CL_SUCCESS};
        describe(&queries, &found);
        const char *why = unusable_reason(&queries, &found.info);
        if (why && queries.error)
            status =
                weft_device_failure_add(ctx, "device %d of %s is left out: %s (%s)",
                                        (int)i, name, why, ocl_error_name(queries.error));
        else if (why)
            status = weft_device_diagnostic_add(ctx, "%s on %s (%s) is left out: %s",
                                                found.info.name, name, found.info.version,
                                                why);
        if (why)
            continue;
        count->devices++;
        count->gpus += found.info.kind <= WEFT_DEVICE_INTEGRATED;
        status = weft_devices_add(ctx, &found);
    }
    free(ids);
    return status;
}

enum weft_status ocl_enumerate(weft_context *ctx)
{
    struct count count = {0};
    cl_uint n = 0;
    cl_platform_id *ids = NULL;
    enum weft_status status = WEFT_OK;
    cl_int error = clGetPlatformIDs(0, NULL, &n);
    n = n < MOST_IDS ? n : MOST_IDS;
    if (!error && n) {
        if (!(ids = calloc(n, sizeof(*ids))))
            return weft_out_of_memory(ctx, "opencl: platforms", n * sizeof(*ids));
        error = clGetPlatformIDs(n, ids, NULL);
    }
    for (cl_uint i = 0; i < n && !error && !status; i++)
        status = enumerate_platform(ctx, ids[i], (int)i, &count);
    free(ids);
    if (!status && error && error != CL_PLATFORM_NOT_FOUND_KHR)
        status = weft_device_failure_add(
            ctx,
            "OpenCL devices are left out: the query for platforms fails "
            "(%s); start weft again, and reinstall the OpenCL loader if that "
            "does not help",
            ocl_error_name(error));
    return status ? status : ocl_diagnose_machine(ctx, count.devices, count.gpus);
}
