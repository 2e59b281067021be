/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion between float16 and float32: all 65,536 of the one, and around each the
 * numbers of the other that decide rounding. */
#include "unit/test.h"

#include "util/half.h"

#include <math.h>

/* By the definition, not by bits. */
static double value_of(unsigned half)
{
    int exponent = (int)(half >> 10 & 31);
    double fraction = half & 1023, sign = half & 0x8000 ? -1 : 1;
    if (exponent == 31)
        return fraction > 0 ? NAN : sign * INFINITY;
    return sign *
           (exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24));
}

static bool same(float got, double want)
{
    return isnan(want) ? isnan(got)
                       : (double)got == want && !signbit(got) == !signbit(want);
}

static void test_all(void)
{
    int wrong_wide = 0, wrong_back = 0;
    for (unsigned half = 0; half < 65536; half++) {
        float wide = weft_fp16_to_fp32((uint16_t)half);
        wrong_wide += !same(wide, value_of(half));
        uint16_t back = weft_fp32_to_fp16(wide);
        wrong_back +=
            isnan(wide) ? (back & 0x7C00) != 0x7C00 || !(back & 0x03FF) : back != half;
    }
    CHECK_INT(wrong_wide, 0);
    CHECK_INT(wrong_back, 0);
}

/* Between two neighbours: the middle goes to the even one, its float neighbours to the
 * nearer. Behind the largest stands what would be 65536. */
static void test_between(void)
{
    int wrong = 0;
    for (unsigned half = 0; half < 0x7C00; half++) {
        double low = value_of(half), high = half == 0x7BFF ? 65536.0 : value_of(half + 1);
        float middle = (float)((low + high) / 2);
        const struct {
            float at;
            unsigned want;
        } points[] = {{middle, half & 1 ? half + 1 : half},
                      {nextafterf(middle, 0), half},
                      {nextafterf(middle, INFINITY), half + 1}};
        for (int i = 0; i < 3; i++) {
            wrong += weft_fp32_to_fp16(points[i].at) != points[i].want;
            wrong += weft_fp32_to_fp16(-points[i].at) != (points[i].want | 0x8000);
        }
    }
    CHECK_INT(wrong, 0);
}

static void test_edges(void)
{
    CHECK_INT(weft_fp32_to_fp16(65504.0f), 0x7BFF);
    CHECK_INT(weft_fp32_to_fp16(65519.996f), 0x7BFF);
    CHECK_INT(weft_fp32_to_fp16(65520.0f), 0x7C00);
    CHECK_INT(weft_fp32_to_fp16(3e38f), 0x7C00);
    CHECK_INT(weft_fp32_to_fp16(-INFINITY), 0xFC00);
    CHECK_INT(weft_fp32_to_fp16(0x1p-25f), 0);
    CHECK_INT(weft_fp32_to_fp16(0x1.000002p-25f), 1);
    CHECK_INT(weft_fp32_to_fp16(-1e-40f), 0x8000);
    CHECK(isnan(weft_fp16_to_fp32(weft_fp32_to_fp16(-NAN))));
    CHECK((double)weft_fp16_round(2049.0f) == 2048.0);
    CHECK((double)weft_fp16_round(2051.0f) == 2052.0);
}

int main(void)
{
    test_all();
    test_between();
    test_edges();
    return test_end();
}
