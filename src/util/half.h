/* SPDX-License-Identifier: Apache-2.0 */
/* Floats of 16 bits (IEEE 754-2008, binary16), by their bits: no compiler's type for them
 * is needed. */
#ifndef WEFT_HALF_H
#define WEFT_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Rounding to nearest errs by at most this share of a normal number, */
#define WEFT_HALF_UNIT 0x1p-11
/* and by at most this below the smallest one, 2^-14. */
#define WEFT_HALF_TINY 0x1p-25
#define WEFT_HALF_MOST 65504.0f

/* Exact. */
float weft_half_widen(uint16_t half);

/* To nearest, ties to even; from 65520 on an infinity. A NaN stays one. */
uint16_t weft_half_narrow(float value);

/* The nearest float16, as a float. */
static inline float weft_half_round(float value)
{
    return weft_half_widen(weft_half_narrow(value));
}

#endif
