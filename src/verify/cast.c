/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of conversion between types of floats. */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

struct convert_case {
    struct verify_case base;
    struct verify_tensor *x, *y;
};

static enum weft_status record(const struct verify_case *c, enum verify_side side,
                               struct weft_command_list *list)
{
    const struct convert_case *v = (const struct convert_case *)c;
    const struct weft_cast_args args = {.x = tensor_view(c, v->x, side),
                                        .y = tensor_view(c, v->y, side)};
    return list->primitives->cast(list, &args);
}

/* Any bits: mostly of numbers that float16 can hold, in which ties and subnormals are
 * frequent. Subnormals of float32 may be flushed to zero. */
static void fill_bits(struct convert_case *v)
{
    float *x = tensor_initial_data(&v->base, v->x);
    for (size_t i = 0; i < v->x->count; i++) {
        uint32_t bits = random_bits(v->base.check);
        uint32_t exponent = 100 + (bits >> 23) % 45;
        bits = (bits & 0x807FFFFF) | exponent << 23;
        if (random_bool(v->base.check, 50))
            bits = (bits & ~0x1FFFu) | 0x1000u;
        memcpy(&x[i], &bits, sizeof(bits));
    }
    if (v->x->count > 2 && v->y->half)
        x[random_int(v->base.check, 0, (int)v->x->count - 1)] = NAN;
    tensor_quantize(&v->base, v->x);
    v->y->allow_nonfinite = true;
}

static enum weft_status verify_convert_case(struct verify_context *k)
{
    struct convert_case v = {0};
    struct verify_case *c = &v.base;
    int n = k->params->tiny_shapes
                ? random_int(k, 1, 70)
                : RANDOM_CHOICE(k, 1, 3, 5, 13, 17, 31, 33, 257, 4099, 10007);
    case_init(c, k);
    case_describe(c, " n=%d", n);
    v.x = case_add_tensor(c, "x", VERIFY_FLOAT, 1, 1, 1, n);
    v.y = case_add_tensor(c, "y", VERIFY_FLOAT, 1, 1, 1, n);
    tensor_set_fp16(c, v.x, 50);
    tensor_set_fp16(c, v.y, 50);
    struct verify_run *forward =
        case_add_run(c, "forward", record, (struct verify_tensor *[]){v.y, NULL});
    enum weft_status status = case_allocate(c);
    if (!status) {
        bounds_zero(c);
        tensor_fill_integers(c, v.x, -2048, 2048);
        status = run_and_compare(c, forward, "integers");
    }
    if (!status) {
        fill_bits(&v);
        status = run_and_compare(c, forward, "bits");
    }
    case_finish(c);
    return status;
}

const struct verify_op verify_convert = {"convert", verify_convert_case, true};
