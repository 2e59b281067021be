/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd's transforms F(OUTPUTS, 3) along one axis (Lavin & Gray 2015,
 * arXiv:1509.09308):
 *
 *     y = A^T ((G g) * (B^T d))
 *
 * takes SIDE products to OUTPUTS results of a window of 3, where direct convolution takes
 * 3 OUTPUTS. The matrices evaluate polynomials at points and at infinity: 0, +-1 for two
 * outputs; +-P, +-Q for three; 0, +-P, +-Q for four. With four outputs these points err
 * about as little as direct convolution does, and 0, +-1, +-2 several times as much. */
#ifndef WEFT_WINOGRAD_H
#define WEFT_WINOGRAD_H

#ifndef OUTPUTS
#define OUTPUTS 4
#endif

enum { SIDE = OUTPUTS + 2, PLACES = SIDE * SIDE };

#if OUTPUTS == 3
#define P   0.5f
#define PP  0.25f
#define PPP 0.125f
#else
#define P   0.66666666666666667f
#define PP  0.44444444444444444f
#define PPP 0.29629629629629630f
#endif
#define Q        1.5f
#define QQ       2.25f
#define QQQ      3.375f
#define EVERY(c) ((floatv)(c))

/* v = B^T d */
static inline void transform_input(floatv v[SIDE], const floatv d[SIDE])
{
#if OUTPUTS == 2
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
#elif OUTPUTS == 3
    const floatv p = MAD(d[1], EVERY(-QQ), d[3]), pp = MAD(d[0], EVERY(-QQ), d[2]);
    const floatv q = MAD(d[1], EVERY(-PP), d[3]), qq = MAD(d[0], EVERY(-PP), d[2]);
    v[0] = MAD(pp, EVERY(P), p);
    v[1] = MAD(pp, EVERY(P), -p);
    v[2] = MAD(qq, EVERY(Q), q);
    v[3] = MAD(qq, EVERY(Q), -q);
    v[4] = MAD(pp, EVERY(-PP), MAD(d[2], EVERY(-QQ), d[4]));
#else
    const floatv p = MAD(d[1], EVERY(-QQ), d[3]), pp = MAD(d[2], EVERY(-QQ), d[4]);
    const floatv q = MAD(d[1], EVERY(-PP), d[3]), qq = MAD(d[2], EVERY(-PP), d[4]);
    v[0] = MAD(d[2], EVERY(-(PP + QQ)), d[0] + d[4]);
    v[1] = MAD(p, EVERY(P), pp);
    v[2] = MAD(p, EVERY(-P), pp);
    v[3] = MAD(q, EVERY(Q), qq);
    v[4] = MAD(q, EVERY(-Q), qq);
    v[5] = MAD(d[3], EVERY(-(PP + QQ)), d[1] + d[5]);
#endif
}

/* u = G g */
static inline void transform_weights(floatv u[SIDE], const floatv g[3])
{
#if OUTPUTS == 2
    const floatv even = (g[0] + g[2]) * 0.5f, odd = g[1] * 0.5f;
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
#else
    /* N is the product of a point's distances from the others. */
#if OUTPUTS == 3
    const float np = 1.0f / (2 * P * (PP - QQ)), nq = 1.0f / (2 * Q * (QQ - PP));
    enum { FIRST = 0 };
#else
    const float np = 1.0f / (2 * PP * (PP - QQ)), nq = 1.0f / (2 * QQ * (QQ - PP));
    enum { FIRST = 1 };
    u[0] = g[0];
#endif
    const floatv p = MAD(g[2], EVERY(PP), g[0]) * np, pp = g[1] * (P * np);
    const floatv q = MAD(g[2], EVERY(QQ), g[0]) * nq, qq = g[1] * (Q * nq);
    u[FIRST] = p + pp;
    u[FIRST + 1] = p - pp;
    u[FIRST + 2] = q + qq;
    u[FIRST + 3] = q - qq;
    u[FIRST + 4] = g[2];
#endif
}

/* y = A^T m */
static inline void transform_output(floatv y[OUTPUTS], const floatv m[SIDE])
{
#if OUTPUTS == 2
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
#else
    enum { FIRST = OUTPUTS - 3 };
    const floatv p = m[FIRST] + m[FIRST + 1], pp = m[FIRST] - m[FIRST + 1];
    const floatv q = m[FIRST + 2] + m[FIRST + 3], qq = m[FIRST + 2] - m[FIRST + 3];
    y[1] = MAD(pp, EVERY(P), qq * Q);
#if OUTPUTS == 3
    y[0] = p + q;
    y[2] = MAD(p, EVERY(PP), MAD(q, EVERY(QQ), m[4]));
#else
    y[0] = m[0] + p + q;
    y[2] = MAD(p, EVERY(PP), q * QQ);
    y[3] = MAD(pp, EVERY(PPP), MAD(qq, EVERY(QQQ), m[5]));
#endif
#endif
}

#endif
