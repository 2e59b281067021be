/* SPDX-License-Identifier: Apache-2.0 */
/* Storage types of tensors: float32, or float16 where NAME_HALF is 1. X and OTHER are
 * read (OTHER: the second summand, or the gradient read with x), W are the weights or
 * the second operand of a GEMM, ACT_GRAD is the output of an activation whose derivative
 * is taken, Y is written. Registers and sums are float32. float16 is converted by
 * vload_half and vstore_half, which need no extension. */
#ifndef WEFT_STORAGE_H
#define WEFT_STORAGE_H

#ifndef X_HALF
#define X_HALF 0
#endif
#ifndef OTHER_HALF
#define OTHER_HALF 0
#endif
#ifndef W_HALF
#define W_HALF 0
#endif
#ifndef ACT_GRAD_HALF
#define ACT_GRAD_HALF 0
#endif
#ifndef Y_HALF
#define Y_HALF 0
#endif

/* Unaligned vectors at p. PoCL 3.1 loads and stores 8 or 16 halves in parts, as if these
 * were aligned: on CPUs the bits are moved as ushorts and converted in private memory,
 * that is in registers. */
#if DEVICE_CPU
#ifndef ONCE_HALVES /* once in a program of several kernels */
#define ONCE_HALVES
#define HALVES(n)                                                    \
    typedef ushort##n ushortu##n __attribute__((aligned(2)));        \
    static inline float##n load_halves##n(__global const half *p)    \
    {                                                                \
        const ushort##n bits = *(__global const ushortu##n *)p;      \
        return vload_half##n(0, (__private const half *)&bits);      \
    }                                                                \
    static inline void store_halves##n(float##n v, __global half *p) \
    {                                                                \
        ushort##n bits;                                              \
        vstore_half##n##_rte(v, 0, (__private half *)&bits);         \
        *(__global ushortu##n *)p = bits;                            \
    }
HALVES(2)
HALVES(4)
HALVES(8)
HALVES(16)
#undef HALVES
#endif
#define LOAD_HALVES(n, p)     PASTE(load_halves, n)(p)
#define STORE_HALVES(n, v, p) PASTE(store_halves, n)(v, p)
#else
#define LOAD_HALVES(n, p)     PASTE(vload_half, n)(0, p)
#define STORE_HALVES(n, v, p) PASTE(PASTE(vstore_half, n), _rte)(v, 0, p)
#endif
#if VW == 1
#define VLOAD_HALF(p)     vload_half(0, p)
#define VSTORE_HALF(v, p) vstore_half_rte(v, 0, p)
#elif ALIGNED && !DEVICE_CPU
static inline floatv load_aligned_halves(__global const half *p)
{
    const PASTE(ushort, VW) bits = *(__global const PASTE(ushort, VW) *)p;
    return PASTE(vload_half, VW)(0, (__private const half *)&bits);
}
static inline void store_aligned_halves(floatv v, __global half *p)
{
    PASTE(ushort, VW) bits;
    PASTE(PASTE(vstore_half, VW), _rte)(v, 0, (__private half *)&bits);
    *(__global PASTE(ushort, VW) *)p = bits;
}
#define VLOAD_HALF(p)     load_aligned_halves(p)
#define VSTORE_HALF(v, p) store_aligned_halves(v, p)
#else
#define VLOAD_HALF(p)     LOAD_HALVES(VW, p)
#define VSTORE_HALF(v, p) STORE_HALVES(VW, v, p)
#endif

#if X_HALF
typedef half stored_x;
#define LOAD_X(p)  vload_half(0, p)
#define VLOAD_X(p) VLOAD_HALF(p)
#else
typedef float stored_x;
#define LOAD_X(p)  (*(p))
#define VLOAD_X(p) VLOAD(p)
#endif

#if OTHER_HALF
typedef half stored_other;
#define LOAD_OTHER_LANE(p) vload_half(0, p)
#define VLOAD_OTHER(p)     VLOAD_HALF(p)
#else
typedef float stored_other;
#define LOAD_OTHER_LANE(p) (*(p))
#define VLOAD_OTHER(p)     VLOAD(p)
#endif

#if W_HALF
typedef half stored_w;
#define LOAD_W(p)  vload_half(0, p)
#define VLOAD_W(p) VLOAD_HALF(p)
#else
typedef float stored_w;
#define LOAD_W(p)  (*(p))
#define VLOAD_W(p) VLOAD(p)
#endif

#if ACT_GRAD_HALF
typedef half stored_act_grad;
#define VLOAD_ACT_GRAD(p) VLOAD_HALF(p)
#else
typedef float stored_act_grad;
#define VLOAD_ACT_GRAD(p) VLOAD(p)
#endif

#if Y_HALF
typedef half stored_y;
#define STORE_Y(v, p)  vstore_half_rte(v, 0, p)
#define VSTORE_Y(v, p) VSTORE_HALF(v, p)

#define STORE_N(n, v, p) STORE_HALVES(n, v, p)
#define STORE_1(v, p)    vstore_half_rte(v, 0, p)
static inline void store_part_y(floatv v, __global half *p, uint count)
{
#include "lib/store_part.def"
}
#undef STORE_N
#undef STORE_1
#else
typedef float stored_y;
#define STORE_Y(v, p)             (*(p) = (v))
#define VSTORE_Y(v, p)            VSTORE(v, p)
#define store_part_y(v, p, count) store_part(v, p, count)
#endif

#endif
