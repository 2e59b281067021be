/* SPDX-License-Identifier: Apache-2.0 */
/* Padding of staged tiles and of Winograd's transforms, which the host adds to the memory
 * it reserves. Read by C and OpenCL C. */
#ifndef WEFT_TILE_LAYOUT_H
#define WEFT_TILE_LAYOUT_H

/* Family `tile` stages A and B in local memory: floats that the rows of a transposed
 * operand are longer. */
#define LDS_PAD_TRANSPOSED 4

/* Floats between the planes of Winograd's transforms, a plane for each transform element.
 * Without them all planes would map to the same sets of the first-level cache. */
#define WINOGRAD_PLANE_PAD 16

#endif
