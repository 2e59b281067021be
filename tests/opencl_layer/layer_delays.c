/* SPDX-License-Identifier: Apache-2.0 */
/* A device whose transfers or launches take long, and are right: a launch, or a write or
 * copy that is not waited for, runs some milliseconds after all before it. */
#include "opencl_layer/layer.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static cl_icd_dispatch next;
static unsigned milliseconds;
static unsigned endless = ~0u; /* the first launch that does not end */

static void *end_delay(void *release)
{
    const struct timespec time = {milliseconds / 1000,
                                  (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
    next.clSetUserEventStatus(release, CL_COMPLETE);
    next.clReleaseEvent(release);
    return NULL;
}

/* Not in this thread, which is one of the driver's. */
static void CL_CALLBACK begin_delay(cl_event before, cl_int status, void *release)
{
    pthread_t thread;
    (void)before, (void)status;
    if (pthread_create(&thread, NULL, end_delay, release))
        end_delay(release);
    else
        pthread_detach(thread);
}

/* An event some milliseconds after the others and the commands before in the queue. */
static cl_event delay(cl_command_queue queue, cl_uint waits, const cl_event *events)
{
    cl_context context;
    cl_event before, release;
    cl_int error = CL_SUCCESS;
    layer_report_triggered();
    next.clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context, NULL);
    release = next.clCreateUserEvent(context, &error);
    if (!error)
        error = next.clEnqueueMarkerWithWaitList(queue, waits, events, &before);
    if (error)
        layer_exit_with_error("a transfer cannot be delayed", "");
    next.clRetainEvent(release);
    next.clSetEventCallback(before, CL_COMPLETE, begin_delay, release);
    next.clReleaseEvent(before);
    return release;
}

static cl_int CL_API_CALL write_late(cl_command_queue queue, cl_mem mem, cl_bool wait,
                                     size_t offset, size_t size, const void *from,
                                     cl_uint waits, const cl_event *events,
                                     cl_event *event)
{
    if (wait)
        return next.clEnqueueWriteBuffer(queue, mem, wait, offset, size, from, waits,
                                         events, event);
    cl_event release = delay(queue, waits, events);
    cl_int error = next.clEnqueueWriteBuffer(queue, mem, wait, offset, size, from, 1,
                                             &release, event);
    next.clReleaseEvent(release);
    return error;
}

static cl_int CL_API_CALL copy_late(cl_command_queue queue, cl_mem from, cl_mem to,
                                    size_t from_at, size_t to_at, size_t size,
                                    cl_uint waits, const cl_event *events,
                                    cl_event *event)
{
    cl_event release = delay(queue, waits, events);
    cl_int error = next.clEnqueueCopyBuffer(queue, from, to, from_at, to_at, size, 1,
                                            &release, event);
    next.clReleaseEvent(release);
    return error;
}

static cl_event never(cl_command_queue queue)
{
    cl_context context;
    cl_int error;
    layer_report_triggered();
    next.clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context, NULL);
    return next.clCreateUserEvent(context, &error);
}

static cl_int CL_API_CALL launch_late(cl_command_queue queue, cl_kernel kernel,
                                      cl_uint dims, const size_t *offset,
                                      const size_t *global, const size_t *local,
                                      cl_uint waits, const cl_event *events,
                                      cl_event *event)
{
    static unsigned launches;
    cl_event release;
    if (launches++ < endless)
        release = delay(queue, waits, events);
    else
        release = never(queue);
    cl_int error = next.clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local,
                                               1, &release, event);
    next.clReleaseEvent(release);
    return error;
}

void layer_delay(cl_icd_dispatch *table, const char *word)
{
    char call[16];
    next = *table;
    if (sscanf(word, "%15[a-z]:%u:%u", call, &milliseconds, &endless) < 2)
        layer_exit_with_error("no such delay", word);
    bool both = !strcmp(call, "both");
    if (both || !strcmp(call, "writes"))
        table->clEnqueueWriteBuffer = write_late;
    if (both || !strcmp(call, "copies"))
        table->clEnqueueCopyBuffer = copy_late;
    if (!strcmp(call, "launches"))
        table->clEnqueueNDRangeKernel = launch_late;
}
