/* SPDX-License-Identifier: Apache-2.0 */
/* Floats of 16 bits (IEEE 754-2008, binary16), by their bits: no compiler's type for them
 * is needed. */
#ifndef WEFT_UTIL_HALF_H
#define WEFT_UTIL_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Rounding to nearest errs by at most this share of a normal number, */
#define WEFT_FP16_UNIT_ROUNDOFF 0x1p-11
/* and by at most this below the smallest one, 2^-14. */
#define WEFT_FP16_SUBNORMAL_ERROR 0x1p-25
#define WEFT_FP16_MAX             65504.0f

/* Exact. */
float weft_fp16_to_fp32(uint16_t half);

/* To nearest, ties to even; from 65520 on an infinity. A NaN stays one. */
uint16_t weft_fp32_to_fp16(float value);

/* The nearest float16, as a float. */
static inline float weft_fp16_round(float value)
{
    return weft_fp16_to_fp32(weft_fp32_to_fp16(value));
}

#endif
