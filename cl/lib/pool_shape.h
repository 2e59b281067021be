/* SPDX-License-Identifier: Apache-2.0 */
/* Shape of a pool: the pool after a convolution, or the one that a pool kernel computes.
 * The host defines it (ocl_define_pool). argmax holds the tap r POOL_S + s of each
 * output. */
#ifndef WEFT_POOL_SHAPE_H
#define WEFT_POOL_SHAPE_H

/* POOL_R 0: no pool. */
#ifndef POOL_R
#define POOL_R 0
#endif
#ifndef POOL_S
#define POOL_S 0
#endif
#ifndef POOL_STRIDE_Y
#define POOL_STRIDE_Y 1
#endif
#ifndef POOL_STRIDE_X
#define POOL_STRIDE_X 1
#endif
#ifndef POOL_PAD_TOP
#define POOL_PAD_TOP 0
#endif
#ifndef POOL_PAD_LEFT
#define POOL_PAD_LEFT 0
#endif
/* Padding that means count. */
#ifndef POOL_COUNT_TOP
#define POOL_COUNT_TOP 0
#endif
#ifndef POOL_COUNT_LEFT
#define POOL_COUNT_LEFT 0
#endif
#ifndef POOL_COUNT_BOTTOM
#define POOL_COUNT_BOTTOM 0
#endif
#ifndef POOL_COUNT_RIGHT
#define POOL_COUNT_RIGHT 0
#endif
#ifndef POOL_OUT_H
#define POOL_OUT_H 1
#endif
#ifndef POOL_OUT_W
#define POOL_OUT_W 1
#endif

#endif
