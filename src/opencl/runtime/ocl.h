/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the OpenCL backend share: the device, lists of bound launches,
 * programs.
 *
 * A primitive (conv.c, pool.c, ...) looks at its geometry and the device, chooses
 * kernels and calls ocl_launch for each; it never touches cl_kernel itself.
 * clSetKernelArg and clEnqueueNDRangeKernel stand in list.c alone. */
#ifndef WEFT_OPENCL_RUNTIME_OCL_H
#define WEFT_OPENCL_RUNTIME_OCL_H

#define CL_TARGET_OPENCL_VERSION 120
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "device/backend.h"

struct weft_mem {
    cl_mem mem;
    size_t bytes; /* as asked for; WEFT_BUFFER_PADDING more are there */
};

struct ocl_program; /* program.c: built programs, by source and options */

struct ocl_device {
    struct weft_device base;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue; /* in order, no profiling */
    cl_uint compute_units;  /* compute units */
    size_t max_work_group_size;
    cl_ulong local_mem_bytes;
    cl_ulong max_alloc;
    int vector_width; /* floats in a native vector: 4, 8 or 16 */
    bool is_cpu;      /* runs on the host's processor: local size (1,1,1) for `vec` */
    unsigned quirks;  /* quirk.h */
    unsigned
        subgroup_sizes;   /* sizes of sub-groups that work, a bit each; family sg alone */
    int subgroup_ext;     /* sub_group.h */
    int mma_path;         /* matrix_unit.h; family mma alone */
    uint64_t fingerprint; /* of device and driver, in those of kernel configs */
    const char *build_options; /* that its driver needs; "" for none */
    char *cache_dir;           /* NULL: programs are not kept */
    struct ocl_program *programs;
};

static inline struct ocl_device *ocl_device_of(const struct weft_command_list *list)
{
    return (struct ocl_device *)list->device;
}

/* "CL_OUT_OF_RESOURCES". */
const char *ocl_error_name(cl_int error);

/* WEFT_OK for CL_SUCCESS; else the sentence "opencl: WHAT: NAME" and the status that
 * fits. */
enum weft_status ocl_check(weft_context *ctx, cl_int error, const char *what);

/* Kernel arguments, in the kernel's own order. A view is two arguments: the buffer
 * and, as uint, the offset in elements: (__global float *x, uint x_at). An absent view
 * is (NULL, 0). Scratch is passed as a view of floats is. */
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

/* One launch. Zero in `local`: the driver chooses. `global` is rounded up to a
 * multiple of `local` by ocl_launch; kernels guard their range. */
struct ocl_launch {
    const char *source; /* "conv_vec.cl", a file of cl/ */
    const char *kernel; /* the function's name */
    size_t global[3];   /* 0 means 1 */
    size_t local[3];
    int arg_count;
    struct ocl_arg args[OCL_MAX_ARGS];
    /* reads weights alone, writes what ocl_persistent_workspace gave: where weights
     * are frozen it runs only when they have changed */
    bool weights_only;
};

/* Appends a launch of a kernel of `launch->source` built with `options` ("-DR=3 -DS=3",
 * integers and identifiers of our own only). The options common to all programs, the
 * device's macros (see cl/lib/common.h) and the options that quirks demand are added. The
 * names must outlive the list. When the list is sealed, all its programs are built
 * together, and each launch gets a kernel object of its own with its arguments bound. */
enum weft_status ocl_launch(struct weft_command_list *list, const char *options,
                            const struct ocl_launch *launch);

/* Appends a host call that enqueues by itself (CLBlast). `data` is copied. */
enum weft_status ocl_host_call(struct weft_command_list *list,
                               enum weft_status (*call)(struct weft_command_list *list,
                                                        void *data),
                               const void *data, size_t size);

/* Scratch memory for the launches of one primitive. Every primitive begins with
 * ocl_begin_primitive, then takes what it needs; the next primitive reuses it. */
void ocl_begin_primitive(struct weft_command_list *list);
/* The launches of an algorithm, from kernels of `sources` alone; `config` describes
 * them. */
void ocl_begin_algorithm(struct weft_command_list *list, const char *config,
                         const char *const *sources);
void ocl_end_algorithm(struct weft_command_list *list);
size_t ocl_workspace(struct weft_command_list *list, size_t bytes);
/* No other primitive reuses it: a place in what is kept. */
size_t ocl_persistent_alloc(struct weft_command_list *list, size_t bytes);
/* For what is made of weights: kept where these are constant_weights, else scratch. */
struct ocl_arg ocl_persistent_workspace(struct weft_command_list *list, size_t bytes);
/* Kept, and holds these words from the time when the list is sealed. */
enum weft_status ocl_constants(struct weft_command_list *list, const cl_uint *words,
                               size_t count, struct ocl_arg *out);

/* Gradients that are left in planes for the update
 * (defer_weight_grad_reduction of the list): those of `to` are the sums of `count`
 * planes in what is kept, the first at `from`, the others `stride` behind it; both in
 * floats. */
struct ocl_partial_sums {
    struct weft_view to;
    size_t from, stride, count;
};
enum weft_status ocl_defer_reduction(struct weft_command_list *list,
                                     const struct ocl_partial_sums *planes);
/* All that were left so far. */
const struct ocl_partial_sums *
ocl_deferred_reductions(const struct weft_command_list *list, int *count);

/* The options of a build, grown piece by piece. Too long is an error of ours:
 * asserted. */
struct ocl_options {
    char text[1024];
};
void ocl_define(struct ocl_options *options, const char *name, long value);

/* The macros of cl/lib/conv_shape.h and cl/lib/pool_shape.h (shape_options.c). The
 * convolution is the one the kernel computes: for a data gradient C and K are exchanged.
 * ocl_define_filter leaves out the image sizes H, W, OUT_H and OUT_W; ocl_define_pool
 * defines nothing without a pool. */
void ocl_define_filter(struct ocl_options *options, const struct weft_conv *conv);
void ocl_define_conv(struct ocl_options *options, const struct weft_conv *conv);
void ocl_define_pool(struct ocl_options *options, const struct weft_pool *pool);

/* convert.c. What a primitive's kernels cannot read or write as float16 goes through
 * float32 in scratch: *view becomes its copy in float32, made before; what is written
 * goes to ocl_fp32_output, and from there to the view. A view that is float32 stays
 * itself. `kept`: it is of weights, as for ocl_persistent_workspace. */
enum weft_status ocl_cast_to_fp32(struct weft_command_list *list, struct weft_view *view,
                                  bool kept);
struct weft_view ocl_fp32_output(struct weft_command_list *list, struct weft_view view);
enum weft_status ocl_cast_from_fp32(struct weft_command_list *list, struct weft_view from,
                                    struct weft_view to);
/* "-DX_HALF=1" for a view, or an argument that is one, of float16 (cl/lib/storage.h). */
void ocl_define_view_fp16(struct ocl_options *options, const char *name,
                          struct weft_view view);
void ocl_define_arg_fp16(struct ocl_options *options, const char *name,
                         const struct ocl_arg *arg);
bool ocl_arg_is_fp16(const struct ocl_arg *arg);
/* Scratch as a view, which stays taken when an algorithm begins. */
struct weft_view ocl_workspace_view(struct weft_command_list *list, size_t count,
                                    bool kept);

/* The buffer that holds the scratch, for calls. After seal only. */
cl_mem ocl_workspace_mem(const struct weft_command_list *list);

#define PRIMITIVE(name, args, output)                           \
    enum weft_status ocl_##name(struct weft_command_list *list, \
                                const struct weft_##args##_args *args);
#include "device/primitives.def"
#undef PRIMITIVE

/* Pooling's launches alone, without ocl_begin_primitive, for a convolution whose output z
 * or its gradient dz lies in scratch: x, dx and dy may be views or places in scratch. */
enum weft_status ocl_pool_max(struct weft_command_list *list,
                              const struct weft_pool *pool, struct ocl_arg x,
                              struct ocl_arg y, struct weft_view argmax);
enum weft_status ocl_pool_scatter(struct weft_command_list *list,
                                  const struct weft_pool *pool, struct ocl_arg dy,
                                  struct weft_view argmax, struct ocl_arg dx);

/* What a device must have for the smallest tile of `tile` (conv_tile.c). */
enum { OCL_TILE_MIN_WORK_GROUP = 64, OCL_TILE_MIN_LOCAL_BYTES = 6144 };

/* What device params of WEFT_GEMM_CLBLAST ask for: says that it takes its time, or, where
 * weft was built without CLBlast, WEFT_ERR_ARG. */
enum weft_status ocl_clblast_open(struct ocl_device *device);

#endif
