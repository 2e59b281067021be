/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that are planted into the CPU backend to prove that the checks can fail. */
#ifndef WEFT_TESTS_FAULT_INJECTION_PLANTED_FAULTS_H
#define WEFT_TESTS_FAULT_INJECTION_PLANTED_FAULTS_H

#include "device/backend.h"

/* The primitive at fault as it was recorded. */
struct recorded_primitive {
    const struct weft_command_list *list;
    union weft_primitive_args args;
    struct weft_device *device;
    struct weft_view out; /* its first output */
    int replays;
    float kept;
};

/* Modifies the arguments before they are recorded, or damages memory before or after each
 * replay. With `both` the reference is wrong in the same way, so that only gradient
 * checks can detect it. */
struct fault {
    const char *name, *op;
    enum weft_primitive primitive; /* at fault; WEFT_PRIMITIVE_COUNT: none */
    bool both;
    void (*modify)(union weft_primitive_args *args);
    void (*before)(struct recorded_primitive *launch);
    void (*after)(struct recorded_primitive *launch);
    bool half; /* tensors are float16 */
};

#define IN(primitive) WEFT_PRIMITIVE_##primitive

/* An entry with NULL for a name ends it. */
extern const struct fault faults[], half_faults[];

#endif
