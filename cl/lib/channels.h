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
/* LOAD_IN and LOAD_OTHER of a tensor that other work-items write row by row: no lane
 * beyond the row is read. c is the first channel loaded. */
#if C % VW == 0
#define LOAD_IN_ROW(p, c)    LOAD_IN(p)
#define LOAD_OTHER_ROW(p, c) LOAD_OTHER(p)
#else
#define LOAD_IN_ROW(p, c)    load_in_row(p, c)
#define LOAD_OTHER_ROW(p, c) load_other_row(p, c)
static inline floatv load_in_row(__global const stored_x *p, uint c)
{
    float lanes[VW];
    if (c + VW <= C)
        return LOAD_IN(p);
    for (uint i = 0; i < VW; i++)
        lanes[i] = c + i < C ? LOAD_X(p + i) : 0.0f;
    return LOAD_LANES(lanes);
}
static inline floatv load_other_row(__global const stored_other *p, uint c)
{
    float lanes[VW];
    if (c + VW <= C)
        return LOAD_OTHER(p);
    for (uint i = 0; i < VW; i++)
        lanes[i] = c + i < C ? LOAD_OTHER_LANE(p + i) : 0.0f;
    return LOAD_LANES(lanes);
}
#endif
#if !Y_HALF
#define STORE_OUT(v, p, c) STORE(v, p, c)
#elif C % VW == 0
#define STORE_OUT(v, p, c) VSTORE_Y(v, p)
#else
#define STORE_OUT(v, p, c) store_part_y(v, p, C - (c))
#endif

#endif
