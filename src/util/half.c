/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion between float16 and float32. */
#include "util/half.h"

#include <string.h>

float weft_fp16_to_fp32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF, bits;
    float value;
    if (rest < 0x0400) { /* zero and subnormals: rest * 2^-24, which is exact */
        value = (float)rest * 0x1p-24f;
        memcpy(&bits, &value, sizeof(bits));
    } else {
        bits = (rest << 13) + ((rest < 0x7C00 ? 127u - 15 : 255u - 31) << 23);
    }
    bits |= sign;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint16_t weft_fp32_to_fp16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t sign = bits >> 16 & 0x8000, rest = bits & 0x7FFFFFFF;
    if (rest > 0x7F800000) /* the leading bits, as a quiet NaN */
        return (uint16_t)(sign | 0x7E00 | (rest >> 13 & 0x1FF));
    if (rest >= 0x477FF000) /* 65520 */
        return (uint16_t)(sign | 0x7C00);
    uint32_t exponent = rest >> 23;
    if (exponent < 102) /* below half of the smallest subnormal */
        return (uint16_t)sign;
    /* Subnormals have no implicit leading bit and fewer bits the smaller they are. */
    uint32_t drop = exponent < 113 ? 126 - exponent : 13;
    uint32_t from =
        exponent < 113 ? (rest & 0x7FFFFF) | 0x800000 : rest - ((127u - 15) << 23);
    uint32_t kept = from >> drop, lost = from & ((1u << drop) - 1),
             tie = 1u << (drop - 1);
    kept += lost > tie || (lost == tie && kept & 1); /* may carry into the exponent */
    return (uint16_t)(sign | kept);
}
