/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that are planted into the CPU backend to prove that the checks can fail. */
#ifndef WEFT_PLANTED_H
#define WEFT_PLANTED_H

#include "backend.h"

/* The primitive that is at fault. */
enum slot {
    CONV_FORWARD,
    CONV_DATA,
    CONV_WEIGHTS,
    DENSE_FORWARD,
    DENSE_DATA,
    DENSE_WEIGHTS,
    POOL_FORWARD,
    POOL_BACKWARD,
    ACT_FORWARD,
    ACT_BACKWARD,
    ADD,
    NORM_FORWARD,
    NORM_APPLY,
    NORM_BACKWARD,
    FOLD,
    DROPOUT,
    SOFTMAX,
    LOSS,
    INPUT,
    UPDATE,
    NO_SLOT
};

union arguments {
    struct weft_conv_args conv;
    struct weft_dense_args dense;
    struct weft_pool_args pool;
    struct weft_act_args act;
    struct weft_add_args add;
    struct weft_norm_args norm;
    struct weft_fold_args fold;
    struct weft_dropout_args dropout;
    struct weft_softmax_args softmax;
    struct weft_loss_args loss;
    struct weft_input_args input;
    struct weft_update_args update;
};

/* The primitive at fault as it was recorded. */
struct launch {
    const struct weft_list *list;
    union arguments args;
    struct weft_device *device;
    struct weft_view out; /* its first output */
    int replays;
    float kept;
};

/* Twists the arguments before they are recorded, or damages memory before or after each
 * replay. With `both` the reference is wrong in the same way, so that only the checks of
 * gradients can tell. */
struct fault {
    const char *name, *op;
    enum slot slot;
    bool both;
    void (*twist)(union arguments *args);
    void (*before)(struct launch *launch);
    void (*after)(struct launch *launch);
    bool half; /* tensors are float16 */
};

/* An entry with NULL for a name ends it. */
extern const struct fault faults[], half_faults[];

#endif
