/* SPDX-License-Identifier: Apache-2.0 */
/* Compilers that crash, hang, fail, report wrong binaries, compile nothing, or compile a
 * function of OpenCL C into another: that is a row's `text`, put before every program. */
#define _GNU_SOURCE /* memmem */
#include "opencl_layer/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUILD_PARAMETERS                                                             \
    cl_program program, cl_uint count, const cl_device_id *ids, const char *options, \
        void(CL_CALLBACK * done)(cl_program, void *), void *data
#define IGNORE_BUILD \
    (void)program, (void)count, (void)ids, (void)options, (void)done, (void)data

static cl_int CL_API_CALL crash(BUILD_PARAMETERS)
{
    IGNORE_BUILD;
    layer_crash();
}

static cl_int CL_API_CALL hang(BUILD_PARAMETERS)
{
    IGNORE_BUILD;
    layer_hang();
}

static cl_int CL_API_CALL fail(BUILD_PARAMETERS)
{
    IGNORE_BUILD;
    layer_report_triggered();
    return CL_BUILD_PROGRAM_FAILURE;
}

/* The sources of a kernel, alone or with others. */
static bool has_text(cl_program program)
{
    size_t bytes = 0;
    char *source = NULL;
    if (!layer_next.clGetProgramInfo(program, CL_PROGRAM_SOURCE, 0, NULL, &bytes))
        source = calloc(1, bytes + 1);
    if (source)
        layer_next.clGetProgramInfo(program, CL_PROGRAM_SOURCE, bytes, source, NULL);
    bool found = source && strstr(source, layer_active_fault->text);
    free(source);
    return found;
}

static cl_int CL_API_CALL refuse(BUILD_PARAMETERS)
{
    if (!has_text(program))
        return layer_next.clBuildProgram(program, count, ids, options, done, data);
    layer_report_triggered();
    return CL_BUILD_PROGRAM_FAILURE;
}

/* Success, and nothing built. */
static cl_int CL_API_CALL claim(BUILD_PARAMETERS)
{
    IGNORE_BUILD;
    layer_report_triggered();
    return CL_SUCCESS;
}

static cl_int CL_API_CALL forget_options(BUILD_PARAMETERS)
{
    (void)options;
    layer_report_triggered();
    return layer_next.clBuildProgram(program, count, ids, "-cl-std=CL1.2 -w", done, data);
}

static cl_int CL_API_CALL add_options(BUILD_PARAMETERS)
{
    char all[2048];
    layer_report_triggered();
    snprintf(all, sizeof(all), "%s %s", options, layer_active_fault->text);
    return layer_next.clBuildProgram(program, count, ids, all, done, data);
}

static cl_int CL_API_CALL log_of(cl_program program, cl_device_id id,
                                 cl_program_build_info what, size_t size, void *value,
                                 size_t *size_ret)
{
    (void)program, (void)id, (void)what;
    layer_report_triggered();
    return layer_return_query(layer_active_fault->text,
                              (size_t)layer_active_fault->number, size, value, size_ret);
}

/* The log is said to be longer than any memory. */
static cl_int CL_API_CALL endless_log(cl_program program, cl_device_id id,
                                      cl_program_build_info what, size_t size,
                                      void *value, size_t *size_ret)
{
    (void)program, (void)id, (void)what, (void)size, (void)value;
    layer_report_triggered();
    if (size_ret)
        *size_ret = (size_t)1 << 60;
    return CL_SUCCESS;
}

static cl_kernel CL_API_CALL crash_kernel(cl_program program, const char *name,
                                          cl_int *error)
{
    (void)program, (void)name, (void)error;
    layer_crash();
}

/* Whatever is asked for, the program's first. */
static cl_kernel CL_API_CALL other_kernel(cl_program program, const char *name,
                                          cl_int *error)
{
    cl_uint count = 0;
    cl_kernel kernels[512];
    (void)name;
    layer_report_triggered();
    *error = layer_next.clCreateKernelsInProgram(program, 512, kernels, &count);
    for (cl_uint i = 1; i < count && i < 512; i++)
        layer_next.clReleaseKernel(kernels[i]);
    return *error ? NULL : kernels[0];
}

/* The compiler sees `text` first. */
static cl_program CL_API_CALL prelude(cl_context context, cl_uint count,
                                      const char **texts, const size_t *sizes,
                                      cl_int *error)
{
    const char *all[2] = {layer_active_fault->text, texts[0]};
    const size_t lengths[2] = {strlen(all[0]), sizes ? sizes[0] : 0};
    (void)count;
    /* "#define NAME(..." */
    const char *word = all[0] + strlen("#define ");
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "(") + 1, word);
    if (strstr(texts[0], name))
        layer_report_triggered();
    return layer_next.clCreateProgramWithSource(context, 2, all, lengths, error);
}

/* ---- programs that are not built: a kernel that does nothing stands for theirs ---- */

/* One for each context. The reference that is kept here also keeps the context. */
static struct {
    cl_context context;
    cl_program program;
    bool built;
} stubs[16];
static size_t stub_count;

static size_t stub_at(cl_program program)
{
    size_t i = 0;
    while (i < stub_count && stubs[i].program != program)
        i++;
    return i;
}

/* Programs that try what a device can do or how fast it is are the driver's. */
static cl_program CL_API_CALL create_stub(cl_context context, cl_uint count,
                                          const char **texts, const size_t *sizes,
                                          cl_int *error)
{
    static const char *text = "__kernel void nothing(void)\n{\n}\n";
    size_t i = 0;
    for (cl_uint part = 0; part < count; part++)
        if (memmem(texts[part], sizes ? sizes[part] : strlen(texts[part]), "probe_", 6))
            return layer_next.clCreateProgramWithSource(context, count, texts, sizes,
                                                        error);
    while (i < stub_count && stubs[i].context != context)
        i++;
    if (i == LAYER_COUNT(stubs))
        layer_exit_with_error("more contexts than stubs", layer_active_fault->name);
    layer_report_triggered();
    if (i == stub_count) {
        stubs[i].program =
            layer_next.clCreateProgramWithSource(context, 1, &text, NULL, error);
        if (!stubs[i].program)
            return NULL;
        stubs[i].context = context;
        stub_count++;
    }
    *error = layer_next.clRetainProgram(stubs[i].program);
    return stubs[i].program;
}

static cl_int CL_API_CALL build_stub(BUILD_PARAMETERS)
{
    size_t i = stub_at(program);
    if (i < stub_count && stubs[i].built)
        return CL_SUCCESS;
    cl_int error = layer_next.clBuildProgram(program, count, ids, options, done, data);
    if (i < stub_count)
        stubs[i].built = !error;
    return error;
}

static cl_kernel CL_API_CALL kernel_of_stub(cl_program program, const char *name,
                                            cl_int *error)
{
    return layer_next.clCreateKernel(
        program, stub_at(program) < stub_count ? "nothing" : name, error);
}

static bool is_stub(cl_kernel kernel)
{
    cl_program program = NULL;
    layer_next.clGetKernelInfo(kernel, CL_KERNEL_PROGRAM, sizeof(program), &program,
                               NULL);
    return stub_at(program) < stub_count;
}

static cl_int CL_API_CALL arg_of_stub(cl_kernel kernel, cl_uint index, size_t size,
                                      const void *value)
{
    return is_stub(kernel) ? CL_SUCCESS
                           : layer_next.clSetKernelArg(kernel, index, size, value);
}

static cl_int CL_API_CALL launch_stub(cl_command_queue queue, cl_kernel kernel,
                                      cl_uint dims, const size_t *offset,
                                      const size_t *global, const size_t *local,
                                      cl_uint waits, const cl_event *events,
                                      cl_event *event)
{
    return is_stub(kernel)
               ? CL_SUCCESS
               : layer_next.clEnqueueNDRangeKernel(queue, kernel, dims, offset, global,
                                                   local, waits, events, event);
}

#define BUILD(name, call)                  \
    {                                      \
        name, .calls.clBuildProgram = call \
    }
#define FAILS_WITH_LOG(name, log, length)                                         \
    {                                                                             \
        name, .calls = {.clBuildProgram = fail, .clGetProgramBuildInfo = log_of}, \
              .text = log, .number = length                                       \
    }
#define LIES(name, macro)                                                               \
    {                                                                                   \
        name, .calls.clCreateProgramWithSource = prelude, .text = "#define " macro "\n" \
    }

const struct layer_fault layer_build_faults[] = {
    BUILD("build-crash", crash),
    BUILD("build-hang", hang),
    BUILD("build-fails", fail),
    {"build-fails-winograd", .calls.clBuildProgram = refuse, .text = "winograd"},
    {"build-fails-direct", .calls.clBuildProgram = refuse, .text = "void conv_forward("},
    {"build-fails-weights", .calls.clBuildProgram = refuse,
     .text = "void conv_bwd_weights("},
    BUILD("build-claims", claim),
    BUILD("build-without-options", forget_options),
    {"build-probes", .calls = {.clCreateProgramWithSource = create_stub,
                               .clBuildProgram = build_stub,
                               .clCreateKernel = kernel_of_stub,
                               .clSetKernelArg = arg_of_stub,
                               .clEnqueueNDRangeKernel = launch_stub}},
    {"build-finite-math", .calls.clBuildProgram = add_options,
     .text = "-cl-finite-math-only"},
    FAILS_WITH_LOG("log-unended", "error: x", 8),
    FAILS_WITH_LOG("log-empty", "", 1),
    FAILS_WITH_LOG("log-refused", "", 0),
    FAILS_WITH_LOG("log-controls", "\033[2J\a\001\377error", 12),
    {"log-endless",
     .calls = {.clBuildProgram = fail, .clGetProgramBuildInfo = endless_log}},
    {"kernel-crash", .calls.clCreateKernel = crash_kernel},
    {"kernel-other", .calls.clCreateKernel = other_kernel},

    LIES("exp-is-exp2", "exp(x) exp2(x)"),
    LIES("exp-is-half", "exp(x) native_exp((x) * 1.0001f)"),
    LIES("log-is-log2", "log(x) log2(x)"),
    LIES("sqrt-is-rough", "sqrt(x) (sqrt(x) * 1.00001f)"),
    LIES("sqrt-is-rsqrt", "sqrt(x) rsqrt(x)"),
    LIES("max-is-min", "max(a, b) min(a, b)"),
    LIES("min-is-max", "min(a, b) max(a, b)"),
    LIES("min-is-first", "min(a, b) (a)"),
    LIES("select-is-swapped", "select(a, b, c) select(b, a, c)"),
    LIES("select-is-first", "select(a, b, c) (a)"),
    LIES("global-id-is-0", "get_global_id(d) 0u"),
    LIES("global-id-is-off", "get_global_id(d) (get_global_id(d) + 1)"),
    LIES("global-id-is-even", "get_global_id(d) (get_global_id(d) & ~(size_t)1)"),
    LIES("global-id-is-of-x", "get_global_id(d) get_global_id(0)"),
    LIES("global-size-is-1", "get_global_size(d) 1u"),
    LIES("local-id-is-0", "get_local_id(d) 0u"),
    LIES("group-id-is-0", "get_group_id(d) 0u"),
    LIES("no-barriers", "barrier(x)"),
    LIES("vload-half-is-0", "vload_half(i, p) 0.0f"),
    LIES("vload4-is-shifted", "vload4(i, p) vload4(i, (p) + 1)"),
    LIES("vstore4-is-3", "vstore4(v, i, p) vstore3((v).xyz, i, p)"),
    {0},
};
