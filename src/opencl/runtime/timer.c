/* SPDX-License-Identifier: Apache-2.0 */
/* Launches timed by the device's profiling events and by the wall clock, on a queue of
 * their own: the device's queue has no profiling, which slows some drivers. */
#include "opencl/runtime/command_list.h"
#include "opencl/runtime/queue.h"

#include "util/clock.h"

#include <math.h>
#include <stdlib.h>

/* Nanoseconds from start to end; NaN: the driver does not report them. */
static double nanoseconds(cl_event event)
{
    cl_ulong start = 0, end = 0;
    if (clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(start), &start,
                                NULL) ||
        clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(end), &end, NULL))
        return NAN;
    return end >= start ? (double)(end - start) : -(double)(start - end);
}

/* Waits also where a launch fails, for those before it: the caller may free their memory.
 */
static enum weft_status launch_timed(struct weft_command_list *list,
                                     cl_command_queue queue, int replays,
                                     cl_event *events)
{
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < replays && !status; i++)
        status = ocl_list_launch(list, 0, queue, &events[i]);
    cl_int error = ocl_queue_finish(ocl_device_of(list), queue);
    return status ? status
                  : ocl_check(list->device->context, error, "waiting for the device");
}

enum weft_status ocl_timer(struct weft_command_list *list, int replays, double *device,
                           double *wall)
{
    const struct ocl_device *d = ocl_device_of(list);
    cl_int error;
    *device = *wall = NAN;
    cl_command_queue queue =
        clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &error);
    if (error)
        return WEFT_OK;
    cl_event *events = calloc((size_t)replays, sizeof(*events));
    enum weft_status status =
        events ? WEFT_OK
               : weft_out_of_memory(d->base.context, "opencl: timer", sizeof(*events));
    double begin = weft_clock_seconds(), sum = 0;
    if (!status)
        status = launch_timed(list, queue, replays, events);
    *wall = weft_clock_seconds() - begin;
    for (int i = 0; events && i < replays && events[i]; i++) {
        sum += nanoseconds(events[i]);
        clReleaseEvent(events[i]);
    }
    *device = 1e-9 * sum;
    free(events);
    clReleaseCommandQueue(queue);
    return status;
}
