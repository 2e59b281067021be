/* SPDX-License-Identifier: Apache-2.0 */
/* How tensors lie in memory: X and OTHER that are read, W weights, Y that is written; as
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
#ifndef Y_HALF
#define Y_HALF 0
#endif

/* A vector at p, which need not be aligned. */
#if VW == 1
#define VLOAD_HALF(p)     vload_half(0, p)
#define VSTORE_HALF(v, p) vstore_half_rte(v, 0, p)
#else
#define VLOAD_HALF(p)     PASTE(vload_half, VW)(0, p)
#define VSTORE_HALF(v, p) PASTE(PASTE(vstore_half, VW), _rte)(v, 0, p)
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

#if Y_HALF
typedef half stored_y;
#define VSTORE_Y(v, p) VSTORE_HALF(v, p)

#define PUT(n, v, p)  PASTE(PASTE(vstore_half, n), _rte)(v, 0, p)
#define PUT_ONE(v, p) vstore_half_rte(v, 0, p)
static inline void store_part_y(floatv v, __global half *p, uint count)
{
#include "store_part.def"
}
#undef PUT
#undef PUT_ONE
#else
typedef float stored_y;
#define VSTORE_Y(v, p)            VSTORE(v, p)
#define store_part_y(v, p, count) store_part(v, p, count)
#endif

#endif
