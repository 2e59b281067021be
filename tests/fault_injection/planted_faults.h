/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that are planted into the CPU backend to prove that the checks can fail. */
#ifndef WEFT_TESTS_FAULT_INJECTION_PLANTED_FAULTS_H
#define WEFT_TESTS_FAULT_INJECTION_PLANTED_FAULTS_H

#include "device/backend.h"

/* The primitive that is at fault. */
enum faulty_primitive {
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
    PRIMITIVE_COUNT
};

union arguments {
    struct weft_conv_args conv;
    struct weft_dense_args dense;
    struct weft_pool_args pool;
    struct weft_act_args act;
    struct weft_add_args add;
    struct weft_batch_norm_args batch_norm;
    struct weft_fold_batch_norm_args fold_batch_norm;
    struct weft_dropout_args dropout;
    struct weft_softmax_args softmax;
    struct weft_loss_args loss;
    struct weft_batch_args batch;
    struct weft_optimizer_step_args optimizer_step;
};

/* The primitive at fault as it was recorded. */
struct recorded_primitive {
    const struct weft_command_list *list;
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
    enum faulty_primitive primitive;
    bool both;
    void (*modify_args)(union arguments *args);
    void (*before)(struct recorded_primitive *launch);
    void (*after)(struct recorded_primitive *launch);
    bool half; /* tensors are float16 */
};

/* An entry with NULL for a name ends it. */
extern const struct fault faults[], half_faults[];

#endif
