/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels with one planted fault each, to prove that Oclgrind reports them:
 *
 *     faults none|bounds|data-race|uninitialized
 *
 * Exits with 0 if the kernel ran, whatever it did to memory; 77 if there is no device. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdio.h>
#include <string.h>

enum { ITEMS = 8 };

/* Each writes `out`, ITEMS floats, from `in`, as many; `n` is ITEMS, but the compiler may
 * not know. */
static const struct {
    const char *name, *source;
} faults[] = {
    {"none", "__kernel void f(__global const float *in, __global float *out, uint n) {"
             "    const uint i = get_global_id(0);"
             "    if (i < n) out[i] = in[i]; }"},
    {"bounds", "__kernel void f(__global const float *in, __global float *out, uint n) {"
               "    out[get_global_id(0) + n / 2] = in[get_global_id(0)]; }"},
    {"data-race",
     "__kernel void f(__global const float *in, __global float *out, uint n) {"
     "    out[get_global_id(0) % 2] = in[get_global_id(0)] + n; }"},
    {"uninitialized",
     "__kernel void f(__global const float *in, __global float *out, uint n) {"
     "    __local float shared[8];"
     "    const uint i = get_global_id(0);"
     "    if (i < n / 2) shared[i] = in[i];"
     "    barrier(CLK_LOCAL_MEM_FENCE);"
     "    if (shared[i] > 0.5f) out[i] = 1.0f; }"},
};

static int run_kernel(const char *source)
{
    cl_platform_id platform;
    cl_device_id device;
    cl_int errors[8] = {0};
    cl_uint n = ITEMS;
    float data[ITEMS] = {1, 2, 3, 4, 5, 6, 7, 8};
    size_t global = ITEMS, local = ITEMS;
    if (clGetPlatformIDs(1, &platform, NULL) ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL))
        return 77;

    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &errors[0]);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &errors[1]);
    cl_mem in =
        clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof(data), data, &errors[2]);
    cl_mem out =
        clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof(data), data, &errors[3]);
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &errors[4]);
    errors[5] = clBuildProgram(program, 1, &device, "-cl-std=CL1.2", NULL, NULL);
    cl_kernel kernel = clCreateKernel(program, "f", &errors[6]);
    errors[7] =
        clSetKernelArg(kernel, 0, sizeof(in), &in) |
        clSetKernelArg(kernel, 1, sizeof(out), &out) |
        clSetKernelArg(kernel, 2, sizeof(n), &n) |
        clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL) |
        clEnqueueReadBuffer(queue, out, CL_TRUE, 0, sizeof(data), data, 0, NULL, NULL);
    int failed = 0;
    for (int i = 0; i < 8; i++)
        failed |= errors[i] != CL_SUCCESS;

    clReleaseKernel(kernel);
    clReleaseProgram(program);
    clReleaseMemObject(out);
    clReleaseMemObject(in);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    return failed;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        if (argc == 2 && !strcmp(argv[1], faults[i].name))
            return run_kernel(faults[i].source);
    fprintf(stderr, "usage: faults none|bounds|data-race|uninitialized\n");
    return 2;
}
