/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of a tensor's channels, of which there are C.
 *
 * Where VW divides C every vector is aligned: views begin at multiples of 64 bytes.
 * Where it does not, a load may take in what follows (buffers have slack), a store may
 * not: c is the first channel stored. LOAD and STORE are of floats, LOAD_IN and
 * STORE_OUT of x and y as they lie in memory, LOAD_OTHER of what comes beside x. */
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
