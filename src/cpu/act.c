/* SPDX-License-Identifier: Apache-2.0 */
/* Activations from cl/shared/activations.def, in double. */
#include "cpu/cpu.h"

#include <assert.h>
#include <math.h>

#define REAL(c)                 c
#define SELECT_LESS(v, w, a, b) ((v) < (w) ? (a) : (b))
#define EXP(v)                  exp(v)
#define TANH(v)                 tanh(v)
#define ERF(v)                  erf(v)
#define GELU_GRAD(v)                            \
    (0.5 * (1 + erf((v)*0.70710678118654752)) + \
     (v)*0.39894228040143268 * exp(-0.5 * (v) * (v)))

#define ACT(id, name, grad_from_output, f, g, parameters, checks)                 \
    static void activate_##id(double alpha, double beta, double *z, size_t count) \
    {                                                                             \
        (void)alpha, (void)beta;                                                  \
        for (size_t i = 0; i < count; i++) {                                      \
            double x = z[i];                                                      \
            z[i] = f;                                                             \
        }                                                                         \
    }                                                                             \
    static void derive_##id(double alpha, double beta, double *gradient,          \
                            const float *xs, const float *ys, size_t count)       \
    {                                                                             \
        (void)alpha, (void)beta;                                                  \
        for (size_t i = 0; i < count; i++) {                                      \
            double x = xs ? (double)xs[i] : 0.0, y = ys ? (double)ys[i] : 0.0;    \
            (void)x, (void)y;                                                     \
            gradient[i] *= g;                                                     \
        }                                                                         \
    }
#include "shared/activations.def"
#undef ACT

static const struct {
    void (*activate)(double alpha, double beta, double *z, size_t count);
    void (*derive)(double alpha, double beta, double *gradient, const float *xs,
                   const float *ys, size_t count);
} acts[WEFT_ACT_COUNT] = {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) \
    {activate_##id, derive_##id},
#include "shared/activations.def"
#undef ACT
};

void cpu_activate(struct weft_activation a, double *z, size_t count)
{
    acts[a.act].activate((double)a.alpha, (double)a.beta, z, count);
}

void cpu_apply_act_grad(struct weft_activation a, double *gradient, const float *x,
                        const float *y, size_t count)
{
    acts[a.act].derive((double)a.alpha, (double)a.beta, gradient, x, y, count);
}

static void forward_chunk(const void *data, size_t item)
{
    const struct weft_act_args *a = data;
    const float *x = cpu_floats(a->x);
    float *y = cpu_floats(a->y);
    size_t begin = item * CPU_CHUNK, count = cpu_chunk_end(item, a->x.count) - begin;
    double z[CPU_CHUNK];
    for (size_t i = 0; i < count; i++)
        z[i] = (double)x[begin + i];
    cpu_activate(a->activation, z, count);
    for (size_t i = 0; i < count; i++)
        y[begin + i] = (float)z[i];
}

enum weft_status cpu_act_forward(struct weft_command_list *list,
                                 const struct weft_act_args *args)
{
    struct weft_act_args a = *args;
    assert(a.x.count == a.y.count);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    a.y = cpu_fp32_output(list, args->y);
    return cpu_append_output(list, cpu_chunks(a.x.count), forward_chunk, &a, sizeof(a),
                             a.y, args->y);
}

static void backward_chunk(const void *data, size_t item)
{
    const struct weft_act_args *a = data;
    const float *x = cpu_floats(a->x), *y = cpu_floats(a->y), *dy = cpu_floats(a->dy);
    float *dx = cpu_floats(a->dx);
    size_t begin = item * CPU_CHUNK, count = cpu_chunk_end(item, a->dy.count) - begin;
    double gradient[CPU_CHUNK];
    for (size_t i = 0; i < count; i++)
        gradient[i] = (double)dy[begin + i];
    cpu_apply_act_grad(a->activation, gradient, x ? x + begin : NULL,
                       y ? y + begin : NULL, count);
    for (size_t i = 0; i < count; i++)
        dx[begin + i] = (float)gradient[i];
}

enum weft_status cpu_act_backward(struct weft_command_list *list,
                                  const struct weft_act_args *args)
{
    struct weft_act_args a = *args;
    assert(a.dy.count == a.dx.count);
    assert(weft_act_grad_from_output[a.activation.act] ? a.y.mem != NULL
                                                       : a.x.mem != NULL);
    cpu_begin(list);
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.x));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.y));
    WEFT_TRY(cpu_cast_input_to_fp32(list, &a.dy));
    a.dx = cpu_fp32_output(list, args->dx);
    return cpu_append_output(list, cpu_chunks(a.dy.count), backward_chunk, &a, sizeof(a),
                             a.dx, args->dx);
}
