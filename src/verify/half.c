/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in float16. The reference has the same numbers in float32, so that a device is
 * not compared with the same rounding; here they take the same place in memory, of which
 * on the device only the first half is used and the rest is one more guard zone. */
#include "verify/verify.h"

#include "util/half.h"

#include <math.h>
#include <string.h>

bool is_fp16_run(const struct verify_context *k)
{
    return k->params->precision == WEFT_PRECISION_FLOAT16;
}

void tensor_set_fp16(struct verify_case *c, struct verify_tensor *t, int percent)
{
    if (!t || !is_fp16_run(c->check))
        return;
    t->half = random_bool(c->check, percent);
    case_describe(c, ", %s in float%d", t->name, t->half ? 16 : 32);
}

void tensor_quantize(struct verify_case *c, struct verify_tensor *t)
{
    float *to = t && t->half ? tensor_initial_data(c, t) : NULL;
    for (size_t i = 0; to && i < t->count; i++)
        to[i] = weft_fp16_round(to[i]);
}

static void store_fp16_pair(unsigned char *to, unsigned word)
{
    const uint16_t half = (uint16_t)word;
    memcpy(to, &half, sizeof(half));
}

void buffer_pack_fp16(const struct verify_case *c, int block, unsigned char *bytes)
{
    for (int i = 0; i < c->tensor_count; i++) {
        const struct verify_tensor *t = &c->tensors[i];
        if (!t->half || t->block != block)
            continue;
        for (size_t j = 0; j < t->count; j++) {
            float value;
            memcpy(&value, bytes + t->at + 4 * j, sizeof(value));
            store_fp16_pair(bytes + t->at + 2 * j, weft_fp32_to_fp16(value));
        }
        for (size_t j = t->count; j < 2 * t->count; j++)
            store_fp16_pair(bytes + t->at + 2 * j, guard_pattern(64 * j));
    }
}

void buffer_unpack_fp16(struct verify_case *c, int block, unsigned char *bytes)
{
    struct verify_buffer *b = &c->blocks[block];
    b->overrun_at = 0;
    for (int i = 0; i < c->tensor_count; i++) {
        const struct verify_tensor *t = &c->tensors[i];
        if (!t->half || t->block != block)
            continue;
        for (size_t j = 2 * t->count; j-- > 0;) { /* from behind: it grows in place */
            uint16_t half;
            memcpy(&half, bytes + t->at + 2 * j, sizeof(half));
            if (j >= t->count) {
                if (half != (uint16_t)guard_pattern(64 * j))
                    b->overrun_at = t->at + 2 * j;
                continue;
            }
            float value = weft_fp16_to_fp32(half);
            memcpy(bytes + t->at + 4 * j, &value, sizeof(value));
        }
    }
}

/* An infinity is right where a number within the bound is rounded to it. */
double fp16_error_bound(double want, double bound)
{
    double most = fabs(want) + bound;
    return most >= 65520
               ? INFINITY
               : bound + WEFT_FP16_UNIT_ROUNDOFF * most + WEFT_FP16_SUBNORMAL_ERROR;
}
