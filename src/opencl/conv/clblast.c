/* SPDX-License-Identifier: Apache-2.0 */
/* Dense layers and 1x1 convolutions through CLBlast's GEMM, with launches of
 * cl/gemm/dense_clblast.cl for bias and activation, activation gradient and bias
 * gradient. */
#include "opencl/select/algorithm.h"
#include "opencl/runtime/primitives.h"
#include "opencl/runtime/queue.h"

#include <assert.h>
#include <clblast_c.h>

/* c = a b, row-major; a is m x k and b is k x n after transposition. */
struct clblast_gemm {
    CLBlastTranspose trans_a, trans_b;
    size_t m, n, k;
    struct weft_view a, b, c;
};

static size_t lda(const struct clblast_gemm *p)
{
    return p->trans_a == CLBlastTransposeYes ? p->m : p->k;
}

static size_t ldb(const struct clblast_gemm *p)
{
    return p->trans_b == CLBlastTransposeYes ? p->k : p->n;
}

static enum weft_status check(const struct ocl_device *device,
                              const struct clblast_gemm *p, CLBlastStatusCode code)
{
    if (code == CLBlastSuccess)
        return WEFT_OK;
    bool memory =
        code == CLBlastTempBufferAllocFailure || code == CLBlastOpenCLOutOfHostMemory;
    return weft_fail(
        device->base.context, memory ? WEFT_ERR_NOMEM : WEFT_ERR_DEVICE,
        "clblast: a GEMM of %zu x %zu x %zu on %s failed with code %d; weft's native "
        "kernels can compute it too",
        p->m, p->n, p->k, device->base.info.name, (int)code);
}

static enum weft_status multiply(struct ocl_device *device, const struct clblast_gemm *p,
                                 cl_mem a, size_t a_at, cl_mem b, size_t b_at, cl_mem c,
                                 size_t c_at, cl_mem temp_buffer)
{
    return check(device, p,
                 CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, p->trans_a, p->trans_b,
                                            p->m, p->n, p->k, 1.0f, a, a_at, lda(p), b,
                                            b_at, ldb(p), 0.0f, c, c_at, p->n,
                                            &device->queue, NULL, temp_buffer));
}

static enum weft_status replay_gemm(struct weft_command_list *list, void *data)
{
    const struct clblast_gemm *p = data;
    return multiply(ocl_device_of(list), p, p->a.mem->mem, p->a.offset, p->b.mem->mem,
                    p->b.offset, p->c.mem->mem, p->c.offset, ocl_workspace_mem(list));
}

/* Runs the GEMM once on temporary buffers, so that CLBlast compiles its kernels before
 * the first step. */
static enum weft_status warm_up(struct ocl_device *device, const struct clblast_gemm *p,
                                size_t temp_bytes)
{
    const size_t bytes[4] = {p->a.count * sizeof(float), p->b.count * sizeof(float),
                             p->c.count * sizeof(float), temp_bytes};
    struct weft_mem *mem[4] = {NULL};
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < 4 && !status; i++)
        if (bytes[i])
            status = ocl_alloc(&device->base, bytes[i], &mem[i]);
    if (!status)
        status = multiply(device, p, mem[0]->mem, 0, mem[1]->mem, 0, mem[2]->mem, 0,
                          mem[3] ? mem[3]->mem : NULL);
    if (!status)
        status = ocl_check(device->base.context, ocl_queue_finish(device, device->queue),
                           "clblast");
    for (int i = 0; i < 4; i++)
        ocl_free(&device->base, mem[i]);
    return status;
}

static enum weft_status append_gemm(struct weft_command_list *list,
                                    const struct clblast_gemm *p)
{
    struct ocl_device *device = ocl_device_of(list);
    size_t bytes = 0;
    WEFT_TRY(check(device, p,
                   CLBlastSGemmTempBufferSize(CLBlastLayoutRowMajor, p->trans_a,
                                              p->trans_b, p->m, p->n, p->k, p->a.offset,
                                              lda(p), p->b.offset, ldb(p), p->c.offset,
                                              p->n, &device->queue, &bytes)));
    size_t offset = bytes ? ocl_workspace(list, bytes) : 0;
    assert(offset == 0); /* CLBlast accepts a buffer, but no offset in one */
    (void)offset;
    WEFT_TRY(warm_up(device, p, bytes));
    return ocl_host_call(list, replay_gemm, p, sizeof(*p));
}

static size_t rows_of(const struct weft_conv *c)
{
    return (size_t)c->n * (size_t)c->h * (size_t)c->w;
}

static enum weft_status append_bias_act(struct weft_command_list *list,
                                        const struct weft_conv_args *args)
{
    const struct ocl_device *device = ocl_device_of(list);
    struct ocl_options options = {""};
    ocl_define(&options, "VW", device->vector_width);
    ocl_define(&options, "COLUMNS", args->conv.k);
    ocl_define(&options, "BIAS", args->bias.mem != NULL);
    ocl_define_activation(&options, args->activation);
    size_t vectors = ocl_vector_count((size_t)args->conv.k, device->vector_width);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "dense_clblast.cl",
            .kernel = "bias_act",
            .global = {rows_of(&args->conv) * vectors},
            .local = {ocl_default_work_group(device)},
            .arg_count = 4,
            .args = {OCL_VIEW(args->bias), OCL_VIEW(args->y),
                     OCL_INT(rows_of(&args->conv)), OCL_ACT_PARAMS(args->activation)},
        });
}

static enum weft_status forward(struct weft_command_list *list,
                                const struct weft_problem *problem, const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *c = &args->conv;
    (void)values;
    WEFT_TRY(append_gemm(list, &(struct clblast_gemm){
                                   .trans_a = CLBlastTransposeNo,
                                   .trans_b = CLBlastTransposeNo,
                                   .m = rows_of(c),
                                   .n = (size_t)c->k,
                                   .k = (size_t)c->c,
                                   .a = args->x,
                                   .b = args->w,
                                   .c = args->y,
                               }));
    if (!args->bias.mem && args->activation.act == WEFT_ACT_identity)
        return WEFT_OK;
    return append_bias_act(list, args);
}

static enum weft_status backward_data(struct weft_command_list *list,
                                      const struct weft_problem *problem,
                                      const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct weft_conv *c = &args->conv;
    (void)values;
    WEFT_TRY(append_gemm(list, &(struct clblast_gemm){
                                   .trans_a = CLBlastTransposeNo,
                                   .trans_b = CLBlastTransposeYes,
                                   .m = rows_of(c),
                                   .n = (size_t)c->c,
                                   .k = (size_t)c->k,
                                   .a = args->dy,
                                   .b = args->w,
                                   .c = args->dx,
                               }));
    if (!args->act_grad.output.mem)
        return WEFT_OK;
    return ocl_act_backward(list, &(struct weft_act_args){
                                      .activation = args->act_grad.activation,
                                      .y = args->act_grad.output,
                                      .dy = args->dx,
                                      .dx = args->dx,
                                  });
}

static enum weft_status backward_weights(struct weft_command_list *list,
                                         const struct weft_problem *problem,
                                         const int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    const struct ocl_device *device = ocl_device_of(list);
    const struct weft_conv *c = &args->conv;
    (void)values;
    WEFT_TRY(append_gemm(list, &(struct clblast_gemm){
                                   .trans_a = CLBlastTransposeYes,
                                   .trans_b = CLBlastTransposeNo,
                                   .m = (size_t)c->c,
                                   .n = (size_t)c->k,
                                   .k = rows_of(c),
                                   .a = args->x,
                                   .b = args->dy,
                                   .c = args->dw,
                               }));
    if (!args->dbias.mem)
        return WEFT_OK;
    int width = device->is_cpu
                    ? device->vector_width
                    : 1; /* adjacent work-items of a GPU read adjacent columns */
    struct ocl_options options = {""};
    ocl_define(&options, "VW", width);
    ocl_define(&options, "COLUMNS", c->k);
    return ocl_launch(
        list, options.text,
        &(struct ocl_launch){
            .source = "dense_clblast.cl",
            .kernel = "bias_grad",
            .global = {ocl_vector_count((size_t)c->k, width)},
            .local = {device->is_cpu ? 1 : ocl_default_work_group(device)},
            .arg_count = 3,
            .args = {OCL_VIEW(args->dy), OCL_VIEW(args->dbias), OCL_INT(rows_of(c))},
        });
}

enum weft_status ocl_clblast_open(struct ocl_device *device)
{
    weft_log_message(
        device->base.context, WEFT_LOG_INFO,
        "dense layers go through CLBlast, which compiles its kernels when they are first "
        "used: some seconds");
    return WEFT_OK;
}

/* Ten times slower than native kernels on CPUs, where its compiler may crash: used there
 * only if requested. */
static enum ocl_applicability applicability(const struct ocl_device *device,
                                            const struct weft_problem *problem,
                                            int *values)
{
    const struct weft_conv_args *args = ocl_conv_args(problem);
    (void)values;
    if (!ocl_is_gemm(&args->conv) || args->pool.r)
        return OCL_NOT_APPLICABLE;
    if (device->base.gemm == WEFT_GEMM_CLBLAST)
        return OCL_PREFERRED;
    return device->is_cpu ? OCL_NOT_APPLICABLE : OCL_APPLICABLE;
}

static bool validate_config(const struct ocl_device *device,
                            const struct weft_problem *problem, const int *values)
{
    (void)device;
    (void)problem;
    (void)values;
    return true;
}

static const struct ocl_tunable none[] = {{0}};

#define ROW(record_)                                                         \
    {                                                                        \
        .name = "clblast", .tunables = none, .applicability = applicability, \
        .validate_config = validate_config, .record = record_,               \
        .sources = {"dense_clblast.cl", "act.cl"}, .fp32_only = true         \
    }

const struct ocl_algorithm ocl_clblast[OCL_PASS_COUNT] = {
    [OCL_PASS_FORWARD] = ROW(forward),
    [OCL_PASS_BWD_DATA] = ROW(backward_data),
    [OCL_PASS_BWD_WEIGHTS] = ROW(backward_weights),
};
