/* SPDX-License-Identifier: Apache-2.0 */
/* Winograd transforms F(OUTPUT_TILE, 3) along one axis (Lavin & Gray 2015,
 * arXiv:1509.09308):
 *
 *     y = A^T ((G g) * (B^T d))
 *
 * uses INPUT_TILE multiplications for OUTPUT_TILE results of a 3-tap filter, where
 * direct convolution uses 3 OUTPUT_TILE. The transposed matrices give the filter's
 * gradient:
 *
 *     dg = G^T ((A dy) * (B^T d))
 *
 * Interpolation points, beside infinity: 0, +-1 for two outputs; +-P, +-Q for three; 0,
 * +-P, +-Q for four. With four outputs these points are about as accurate as direct
 * convolution; 0, +-1, +-2 would have several times the error. */
#ifndef WEFT_WINOGRAD_H
#define WEFT_WINOGRAD_H

#ifndef OUTPUT_TILE
#define OUTPUT_TILE 4
#endif

enum { INPUT_TILE = OUTPUT_TILE + 2, TRANSFORM_ELEMENTS = INPUT_TILE * INPUT_TILE };

#if OUTPUT_TILE == 3
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
#define SPLAT(c) ((floatv)(c))

/* The inverse product of a point's distances to the others. */
#if OUTPUT_TILE == 3
#define NP -0.5f
#define NQ 0.16666666666666667f
#else
#define NP -0.62307692307692308f
#define NQ 0.12307692307692308f
#endif

/* v = B^T d */
static inline void transform_input(floatv v[INPUT_TILE], const floatv d[INPUT_TILE])
{
#if OUTPUT_TILE == 2
    v[0] = d[0] - d[2];
    v[1] = d[1] + d[2];
    v[2] = d[2] - d[1];
    v[3] = d[1] - d[3];
#elif OUTPUT_TILE == 3
    const floatv p = MAD(d[1], SPLAT(-QQ), d[3]), pp = MAD(d[0], SPLAT(-QQ), d[2]);
    const floatv q = MAD(d[1], SPLAT(-PP), d[3]), qq = MAD(d[0], SPLAT(-PP), d[2]);
    v[0] = MAD(pp, SPLAT(P), p);
    v[1] = MAD(pp, SPLAT(P), -p);
    v[2] = MAD(qq, SPLAT(Q), q);
    v[3] = MAD(qq, SPLAT(Q), -q);
    v[4] = MAD(pp, SPLAT(-PP), MAD(d[2], SPLAT(-QQ), d[4]));
#else
    const floatv p = MAD(d[1], SPLAT(-QQ), d[3]), pp = MAD(d[2], SPLAT(-QQ), d[4]);
    const floatv q = MAD(d[1], SPLAT(-PP), d[3]), qq = MAD(d[2], SPLAT(-PP), d[4]);
    v[0] = MAD(d[2], SPLAT(-(PP + QQ)), d[0] + d[4]);
    v[1] = MAD(p, SPLAT(P), pp);
    v[2] = MAD(p, SPLAT(-P), pp);
    v[3] = MAD(q, SPLAT(Q), qq);
    v[4] = MAD(q, SPLAT(-Q), qq);
    v[5] = MAD(d[3], SPLAT(-(PP + QQ)), d[1] + d[5]);
#endif
}

/* u = G g */
static inline void transform_weights(floatv u[INPUT_TILE], const floatv g[3])
{
#if OUTPUT_TILE == 2
    const floatv even = (g[0] + g[2]) * 0.5f, odd = g[1] * 0.5f;
    u[0] = g[0];
    u[1] = even + odd;
    u[2] = even - odd;
    u[3] = g[2];
#else
    enum { FIRST = OUTPUT_TILE - 3 };
#if OUTPUT_TILE == 4
    u[0] = g[0];
#endif
    const floatv p = MAD(g[2], SPLAT(PP), g[0]) * NP, pp = g[1] * (P * NP);
    const floatv q = MAD(g[2], SPLAT(QQ), g[0]) * NQ, qq = g[1] * (Q * NQ);
    u[FIRST] = p + pp;
    u[FIRST + 1] = p - pp;
    u[FIRST + 2] = q + qq;
    u[FIRST + 3] = q - qq;
    u[FIRST + 4] = g[2];
#endif
}

/* y = A^T m */
static inline void transform_output(floatv y[OUTPUT_TILE], const floatv m[INPUT_TILE])
{
#if OUTPUT_TILE == 2
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
#else
    enum { FIRST = OUTPUT_TILE - 3 };
    const floatv p = m[FIRST] + m[FIRST + 1], pp = m[FIRST] - m[FIRST + 1];
    const floatv q = m[FIRST + 2] + m[FIRST + 3], qq = m[FIRST + 2] - m[FIRST + 3];
    y[1] = MAD(pp, SPLAT(P), qq * Q);
#if OUTPUT_TILE == 3
    y[0] = p + q;
    y[2] = MAD(p, SPLAT(PP), MAD(q, SPLAT(QQ), m[4]));
#else
    y[0] = m[0] + p + q;
    y[2] = MAD(p, SPLAT(PP), q * QQ);
    y[3] = MAD(pp, SPLAT(PPP), MAD(qq, SPLAT(QQQ), m[5]));
#endif
#endif
}

/* v = A y */
static inline void transform_gradient(floatv v[INPUT_TILE], const floatv y[OUTPUT_TILE])
{
#if OUTPUT_TILE == 2
    v[0] = y[0];
    v[1] = y[0] + y[1];
    v[2] = y[0] - y[1];
    v[3] = -y[1];
#else
    enum { FIRST = OUTPUT_TILE - 3 };
    const floatv p = MAD(y[2], SPLAT(PP), y[0]), q = MAD(y[2], SPLAT(QQ), y[0]);
#if OUTPUT_TILE == 3
    const floatv pp = y[1] * P, qq = y[1] * Q;
    v[4] = y[2];
#else
    const floatv pp = MAD(y[3], SPLAT(PPP), y[1] * P);
    const floatv qq = MAD(y[3], SPLAT(QQQ), y[1] * Q);
    v[0] = y[0];
    v[5] = y[3];
#endif
    v[FIRST] = p + pp;
    v[FIRST + 1] = p - pp;
    v[FIRST + 2] = q + qq;
    v[FIRST + 3] = q - qq;
#endif
}

/* g = G^T u */
static inline void transform_weight_gradient(floatv g[3], const floatv u[INPUT_TILE])
{
#if OUTPUT_TILE == 2
    const floatv even = (u[1] + u[2]) * 0.5f;
    g[0] = u[0] + even;
    g[1] = (u[1] - u[2]) * 0.5f;
    g[2] = even + u[3];
#else
    enum { FIRST = OUTPUT_TILE - 3 };
    const floatv p = (u[FIRST] + u[FIRST + 1]) * NP, pp = u[FIRST] - u[FIRST + 1];
    const floatv q = (u[FIRST + 2] + u[FIRST + 3]) * NQ, qq = u[FIRST + 2] - u[FIRST + 3];
    g[0] = OUTPUT_TILE == 3 ? p + q : u[0] + p + q;
    g[1] = MAD(pp, SPLAT(P * NP), qq * (Q * NQ));
    g[2] = MAD(p, SPLAT(PP), MAD(q, SPLAT(QQ), u[INPUT_TILE - 1]));
#endif
}

#endif
