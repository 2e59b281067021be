/* SPDX-License-Identifier: Apache-2.0 */
/* Command lists, as in struct weft_backend. */
#ifndef WEFT_OPENCL_RUNTIME_COMMAND_LIST_H
#define WEFT_OPENCL_RUNTIME_COMMAND_LIST_H

#include "opencl/runtime/ocl.h"
#include "util/hash.h"

enum weft_status ocl_list_create(struct weft_device *device,
                                 const struct weft_command_list_params *params,
                                 struct weft_command_list **out);
/* After WEFT_ERR_BUILD the list may be recorded and finalized again. */
enum weft_status ocl_list_finalize(struct weft_command_list *list);
/* The call whose kernel could not be made; NULL: none. */
const struct weft_recorded_call *
ocl_list_refused_call(const struct weft_command_list *list);
/* Repeats the calls of a list that is not finalized. */
enum weft_status ocl_list_record_again(struct weft_command_list *list);
enum weft_status ocl_replay(struct weft_command_list *list);
/* Adds programs, kernels and sizes of all launches. */
void ocl_list_hash(const struct weft_command_list *list, struct weft_sha256_state *hash);
enum weft_status ocl_replay_range(struct weft_command_list *list, int first, int end);
/* Enqueues one launch on the given queue; `event` as in clEnqueueNDRangeKernel. */
enum weft_status ocl_list_launch(struct weft_command_list *list, int index,
                                 cl_command_queue queue, cl_event *event);
bool ocl_has_same_launches(const struct weft_command_list *list,
                           const struct weft_recorded_call *a,
                           const struct weft_recorded_call *b);
void ocl_describe_launch(const struct weft_command_list *list, int index,
                         struct weft_launch_description *out);
void ocl_list_destroy(struct weft_command_list *list);

/* timer.c */
enum weft_status ocl_timer(struct weft_command_list *list, int replays, double *device,
                           double *wall);

#endif
