/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a device: limits of its launches and seconds of work, and waits with a
 * deadline. */
#define _XOPEN_SOURCE 700
#include "opencl/runtime/queue.h"

#include "util/clock.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { MAX_LAUNCHES = 256, LAUNCHES_BETWEEN_MARKS = 32 };

/* Some drivers report an end late, or not at all (Mesa 22.3). */
static const double poll_seconds = 0.02;

/* ---- a wait for one event ---- */

/* Shared by the waiting thread and the driver's, which may come after a deadline. */
struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int users;
    bool done;
};

static struct waiter *waiter_create(void)
{
    pthread_condattr_t monotonic;
    struct waiter *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->users = 2;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return w;
}

static void waiter_release(struct waiter *w)
{
    pthread_mutex_lock(&w->mutex);
    bool last = !--w->users;
    pthread_mutex_unlock(&w->mutex);
    if (!last)
        return;
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

static void CL_CALLBACK notify(cl_event event, cl_int status, void *data)
{
    struct waiter *w = data;
    (void)event, (void)status;
    pthread_mutex_lock(&w->mutex);
    w->done = true;
    pthread_cond_signal(&w->ended);
    pthread_mutex_unlock(&w->mutex);
    waiter_release(w);
}

/* Positive: not ended; 0: ended; negative: the error of its end, or of the query. */
static cl_int status_of(cl_event event)
{
    cl_int status = CL_SUCCESS;
    cl_int error = clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                  sizeof(status), &status, NULL);
    return error ? error : status;
}

/* Sleeps until the event has ended or the clock stands at `deadline`. */
static cl_int sleep_until(cl_event event, double deadline)
{
    cl_int status = status_of(event);
    if (status <= 0)
        return status;
    struct waiter *w = waiter_create();
    bool notified = w && !clSetEventCallback(event, CL_COMPLETE, notify, w);
    if (w && !notified)
        waiter_release(w);
    for (bool done = false; status > 0 && weft_clock_seconds() < deadline;) {
        double until = weft_clock_seconds() + (notified && !done ? poll_seconds : 1e-4);
        struct timespec time = {(time_t)until, (long)(1e9 * (until - floor(until)))};
        if (notified && !done) {
            pthread_mutex_lock(&w->mutex);
            while (!w->done && !pthread_cond_timedwait(&w->ended, &w->mutex, &time))
                ;
            done = w->done;
            pthread_mutex_unlock(&w->mutex);
        } else {
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
        }
        status = status_of(event);
    }
    if (w)
        waiter_release(w);
    return status;
}

/* ---- the queue ---- */

/* The time that the launches in the queue take; 0: none was measured yet. */
static double expected_seconds(const struct ocl_device *d)
{
    return d->outstanding.launches * d->outstanding.seconds_per_launch;
}

/* Seconds until a device that does not answer counts as lost. */
static double limit_of(const struct ocl_device *d)
{
    double expected = expected_seconds(d);
    bool unknown = d->outstanding.launches && !(expected > 0);
    return d->timeout * (unknown ? 5 : 1) + 20 * expected;
}

cl_int ocl_queue_check(const struct ocl_device *d)
{
    if (!d->outstanding.lost)
        return CL_SUCCESS;
    weft_fail(d->base.context, WEFT_ERR_DEVICE,
              "opencl: %s (driver %s) has not answered for %.0f seconds: the driver or a "
              "kernel hangs; use another driver or device",
              d->base.info.name, d->base.info.driver, d->outstanding.waited);
    return OCL_NO_ANSWER;
}

/* As sleep_until; without an end in time the device is lost. Releases the event. */
static cl_int wait_or_lose(struct ocl_device *d, cl_event event)
{
    double begin = weft_clock_seconds();
    cl_int status = sleep_until(event, begin + limit_of(d));
    clReleaseEvent(event);
    d->outstanding.lost = status > 0;
    d->outstanding.waited = weft_clock_seconds() - begin;
    return status;
}

cl_int ocl_queue_wait(struct ocl_device *d, cl_event event)
{
    cl_int error = ocl_queue_check(d);
    if (error) {
        clReleaseEvent(event);
        return error;
    }
    cl_int status = wait_or_lose(d, event);
    return status > 0 ? ocl_queue_check(d) : status;
}

bool ocl_queue_begin_launch(struct ocl_device *d)
{
    struct ocl_outstanding *o = &d->outstanding;
    int between = o->seconds_per_launch > 0 ? LAUNCHES_BETWEEN_MARKS : 1;
    while (between > 1 && between * o->seconds_per_launch > d->queue_seconds / 4)
        between /= 2;
    if (!o->launches)
        o->begin = weft_clock_seconds();
    return o->unmarked + 1 >= between;
}

static bool holds_too_much(const struct ocl_device *d)
{
    const struct ocl_outstanding *o = &d->outstanding;
    return o->mark_count &&
           (o->launches > MAX_LAUNCHES || o->mark_count == OCL_MARKS ||
            !(o->seconds_per_launch > 0) || expected_seconds(d) > d->queue_seconds);
}

/* The end of `launches` is known now. Where it was not waited for, they may have ended
 * long before, and a wait may end late: one measurement changes little. Launches differ:
 * long ones count for a while. */
static void measure(struct ocl_outstanding *o, int launches, bool waited)
{
    double now = weft_clock_seconds(), seconds = (now - o->begin) / launches;
    double before = 0.9 * o->seconds_per_launch;
    o->seconds_per_launch = waited || !(before > 0) ? fmax(seconds, before) : before;
    o->begin = now;
}

static cl_int wait_for_oldest(struct ocl_device *d)
{
    struct ocl_outstanding *o = &d->outstanding;
    const struct ocl_mark oldest = o->marks[0];
    o->mark_count--;
    for (int i = 0; i < o->mark_count; i++)
        o->marks[i] = o->marks[i + 1];
    bool waits = status_of(oldest.event) > 0;
    cl_int error = ocl_queue_wait(d, oldest.event);
    o->launches -= oldest.launches;
    if (!error)
        measure(o, oldest.launches, waits);
    return error;
}

cl_int ocl_queue_launched(struct ocl_device *d, cl_event event)
{
    struct ocl_outstanding *o = &d->outstanding;
    cl_int error = CL_SUCCESS;
    o->launches++;
    o->unmarked++;
    if (!event && o->unmarked > 2 * LAUNCHES_BETWEEN_MARKS) /* calls without events */
        error = clEnqueueMarkerWithWaitList(d->queue, 0, NULL, &event);
    if (error || !event)
        return error;
    if (o->mark_count == OCL_MARKS) /* the wait before failed */
        error = wait_for_oldest(d);
    o->marks[o->mark_count++] = (struct ocl_mark){event, o->unmarked};
    o->unmarked = 0;
    if (!error && holds_too_much(d))
        error = clFlush(d->queue);
    while (!error && holds_too_much(d))
        error = wait_for_oldest(d);
    return error;
}

void ocl_queue_clear(struct ocl_device *d)
{
    struct ocl_outstanding *o = &d->outstanding;
    if (o->launches && !o->lost)
        measure(o, o->launches, false);
    for (int i = 0; i < o->mark_count; i++)
        clReleaseEvent(o->marks[i].event);
    o->mark_count = o->launches = o->unmarked = 0;
}

/* The event behind everything in a queue, which the driver has begun to work on. */
static cl_int mark_end(cl_command_queue queue, cl_event *end)
{
    cl_int error = clEnqueueMarkerWithWaitList(queue, 0, NULL, end);
    if (!error && (error = clFlush(queue)))
        clReleaseEvent(*end);
    return error;
}

cl_int ocl_queue_finish(struct ocl_device *d, cl_command_queue queue)
{
    cl_event end = NULL;
    cl_int error = ocl_queue_check(d);
    if (error || (error = mark_end(queue, &end)) || (error = ocl_queue_wait(d, end)))
        return error;
    if (queue == d->queue)
        ocl_queue_clear(d);
    return CL_SUCCESS;
}

void ocl_queue_end(struct ocl_device *d, cl_command_queue queue)
{
    cl_event end = NULL;
    if (!d->outstanding.lost && !mark_end(queue, &end))
        wait_or_lose(d, end);
    if (!d->outstanding.lost)
        clFinish(queue);
}
