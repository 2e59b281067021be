/* SPDX-License-Identifier: Apache-2.0 */
/* Recording: how primitives append launches to a command list, with arguments, workspace
 * and build options. They never touch cl_kernel themselves; clSetKernelArg and
 * clEnqueueNDRangeKernel are called in command_list.c alone. */
#ifndef WEFT_OPENCL_RUNTIME_RECORD_H
#define WEFT_OPENCL_RUNTIME_RECORD_H

#include "opencl/runtime/ocl.h"

/* Kernel arguments, in the kernel's own order. A view is two arguments: the buffer
 * and, as uint, the offset in elements: (__global float *x, uint x_at). An absent view
 * is (NULL, 0). Workspace is passed like a view of floats. */
enum ocl_arg_kind {
    OCL_ARG_VIEW,
    OCL_ARG_WORKSPACE,
    OCL_ARG_PERSISTENT,
    OCL_ARG_INT,
    OCL_ARG_FLOAT,
    OCL_ARG_FLOAT2,
    OCL_ARG_FLOAT4
};

struct ocl_arg {
    enum ocl_arg_kind kind;
    union {
        struct weft_view view;
        size_t bytes; /* workspace: offset */
        cl_int i;
        cl_float f, f2[2], f4[4];
    };
};
/* clang-format off */
#define OCL_VIEW(v)            {OCL_ARG_VIEW, {.view = (v)}}
#define OCL_WORKSPACE(offset)  {OCL_ARG_WORKSPACE, {.bytes = (offset)}}
#define OCL_PERSISTENT(offset) {OCL_ARG_PERSISTENT, {.bytes = (offset)}}
#define OCL_INT(v)             {OCL_ARG_INT, {.i = (cl_int)(v)}}
#define OCL_FLOAT(v)           {OCL_ARG_FLOAT, {.f = (v)}}
#define OCL_ACT_PARAMS(a)      {OCL_ARG_FLOAT2, {.f2 = {(a).alpha, (a).beta}}}
#define OCL_FLOAT4(v)          {OCL_ARG_FLOAT4, {.f4 = {(v)[0], (v)[1], (v)[2], (v)[3]}}}
/* clang-format on */

enum { OCL_MAX_ARGS = 24 };

/* One launch. `global` is rounded up to a multiple of `local`; kernels guard their
 * range. */
struct ocl_launch {
    const char *source; /* "conv_vec.cl", a file of cl/ */
    const char *kernel; /* the function's name */
    size_t global[3];   /* 0 means 1 */
    size_t local[3];    /* all 0: the driver chooses */
    int arg_count;
    struct ocl_arg args[OCL_MAX_ARGS];
    /* It reads weights alone and writes memory of ocl_persistent_workspace: with constant
     * weights it runs only after they have changed. */
    bool weights_only;
};

/* Appends a launch of a kernel of `launch->source`, built with `options` ("-DR=3 -DS=3",
 * integers and identifiers only) and the device's own. The names must outlive the list,
 * whose programs are built together when it is finalized; each launch then gets a kernel
 * object with its arguments bound. */
enum weft_status ocl_launch(struct weft_command_list *list, const char *options,
                            const struct ocl_launch *launch);

/* Appends a host call that enqueues by itself (CLBlast). `data` is copied. */
enum weft_status ocl_host_call(struct weft_command_list *list,
                               enum weft_status (*call)(struct weft_command_list *list,
                                                        void *data),
                               const void *data, size_t size);

/* Every primitive begins with this, and reuses the workspace of the one before. */
void ocl_begin_primitive(struct weft_command_list *list);
/* The launches of an algorithm, from kernels of `sources` alone; `config` describes
 * them. */
void ocl_begin_algorithm(struct weft_command_list *list, const char *config,
                         const char *const *sources);
void ocl_end_algorithm(struct weft_command_list *list);

/* workspace.c: memory of the list, as byte offsets. */

/* For the launches of one primitive. */
size_t ocl_workspace(struct weft_command_list *list, size_t bytes);
/* Shared with no other primitive. */
size_t ocl_persistent_alloc(struct weft_command_list *list, size_t bytes);
/* For data derived from weights: persistent where the list's weights are constant. */
struct ocl_arg ocl_persistent_workspace(struct weft_command_list *list, size_t bytes);
/* Workspace as a view of floats, which stays reserved when an algorithm begins. */
struct weft_view ocl_workspace_view(struct weft_command_list *list, size_t count,
                                    bool persistent);
/* Persistent memory that holds these words once the list is finalized. */
enum weft_status ocl_constants(struct weft_command_list *list, const cl_uint *words,
                               size_t count, struct ocl_arg *out);
/* The buffer of the workspace, for host calls of a finalized list; NULL: none. */
cl_mem ocl_workspace_mem(const struct weft_command_list *list);

/* A weight gradient whose reduction is deferred to the optimizer step
 * (weft_command_list_params): `to` is the sum of `count` planes in persistent memory, the
 * first at `from`, each `stride` behind the one before, in floats. */
struct ocl_partial_sums {
    struct weft_view to;
    size_t from, stride, count;
};
enum weft_status ocl_defer_reduction(struct weft_command_list *list,
                                     const struct ocl_partial_sums *planes);
/* The deferred reductions that an optimizer step of this list performs: its own, or those
 * of params.gradients. Their offsets count from *base. */
const struct ocl_partial_sums *
ocl_deferred_reductions(const struct weft_command_list *list, int *count,
                        struct ocl_arg *base);

/* The macros of a build. Overflow is asserted. */
struct ocl_options {
    char text[1024];
};
void ocl_define(struct ocl_options *options, const char *name, long value);

/* The macros of cl/lib/activation.h, conv_shape.h and pool_shape.h (shape_options.c). The
 * convolution is the one the kernel computes: for a data gradient C and K are exchanged.
 * ocl_define_filter leaves out the image sizes H, W, OUT_H and OUT_W; ocl_define_pool
 * defines nothing without a pool, ocl_define_activation nothing for the identity. */
void ocl_define_filter(struct ocl_options *options, const struct weft_conv *conv);
void ocl_define_conv(struct ocl_options *options, const struct weft_conv *conv);
void ocl_define_pool(struct ocl_options *options, const struct weft_pool *pool);
void ocl_define_activation(struct ocl_options *options,
                           struct weft_activation activation);

/* cast.c: float16 arguments of kernels that read or write float32 alone. *view becomes
 * its float32 copy, made by a launch before; results go to ocl_fp32_output and from there
 * to the view. Float32 views stay as they are. `weights`: as ocl_persistent_workspace. */
enum weft_status ocl_cast_to_fp32(struct weft_command_list *list, struct weft_view *view,
                                  bool weights);
struct weft_view ocl_fp32_output(struct weft_command_list *list, struct weft_view view);
enum weft_status ocl_cast_from_fp32(struct weft_command_list *list, struct weft_view from,
                                    struct weft_view to);
/* "-DX_HALF=1" for a float16 view (cl/lib/storage.h). */
void ocl_define_view_fp16(struct ocl_options *options, const char *name,
                          struct weft_view view);
void ocl_define_arg_fp16(struct ocl_options *options, const char *name,
                         const struct ocl_arg *arg);
bool ocl_arg_is_fp16(const struct ocl_arg *arg);

/* Work-items of elementwise kernels: one for each vector of `width` elements. */
static inline size_t ocl_vector_count(size_t count, int width)
{
    return (count + (size_t)width - 1) / (size_t)width;
}

/* Their work-groups: on CPUs a loop long enough to amortize its start. */
static inline size_t ocl_default_work_group(const struct ocl_device *device)
{
    return device->max_work_group_size < 64 ? device->max_work_group_size : 64;
}

#endif
