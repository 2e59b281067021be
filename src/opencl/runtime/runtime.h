/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the OpenCL runtime know of each other, beside ocl.h: finding and
 * telling about devices, programs and their cache on disk, lists. */
#ifndef WEFT_OPENCL_RUNTIME_RUNTIME_H
#define WEFT_OPENCL_RUNTIME_RUNTIME_H

#include "opencl/runtime/ocl.h"

/* error.c */

/* As ocl_check, for calls that reserve memory: drivers then say "out of resources"
 * too. */
enum weft_status ocl_check_memory(weft_context *ctx, cl_int error, const char *what);

/* find.c */

/* A text that OpenCL tells about a platform or device, without blanks around it, cut to
 * `size`; "" where the driver refuses. */
void ocl_platform_text(cl_platform_id id, cl_platform_info what, char *out, size_t size);
void ocl_device_text(cl_device_id id, cl_device_info what, char *out, size_t size);

enum weft_status ocl_enumerate(weft_context *ctx);
/* For the smallest tile of `tile`, which `sg` and `mma` build on. */
bool ocl_supports_tile_family(const struct weft_device_info *info);

/* notes.c */

/* What is wrong with a platform that has no devices, or whose devices cannot be asked. */
enum weft_status ocl_diagnose_platform(weft_context *ctx, const char *name, cl_int error);
/* What is wrong with this machine's drivers. */
enum weft_status ocl_diagnose_machine(weft_context *ctx, int devices, int gpus);

/* backend.c */
enum weft_status ocl_alloc(struct weft_device *device, size_t bytes,
                           struct weft_mem **out);
void ocl_free(struct weft_device *device, struct weft_mem *mem);

/* program.c */

/* The program of a source of cl/ with options, kept until the device is closed. Nothing
 * is built yet. */
enum weft_status ocl_program_request(struct ocl_device *device, const char *source,
                                     const char *options, struct ocl_program **out);
/* Builds what is wanted since the last time, as one program if the driver can. */
enum weft_status ocl_programs_build(struct ocl_device *device);
/* A new kernel object. A program that could not be built with the others is tried alone,
 * so that the sentence of the failure is about it. */
enum weft_status ocl_program_kernel(struct ocl_device *device,
                                    struct ocl_program *program, const char *kernel,
                                    cl_kernel *out);
void ocl_programs_destroy(struct ocl_device *device);

/* Of the source of this name; 0: there is none. */
uint64_t ocl_source_hash(const char *name);

/* cache.c: programs in files. An entry is a header (magic, key, length, SHA-256) and
 * the driver's binary. A driver may die of a damaged binary, so none is handed out
 * that is not exactly what was stored. */
enum { OCL_KEY_BYTES = 32 };

/* What a built program depends on: schema, weft, source, options, driver, device. */
void ocl_cache_key(const struct ocl_device *device, const void *source, size_t bytes,
                   const char *options, uint8_t key[OCL_KEY_BYTES]);
/* Makes `path` if need be; NULL if it cannot be trusted (to be freed): not ours, or
 * writable by others. */
char *ocl_cache_open(weft_context *ctx, const char *path);
/* The payload of an entry, to be freed; NULL: there is none, or it is damaged. */
void *ocl_cache_read(const char *dir, const uint8_t key[OCL_KEY_BYTES], size_t *bytes);
/* Failing is silent: the program is then built again next time. */
void ocl_cache_write(const char *dir, const uint8_t key[OCL_KEY_BYTES],
                     const void *payload, size_t bytes);

/* list.c */

enum weft_status ocl_list_create(struct weft_device *device,
                                 const struct weft_command_list_params *params,
                                 struct weft_command_list **out);
enum weft_status ocl_list_finalize(struct weft_command_list *list);
enum weft_status ocl_replay(struct weft_command_list *list);
enum weft_status ocl_replay_range(struct weft_command_list *list, int first, int end);
/* One launch on a queue of the caller's; `event` as in clEnqueueNDRangeKernel. */
enum weft_status ocl_list_launch(struct weft_command_list *list, int index,
                                 cl_command_queue queue, cl_event *event);
void ocl_describe_launch(const struct weft_command_list *list, int index,
                         struct weft_launch_description *out);
void ocl_list_destroy(struct weft_command_list *list);

/* timer.c: backend.h's `timer`. */
enum weft_status ocl_timer(struct weft_command_list *list, int replays, double *device,
                           double *wall);

/* Work-items of elementwise kernels: one a vector of `width` elements. */
static inline size_t ocl_vector_count(size_t count, int width)
{
    return (count + (size_t)width - 1) / (size_t)width;
}

/* Their work-groups: on processors a loop that is long enough to be worth its start. */
static inline size_t ocl_default_work_group(const struct ocl_device *device)
{
    return device->max_work_group_size < 64 ? device->max_work_group_size : 64;
}

#endif
