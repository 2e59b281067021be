/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of test tensors. */
#include "lab/tensors.h"

static float *floats_of(struct lab_case *c, struct lab_tensor *t)
{
    return t ? lab_initial(c, t) : NULL;
}

void lab_fill_integers(struct lab_case *c, struct lab_tensor *t, int low, int high)
{
    float *to = floats_of(c, t);
    for (size_t i = 0; t && i < t->count; i++)
        to[i] = (float)lab_random_int(c->random, low, high);
    lab_quantize(c, t);
}

void lab_fill_nonzero(struct lab_case *c, struct lab_tensor *t, int size)
{
    float *to = floats_of(c, t);
    for (size_t i = 0; t && i < t->count; i++) {
        int value = lab_random_int(c->random, 1, 2 * size);
        to[i] = (float)(value > size ? size - value : value);
    }
}

void lab_fill_uniform(struct lab_case *c, struct lab_tensor *t, float low, float high)
{
    float *to = floats_of(c, t);
    for (size_t i = 0; t && i < t->count; i++)
        to[i] = lab_random_float(c->random, low, high);
    lab_quantize(c, t);
}

static void store_index(struct lab_tensor *t, void *to, size_t i, uint32_t index)
{
    if (t->type == LAB_BYTE)
        ((uint8_t *)to)[i] = (uint8_t)index;
    else
        ((uint32_t *)to)[i] = index;
}

void lab_fill_below(struct lab_case *c, struct lab_tensor *t, unsigned limit)
{
    void *to = lab_initial(c, t);
    for (size_t i = 0; i < t->count; i++)
        store_index(t, to, i, lab_random_bits(c->random) % limit);
}

void lab_fill_argmax(struct lab_case *c, struct lab_tensor *t, const struct weft_pool *p)
{
    void *to = t ? lab_initial(c, t) : NULL;
    for (size_t i = 0; t && i < t->count; i++) {
        size_t window = i / (size_t)p->c;
        int left = (int)(window % (size_t)p->out_w) * p->stride_x - p->pad_left;
        int top = (int)(window / (size_t)p->out_w % (size_t)p->out_h) * p->stride_y -
                  p->pad_top;
        int y, x;
        do {
            y = lab_random_int(c->random, 0, p->r - 1);
            x = lab_random_int(c->random, 0, p->s - 1);
        } while (top + y < 0 || top + y >= p->h || left + x < 0 || left + x >= p->w);
        store_index(t, to, i, (uint32_t)(y * p->s + x));
    }
}
