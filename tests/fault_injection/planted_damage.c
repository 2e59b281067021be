/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of planted_layers.c and planted_training.c: wrong numbers in the output of a
 * primitive. */
#include "fault_injection/planted_faults.h"

#include <math.h>

float peek(const struct recorded_primitive *l, struct weft_view view, size_t i)
{
    float value;
    weft_backend_cpu.read(l->device, &value, view.mem, (view.offset + i) * sizeof(float),
                          sizeof(value));
    return value;
}

void poke(const struct recorded_primitive *l, struct weft_view view, size_t i,
          float value)
{
    weft_backend_cpu.write(l->device, view.mem, (view.offset + i) * sizeof(float), &value,
                           sizeof(value));
}

void keep_last(struct recorded_primitive *l)
{
    l->kept = peek(l, l->out, l->out.count - 1);
}

void restore_last(struct recorded_primitive *l)
{
    poke(l, l->out, l->out.count - 1, l->kept);
}

void round_to_half(struct recorded_primitive *l)
{
    for (size_t i = 0; i < l->out.count; i++) {
        int exponent;
        float mantissa = frexpf(peek(l, l->out, i), &exponent);
        poke(l, l->out, i, ldexpf(roundf(mantissa * 2048) / 2048, exponent));
    }
}

void halve_gradient(struct recorded_primitive *l)
{
    for (size_t i = 0; i < l->out.count; i++)
        poke(l, l->out, i, peek(l, l->out, i) / 2);
}
