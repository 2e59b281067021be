/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of all kernels: vectors of VW floats, multiply-add.
 *
 * Macros that the host defines for every program: DEVICE_CPU, 1 if work-items run one
 * after the other on the host's CPU. Macro of a kernel's options: VW (1, 2, 4, 8, 16). */
#ifndef WEFT_COMMON_H
#define WEFT_COMMON_H

#include "shared/memory_layout.h"

#ifndef DEVICE_CPU
#define DEVICE_CPU 0
#endif
#ifndef VW
#define VW 1
#endif
/* 1: all vectors in global memory begin at a multiple of VW elements of their tensor. */
#ifndef ALIGNED
#define ALIGNED 0
#endif
#if VW > MAX_VECTOR_WIDTH
#error "no such vector"
#endif

/* Multiply-add, which compilers may contract: programs are built with -cl-mad-enable.
 * fma() is slow or missing on some devices. */
#define MAD(a, b, c) ((a) * (b) + (c))

/* A tensor argument of a kernel: the buffer, and the offset of its first element, which
 * the host passes as OCL_VIEW. A VIEW overlaps no other argument (restrict); an
 * ALIASED_VIEW may be the same tensor as another one. */
#define VIEW(type, name)         __global type *restrict name, uint name##_at
#define ALIASED_VIEW(type, name) __global type *name, uint name##_at

/* a % b, where a / b is needed too. From / and % compilers make one division and a
 * "freeze" instruction, which Oclgrind cannot execute. */
#define MOD(a, b) ((a) - (a) / (b) * (b))

/* Forces inlining, so that array arguments stay in registers and constant arguments are
 * propagated. */
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
/* VW elements of any type at any alignment. */
#define VLOADN(p)          PASTE(vload, VW)(0, p)
#define VSTOREN(v, p)      PASTE(vstore, VW)(v, 0, p)
#define SELECT(cond, a, b) select(b, a, cond)
#define CONVERT_FLOATV(v)  PASTE(convert_float, VW)(v)
#define CONVERT_UCHARV(v)  PASTE(convert_uchar, VW)(v)
#define CONVERT_INTV(v)    PASTE(convert_int, VW)(v)
#define AS_INTV(v)         PASTE(as_int, VW)(v)
#define AS_FLOATV(v)       PASTE(as_float, VW)(v)
#endif

/* VW floats of a tensor, at any alignment unless they are ALIGNED: compilers for GPUs may
 * make VW loads of a vector that begins anywhere; and of a private array, as lanes. CPU
 * drivers may split unaligned vectors: PoCL 3.1 stores 16 floats by vstore in three
 * parts, and loads some in eight. */
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
#define VLOAD(p)           load_floats(p)
#define VSTORE(v, p)       store_floats(v, p)
#define LOAD_LANES(lanes)  load_floats(lanes)
#define STORE_LANES(v, to) store_floats(v, to)
#else
#if ALIGNED
#define VLOAD(p)     (*(__global const floatv *)(p))
#define VSTORE(v, p) (*(__global floatv *)(p) = (v))
#else
#define VLOAD(p)     VLOADN(p)
#define VSTORE(v, p) VSTOREN(v, p)
#endif
#define LOAD_LANES(lanes)  VLOADN(lanes)
#define STORE_LANES(v, to) VSTOREN(v, to)
#endif

/* Stores the first min(count, VW) lanes of v. */
#define STORE_N(n, v, p) PASTE(vstore, n)(v, 0, p)
#define STORE_1(v, p)    (*(p) = (v))
static inline void store_part(floatv v, __global float *p, uint count)
{
#include "lib/store_part.def"
}
#undef STORE_N
#undef STORE_1

#endif
