/* SPDX-License-Identifier: Apache-2.0 */
/* exp, tanh, erf and gelu's derivative for floatv, by arithmetic alone: CPU drivers call
 * a scalar library function for every lane. Included by activation.h. NaN in, NaN out.
 *
 * exp as in Cephes. The others are exact where they saturate, and x P(x^2) / Q(x^2)
 * elsewhere, fitted by Lawson's weighted least squares. Largest errors, with and without
 * fused multiply-add: exp 0.7 ulp, tanh 3.3 ulp, erf 4.0 ulp, gelu's derivative 2.5 ulp
 * of 1. */
#ifndef WEFT_FAST_MATH_H
#define WEFT_FAST_MATH_H

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2 (Cephes). Adding 1.5 2^23 leaves n
 * in the low bits of `shifted`, from which the exponent of 2^n is made. Beyond the range
 * inf and 0. */
static inline floatv fast_exp(floatv x)
{
    const floatv below = SELECT(x > (floatv)(89.0f), (floatv)(89.0f), x);
    const floatv v = SELECT(below < (floatv)(-88.0f), (floatv)(-88.0f), below);
    const floatv shifted = MAD(v, 1.44269504f, (floatv)(12582912.0f));
    const floatv n = shifted - 12582912.0f;
    const floatv r = MAD(n, 2.12194440e-4f, MAD(n, -0.693359375f, v));
    floatv p = MAD(r, 1.9875691500e-4f, (floatv)(1.3981999507e-3f));
    p = MAD(p, r, (floatv)(8.3334519073e-3f));
    p = MAD(p, r, (floatv)(4.1665795894e-2f));
    p = MAD(p, r, (floatv)(1.6666665459e-1f));
    p = MAD(p, r, (floatv)(5.0000001201e-1f));
    p = MAD(p * r, r, r) + 1.0f;
    return p * AS_FLOATV((AS_INTV(shifted) + 127) << 23);
}

static inline floatv fast_tanh(floatv x)
{
    const floatv end = (floatv)(9.02f);
    const floatv t = x * x;
    floatv p = MAD(t, 1.33176265e-8f, (floatv)(2.05824523e-5f));
    p = MAD(p, t, (floatv)(3.49397363e-3f));
    p = MAD(p, t, (floatv)(0.133796675f));
    p = MAD(p, t, (floatv)(0.999999979f));
    floatv q = MAD(t, 7.76143054e-7f, (floatv)(3.28299184e-4f));
    q = MAD(q, t, (floatv)(2.58708440e-2f));
    q = MAD(q, t, (floatv)(0.467129829f));
    q = MAD(q, t, (floatv)(1.0f));
    return SELECT(x > end, (floatv)(1.0f), SELECT(x < -end, (floatv)(-1.0f), x * p / q));
}

static inline floatv fast_erf(floatv x)
{
    const floatv end = (floatv)(3.92f);
    const floatv t = x * x;
    floatv p = MAD(t, 2.05008216e-6f, (floatv)(2.84862203e-4f));
    p = MAD(p, t, (floatv)(3.76503796e-3f));
    p = MAD(p, t, (floatv)(5.27468939e-2f));
    p = MAD(p, t, (floatv)(0.190394040f));
    p = MAD(p, t, (floatv)(1.12837915f));
    floatv q = MAD(t, 3.80905934e-5f, (floatv)(1.16238149e-3f));
    q = MAD(q, t, (floatv)(1.49680564e-2f));
    q = MAD(q, t, (floatv)(0.114103809f));
    q = MAD(q, t, (floatv)(0.502065069f));
    q = MAD(q, t, (floatv)(1.0f));
    return SELECT(x > end, (floatv)(1.0f), SELECT(x < -end, (floatv)(-1.0f), x * p / q));
}

/* (1 + erf(x / sqrt 2)) / 2 + x exp(-x^2 / 2) / sqrt(2 pi); minus 1/2 it is an odd
 * function. */
static inline floatv fast_gelu_grad(floatv x)
{
    const floatv end = (floatv)(5.9f);
    const floatv t = x * x;
    floatv p = MAD(t, 1.63832919e-8f, (floatv)(8.32892712e-7f));
    p = MAD(p, t, (floatv)(3.40755408e-5f));
    p = MAD(p, t, (floatv)(1.68893782e-4f));
    p = MAD(p, t, (floatv)(1.39305648e-2f));
    p = MAD(p, t, (floatv)(-2.42451549e-2f));
    p = MAD(p, t, (floatv)(0.797884538f));
    floatv q = MAD(t, 1.29668137e-9f, (floatv)(3.14467691e-7f));
    q = MAD(q, t, (floatv)(9.86424483e-6f));
    q = MAD(q, t, (floatv)(2.36847046e-4f));
    q = MAD(q, t, (floatv)(3.87509359e-3f));
    q = MAD(q, t, (floatv)(4.34423096e-2f));
    q = MAD(q, t, (floatv)(0.302946245f));
    q = MAD(q, t, (floatv)(1.0f));
    return SELECT(x > end, (floatv)(1.0f),
                  SELECT(x < -end, (floatv)(0.0f), x * p / q + 0.5f));
}

#endif
