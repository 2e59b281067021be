/* SPDX-License-Identifier: Apache-2.0 */
/* The activations of cl/shared/activations.def: names, parameters, properties. */
#ifndef WEFT_DEVICE_ACTIVATIONS_H
#define WEFT_DEVICE_ACTIVATIONS_H

#include <stdbool.h>

enum weft_act {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) WEFT_ACT_##id,
#include "shared/activations.def"
#undef ACT
    WEFT_ACT_COUNT
};

/* An activation with its parameters (weft_act_parameters). Zero is the identity. */
struct weft_activation {
    enum weft_act act;
    float alpha; /* leaky_relu: the slope where x < 0; clip: the lower bound */
    float beta;  /* clip: the upper bound */
};

/* "leaky-relu", and whether the derivative follows from the output. */
extern const char *const weft_act_names[WEFT_ACT_COUNT];
extern const bool weft_act_grad_from_output[WEFT_ACT_COUNT];

/* The parameters alpha and beta of an activation; `name` NULL: it has none. */
enum { WEFT_ACT_PARAMETERS = 2 };
struct weft_act_parameter {
    const char *name; /* "slope" */
    float initial;    /* where none is given */
    float min, max;
    float tested[4]; /* by the checks; the first two keep integers exact */
};
extern const struct weft_act_parameter weft_act_parameters[WEFT_ACT_COUNT]
                                                          [WEFT_ACT_PARAMETERS];
/* The activation with the parameters that it has where none are given. */
struct weft_activation weft_activation_init(enum weft_act act);

#endif
