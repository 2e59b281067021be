/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of a device's queue, and waits that end.
 *
 * A queue that holds much makes drivers fail: Intel's reports no completion beyond about
 * 20 seconds of work (intel/compute-runtime #904), Arm's runs out of resources
 * (apache/tvm #16530). A launch that never ends is reported by none of them
 * (compute-runtime #962). */
#ifndef WEFT_OPENCL_RUNTIME_QUEUE_H
#define WEFT_OPENCL_RUNTIME_QUEUE_H

#include "opencl/runtime/ocl.h"

/* All return CL_SUCCESS or an error for ocl_check. A device that has not answered
 * device->timeout seconds after the time that its launches are expected to take counts as
 * lost: OCL_NO_ANSWER, now and from every later call. */

/* Before a launch: true if the queue needs its event. */
bool ocl_queue_begin_launch(struct ocl_device *device);
/* After a launch, with its event, which this owns, or NULL. Waits for launches before it
 * where the queue holds more than 256 of them, or more than device->queue_seconds by the
 * time that launches took. */
cl_int ocl_queue_launched(struct ocl_device *device, cl_event event);

/* Waits for the event, in sleep, and releases it. */
cl_int ocl_queue_wait(struct ocl_device *device, cl_event event);
/* Waits for all of a queue of the device. */
cl_int ocl_queue_finish(struct ocl_device *device, cl_command_queue queue);
/* The same without a message, where memory is freed after a failure. */
void ocl_queue_end(struct ocl_device *device, cl_command_queue queue);
/* The device's queue is known to be empty, or is not used any more. */
void ocl_queue_clear(struct ocl_device *device);

/* CL_SUCCESS unless the device is lost. */
cl_int ocl_queue_check(const struct ocl_device *device);

#endif
