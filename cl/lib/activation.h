/* SPDX-License-Identifier: Apache-2.0 */
/* The activation of a kernel's options, and its derivative. ACT: its number, the position
 * in activations.def; without ACT the identity, which costs the preprocessor nothing. */
#ifndef WEFT_ACTIVATION_H
#define WEFT_ACTIVATION_H

#include "lib/common.h"

/* activations.def defines ACT itself. */
#ifdef ACT
enum { CHOSEN_ACT = ACT };
#undef ACT
#define HAS_ACT 1
#else
#define CHOSEN_ACT ACT_identity
#define HAS_ACT    0
#endif

/* Once in a program of several kernels. */
#ifndef ONCE_ACTIVATIONS
#define ONCE_ACTIVATIONS
enum {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) ACT_##id,
#include "shared/activations.def"
#undef ACT
};
#endif

#if HAS_ACT
#include "lib/fast_math.h"

static inline floatv select_less(floatv v, floatv w, floatv a, floatv b)
{
    return SELECT(v < w, a, b);
}

/* The functions of activations.def for floatv. Functions, not macros with arguments: the
 * preprocessor would expand nested arguments once a level. GPUs have exp in hardware. */
#define REAL(c)     ((floatv)(c##f))
#define SELECT_LESS select_less
#define TANH        fast_tanh
#define ERF         fast_erf
#define GELU_GRAD   fast_gelu_grad
#if DEVICE_CPU
#define EXP fast_exp
#else
#define EXP exp
#endif
#endif

/* y = f(x); `act_params`: alpha and beta of f. */
static inline floatv activate(floatv x, float2 act_params)
{
#if HAS_ACT
    const floatv alpha = (floatv)(act_params.x), beta = (floatv)(act_params.y);
#define ACT(id, name, grad_from_output, f, g, parameters, checks) \
    if (CHOSEN_ACT == ACT_##id)                                   \
        return f;
#include "shared/activations.def"
#undef ACT
#endif
    return x;
}

/* The derivative f' from x and y = f(x). Activations that can be fused need y alone:
 * callers pass y for x. */
static inline floatv activate_gradient(floatv x, floatv y, float2 act_params)
{
#if HAS_ACT
    const floatv alpha = (floatv)(act_params.x), beta = (floatv)(act_params.y);
#define ACT(id, name, grad_from_output, f, g, parameters, checks) \
    if (CHOSEN_ACT == ACT_##id)                                   \
        return g;
#include "shared/activations.def"
#undef ACT
#endif
    return (floatv)(1.0f);
}

#endif
