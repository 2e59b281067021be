/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that fail, with any code and from any time on, or that claim success and give
 * nothing. Whatever fails, a queue must not be released while it may run a kernel, and
 * the memory of an asynchronous write must stay as it is until the queue has been waited
 * for: else the process is ended, as a driver may end it. */
#define _GNU_SOURCE
#include "fault_injection/call_counter.h"
#include "opencl_layer/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every call of weft whose failure must be reported; (arguments), (their names).
 * Those with a handle have the place of the code as their last argument, `error`. */
#define CODE_CALLS(CALL)                                                                 \
    CALL(clGetPlatformIDs, (cl_uint a, cl_platform_id * b, cl_uint * c), (a, b, c))      \
    CALL(clGetPlatformInfo,                                                              \
         (cl_platform_id a, cl_platform_info b, size_t c, void *d, size_t *e),           \
         (a, b, c, d, e))                                                                \
    CALL(clGetDeviceIDs,                                                                 \
         (cl_platform_id a, cl_device_type b, cl_uint c, cl_device_id * d, cl_uint * e), \
         (a, b, c, d, e))                                                                \
    CALL(clGetDeviceInfo,                                                                \
         (cl_device_id a, cl_device_info b, size_t c, void *d, size_t *e),               \
         (a, b, c, d, e))                                                                \
    CALL(clBuildProgram,                                                                 \
         (cl_program a, cl_uint b, const cl_device_id *c, const char *d,                 \
          void(CL_CALLBACK * e)(cl_program, void *), void *f),                           \
         (a, b, c, d, e, f))                                                             \
    CALL(clSetKernelArg, (cl_kernel a, cl_uint b, size_t c, const void *d),              \
         (a, b, c, d))                                                                   \
    CALL(clGetKernelWorkGroupInfo,                                                       \
         (cl_kernel a, cl_device_id b, cl_kernel_work_group_info c, size_t d, void *e,   \
          size_t *f),                                                                    \
         (a, b, c, d, e, f))                                                             \
    CALL(clFlush, (cl_command_queue a), (a))                                             \
    CALL(clEnqueueFillBuffer,                                                            \
         (cl_command_queue a, cl_mem b, const void *c, size_t d, size_t e, size_t f,     \
          cl_uint g, const cl_event *h, cl_event *i),                                    \
         (a, b, c, d, e, f, g, h, i))                                                    \
    CALL(clEnqueueCopyBuffer,                                                            \
         (cl_command_queue a, cl_mem b, cl_mem c, size_t d, size_t e, size_t f,          \
          cl_uint g, const cl_event *h, cl_event *i),                                    \
         (a, b, c, d, e, f, g, h, i))                                                    \
    CALL(clGetProgramInfo,                                                               \
         (cl_program a, cl_program_info b, size_t c, void *d, size_t *e),                \
         (a, b, c, d, e))                                                                \
    CALL(clGetProgramBuildInfo,                                                          \
         (cl_program a, cl_device_id b, cl_program_build_info c, size_t d, void *e,      \
          size_t *f),                                                                    \
         (a, b, c, d, e, f))                                                             \
    CALL(clGetKernelInfo, (cl_kernel a, cl_kernel_info b, size_t c, void *d, size_t *e), \
         (a, b, c, d, e))                                                                \
    CALL(clGetEventProfilingInfo,                                                        \
         (cl_event a, cl_profiling_info b, size_t c, void *d, size_t *e),                \
         (a, b, c, d, e))                                                                \
    CALL(clSetEventCallback,                                                             \
         (cl_event a, cl_int b, void(CL_CALLBACK * c)(cl_event, cl_int, void *),         \
          void *d),                                                                      \
         (a, b, c, d))                                                                   \
    CALL(clEnqueueMarkerWithWaitList,                                                    \
         (cl_command_queue a, cl_uint b, const cl_event *c, cl_event *d), (a, b, c, d))

#define HANDLE_CALLS(CALL)                                                              \
    CALL(cl_context, clCreateContext,                                                   \
         (const cl_context_properties *a, cl_uint b, const cl_device_id *c,             \
          void(CL_CALLBACK * d)(const char *, const void *, size_t, void *), void *e,   \
          cl_int *error),                                                               \
         (a, b, c, d, e, error))                                                        \
    CALL(cl_command_queue, clCreateCommandQueue,                                        \
         (cl_context a, cl_device_id b, cl_command_queue_properties c, cl_int * error), \
         (a, b, c, error))                                                              \
    CALL(cl_mem, clCreateBuffer,                                                        \
         (cl_context a, cl_mem_flags b, size_t c, void *d, cl_int *error),              \
         (a, b, c, d, error))                                                           \
    CALL(cl_program, clCreateProgramWithSource,                                         \
         (cl_context a, cl_uint b, const char **c, const size_t *d, cl_int *error),     \
         (a, b, c, d, error))                                                           \
    CALL(cl_program, clCreateProgramWithBinary,                                         \
         (cl_context a, cl_uint b, const cl_device_id *c, const size_t *d,              \
          const unsigned char **e, cl_int *f, cl_int *error),                           \
         (a, b, c, d, e, f, error))                                                     \
    CALL(cl_kernel, clCreateKernel, (cl_program a, const char *b, cl_int *error),       \
         (a, b, error))

static struct {
    char call[64];
    cl_int code;
    struct call_plan calls;
} plan;

static struct call_counter *counter;

/* Some calls come here whichever is planned. */
static bool is_due(const char *call)
{
    if (strcmp(plan.call, "any") && strcmp(plan.call, call + strlen("failing_")))
        return false;
    if (!call_counter_is_due(counter, &plan.calls, call))
        return false;
    layer_report_triggered();
    return true;
}

#define DEFINE_CODE(call, parameters, arguments)        \
    static cl_int CL_API_CALL failing_##call parameters \
    {                                                   \
        if (is_due(__func__))                           \
            return plan.code;                           \
        return layer_next.call arguments;               \
    }
#define DEFINE_HANDLE(type, call, parameters, arguments) \
    static type CL_API_CALL failing_##call parameters    \
    {                                                    \
        if (!is_due(__func__))                           \
            return layer_next.call arguments;            \
        if (error)                                       \
            *error = plan.code;                          \
        return NULL;                                     \
    }
CODE_CALLS(DEFINE_CODE)
HANDLE_CALLS(DEFINE_HANDLE)

/* Queues that may run a kernel, and asynchronous writes that may not have ended. */
enum { MAX_QUEUES = 16, MAX_WRITES = 256 };
static cl_command_queue running[MAX_QUEUES];
static struct write {
    cl_command_queue queue; /* NULL: none */
    const unsigned char *from;
    size_t bytes;
    uint64_t sum;
} writes[MAX_WRITES];

static uint64_t sum_of(const unsigned char *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void note_kernel(cl_command_queue queue)
{
    int free_place = MAX_QUEUES - 1;
    for (int i = 0; i < MAX_QUEUES; i++)
        if (running[i] == queue)
            return;
        else if (!running[i])
            free_place = i;
    running[free_place] = queue;
}

static void note_write(cl_command_queue queue, const void *from, size_t bytes)
{
    static size_t next;
    writes[next++ % MAX_WRITES] = (struct write){queue, from, bytes, sum_of(from, bytes)};
}

/* NULL: of all queues. */
static void end_writes(cl_command_queue queue)
{
    for (int i = 0; i < MAX_WRITES; i++) {
        struct write *w = &writes[i];
        if (!w->queue || (queue && w->queue != queue))
            continue;
        if (sum_of(w->from, w->bytes) != w->sum)
            layer_exit_with_error("memory changes before it is written", plan.call);
        w->queue = NULL;
    }
}

/* Before a queue is waited for. */
static void end_queue(cl_command_queue queue)
{
    for (int i = 0; i < MAX_QUEUES; i++)
        if (running[i] == queue)
            running[i] = NULL;
    end_writes(queue);
}

static cl_int CL_API_CALL failing_clEnqueueNDRangeKernel(
    cl_command_queue queue, cl_kernel kernel, cl_uint axes, const size_t *offset,
    const size_t *global, const size_t *local, cl_uint wait_count, const cl_event *wait,
    cl_event *event)
{
    if (is_due(__func__))
        return plan.code;
    note_kernel(queue);
    return layer_next.clEnqueueNDRangeKernel(queue, kernel, axes, offset, global, local,
                                             wait_count, wait, event);
}

static cl_int CL_API_CALL failing_clEnqueueWriteBuffer(
    cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset, size_t bytes,
    const void *from, cl_uint wait_count, const cl_event *wait, cl_event *event)
{
    if (is_due(__func__))
        return plan.code;
    if (blocking)
        end_queue(queue);
    else
        note_write(queue, from, bytes);
    return layer_next.clEnqueueWriteBuffer(queue, mem, blocking, offset, bytes, from,
                                           wait_count, wait, event);
}

static cl_int CL_API_CALL failing_clEnqueueReadBuffer(
    cl_command_queue queue, cl_mem mem, cl_bool blocking, size_t offset, size_t bytes,
    void *to, cl_uint wait_count, const cl_event *wait, cl_event *event)
{
    if (is_due(__func__))
        return plan.code;
    if (blocking)
        end_queue(queue);
    return layer_next.clEnqueueReadBuffer(queue, mem, blocking, offset, bytes, to,
                                          wait_count, wait, event);
}

/* A device that has failed runs nothing any more: the driver's threads must not continue
 * while the process releases its memory and ends. */
static cl_int CL_API_CALL failing_clFinish(cl_command_queue queue)
{
    bool due = is_due(__func__);
    end_queue(queue);
    cl_int error = layer_next.clFinish(queue);
    return due ? plan.code : error;
}

static cl_int CL_API_CALL failing_clWaitForEvents(cl_uint count, const cl_event *events)
{
    bool due = is_due(__func__);
    end_writes(NULL);
    cl_int error = layer_next.clWaitForEvents(count, events);
    return due ? plan.code : error;
}

/* An event that has ended: in the order of its queue, so have those before. */
static cl_int CL_API_CALL failing_clGetEventInfo(cl_event event, cl_event_info what,
                                                 size_t size, void *value,
                                                 size_t *size_ret)
{
    if (is_due(__func__))
        return plan.code;
    cl_int error = layer_next.clGetEventInfo(event, what, size, value, size_ret);
    cl_command_queue queue = NULL;
    if (!error && what == CL_EVENT_COMMAND_EXECUTION_STATUS && value &&
        *(cl_int *)value == CL_COMPLETE &&
        !layer_next.clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof(queue), &queue,
                                   NULL))
        end_queue(queue);
    return error;
}

static cl_int CL_API_CALL release_queue(cl_command_queue queue)
{
    for (int i = 0; i < MAX_QUEUES; i++)
        if (running[i] == queue)
            layer_exit_with_error("a queue is released that may run", plan.call);
    return layer_next.clReleaseCommandQueue(queue);
}

bool layer_error(cl_icd_dispatch *table, const char *word)
{
    char code[16];
    int used = 0;
    bool found = false;
    if (sscanf(word, "%63[^:]:%15[^:]:%n", plan.call, code, &used) < 2 ||
        !call_plan_read(&plan.calls, word + used))
        return false;
    plan.code = strcmp(code, "null") ? (cl_int)strtol(code, NULL, 10) : CL_SUCCESS;
    counter = call_counter_map(open);
    bool any = !strcmp(plan.call, "any");
#define PUT_CODE(name, parameters, arguments) \
    if (any || !strcmp(plan.call, #name)) {   \
        table->name = failing_##name;         \
        found = true;                         \
    }
#define PUT_HANDLE(type, name, parameters, arguments) PUT_CODE(name, , )
    CODE_CALLS(PUT_CODE)
    HANDLE_CALLS(PUT_HANDLE)
#define PUT_QUEUE(name)                                \
    found = found || any || !strcmp(plan.call, #name); \
    table->name = failing_##name;
    PUT_QUEUE(clEnqueueNDRangeKernel)
    PUT_QUEUE(clEnqueueWriteBuffer)
    PUT_QUEUE(clEnqueueReadBuffer)
    PUT_QUEUE(clFinish)
    PUT_QUEUE(clWaitForEvents)
    PUT_QUEUE(clGetEventInfo)
    if (found)
        table->clReleaseCommandQueue = release_queue;
    return found;
}
