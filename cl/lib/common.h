/* SPDX-License-Identifier: Apache-2.0 */
/* What every kernel uses: vectors of VW floats, the multiply-add, the activation that the
 * build chose.
 *
 * Given by the host to every program: DEVICE_CPU, 1 where work-items run one after the
 * other on the host's processor. Given where the kernel asks: VW (1, 2, 4, 8, 16), ACT
 * (the number of an activation, its place in activations.def). */
#ifndef WEFT_COMMON_H
#define WEFT_COMMON_H

#include "shared/memory_layout.h"

#ifndef DEVICE_CPU
#define DEVICE_CPU 0
#endif
#ifndef VW
#define VW 1
#endif
#if VW > MAX_VECTOR_WIDTH
#error "no such vector"
#endif
#ifndef ACT
#define ACT 0
#endif

/* activations.def needs the name ACT. */
enum { CHOSEN_ACT = ACT };
#undef ACT

/* Compilers may fuse it: programs are built with -cl-mad-enable. fma() is slow or missing
 * on some devices. */
#define MAD(a, b, c) ((a) * (b) + (c))

/* a % b beside a / b. Of the two as they are, compilers make one division and a "freeze",
 * which Oclgrind cannot run. */
#define MOD(a, b) ((a) - (a) / (b) * (b))

/* A function that is inlined wherever it is called, so that arrays which it is given stay
 * in registers, and what is known at the call is known inside. */
#define INLINE __attribute__((always_inline)) static inline

#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)

#if VW == 1
typedef float floatv;
typedef int intv;
typedef uint uintv;
typedef uchar ucharv;
#define VLOADN(p)          (*(p))
#define VSTOREN(v, p)      (*(p) = (v))
#define SELECT(cond, a, b) ((cond) ? (a) : (b))
#define CONVERT_FLOATV(v)  convert_float(v)
#define CONVERT_UCHARV(v)  convert_uchar(v)
#define CONVERT_INTV(v)    convert_int(v)
#define AS_INTV(v)         as_int(v)
#define AS_FLOATV(v)       as_float(v)
#else
typedef PASTE(float, VW) floatv;
typedef PASTE(int, VW) intv;
typedef PASTE(uint, VW) uintv;
typedef PASTE(uchar, VW) ucharv;
/* VW numbers of any type, wherever they lie. */
#define VLOADN(p)          PASTE(vload, VW)(0, p)
#define VSTOREN(v, p)      PASTE(vstore, VW)(v, 0, p)
#define SELECT(cond, a, b) select(b, a, cond)
#define CONVERT_FLOATV(v)  PASTE(convert_float, VW)(v)
#define CONVERT_UCHARV(v)  PASTE(convert_uchar, VW)(v)
#define CONVERT_INTV(v)    PASTE(convert_int, VW)(v)
#define AS_INTV(v)         PASTE(as_int, VW)(v)
#define AS_FLOATV(v)       PASTE(as_float, VW)(v)
#endif

/* VW floats, which need not be aligned. Drivers for processors may take vectors apart:
 * PoCL 3.1 stores 16 floats in three pieces by vstore, and loads some in eight. */
#if DEVICE_CPU && VW > 1
typedef floatv floatu __attribute__((aligned(4)));
#define OVERLOADED __attribute__((overloadable, always_inline)) static inline
OVERLOADED floatv load_floats(__global const float *p)
{
    return *(__global const floatu *)p;
}
OVERLOADED floatv load_floats(__private const float *p)
{
    return *(__private const floatu *)p;
}
OVERLOADED void store_floats(floatv v, __global float *p)
{
    *(__global floatu *)p = v;
}
OVERLOADED void store_floats(floatv v, __private float *p)
{
    *(__private floatu *)p = v;
}
#define VLOAD(p)     load_floats(p)
#define VSTORE(v, p) store_floats(v, p)
#else
#define VLOAD(p)     VLOADN(p)
#define VSTORE(v, p) VSTOREN(v, p)
#endif

/* The first `count` of v, all if there are no more. */
#define STORE_N(n, v, p) PASTE(vstore, n)(v, 0, p)
#define STORE_1(v, p)    (*(p) = (v))
static inline void store_part(floatv v, __global float *p, uint count)
{
#include "lib/store_part.def"
}
#undef STORE_N
#undef STORE_1

#include "lib/fast_math.h"

/* The vocabulary of activations.def, for floatv. GPUs have an exp in hardware. */
#define REAL(c)                  ((floatv)(c##f))
#define SELECT_NEGATIVE(v, a, b) SELECT((v) < (floatv)(0.0f), a, b)
#define SELECT_POSITIVE(v, a, b) SELECT((v) > (floatv)(0.0f), a, b)
#define EXP(v)                   (DEVICE_CPU ? fast_exp(v) : exp(v))
#define TANH(v)                  fast_tanh(v)
#define ERF(v)                   fast_erf(v)
#define GELU_GRAD(v)             fast_gelu_grad(v)

/* Programs of several kernels have it once. */
#ifndef ONCE_ACTIVATIONS
#define ONCE_ACTIVATIONS
enum {
#define ACT(id, name, grad_from_output, f, g) ACT_##id,
#include "shared/activations.def"
#undef ACT
};
#endif

/* The chosen activation, y = f(x). `negative_slope` is its slope parameter. */
static inline floatv activate(floatv x, float negative_slope)
{
    const floatv slope = (floatv)(negative_slope);
#define ACT(id, name, grad_from_output, f, g) \
    if (CHOSEN_ACT == ACT_##id)               \
        return f;
#include "shared/activations.def"
#undef ACT
    return x;
}

/* Its derivative, from x and y = f(x). Activations that can be fused need y alone: pass y
 * for x. */
static inline floatv activate_gradient(floatv x, floatv y, float negative_slope)
{
    const floatv slope = (floatv)(negative_slope);
#define ACT(id, name, grad_from_output, f, g) \
    if (CHOSEN_ACT == ACT_##id)               \
        return g;
#include "shared/activations.def"
#undef ACT
    return (floatv)(1.0f);
}

#endif
