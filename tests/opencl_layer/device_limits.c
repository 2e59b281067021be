/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that the limits of a fake device are enforced: requests within the limits of the
 * driver are rejected by the layer.
 *
 *     limits LAYER */
#define _POSIX_C_SOURCE          200809L
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20 };

static const struct row {
    const char *fake;
    size_t group, local, buffer; /* of a launch, and of each of two buffers, in bytes */
    int wanted;
} rows[] = {
    {"group-64", 64, 64, 1, CL_SUCCESS},
    {"group-64", 128, 64, 1, CL_INVALID_WORK_ITEM_SIZE},
    {"group-1", 2, 64, 1, CL_INVALID_WORK_ITEM_SIZE},
    {"local-4k", 64, 1024, 1, CL_SUCCESS},
    {"local-4k", 64, 8192, 1, CL_OUT_OF_RESOURCES},
    {"no-local", 64, 64, 1, CL_OUT_OF_RESOURCES},
    {"largest-1m", 1, 64, MIB, CL_SUCCESS},
    {"largest-1m", 1, 64, 2 * MIB, CL_INVALID_BUFFER_SIZE},
    {"memory-24m", 1, 64, 8 * MIB, CL_SUCCESS},
    {"memory-24m", 1, 64, 16 * MIB, CL_MEM_OBJECT_ALLOCATION_FAILURE},
};

static const char source[] = "__kernel void k(__global float *y)\n"
                             "{\n"
                             "    __local float room[BYTES / 4];\n"
                             "    room[get_local_id(0) % (BYTES / 4)] = 1.0f;\n"
                             "    barrier(CLK_LOCAL_MEM_FENCE);\n"
                             "    y[0] = room[0];\n"
                             "}\n";

/* The first code that is not CL_SUCCESS. */
static cl_int use(const struct row *row)
{
    cl_platform_id platform;
    cl_device_id id;
    cl_mem mem = NULL;
    const char *text = source;
    char options[64];
    snprintf(options, sizeof(options), "-DBYTES=%zu", row->local);
    cl_int error = clGetPlatformIDs(1, &platform, NULL);
    if (error || (error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL)))
        return error;
    cl_context context = clCreateContext(NULL, 1, &id, NULL, NULL, &error);
    cl_command_queue queue = error ? NULL : clCreateCommandQueue(context, id, 0, &error);
    for (int i = 0; i < 2 && !error; i++)
        mem = clCreateBuffer(context, CL_MEM_READ_WRITE, row->buffer, NULL, &error);
    if (error)
        return error;
    cl_program program = clCreateProgramWithSource(context, 1, &text, NULL, &error);
    if (error || (error = clBuildProgram(program, 1, &id, options, NULL, NULL)))
        return error;
    cl_kernel kernel = clCreateKernel(program, "k", &error);
    if (error || (error = clSetKernelArg(kernel, 0, sizeof(mem), &mem)))
        return error;
    error = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &row->group, &row->group, 0,
                                   NULL, NULL);
    return error ? error : clFinish(queue);
}

/* The code, from a process of its own: the loader looks for layers once. */
static int try(const struct row *row, const char *layer)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        if (layer) {
            setenv("OPENCL_LAYERS", layer, 1);
            setenv("WEFT_LAYER_FAKE", row->fake, 1);
        }
        _exit(-use(row));
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 1;
    return -WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    int wrong = 0, count = (int)(sizeof(rows) / sizeof(*rows));
    if (argc != 2)
        return 2;
    for (int i = 0; i < count; i++) {
        int fake = try(&rows[i], argv[1]), own = try(&rows[i], NULL);
        if (fake == rows[i].wanted && own == CL_SUCCESS)
            continue;
        printf("FAIL %s, groups of %zu, %zu bytes local, buffers of %zu: %d, not %d; "
               "without the layer %d\n",
               rows[i].fake, rows[i].group, rows[i].local, rows[i].buffer, fake,
               rows[i].wanted, own);
        wrong++;
    }
    printf("%d uses of limits, %d wrong\n", count, wrong);
    return wrong ? 1 : 0;
}
