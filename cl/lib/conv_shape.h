/* SPDX-License-Identifier: Apache-2.0 */
/* How the convolution kernels of the `vec` family see a convolution. The input is padded
 * already, unless they say otherwise. */
#ifndef WEFT_SHAPE_VEC_H
#define WEFT_SHAPE_VEC_H

/* Channels of the input (C) and the output (K), in all and in a group. */
#ifndef C
#define C 1
#endif
#ifndef K
#define K 1
#endif
#ifndef C_PER_GROUP
#define C_PER_GROUP C
#endif
#ifndef K_PER_GROUP
#define K_PER_GROUP K
#endif
/* One input and one output channel a group: all channels are one group of outputs, and
 * each output lane reads its own input channel. */
#ifndef DEPTHWISE
#define DEPTHWISE 0
#endif
#ifndef H
#define H 3
#endif
#ifndef W
#define W 3
#endif
#ifndef OUT_H
#define OUT_H 1
#endif
#ifndef OUT_W
#define OUT_W 1
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
/* For kernels that see the input before it is padded. */
#ifndef PAD_TOP
#define PAD_TOP 0
#endif
#ifndef PAD_LEFT
#define PAD_LEFT 0
#endif

#endif
