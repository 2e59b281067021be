/* SPDX-License-Identifier: Apache-2.0 */
/* Shape of a convolution, one vocabulary for all its kernels. The host defines the first
 * group (ocl_define_conv), the second follows from it. Tensors: x[n][H][W][C], w[R][S][C
 * / GROUPS][K], y[n][OUT_H][OUT_W][K]. In a data gradient x is dy, and C and K are
 * exchanged, unless a kernel's header states otherwise. */
#ifndef WEFT_CONV_SHAPE_H
#define WEFT_CONV_SHAPE_H

#ifndef C
#define C 32
#endif
#ifndef K
#define K 64
#endif
#ifndef GROUPS
#define GROUPS 1
#endif
#ifndef R
#define R 3
#endif
#ifndef S
#define S 3
#endif
#ifndef STRIDE_Y
#define STRIDE_Y 1
#endif
#ifndef STRIDE_X
#define STRIDE_X 1
#endif
#ifndef DILATION_Y
#define DILATION_Y 1
#endif
#ifndef DILATION_X
#define DILATION_X 1
#endif
/* Zeros before x; 0 where the kernel's x is a padded copy. May be negative. */
#ifndef PAD_TOP
#define PAD_TOP 0
#endif
#ifndef PAD_LEFT
#define PAD_LEFT 0
#endif
#ifndef H
#define H 16
#endif
#ifndef W
#define W 16
#endif
#ifndef OUT_H
#define OUT_H 14
#endif
#ifndef OUT_W
#define OUT_W 14
#endif

#define C_PER_GROUP (C / GROUPS)
#define K_PER_GROUP (K / GROUPS)

/* Depthwise: one input and one output channel a group. The `vec` kernels treat all its
 * channels as one block group: each lane of a vector reads its own input channel. */
#define DEPTHWISE         (GROUPS > 1 && GROUPS == C && C == K)
#define BLOCK_GROUPS      (DEPTHWISE ? 1 : GROUPS)
#define K_PER_BLOCK_GROUP (K / BLOCK_GROUPS)

#endif
