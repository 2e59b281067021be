/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that are planted into the CPU backend to prove that the checks can fail. */
#ifndef WEFT_TESTS_FAULT_INJECTION_PLANTED_FAULTS_H
#define WEFT_TESTS_FAULT_INJECTION_PLANTED_FAULTS_H

#include "device/backend.h"

/* The primitive that is at fault. */
enum faulty_primitive {
#define PRIMITIVE(name, args, output) IN_##name,
#include "device/primitives.def"
#undef PRIMITIVE
    IN_NO_PRIMITIVE
};

union arguments {
#define PRIMITIVE(name, args, output) struct weft_##args##_args name;
#include "device/primitives.def"
#undef PRIMITIVE
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
