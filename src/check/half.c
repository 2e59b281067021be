/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in float16. The reference has the same numbers in float32, so that a device is
 * not compared with the same rounding; here they take the same place in memory, of which
 * on the device only the first half is used and the rest is one more guard zone. */
#include "check.h"

#include "../util/half.h"

#include <math.h>
#include <string.h>

bool check_halves(const struct check *k)
{
    return k->params->precision == WEFT_PRECISION_FLOAT16;
}

void check_store(struct check_case *c, struct check_tensor *t, int percent)
{
    if (!t || !check_halves(c->check))
        return;
    t->half = check_chance(c->check, percent);
    check_tell(c, ", %s in float%d", t->name, t->half ? 16 : 32);
}

void check_round(struct check_case *c, struct check_tensor *t)
{
    float *to = t && t->half ? check_image(c, t) : NULL;
    for (size_t i = 0; to && i < t->count; i++)
        to[i] = weft_half_round(to[i]);
}

static void put_word(unsigned char *to, unsigned word)
{
    const uint16_t half = (uint16_t)word;
    memcpy(to, &half, sizeof(half));
}

void check_half_pack(const struct check_case *c, int block, unsigned char *bytes)
{
    for (int i = 0; i < c->tensor_count; i++) {
        const struct check_tensor *t = &c->tensors[i];
        if (!t->half || t->block != block)
            continue;
        for (size_t j = 0; j < t->count; j++) {
            float value;
            memcpy(&value, bytes + t->at + 4 * j, sizeof(value));
            put_word(bytes + t->at + 2 * j, weft_half_narrow(value));
        }
        for (size_t j = t->count; j < 2 * t->count; j++)
            put_word(bytes + t->at + 2 * j, check_guard(64 * j));
    }
}

void check_half_unpack(struct check_case *c, int block, unsigned char *bytes)
{
    struct check_block *b = &c->blocks[block];
    b->stray = 0;
    for (int i = 0; i < c->tensor_count; i++) {
        const struct check_tensor *t = &c->tensors[i];
        if (!t->half || t->block != block)
            continue;
        for (size_t j = 2 * t->count; j-- > 0;) { /* from behind: it grows in place */
            uint16_t half;
            memcpy(&half, bytes + t->at + 2 * j, sizeof(half));
            if (j >= t->count) {
                if (half != (uint16_t)check_guard(64 * j))
                    b->stray = t->at + 2 * j;
                continue;
            }
            float value = weft_half_widen(half);
            memcpy(bytes + t->at + 4 * j, &value, sizeof(value));
        }
    }
}

/* An infinity is right where a number within the bound is rounded to it. */
double check_half_bound(double want, double bound)
{
    double most = fabs(want) + bound;
    return most >= 65520 ? INFINITY : bound + WEFT_HALF_UNIT * most + WEFT_HALF_TINY;
}
