/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that fail, with any code and from any time on, or that claim success and give
 * nothing. */
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
    CALL(clEnqueueReadBuffer,                                                            \
         (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, void *f,          \
          cl_uint g, const cl_event *h, cl_event *i),                                    \
         (a, b, c, d, e, f, g, h, i))                                                    \
    CALL(clEnqueueWriteBuffer,                                                           \
         (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, const void *f,    \
          cl_uint g, const cl_event *h, cl_event *i),                                    \
         (a, b, c, d, e, f, g, h, i))                                                    \
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
    CALL(clEnqueueMarkerWithWaitList,                                                    \
         (cl_command_queue a, cl_uint b, const cl_event *c, cl_event *d), (a, b, c, d))  \
    CALL(clEnqueueNDRangeKernel,                                                         \
         (cl_command_queue a, cl_kernel b, cl_uint c, const size_t *d, const size_t *e,  \
          const size_t *f, cl_uint g, const cl_event *h, cl_event *i),                   \
         (a, b, c, d, e, f, g, h, i))

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

static bool is_due(const char *call)
{
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

/* A device that has failed runs nothing any more: the driver's threads must not continue
 * while the process releases its memory and ends. */
static cl_int CL_API_CALL failing_clFinish(cl_command_queue queue)
{
    bool due = is_due(__func__);
    cl_int error = layer_next.clFinish(queue);
    return due ? plan.code : error;
}

static cl_int CL_API_CALL failing_clWaitForEvents(cl_uint count, const cl_event *events)
{
    bool due = is_due(__func__);
    cl_int error = layer_next.clWaitForEvents(count, events);
    return due ? plan.code : error;
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
    PUT_CODE(clFinish, , )
    PUT_CODE(clWaitForEvents, , )
    HANDLE_CALLS(PUT_HANDLE)
    return found;
}
