/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of tiles and workspaces that the host reserves and kernels address, in floats.
 * Read by C and OpenCL C. */
#ifndef WEFT_WORKSPACE_LAYOUT_H
#define WEFT_WORKSPACE_LAYOUT_H

/* Family `tile` stages A and B in local memory: floats that the rows of a transposed
 * operand are longer. */
#define LDS_PAD_TRANSPOSED 4

/* Rows (columns) of x that `outputs` consecutive rows (columns) of y read. */
#define CONV_EXTENT(outputs, stride, window, dilation) \
    (((outputs)-1) * (stride) + ((window)-1) * (dilation) + 1)

/* Partial sums of a block of channels: rows of weights, then the bias. */
#define PARTIAL_FLOATS(rows, block) (((rows) + 1) * (block))

/* A packed panel of conv_bwd_weights: dz, and x in slices. Vectors may be stored past the
 * last pixel. */
#define PANEL_FLOATS(images, slices, x_floats, dz_floats, vector) \
    ((images) * ((slices) * (x_floats) + (dz_floats)) + (vector))

/* A plane of Winograd's transforms, one for each transform element. Without padding all
 * planes would map to the same sets of the first-level cache. */
#define WINOGRAD_PLANE_PAD            16
#define WINOGRAD_PLANE(rows, columns) ((rows) * (columns) + WINOGRAD_PLANE_PAD)

/* Mean and sum of squares, or two sums, of the rows of a work-item; pitch: channels,
 * rounded up to whole vectors. */
#define BATCH_NORM_PARTIAL(pitch) (2 * (pitch))

/* The sums of a chunk of rows, one or two for each channel. */
#define CHANNEL_SUMS_PARTIAL(sums, channels) ((sums) * (channels))

#endif
