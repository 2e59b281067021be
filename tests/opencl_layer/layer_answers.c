/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that answer queries wrongly. `number` of a row is the query. */
#include "opencl_layer/layer.h"

#include <string.h>

static bool is_it(cl_device_info what)
{
    if (what != layer_active_fault->number)
        return false;
    layer_report_triggered();
    return true;
}

/* Its text is not ended by a NUL, and what follows is not the caller's. */
static cl_int CL_API_CALL unended(cl_device_id id, cl_device_info what, size_t size,
                                  void *value, size_t *size_ret)
{
    static const char text[] = {'n', 'o', ' ', 'e', 'n', 'd'};
    return is_it(what) ? layer_return_query(text, sizeof(text), size, value, size_ret)
                       : layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
}

static cl_int CL_API_CALL other_text(cl_device_id id, cl_device_info what, size_t size,
                                     void *value, size_t *size_ret)
{
    const char *text = layer_active_fault->text;
    return is_it(what) ? layer_return_query(text, strlen(text) + 1, size, value, size_ret)
                       : layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
}

/* The size of the answer is reported as larger than any memory. */
static cl_int CL_API_CALL endless(cl_device_id id, cl_device_info what, size_t size,
                                  void *value, size_t *size_ret)
{
    if (!is_it(what) || value)
        return layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
    *size_ret = (size_t)1 << 60;
    return CL_SUCCESS;
}

/* Success, and nothing written. */
static cl_int CL_API_CALL answer_nothing(cl_device_id id, cl_device_info what,
                                         size_t size, void *value, size_t *size_ret)
{
    return is_it(what) ? CL_SUCCESS
                       : layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
}

static cl_int CL_API_CALL zero(cl_device_id id, cl_device_info what, size_t size,
                               void *value, size_t *size_ret)
{
    cl_int error = layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
    if (is_it(what) && value && !error)
        memset(value, 0, size);
    return error;
}

static cl_int CL_API_CALL ones(cl_device_id id, cl_device_info what, size_t size,
                               void *value, size_t *size_ret)
{
    cl_int error = layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
    if (is_it(what) && value && !error)
        memset(value, 0xFF, size);
    return error;
}

static cl_int CL_API_CALL crash_info(cl_device_id id, cl_device_info what, size_t size,
                                     void *value, size_t *size_ret)
{
    if (is_it(what))
        layer_crash();
    return layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
}

static cl_int CL_API_CALL hang_info(cl_device_id id, cl_device_info what, size_t size,
                                    void *value, size_t *size_ret)
{
    if (is_it(what))
        layer_hang();
    return layer_next.clGetDeviceInfo(id, what, size, value, size_ret);
}

static cl_int CL_API_CALL crash_ids(cl_platform_id platform, cl_device_type type,
                                    cl_uint count, cl_device_id *ids, cl_uint *count_ret)
{
    (void)platform, (void)type, (void)count, (void)ids, (void)count_ret;
    layer_crash();
}

static cl_int CL_API_CALL null_ids(cl_platform_id platform, cl_device_type type,
                                   cl_uint count, cl_device_id *ids, cl_uint *count_ret)
{
    cl_int error = layer_next.clGetDeviceIDs(platform, type, count, ids, count_ret);
    layer_report_triggered();
    for (cl_uint i = 0; ids && i < count; i++)
        ids[i] = NULL;
    return error;
}

/* Reports one device more than it returns. */
static cl_int CL_API_CALL one_more_id(cl_platform_id platform, cl_device_type type,
                                      cl_uint count, cl_device_id *ids,
                                      cl_uint *count_ret)
{
    cl_int error = layer_next.clGetDeviceIDs(platform, type, count, ids, count_ret);
    layer_report_triggered();
    if (count_ret)
        ++*count_ret;
    return error;
}

static cl_context CL_API_CALL crash_context(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *ids,
    void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data,
    cl_int *error)
{
    (void)properties, (void)count, (void)ids, (void)notify, (void)data, (void)error;
    layer_crash();
}

static cl_command_queue CL_API_CALL hang_queue(cl_context context, cl_device_id id,
                                               cl_command_queue_properties properties,
                                               cl_int *error)
{
    (void)context, (void)id, (void)properties, (void)error;
    layer_hang();
}

#define INFO(name, call, ...)                                      \
    {                                                              \
        name, .calls.clGetDeviceInfo = call, .number = __VA_ARGS__ \
    }

/* Each platform and its devices through a second driver. */
static cl_int CL_API_CALL platforms_twice(cl_uint room, cl_platform_id *ids,
                                          cl_uint *count)
{
    cl_platform_id own[32];
    cl_uint n = 0;
    cl_int error = layer_next.clGetPlatformIDs(LAYER_COUNT(own), own, &n);
    if (error)
        return error;
    layer_report_triggered();
    for (cl_uint i = 0; ids && i < 2 * n && i < room; i++)
        ids[i] = own[i % n];
    if (count)
        *count = 2 * n;
    return CL_SUCCESS;
}

const struct layer_fault layer_answer_faults[] = {
    INFO("name-unended", unended, CL_DEVICE_NAME),
    INFO("name-endless", endless, CL_DEVICE_NAME),
    INFO("name-empty", other_text, CL_DEVICE_NAME, .text = ""),
    INFO("name-mute", answer_nothing, CL_DEVICE_NAME),
    INFO("name-controls", other_text, CL_DEVICE_NAME,
         .text = "=1+1<b>\033[2J\a\r\n\177\302\233\342\200\256x"),
    INFO("extensions-unended", unended, CL_DEVICE_EXTENSIONS),
    INFO("extensions-endless", endless, CL_DEVICE_EXTENSIONS),
    INFO("version-unended", unended, CL_DEVICE_VERSION),
    INFO("version-other", other_text, CL_DEVICE_VERSION, .text = "Vulkan 1.3"),
    INFO("version-empty", other_text, CL_DEVICE_VERSION, .text = ""),
    INFO("version-huge", other_text, CL_DEVICE_VERSION,
         .text = "OpenCL 99999999999999999999.1"),
    INFO("type-0", zero, CL_DEVICE_TYPE),
    INFO("units-all-ones", ones, CL_DEVICE_MAX_COMPUTE_UNITS),
    INFO("vector-all-ones", ones, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT),
    INFO("group-0", zero, CL_DEVICE_MAX_WORK_GROUP_SIZE),
    INFO("group-mute", answer_nothing, CL_DEVICE_MAX_WORK_GROUP_SIZE),
    INFO("group-all-ones", ones, CL_DEVICE_MAX_WORK_GROUP_SIZE),
    INFO("local-all-ones", ones, CL_DEVICE_LOCAL_MEM_SIZE),
    INFO("memory-0", zero, CL_DEVICE_GLOBAL_MEM_SIZE),
    INFO("memory-all-ones", ones, CL_DEVICE_GLOBAL_MEM_SIZE),
    INFO("largest-0", zero, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
    INFO("largest-all-ones", ones, CL_DEVICE_MAX_MEM_ALLOC_SIZE),
    INFO("platform-0", zero, CL_DEVICE_PLATFORM),
    INFO("platform-all-ones", ones, CL_DEVICE_PLATFORM),
    INFO("info-crash", crash_info, CL_DEVICE_EXTENSIONS),
    INFO("info-hang", hang_info, CL_DEVICE_EXTENSIONS),
    {"ids-crash", .calls.clGetDeviceIDs = crash_ids},
    {"ids-null", .calls.clGetDeviceIDs = null_ids},
    {"ids-one-more", .calls.clGetDeviceIDs = one_more_id},
    {"context-crash", .calls.clCreateContext = crash_context},
    {"queue-hang", .calls.clCreateCommandQueue = hang_queue},
    {"platforms-twice", .calls.clGetPlatformIDs = platforms_twice},
    {0},
};
