/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers whose memory, launches or timers are wrong. */
#include "opencl_layer/layer.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LAUNCH_PARAMETERS                                                         \
    cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset, \
        const size_t *global, const size_t *local, cl_uint waits,                 \
        const cl_event *events, cl_event *event
#define LAUNCH_ARGUMENTS queue, kernel, dims, offset, global, local, waits, events, event
#define READ_PARAMETERS                                                           \
    cl_command_queue queue, cl_mem mem, cl_bool wait, size_t offset, size_t size, \
        void *to, cl_uint waits, const cl_event *events, cl_event *event
#define WRITE_PARAMETERS                                                          \
    cl_command_queue queue, cl_mem mem, cl_bool wait, size_t offset, size_t size, \
        const void *from, cl_uint waits, const cl_event *events, cl_event *event
#define IGNORE_TRANSFER                                                        \
    (void)queue, (void)mem, (void)wait, (void)offset, (void)size, (void)waits, \
        (void)events, (void)event

static unsigned calls; /* launches, reads or writes so far, whichever the fault counts */

/* ---- launches ---- */

static cl_int CL_API_CALL launch_nothing(LAUNCH_PARAMETERS)
{
    layer_report_triggered();
    (void)queue, (void)kernel, (void)dims, (void)offset, (void)global, (void)local;
    (void)waits, (void)events, (void)event;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL launch_most(LAUNCH_PARAMETERS)
{
    if (++calls % layer_active_fault->number)
        return layer_next.clEnqueueNDRangeKernel(LAUNCH_ARGUMENTS);
    layer_report_triggered();
    return CL_SUCCESS;
}

/* The last group of the first axis that has more than one is left out. */
static cl_int CL_API_CALL launch_fewer(LAUNCH_PARAMETERS)
{
    size_t less[3] = {1, 1, 1};
    bool done = false;
    for (cl_uint i = 0; i < dims; i++) {
        size_t group = local ? local[i] : 1;
        less[i] = !done && global[i] > group ? global[i] - group : global[i];
        done = done || less[i] != global[i];
    }
    if (done)
        layer_report_triggered();
    return layer_next.clEnqueueNDRangeKernel(queue, kernel, dims, offset, less, local,
                                             waits, events, event);
}

static cl_int CL_API_CALL launch_again(LAUNCH_PARAMETERS)
{
    layer_report_triggered();
    layer_next.clEnqueueNDRangeKernel(LAUNCH_ARGUMENTS);
    return layer_next.clEnqueueNDRangeKernel(LAUNCH_ARGUMENTS);
}

/* Launches change places two by two: what was to run second runs first. */
static cl_int CL_API_CALL launch_late(LAUNCH_PARAMETERS)
{
    layer_report_triggered();
    static cl_command_queue held_queue;
    static cl_kernel held;
    static size_t sizes[6];
    static bool has_local;
    if (!held) {
        held_queue = queue, held = kernel, has_local = local != NULL;
        memcpy(sizes, global, 3 * sizeof(*sizes));
        memcpy(sizes + 3, local ? local : global, 3 * sizeof(*sizes));
        return CL_SUCCESS;
    }
    cl_kernel first = held;
    held = NULL;
    cl_int error = layer_next.clEnqueueNDRangeKernel(LAUNCH_ARGUMENTS);
    return error ? error
                 : layer_next.clEnqueueNDRangeKernel(held_queue, first, 3, NULL, sizes,
                                                     has_local ? sizes + 3 : NULL, 0,
                                                     NULL, NULL);
}

/* ---- arguments, and what a kernel leaves where they point ---- */

enum { MAX_KERNELS = 16384, MAX_ARGS = 48 };

/* A view is two arguments: the buffer, and then the element. */
struct place {
    cl_kernel kernel;
    cl_mem mem[MAX_ARGS];
    cl_uint element[MAX_ARGS];
};
static struct place *places;
static size_t place_count;

static struct place *place_of(cl_kernel kernel)
{
    for (size_t i = place_count; i--;)
        if (places[i].kernel == kernel)
            return &places[i];
    return NULL;
}

static cl_kernel CL_API_CALL note_kernel(cl_program program, const char *name,
                                         cl_int *error)
{
    cl_kernel kernel = layer_next.clCreateKernel(program, name, error);
    if (!places)
        places = calloc(MAX_KERNELS, sizeof(*places));
    if (kernel && places && place_count < MAX_KERNELS)
        places[place_count++] = (struct place){.kernel = kernel};
    return kernel;
}

/* Known buffers: the handle distinguishes one from a float2 of the same size. */
static cl_mem buffers[MAX_KERNELS];
static size_t buffer_count;

static cl_mem CL_API_CALL note_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                      void *host, cl_int *error)
{
    cl_mem mem = layer_next.clCreateBuffer(context, flags, size, host, error);
    if (mem)
        buffers[buffer_count++ % MAX_KERNELS] = mem;
    return mem;
}

static bool is_buffer(const void *value)
{
    for (size_t i = 0; i < buffer_count && i < MAX_KERNELS; i++)
        if (!memcmp(value, &buffers[i], sizeof(cl_mem)))
            return true;
    return false;
}

static cl_int CL_API_CALL note_arg(cl_kernel kernel, cl_uint index, size_t size,
                                   const void *value)
{
    struct place *p = place_of(kernel);
    if (p && index < MAX_ARGS && size == sizeof(cl_mem) && value && is_buffer(value))
        memcpy(&p->mem[index], value, size);
    if (p && index < MAX_ARGS && size == sizeof(cl_uint) && value)
        memcpy(&p->element[index], value, size);
    return layer_next.clSetKernelArg(kernel, index, size, value);
}

static cl_int peek(cl_command_queue queue, const struct place *p, int i, float *value)
{
    return layer_next.clEnqueueReadBuffer(queue, p->mem[i], CL_TRUE,
                                          p->element[i + 1] * sizeof(*value),
                                          sizeof(*value), value, 0, NULL, NULL);
}

static float times(float x)
{
    return x * 1.0001f;
}
static float opposite(float x)
{
    return -x;
}
static float no_number(float x)
{
    return x * NAN;
}
static float no_result(float x)
{
    return x * 0;
}
static float next_number(float x)
{
    return x + 1;
}
static float (*const twists[])(float x) = {times, opposite, no_number, no_result,
                                           next_number};

/* Changes the first element that the kernel wrote, or the one `number` - 16 elements
 * before or behind it. */
static cl_int CL_API_CALL launch_twisted(LAUNCH_PARAMETERS)
{
    const struct place *p = place_of(kernel);
    float before[MAX_ARGS], after;
    cl_ulong way = layer_active_fault->number;
    for (int i = 0; p && i + 1 < MAX_ARGS; i++)
        if (p->mem[i])
            peek(queue, p, i, &before[i]);
    cl_int error = layer_next.clEnqueueNDRangeKernel(LAUNCH_ARGUMENTS);
    for (int i = 0; p && i + 1 < MAX_ARGS && !error; i++) {
        if (!p->mem[i] || peek(queue, p, i, &after) ||
            !memcmp(&before[i], &after, sizeof(after)))
            continue;
        size_t at = p->element[i + 1];
        layer_report_triggered();
        if (way < LAYER_COUNT(twists))
            after = twists[way](after);
        else if (at >= way - LAYER_COUNT(twists))
            at -= (size_t)way - LAYER_COUNT(twists);
        error =
            layer_next.clEnqueueWriteBuffer(queue, p->mem[i], CL_TRUE, at * sizeof(after),
                                            sizeof(after), &after, 0, NULL, NULL);
    }
    return error;
}

/* The last argument that is a number keeps the first value it ever had. */
static cl_int CL_API_CALL stale_arg(cl_kernel kernel, cl_uint index, size_t size,
                                    const void *value)
{
    layer_report_triggered();
    static cl_uint kept[MAX_ARGS];
    static bool has[MAX_ARGS];
    if (size != sizeof(cl_uint) || !value || index >= MAX_ARGS)
        return layer_next.clSetKernelArg(kernel, index, size, value);
    if (!has[index])
        memcpy(&kept[index], value, size);
    has[index] = true;
    return layer_next.clSetKernelArg(kernel, index, size, &kept[index]);
}

static cl_int CL_API_CALL zero_arg(cl_kernel kernel, cl_uint index, size_t size,
                                   const void *value)
{
    layer_report_triggered();
    static const cl_uint zero = 0;
    return layer_next.clSetKernelArg(kernel, index, size,
                                     size == sizeof(zero) && value ? &zero : value);
}

/* ---- memory ---- */

static cl_int CL_API_CALL read_nothing(READ_PARAMETERS)
{
    layer_report_triggered();
    IGNORE_TRANSFER, (void)to;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL read_zeros(READ_PARAMETERS)
{
    layer_report_triggered();
    IGNORE_TRANSFER;
    memset(to, 0, size);
    return CL_SUCCESS;
}

/* A read returns the result of the previous read, if that had the same size. */
static cl_int CL_API_CALL read_stale(READ_PARAMETERS)
{
    (void)wait; /* the bytes are changed behind the read */
    layer_report_triggered();
    static char *kept;
    static size_t kept_size;
    char *now = malloc(size);
    cl_int error = layer_next.clEnqueueReadBuffer(queue, mem, CL_TRUE, offset, size, to,
                                                  waits, events, event);
    memcpy(now, to, size);
    if (kept_size == size)
        memcpy(to, kept, size);
    free(kept);
    kept = now;
    kept_size = size;
    return error;
}

static cl_int CL_API_CALL read_most(READ_PARAMETERS)
{
    layer_report_triggered();
    return layer_next.clEnqueueReadBuffer(queue, mem, wait, offset, size - size / 8, to,
                                          waits, events, event);
}

static cl_int CL_API_CALL read_shifted(READ_PARAMETERS)
{
    layer_report_triggered();
    return layer_next.clEnqueueReadBuffer(queue, mem, wait,
                                          offset + layer_active_fault->number, size, to,
                                          waits, events, event);
}

static cl_int CL_API_CALL read_flipped(READ_PARAMETERS)
{
    (void)wait; /* the bytes are changed behind the read */
    cl_int error = layer_next.clEnqueueReadBuffer(queue, mem, CL_TRUE, offset, size, to,
                                                  waits, events, event);
    if (++calls % layer_active_fault->number)
        return error;
    layer_report_triggered();
    ((unsigned char *)to)[size / 2] ^= 0x10;
    return error;
}

static cl_int CL_API_CALL read_hang(READ_PARAMETERS)
{
    IGNORE_TRANSFER, (void)to;
    layer_hang();
}

static cl_int CL_API_CALL write_nothing(WRITE_PARAMETERS)
{
    layer_report_triggered();
    IGNORE_TRANSFER, (void)from;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL write_most(WRITE_PARAMETERS)
{
    layer_report_triggered();
    return layer_next.clEnqueueWriteBuffer(queue, mem, wait, offset, size - size / 8,
                                           from, waits, events, event);
}

static cl_int CL_API_CALL write_shifted(WRITE_PARAMETERS)
{
    layer_report_triggered();
    return layer_next.clEnqueueWriteBuffer(queue, mem, wait,
                                           offset + layer_active_fault->number, size,
                                           from, waits, events, event);
}

static cl_int CL_API_CALL write_crash(WRITE_PARAMETERS)
{
    IGNORE_TRANSFER, (void)from;
    layer_crash();
}

static cl_int CL_API_CALL fill_nothing(cl_command_queue queue, cl_mem mem,
                                       const void *pattern, size_t length, size_t offset,
                                       size_t size, cl_uint waits, const cl_event *events,
                                       cl_event *event)
{
    layer_report_triggered();
    (void)queue, (void)mem, (void)pattern, (void)length, (void)offset, (void)size;
    (void)waits, (void)events, (void)event;
    return CL_SUCCESS;
}
static cl_int CL_API_CALL fill_ones(cl_command_queue queue, cl_mem mem,
                                    const void *pattern, size_t length, size_t offset,
                                    size_t size, cl_uint waits, const cl_event *events,
                                    cl_event *event)
{
    layer_report_triggered();
    const cl_uint ones = ~0u;
    (void)pattern, (void)length;
    return layer_next.clEnqueueFillBuffer(queue, mem, &ones, sizeof(ones), offset, size,
                                          waits, events, event);
}
static cl_mem CL_API_CALL small_buffer(cl_context context, cl_mem_flags flags,
                                       size_t size, void *host, cl_int *error)
{
    layer_report_triggered();
    return layer_next.clCreateBuffer(context, flags, size / 2 + 1, host, error);
}

/* Every buffer is the first one again, if that is large enough. */
static cl_mem CL_API_CALL same_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                      void *host, cl_int *error)
{
    layer_report_triggered();
    static cl_mem first;
    static size_t first_size;
    if (first && size <= first_size && !layer_next.clRetainMemObject(first)) {
        *error = CL_SUCCESS;
        return first;
    }
    cl_mem mem = layer_next.clCreateBuffer(context, flags, size, host, error);
    if (!first && mem && !layer_next.clRetainMemObject(mem)) {
        first = mem;
        first_size = size;
    }
    return mem;
}

/* ---- timers ---- */

/* "0", or nanoseconds times `number` / 1000. */
static cl_int CL_API_CALL other_times(cl_event event, cl_profiling_info what, size_t size,
                                      void *value, size_t *size_ret)
{
    layer_report_triggered();
    cl_ulong time = 0;
    cl_int error =
        layer_next.clGetEventProfilingInfo(event, what, sizeof(time), &time, NULL);
    time = time / 1000 * layer_active_fault->number;
    return error ? error : layer_return_query(&time, sizeof(time), size, value, size_ret);
}

/* They end before they start. */
static cl_int CL_API_CALL backward_times(cl_event event, cl_profiling_info what,
                                         size_t size, void *value, size_t *size_ret)
{
    layer_report_triggered();
    return layer_next.clGetEventProfilingInfo(
        event,
        what == CL_PROFILING_COMMAND_START ? CL_PROFILING_COMMAND_END
        : what == CL_PROFILING_COMMAND_END ? CL_PROFILING_COMMAND_START
                                           : what,
        size, value, size_ret);
}

#define LAUNCH(name, call, ...)                                           \
    {                                                                     \
        name, .calls.clEnqueueNDRangeKernel = call, .number = __VA_ARGS__ \
    }
#define TWIST(name, way)                                        \
    {                                                           \
        name,                                                   \
            .calls = {.clEnqueueNDRangeKernel = launch_twisted, \
                      .clCreateKernel = note_kernel,            \
                      .clCreateBuffer = note_buffer,            \
                      .clSetKernelArg = note_arg},              \
            .number = way                                       \
    }
#define READ(name, call, ...)                                          \
    {                                                                  \
        name, .calls.clEnqueueReadBuffer = call, .number = __VA_ARGS__ \
    }
#define WRITE(name, call, ...)                                          \
    {                                                                   \
        name, .calls.clEnqueueWriteBuffer = call, .number = __VA_ARGS__ \
    }
#define TIMES(name, call, ...)                                             \
    {                                                                      \
        name, .calls.clGetEventProfilingInfo = call, .number = __VA_ARGS__ \
    }

const struct layer_fault layer_run_faults[] = {
    LAUNCH("launch-nothing", launch_nothing, 0),
    LAUNCH("launch-2-of-3", launch_most, 3),
    LAUNCH("launch-10-of-11", launch_most, 11),
    LAUNCH("launch-100-of-101", launch_most, 101),
    LAUNCH("launch-fewer", launch_fewer, 0),
    LAUNCH("launch-again", launch_again, 0),
    LAUNCH("launch-late", launch_late, 0),
    TWIST("result-times-1.0001", 0),
    TWIST("result-negative", 1),
    TWIST("result-nan", 2),
    TWIST("result-zero", 3),
    TWIST("result-plus-1", 4),
    TWIST("result-one-before", 6),
    TWIST("result-three-before", 8),
    TWIST("result-sixteen-before", 21),
    {"args-stale", .calls.clSetKernelArg = stale_arg},
    {"args-zero", .calls.clSetKernelArg = zero_arg},
    READ("read-nothing", read_nothing, 0),
    READ("read-zeros", read_zeros, 0),
    READ("read-stale", read_stale, 0),
    READ("read-most", read_most, 0),
    READ("read-shifted-4", read_shifted, 4),
    READ("read-shifted-64", read_shifted, 64),
    READ("read-flips-every-7th", read_flipped, 7),
    READ("read-flips-every-50th", read_flipped, 50),
    READ("read-hang", read_hang, 0),
    WRITE("write-nothing", write_nothing, 0),
    WRITE("write-most", write_most, 0),
    WRITE("write-shifted-4", write_shifted, 4),
    WRITE("write-shifted-64", write_shifted, 64),
    WRITE("write-crash", write_crash, 0),
    {"fill-nothing", .calls.clEnqueueFillBuffer = fill_nothing},
    {"fill-ones", .calls.clEnqueueFillBuffer = fill_ones},
    {"buffer-small", .calls.clCreateBuffer = small_buffer},
    {"buffer-same", .calls.clCreateBuffer = same_buffer},
    TIMES("timer-0", other_times, 0),
    TIMES("timer-fast", other_times, 10),
    TIMES("timer-slow", other_times, 100000),
    TIMES("timer-backward", backward_times, 0),
    {0},
};
