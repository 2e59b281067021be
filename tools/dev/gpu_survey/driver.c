/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of OpenCL that the library uses. */
#define _POSIX_C_SOURCE          200809L
#define CL_TARGET_OPENCL_VERSION 120
#include "driver.h"

#include <CL/cl.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 64, MAX_LAUNCHES = 1 << 16, STORED_BYTES = 1 << 16 };

struct _cl_mem {
    struct _cl_mem *next;
    int id;
    size_t bytes;
    char *data; /* NULL: too large to be stored, or a part of another */
};
struct _cl_program {
    int id;
    char *text;
};
struct argument {
    struct _cl_mem *mem; /* NULL: a number */
    uint64_t number;
};
struct _cl_kernel {
    int program;
    char name[64];
    int arg_count;
    struct argument args[MAX_ARGS];
};
struct launch {
    const struct _cl_kernel *kernel;
    size_t global[3], local[3];
};

static const char *folder;
static char **properties;
static struct launch *launches;
static int launch_count, mem_count, program_count;
static struct _cl_mem *mems;
static char handle[8]; /* of platform, device, context and queue */

void driver_open(const char *to, char **device)
{
    folder = to;
    properties = device;
    launches = calloc(MAX_LAUNCHES, sizeof(*launches));
}

void driver_forget_launches(void)
{
    launch_count = 0;
}

void driver_print_text(const char *text)
{
    putchar('"');
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned char)*text);
        else
            putchar(*text);
    putchar('"');
}

void driver_print_launches(int count)
{
    for (int n = 0; n < count && n < launch_count; n++) {
        const struct launch *l = &launches[n];
        printf("{\"launch\": \"%s\", \"program\": %d, \"global\": [%zu, %zu, %zu], "
               "\"local\": [%zu, %zu, %zu], \"args\": [",
               l->kernel->name, l->kernel->program, l->global[0], l->global[1],
               l->global[2], l->local[0], l->local[1], l->local[2]);
        for (int i = 0; i < l->kernel->arg_count; i++) {
            const struct argument *a = &l->kernel->args[i];
            printf(a->mem ? "%s\"buffer %llu\"" : "%s%llu", i ? ", " : "",
                   (unsigned long long)(a->mem ? (uint64_t)a->mem->id : a->number));
        }
        puts("]}");
    }
}

/* ---- queries ---- */

static const char *property(const char *key, const char *otherwise)
{
    size_t length = strlen(key);
    for (char **p = properties; *p; p++)
        if (!strncmp(*p, key, length) && (*p)[length] == '=')
            return *p + length + 1;
    return otherwise;
}

static cl_int answer(const void *data, size_t bytes, size_t size, void *value,
                     size_t *size_ret)
{
    if (value && size < bytes)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, data, bytes);
    if (size_ret)
        *size_ret = bytes;
    return CL_SUCCESS;
}

static cl_int answer_text(const char *text, size_t size, void *value, size_t *size_ret)
{
    return answer(text, strlen(text) + 1, size, value, size_ret);
}

cl_int clGetPlatformIDs(cl_uint room, cl_platform_id *out, cl_uint *count)
{
    if (room && out)
        *out = (cl_platform_id)(void *)handle;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id id, cl_platform_info what, size_t size,
                         void *value, size_t *size_ret)
{
    (void)id;
    const char *text = what == CL_PLATFORM_VERSION ? property("version", "OpenCL 3.0 ")
                                                   : property("platform", "recorder");
    return answer_text(text, size, value, size_ret);
}

cl_int clGetDeviceIDs(cl_platform_id id, cl_device_type type, cl_uint room,
                      cl_device_id *out, cl_uint *count)
{
    (void)id, (void)type;
    if (room && out)
        *out = (cl_device_id)(void *)handle;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

/* `bytes` 0: a text; else a little-endian number. */
static const struct {
    cl_device_info what;
    const char *key, *otherwise;
    size_t bytes;
} answers[] = {
    {CL_DEVICE_TYPE, "type", "4", sizeof(cl_device_type)},
    {CL_DEVICE_NAME, "name", "GPU", 0},
    {CL_DEVICE_VENDOR, "vendor", "recorder", 0},
    {CL_DRIVER_VERSION, "driver", "1.0", 0},
    {CL_DEVICE_VERSION, "version", "OpenCL 3.0 ", 0},
    {CL_DEVICE_EXTENSIONS, "extensions", "", 0},
    {CL_DEVICE_MAX_COMPUTE_UNITS, "units", "60", sizeof(cl_uint)},
    {CL_DEVICE_MAX_CLOCK_FREQUENCY, "clock", "2000", sizeof(cl_uint)},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, "group", "256", sizeof(size_t)},
    {CL_DEVICE_LOCAL_MEM_SIZE, "local", "65536", sizeof(cl_ulong)},
    {CL_DEVICE_GLOBAL_MEM_SIZE, "memory", "0x1000000000", sizeof(cl_ulong)},
    {CL_DEVICE_MAX_MEM_ALLOC_SIZE, "largest", "0x1000000000", sizeof(cl_ulong)},
    {CL_DEVICE_MEM_BASE_ADDR_ALIGN, "align", "1024", sizeof(cl_uint)},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, "vector", "1", sizeof(cl_uint)},
    {CL_DEVICE_HOST_UNIFIED_MEMORY, "unified", "0", sizeof(cl_bool)},
    {CL_DEVICE_ADDRESS_BITS, "bits", "64", sizeof(cl_uint)},
    {CL_DEVICE_AVAILABLE, "available", "1", sizeof(cl_bool)},
    {CL_DEVICE_COMPILER_AVAILABLE, "available", "1", sizeof(cl_bool)},
    {CL_DEVICE_ENDIAN_LITTLE, "little", "1", sizeof(cl_bool)},
};

cl_int clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size, void *value,
                       size_t *size_ret)
{
    void *platform = handle;
    (void)id;
    if (what == CL_DEVICE_PLATFORM)
        return answer(&platform, sizeof(platform), size, value, size_ret);
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        if (answers[i].what == what) {
            const char *text = property(answers[i].key, answers[i].otherwise);
            cl_ulong number = strtoull(text, NULL, 0);
            return answers[i].bytes
                       ? answer(&number, answers[i].bytes, size, value, size_ret)
                       : answer_text(text, size, value, size_ret);
        }
    return CL_INVALID_VALUE;
}

/* ---- objects ---- */

cl_context
clCreateContext(const cl_context_properties *p, cl_uint count, const cl_device_id *ids,
                void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                void *priv, cl_int *error)
{
    (void)p, (void)count, (void)ids, (void)notify, (void)priv;
    *error = CL_SUCCESS;
    return (cl_context)(void *)handle;
}

cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id id,
                                      cl_command_queue_properties p, cl_int *error)
{
    (void)c, (void)id, (void)p;
    *error = CL_SUCCESS;
    return (cl_command_queue)(void *)handle;
}

/* Launches still refer to kernels and buffers after their release. */
#define SUCCEEDS(call, type) \
    cl_int call(type object) \
    {                        \
        (void)object;        \
        return CL_SUCCESS;   \
    }
SUCCEEDS(clReleaseContext, cl_context)
SUCCEEDS(clReleaseCommandQueue, cl_command_queue)
SUCCEEDS(clRetainEvent, cl_event)
SUCCEEDS(clReleaseEvent, cl_event)
SUCCEEDS(clReleaseKernel, cl_kernel)
SUCCEEDS(clRetainProgram, cl_program)
SUCCEEDS(clReleaseProgram, cl_program)
SUCCEEDS(clFlush, cl_command_queue)
SUCCEEDS(clFinish, cl_command_queue)

static struct _cl_mem *mem_of(size_t bytes)
{
    struct _cl_mem *mem = calloc(1, sizeof(*mem));
    *mem = (struct _cl_mem){mems, ++mem_count, bytes, NULL};
    return mems = mem;
}

cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t bytes, void *from,
                      cl_int *error)
{
    (void)c, (void)flags, (void)from;
    struct _cl_mem *mem = mem_of(bytes);
    if (bytes <= STORED_BYTES)
        mem->data = calloc(1, bytes);
    *error = CL_SUCCESS;
    return mem;
}

cl_mem clCreateSubBuffer(cl_mem whole, cl_mem_flags flags, cl_buffer_create_type type,
                         const void *region, cl_int *error)
{
    (void)whole, (void)flags, (void)type;
    *error = CL_SUCCESS;
    return mem_of(((const cl_buffer_region *)region)->size);
}

cl_int clGetMemObjectInfo(cl_mem mem, cl_mem_info what, size_t size, void *value,
                          size_t *size_ret)
{
    return what == CL_MEM_SIZE
               ? answer(&mem->bytes, sizeof(mem->bytes), size, value, size_ret)
               : CL_INVALID_VALUE;
}

cl_int clReleaseMemObject(cl_mem mem)
{
    free(mem->data);
    mem->data = NULL;
    return CL_SUCCESS;
}

cl_program clCreateProgramWithSource(cl_context c, cl_uint count, const char **texts,
                                     const size_t *lengths, cl_int *error)
{
    (void)c, (void)count;
    struct _cl_program *p = calloc(1, sizeof(*p));
    p->text = strndup(texts[0], lengths[0]);
    p->id = ++program_count;
    *error = CL_SUCCESS;
    return p;
}

cl_program clCreateProgramWithBinary(cl_context c, cl_uint count, const cl_device_id *ids,
                                     const size_t *lengths, const unsigned char **data,
                                     cl_int *status, cl_int *error)
{
    (void)c, (void)count, (void)ids, (void)lengths, (void)data, (void)status;
    *error = CL_INVALID_BINARY;
    return NULL;
}

/* A program of several kernels has no macros among its options; it is refused, so that
 * the library builds each alone. */
cl_int clBuildProgram(cl_program p, cl_uint count, const cl_device_id *ids,
                      const char *options, void(CL_CALLBACK *notify)(cl_program, void *),
                      void *priv)
{
    (void)count, (void)ids, (void)notify, (void)priv;
    if (!strstr(options, "-D"))
        return CL_BUILD_PROGRAM_FAILURE;
    char path[4096];
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *at = p->text; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    snprintf(path, sizeof(path), "%s/%016llx.cl", folder, (unsigned long long)hash);
    FILE *file = fopen(path, "wx");
    if (file) {
        fputs(p->text, file);
        fclose(file);
    }
    printf("{\"build\": %d, \"source\": \"%016llx\", \"options\": ", p->id,
           (unsigned long long)hash);
    driver_print_text(options);
    puts("}");
    return CL_SUCCESS;
}

cl_int clGetProgramBuildInfo(cl_program p, cl_device_id id, cl_program_build_info what,
                             size_t size, void *value, size_t *size_ret)
{
    (void)p, (void)id, (void)what;
    return answer_text("", size, value, size_ret);
}

cl_int clGetProgramInfo(cl_program p, cl_program_info what, size_t size, void *value,
                        size_t *size_ret)
{
    (void)p, (void)what, (void)size, (void)value, (void)size_ret;
    return CL_INVALID_VALUE;
}

cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *error)
{
    struct _cl_kernel *k = calloc(1, sizeof(*k));
    k->program = p->id;
    snprintf(k->name, sizeof(k->name), "%s", name);
    *error = CL_SUCCESS;
    return k;
}

cl_int clGetKernelInfo(cl_kernel k, cl_kernel_info what, size_t size, void *value,
                       size_t *size_ret)
{
    (void)what;
    return answer_text(k->name, size, value, size_ret);
}

cl_int clGetKernelWorkGroupInfo(cl_kernel k, cl_device_id id,
                                cl_kernel_work_group_info what, size_t size, void *value,
                                size_t *size_ret)
{
    (void)k, (void)id;
    size_t number = what == CL_KERNEL_WORK_GROUP_SIZE
                        ? strtoull(property("group", "256"), NULL, 0)
                        : 32;
    return answer(&number, sizeof(number), size, value, size_ret);
}

/* A handle has the size of some numbers: only a known one is a buffer. */
cl_int clSetKernelArg(cl_kernel k, cl_uint index, size_t size, const void *value)
{
    struct argument a = {NULL, 0};
    if (index >= MAX_ARGS)
        return CL_INVALID_ARG_INDEX;
    if (k->arg_count <= (int)index)
        k->arg_count = (int)index + 1;
    if (value)
        memcpy(&a.number, value, size < sizeof(a.number) ? size : sizeof(a.number));
    if (value && size == sizeof(cl_mem))
        for (struct _cl_mem *mem = mems; mem && !a.mem; mem = mem->next)
            if ((uint64_t)(uintptr_t)mem == a.number)
                a.mem = mem;
    k->args[index] = a;
    return CL_SUCCESS;
}

/* ---- commands: all have ended at once ---- */

static cl_int end_command(cl_event *event)
{
    if (event)
        *event = (cl_event)(void *)handle;
    return CL_SUCCESS;
}

cl_int clGetEventInfo(cl_event event, cl_event_info what, size_t size, void *value,
                      size_t *size_ret)
{
    static const cl_int status = CL_COMPLETE;
    (void)event, (void)what;
    return answer(&status, sizeof(status), size, value, size_ret);
}

/* Not called: every event has ended. */
cl_int clSetEventCallback(cl_event event, cl_int type,
                          void(CL_CALLBACK *call)(cl_event, cl_int, void *), void *data)
{
    (void)event, (void)type, (void)call, (void)data;
    return CL_INVALID_EVENT;
}

cl_int clEnqueueFillBuffer(cl_command_queue q, cl_mem mem, const void *pattern,
                           size_t pattern_bytes, size_t offset, size_t bytes,
                           cl_uint waits, const cl_event *events, cl_event *event)
{
    (void)q, (void)mem, (void)pattern, (void)pattern_bytes, (void)offset, (void)bytes;
    (void)waits, (void)events;
    return end_command(event);
}

cl_int clEnqueueCopyBuffer(cl_command_queue q, cl_mem from, cl_mem to, size_t from_offset,
                           size_t to_offset, size_t bytes, cl_uint waits,
                           const cl_event *events, cl_event *event)
{
    (void)q, (void)from, (void)to, (void)from_offset, (void)to_offset, (void)bytes;
    (void)waits, (void)events;
    return end_command(event);
}

cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem mem, cl_bool wait, size_t offset,
                            size_t bytes, const void *from, cl_uint waits,
                            const cl_event *events, cl_event *event)
{
    (void)q, (void)wait, (void)waits, (void)events;
    if (mem->data)
        memcpy(mem->data + offset, from, bytes);
    return end_command(event);
}

cl_int clEnqueueReadBuffer(cl_command_queue q, cl_mem mem, cl_bool wait, size_t offset,
                           size_t bytes, void *to, cl_uint waits, const cl_event *events,
                           cl_event *event)
{
    (void)q, (void)wait, (void)waits, (void)events;
    if (mem->data)
        memcpy(to, mem->data + offset, bytes);
    else
        memset(to, 0, bytes);
    return end_command(event);
}

cl_int clEnqueueMarkerWithWaitList(cl_command_queue q, cl_uint waits,
                                   const cl_event *events, cl_event *event)
{
    (void)q, (void)waits, (void)events;
    return end_command(event);
}

cl_int clGetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t size,
                               void *value, size_t *size_ret)
{
    (void)event, (void)what, (void)size, (void)value, (void)size_ret;
    return CL_PROFILING_INFO_NOT_AVAILABLE;
}

/* Floats of a view: a buffer and an offset. */
static float *view(const struct _cl_kernel *k, int index)
{
    const struct argument *a = &k->args[2 * index];
    return a->mem && a->mem->data ? (float *)(void *)a->mem->data + a[1].number : NULL;
}

/* The correct result of cl/primitives/mma_probe.cl and subgroup_probe.cl. */
static void run_probe(const struct _cl_kernel *k, size_t items)
{
    if (!strcmp(k->name, "probe_mma")) {
        const float *a = view(k, 0), *b = view(k, 1);
        float *y = view(k, 2);
        for (int m = 0; m < 16; m++)
            for (int n = 0; n < 8; n++) {
                double sum = 0;
                for (int i = 0; i < 8; i++)
                    sum += (double)a[m * 8 + i] * b[i * 8 + n];
                y[m * 8 + n] = (float)sum;
            }
    } else if (!strcmp(k->name, "probe_subgroup")) {
        const size_t lanes = items / 2;
        float *y = view(k, 1);
        for (size_t i = 0; i < items; i++)
            for (size_t lane = 0; lane < lanes; lane++)
                y[i * lanes + lane] = (float)(i / lanes * lanes + lane) + 0.5f;
    }
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dims,
                              const size_t *offset, const size_t *global,
                              const size_t *local, cl_uint waits, const cl_event *events,
                              cl_event *event)
{
    (void)q, (void)offset, (void)waits, (void)events;
    struct launch launch = {.kernel = k, .global = {1, 1, 1}, .local = {1, 1, 1}};
    for (cl_uint i = 0; i < dims; i++) {
        launch.global[i] = global[i];
        launch.local[i] = local ? local[i] : 0;
    }
    run_probe(k, launch.local[0]);
    if (launch_count < MAX_LAUNCHES)
        launches[launch_count++] = launch;
    return end_command(event);
}
