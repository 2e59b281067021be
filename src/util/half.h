/* SPDX-License-Identifier: Apache-2.0 */
/* float16 (IEEE 754-2008, binary16) as bits, without a compiler type. */
#ifndef WEFT_UTIL_HALF_H
#define WEFT_UTIL_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Error bound of rounding to nearest, relative for normal numbers, and */
#define WEFT_FP16_UNIT_ROUNDOFF 0x1p-11
/* absolute below the smallest normal number, 2^-14. */
#define WEFT_FP16_SUBNORMAL_ERROR 0x1p-25
#define WEFT_FP16_MAX             65504.0f

/* Exact. */
float weft_fp16_to_fp32(uint16_t half);

/* To nearest, ties to even; infinity from 65520 on. A NaN remains a NaN. */
uint16_t weft_fp32_to_fp16(float value);

/* The nearest float16 number. */
static inline float weft_fp16_round(float value)
{
    return weft_fp16_to_fp32(weft_fp32_to_fp16(value));
}

#endif
