/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of conversion between types of floats. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct convert_case {
    struct verify_case base;
    struct lab_tensor *x, *y;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct convert_case *v = (const struct convert_case *)c;
    const struct weft_cast_args args = {.x = lab_view(&c->lab, v->x, side),
                                        .y = lab_view(&c->lab, v->y, side)};
    return list->primitives->cast(list, &args);
}

/* Random bits: mostly numbers in the range of float16, with frequent ties and subnormals.
 * Subnormals of float32 may be flushed to zero. */
static void fill_bits(struct convert_case *v)
{
    float *x = lab_initial(&v->base.lab, v->x);
    for (size_t i = 0; i < v->x->count; i++) {
        uint32_t bits = lab_random_bits(&v->base.check->random);
        uint32_t exponent = 100 + (bits >> 23) % 45;
        bits = (bits & 0x807FFFFF) | exponent << 23;
        if (lab_random_bool(&v->base.check->random, 50))
            bits = (bits & ~0x1FFFu) | 0x1000u;
        memcpy(&x[i], &bits, sizeof(bits));
    }
    if (v->x->count > 2 && v->y->half)
        x[lab_random_int(&v->base.check->random, 0, (int)v->x->count - 1)] = NAN;
    lab_quantize(&v->base.lab, v->x);
    v->y->allow_nonfinite = true;
}

static enum weft_status verify_convert_case(struct verify_context *k)
{
    struct convert_case v = {0};
    struct verify_case *c = &v.base;
    int n = k->params->tiny_shapes ? lab_random_int(&k->random, 1, 70)
                                   : LAB_RANDOM_CHOICE(&k->random, 1, 3, 5, 13, 17, 31,
                                                       33, 257, 4099, 10007);
    case_init(c, k);
    case_describe(c, " n=%d", n);
    v.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, 1, 1, 1, n);
    v.y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, 1, 1, 1, n);
    tensor_set_fp16(c, v.x, 50);
    tensor_set_fp16(c, v.y, 50);
    struct verify_run *forward =
        case_add_run(c, "forward", record, (struct lab_tensor *[]){v.y, NULL});
    enum weft_status status = case_allocate(c);
    if (!status) {
        bounds_zero(c);
        lab_fill_integers(&c->lab, v.x, -2048, 2048);
        status = run_and_compare(c, forward, "integers");
    }
    if (!status) {
        fill_bits(&v);
        status = run_and_compare(c, forward, "bits");
    }
    case_finish(c);
    return status;
}

const struct verify_check verify_cast = {"cast", verify_convert_case, true};
