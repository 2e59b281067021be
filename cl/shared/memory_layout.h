/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of buffers and views, on which vector loads of the kernels rely. Read by C and
 * OpenCL C. */
#ifndef WEFT_MEMORY_LAYOUT_H
#define WEFT_MEMORY_LAYOUT_H

#define BUFFER_ALIGNMENT 64  /* bytes; every view begins at a multiple */
#define BUFFER_PADDING   256 /* readable bytes after the end of every buffer */
#define MAX_VECTOR_WIDTH 16  /* floats: the longest vector of OpenCL C */
#define MAX_VECTORS      3   /* loaded side by side by a work-item */

/* Argmax of a max pool: bytes for windows of at most this many taps, else uints. */
#define ARGMAX_BYTE_TAPS 255

/* A vector load may begin at the last element of a buffer. */
#if BUFFER_PADDING < 4 * MAX_VECTORS * MAX_VECTOR_WIDTH
#error "the padding of buffers is shorter than a vector load"
#endif

#endif
