/* SPDX-License-Identifier: Apache-2.0 */
/* How tensors lie in memory: X and OTHER that are read, OTHER being what is added or the
 * gradient that comes beside x; W, weights or what a product has in their place;
 * ACT_GRAD, the output of an activation whose derivative is taken; Y that is written. As
 * floats, or, where NAME_HALF is 1, as halves. Registers and sums are floats. Halves are
 * read and written by the functions that every OpenCL C has: no extension is needed. */
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

/* Vectors at p, which need not be aligned. PoCL 3.1 loads and stores 8 or 16 halves in
 * pieces as if these were aligned: on processors they are moved as what they are, and
 * converted in private memory, that is in registers. */
#if DEVICE_CPU
#ifndef ONCE_HALVES /* programs of several kernels have them once */
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
#define VLOAD_OTHER(p) VLOAD_HALF(p)
#else
typedef float stored_other;
#define VLOAD_OTHER(p) VLOAD(p)
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
#define VSTORE_Y(v, p)            VSTORE(v, p)
#define store_part_y(v, p, count) store_part(v, p, count)
#endif

#endif
