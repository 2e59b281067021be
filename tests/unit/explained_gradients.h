/* SPDX-License-Identifier: Apache-2.0 */
/* The gradients that explainers compute, in double precision, against differences. */
#ifndef WEFT_TESTS_UNIT_EXPLAINED_GRADIENTS_H
#define WEFT_TESTS_UNIT_EXPLAINED_GRADIENTS_H

struct weft_device;

struct explained_total {
    long values, layers, left_out, wrong, wrong_networks;
    double worst; /* difference, relative to the tolerance */
};

/* Compares the gradients of a logit of random network `number` with respect to some of
 * the pixels, and of the outputs of each layer. `other`: of another class's logit. */
void explained_gradients_check(struct weft_device *device, uint32_t number, bool other,
                               struct explained_total *total);

#endif
