/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that fail when their queue holds much, as those of GPUs do, or compile late;
 * and one that counts transfers. */
#include "opencl_layer/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAUNCH_PARAMETERS                                                         \
    cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset, \
        const size_t *global, const size_t *local, cl_uint waits,                 \
        const cl_event *events, cl_event *event
#define LAUNCH_ARGUMENTS queue, kernel, dims, offset, global, local

/* Launches that have not ended, oldest first. */
static struct {
    cl_event list[1 << 16];
    size_t count;
} unfinished;

static void forget_finished(void)
{
    size_t done = 0;
    cl_int status = CL_COMPLETE;
    for (; done < unfinished.count && status <= CL_COMPLETE; done += status <= 0) {
        layer_next.clGetEventInfo(unfinished.list[done],
                                  CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status),
                                  &status, NULL);
        if (status <= CL_COMPLETE)
            layer_next.clReleaseEvent(unfinished.list[done]);
    }
    unfinished.count -= done;
    memmove(unfinished.list, unfinished.list + done,
            unfinished.count * sizeof(*unfinished.list));
}

/* A queue of `number` launches at most. */
static cl_int CL_API_CALL launch_if_room(LAUNCH_PARAMETERS)
{
    cl_event own = NULL;
    forget_finished();
    if (unfinished.count >= layer_active_fault->number) {
        layer_report_triggered();
        return CL_OUT_OF_HOST_MEMORY;
    }
    cl_int error =
        layer_next.clEnqueueNDRangeKernel(LAUNCH_ARGUMENTS, waits, events, &own);
    if (error)
        return error;
    unfinished.list[unfinished.count++] = own;
    layer_next.clRetainEvent(own);
    if (event)
        *event = own;
    else
        layer_next.clReleaseEvent(own);
    return error;
}

static cl_int CL_API_CALL launch_for_ever(LAUNCH_PARAMETERS)
{
    (void)queue, (void)kernel, (void)dims, (void)offset, (void)global, (void)local;
    (void)waits, (void)events, (void)event;
    layer_hang();
}

/* ---- a compiler that compiles when kernels are made ---- */

static cl_program compiled[4096];
static size_t compiled_count;

static cl_kernel CL_API_CALL compile_kernel(cl_program program, const char *name,
                                            cl_int *error)
{
    if (compiled_count < LAYER_COUNT(compiled))
        compiled[compiled_count++] = program;
    return layer_next.clCreateKernel(program, name, error);
}

/* Binaries of what is not compiled yet have no code, and are not worth keeping. */
static cl_int CL_API_CALL late_binary(cl_program program, cl_program_info what,
                                      size_t size, void *value, size_t *size_ret)
{
    static const size_t none = 0;
    if (what == CL_PROGRAM_BINARY_SIZES) {
        size_t i = 0;
        while (i < compiled_count && compiled[i] != program)
            i++;
        layer_report_triggered();
        if (i == compiled_count)
            return layer_return_query(&none, sizeof(none), size, value, size_ret);
    }
    return layer_next.clGetProgramInfo(program, what, size, value, size_ret);
}

/* ---- transfers are counted ---- */

static unsigned transfers;

static void print_transfers(void)
{
    fprintf(stderr, "layer: %u transfers\n", transfers);
}

static void count_transfer(void)
{
    layer_report_triggered();
    if (!__atomic_fetch_add(&transfers, 1, __ATOMIC_RELAXED))
        atexit(print_transfers);
}

static cl_int CL_API_CALL count_read(cl_command_queue queue, cl_mem mem, cl_bool wait,
                                     size_t offset, size_t size, void *to, cl_uint waits,
                                     const cl_event *events, cl_event *event)
{
    count_transfer();
    return layer_next.clEnqueueReadBuffer(queue, mem, wait, offset, size, to, waits,
                                          events, event);
}

static cl_int CL_API_CALL count_write(cl_command_queue queue, cl_mem mem, cl_bool wait,
                                      size_t offset, size_t size, const void *from,
                                      cl_uint waits, const cl_event *events,
                                      cl_event *event)
{
    count_transfer();
    return layer_next.clEnqueueWriteBuffer(queue, mem, wait, offset, size, from, waits,
                                           events, event);
}

#define LAUNCH(name, call, ...)                                           \
    {                                                                     \
        name, .calls.clEnqueueNDRangeKernel = call, .number = __VA_ARGS__ \
    }

const struct layer_fault layer_queue_faults[] = {
    LAUNCH("queue-of-512", launch_if_room, 512),
    LAUNCH("queue-of-50", launch_if_room, 50),
    LAUNCH("queue-of-8", launch_if_room, 8),
    LAUNCH("launch-hang", launch_for_ever, 0),
    {"late-compiler",
     .calls = {.clCreateKernel = compile_kernel, .clGetProgramInfo = late_binary}},
    {"transfers-counted",
     .calls = {.clEnqueueReadBuffer = count_read, .clEnqueueWriteBuffer = count_write}},
    {0},
};
