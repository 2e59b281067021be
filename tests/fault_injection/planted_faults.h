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
extern const struct fault layer_faults[], channel_faults[], training_faults[],
    half_faults[];

/* planted_damage.c: the element `i` of a view, and changes of the output. */
float peek(const struct recorded_primitive *l, struct weft_view view, size_t i);
void poke(const struct recorded_primitive *l, struct weft_view view, size_t i,
          float value);
void keep_last(struct recorded_primitive *l);
void restore_last(struct recorded_primitive *l);
void round_to_half(struct recorded_primitive *l);
void halve_gradient(struct recorded_primitive *l);

#endif
