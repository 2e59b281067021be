/* SPDX-License-Identifier: Apache-2.0 */
/* Names, derivatives and parameters of the activations. */
#include "device/activations.h"

const char *const weft_act_names[WEFT_ACT_COUNT] = {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) name,
#include "shared/activations.def"
#undef ACT
};

const bool weft_act_grad_from_output[WEFT_ACT_COUNT] = {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) grad_from_output,
#include "shared/activations.def"
#undef ACT
};

#define ROW(...) __VA_ARGS__
const struct weft_act_parameter weft_act_parameters[WEFT_ACT_COUNT][WEFT_ACT_PARAMETERS] =
    {
#define ACT(id, name, grad_from_output, f, g, parameters, checks) {ROW parameters},
#include "shared/activations.def"
#undef ACT
};

struct weft_activation weft_activation_init(enum weft_act act)
{
    const struct weft_act_parameter *parameters = weft_act_parameters[act];
    return (struct weft_activation){act, parameters[0].initial, parameters[1].initial};
}
