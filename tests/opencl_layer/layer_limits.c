/* SPDX-License-Identifier: Apache-2.0 */
/* A fake device: its answers, and its limits, which are enforced. */
#include "opencl_layer/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_icd_dispatch next;
static const struct layer_fake *fake;
static cl_ulong allocated;

enum { ANY_LOCAL = 64 }; /* the group of a launch that leaves it to the driver */

static const struct layer_answer *answer(cl_uint what)
{
    const struct layer_answer *a = fake->answers;
    while (a->what && a->what != what)
        a++;
    return a->what ? a : NULL;
}

/* The value that the device claims, or `otherwise`. */
static cl_ulong claim(cl_uint what, cl_ulong otherwise)
{
    const struct layer_answer *a = answer(what);
    cl_ulong value = 0;
    if (a && a->bytes && a->bytes <= sizeof(value))
        memcpy(&value, a->data, a->bytes);
    return a ? value : otherwise;
}

static size_t max_work_group_size(void)
{
    return (size_t)claim(CL_DEVICE_MAX_WORK_GROUP_SIZE, SIZE_MAX);
}

/* "OpenCL 1.2 ..." and nothing newer. */
static bool is_old(void)
{
    const struct layer_answer *a = answer(CL_DEVICE_VERSION);
    return a && !strncmp(a->data, "OpenCL 1.", strlen("OpenCL 1."));
}

static cl_int CL_API_CALL platform_info(cl_platform_id platform, cl_platform_info what,
                                        size_t size, void *value, size_t *size_ret)
{
    const struct layer_answer *a = answer(what);
    return a ? layer_return_query(a->data, a->bytes, size, value, size_ret)
             : next.clGetPlatformInfo(platform, what, size, value, size_ret);
}

/* Queries newer than OpenCL 1.2 are contiguous. */
static bool is_new_question(cl_device_info what)
{
    return what >= CL_DEVICE_IMAGE_PITCH_ALIGNMENT && what <= 0x107F;
}

static cl_int CL_API_CALL device_info(cl_device_id id, cl_device_info what, size_t size,
                                      void *value, size_t *size_ret)
{
    const struct layer_answer *a = answer(what);
    if (a)
        return layer_return_query(a->data, a->bytes, size, value, size_ret);
    if (is_old() && is_new_question(what))
        return CL_INVALID_VALUE;
    cl_int error = next.clGetDeviceInfo(id, what, size, value, size_ret);
    if (what == CL_DEVICE_MAX_WORK_ITEM_SIZES && !error && value)
        for (size_t *s = value; s < (size_t *)value + size / sizeof(*s); s++)
            *s = *s < max_work_group_size() ? *s : max_work_group_size();
    return error;
}

static void CL_CALLBACK forget(cl_mem mem, void *bytes)
{
    (void)mem;
    __atomic_sub_fetch(&allocated, (cl_ulong)(size_t)bytes, __ATOMIC_RELAXED);
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags,
                                        size_t size, void *host, cl_int *error)
{
    cl_int code = CL_SUCCESS, *to = error ? error : &code;
    cl_ulong all = __atomic_add_fetch(&allocated, size, __ATOMIC_RELAXED);
    *to = CL_SUCCESS;
    if (size > claim(CL_DEVICE_MAX_MEM_ALLOC_SIZE, SIZE_MAX))
        *to = CL_INVALID_BUFFER_SIZE;
    else if (all > claim(CL_DEVICE_GLOBAL_MEM_SIZE, SIZE_MAX))
        *to = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    cl_mem mem = *to ? NULL : next.clCreateBuffer(context, flags, size, host, to);
    if (mem)
        next.clSetMemObjectDestructorCallback(mem, forget, (void *)size);
    else
        forget(NULL, (void *)size);
    return mem;
}

static cl_int CL_API_CALL group_info(cl_kernel kernel, cl_device_id id,
                                     cl_kernel_work_group_info what, size_t size,
                                     void *value, size_t *size_ret)
{
    cl_int error = next.clGetKernelWorkGroupInfo(kernel, id, what, size, value, size_ret);
    size_t *group = value;
    if (what == CL_KERNEL_WORK_GROUP_SIZE && !error && group &&
        *group > max_work_group_size())
        *group = max_work_group_size();
    return error;
}

static cl_int CL_API_CALL launch(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                 const size_t *offset, const size_t *global,
                                 const size_t *local, cl_uint waits,
                                 const cl_event *events, cl_event *event)
{
    size_t group = 1,
           few = max_work_group_size() < ANY_LOCAL ? max_work_group_size() : ANY_LOCAL;
    size_t own[3] = {1, 1, 1};
    cl_ulong used = 0;
    cl_device_id id;
    if (next.clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(id), &id, NULL) ||
        next.clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof(used),
                                      &used, NULL))
        return CL_INVALID_KERNEL;
    if (used > claim(CL_DEVICE_LOCAL_MEM_SIZE, SIZE_MAX))
        return CL_OUT_OF_RESOURCES;
    for (own[0] = few; !local && own[0] > 1 && global[0] % own[0];)
        own[0]--;
    for (cl_uint i = 0; i < dims; i++) {
        size_t items = (local ? local : own)[i];
        group *= items;
        if (!items || items > max_work_group_size())
            return CL_INVALID_WORK_ITEM_SIZE;
        if (is_old() && global[i] % items)
            return CL_INVALID_WORK_GROUP_SIZE;
    }
    if (group > max_work_group_size())
        return CL_INVALID_WORK_GROUP_SIZE;
    return next.clEnqueueNDRangeKernel(queue, kernel, dims, offset, global,
                                       local ? local : own, waits, events, event);
}

/* True: the word is in the text, in a place that is usually no comment: the kernel
 * computes in this type. */
static bool has_word(const char *text, size_t bytes, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= bytes; i++) {
        bool starts =
            !i || text[i - 1] == ' ' || text[i - 1] == '(' || text[i - 1] == '\n';
        char after = i + length < bytes ? text[i + length] : ' ';
        if (starts && !strncmp(text + i, word, length) && strchr(" *)2348;(", after))
            return true;
    }
    return false;
}

static cl_program CL_API_CALL with_source(cl_context context, cl_uint count,
                                          const char **texts, const size_t *sizes,
                                          cl_int *error)
{
    for (cl_uint i = 0; i < count && !claim(CL_DEVICE_DOUBLE_FP_CONFIG, 1); i++) {
        size_t bytes = sizes && sizes[i] ? sizes[i] : strlen(texts[i]);
        if (has_word(texts[i], bytes, "double"))
            layer_exit_with_error("a kernel computes in double on", fake->name);
    }
    return next.clCreateProgramWithSource(context, count, texts, sizes, error);
}

static cl_int CL_API_CALL build(cl_program program, cl_uint count,
                                const cl_device_id *ids, const char *options,
                                void(CL_CALLBACK *done)(cl_program, void *), void *data)
{
    if (!claim(CL_DEVICE_COMPILER_AVAILABLE, 1))
        return CL_COMPILER_NOT_AVAILABLE;
    if (is_old() && options &&
        (strstr(options, "-cl-std=CL2") || strstr(options, "-cl-std=CL3")))
        return CL_INVALID_BUILD_OPTIONS;
    return next.clBuildProgram(program, count, ids, options, done, data);
}

/* A driver of OpenCL 1.2 has no such entries. */
static void remove_new_calls(cl_icd_dispatch *table)
{
    table->clCreateCommandQueueWithProperties = NULL;
    table->clCreateBufferWithProperties = NULL;
    table->clSVMAlloc = NULL;
    table->clSetKernelArgSVMPointer = NULL;
    table->clCreateProgramWithIL = NULL;
    table->clCloneKernel = NULL;
    table->clGetKernelSubGroupInfo = NULL;
}

void layer_fake(cl_icd_dispatch *table, const char *word)
{
    bool all = !strcmp(word, "list");
    for (fake = layer_fakes; fake->name && strcmp(fake->name, word) != 0; fake++)
        if (all)
            puts(fake->name);
    if (all)
        exit(0);
    if (!fake->name)
        layer_exit_with_error("no such fake device", word);
    next = *table;
    table->clGetPlatformInfo = platform_info;
    table->clGetDeviceInfo = device_info;
    table->clCreateBuffer = create_buffer;
    table->clGetKernelWorkGroupInfo = group_info;
    table->clEnqueueNDRangeKernel = launch;
    table->clCreateProgramWithSource = with_source;
    table->clBuildProgram = build;
    if (is_old())
        remove_new_calls(table);
}
