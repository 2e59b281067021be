/* SPDX-License-Identifier: Apache-2.0 */
/* Vector access along the channel axis, C channels long.
 *
 * If VW divides C, all vectors are aligned, since views begin at multiples of
 * BUFFER_ALIGNMENT. Otherwise a load may read past the last channel (buffers are
 * padded), a store writes channels below C only; c is the first channel stored. LOAD and
 * STORE access float32; LOAD_IN, STORE_OUT and LOAD_OTHER access x, y and the second
 * input in their storage type (storage.h). */
#ifndef WEFT_CHANNELS_H
#define WEFT_CHANNELS_H

#include "lib/storage.h"

#if C % VW == 0
#define LOAD(p)        (*(__global const floatv *)(p))
#define STORE(v, p, c) (*(__global floatv *)(p) = (v))
#else
#define LOAD(p)        VLOAD(p)
#define STORE(v, p, c) store_part(v, p, C - (c))
#endif

#if X_HALF
#define LOAD_IN(p) VLOAD_X(p)
#else
#define LOAD_IN(p) LOAD(p)
#endif
#if OTHER_HALF
#define LOAD_OTHER(p) VLOAD_OTHER(p)
#else
#define LOAD_OTHER(p) LOAD(p)
#endif
#if !Y_HALF
#define STORE_OUT(v, p, c) STORE(v, p, c)
#elif C % VW == 0
#define STORE_OUT(v, p, c) VSTORE_Y(v, p)
#else
#define STORE_OUT(v, p, c) store_part_y(v, p, C - (c))
#endif

#endif
