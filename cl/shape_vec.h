/* SPDX-License-Identifier: Apache-2.0 */
/* How the convolution kernels of the `vec` family see a convolution. The input is padded
 * already, unless they say otherwise. */
#ifndef WEFT_SHAPE_VEC_H
#define WEFT_SHAPE_VEC_H

/* Channels of the input (IN) and the output (OUT), in all and in a group. */
#ifndef IN
#define IN 1
#endif
#ifndef OUT
#define OUT 1
#endif
#ifndef GROUP_IN
#define GROUP_IN IN
#endif
#ifndef GROUP_OUT
#define GROUP_OUT OUT
#endif
/* One input and one output channel a group: all channels are one group of outputs, and
 * each output lane reads its own input channel. */
#ifndef DEPTHWISE
#define DEPTHWISE 0
#endif
#ifndef IN_H
#define IN_H 3
#endif
#ifndef IN_W
#define IN_W 3
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
