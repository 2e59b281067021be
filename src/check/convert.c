/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of conversion between types of floats. */
#include "check.h"

#include <math.h>
#include <string.h>

struct convert_case {
    struct check_case base;
    struct check_tensor *x, *y;
};

static enum weft_status record(const struct check_case *c, enum check_side side,
                               struct weft_list *list)
{
    const struct convert_case *v = (const struct convert_case *)c;
    const struct weft_convert_args args = {.x = check_view(c, v->x, side),
                                           .y = check_view(c, v->y, side)};
    return list->device->backend->convert(list, &args);
}

/* Any bits: mostly of numbers that float16 can hold, in which ties and subnormals are
 * frequent. Subnormals of float32 may be flushed to zero. */
static void fill_bits(struct convert_case *v)
{
    float *x = check_image(&v->base, v->x);
    for (size_t i = 0; i < v->x->count; i++) {
        uint32_t bits = check_bits(v->base.check);
        uint32_t exponent = 100 + (bits >> 23) % 45;
        bits = (bits & 0x807FFFFF) | exponent << 23;
        if (check_chance(v->base.check, 50))
            bits = (bits & ~0x1FFFu) | 0x1000u;
        memcpy(&x[i], &bits, sizeof(bits));
    }
    if (v->x->count > 2 && v->y->half)
        x[check_range(v->base.check, 0, (int)v->x->count - 1)] = NAN;
    check_round(&v->base, v->x);
    v->y->unbounded = true;
}

static enum weft_status run(struct check *k)
{
    struct convert_case v = {0};
    struct check_case *c = &v.base;
    int n = k->params->small ? check_range(k, 1, 70)
                             : CHECK_PICK(k, 1, 3, 5, 13, 17, 31, 33, 257, 4099, 10007);
    check_case_init(c, k);
    check_tell(c, " n=%d", n);
    v.x = check_tensor_add(c, "x", CHECK_FLOAT, 1, 1, 1, n);
    v.y = check_tensor_add(c, "y", CHECK_FLOAT, 1, 1, 1, n);
    check_store(c, v.x, 50);
    check_store(c, v.y, 50);
    struct check_run *forward =
        check_run_add(c, "forward", record, (struct check_tensor *[]){v.y, NULL});
    enum weft_status status = check_case_place(c);
    if (!status) {
        check_exact(c);
        check_integers(c, v.x, -2048, 2048);
        status = check_compare(c, forward, "integers");
    }
    if (!status) {
        fill_bits(&v);
        status = check_compare(c, forward, "bits");
    }
    check_case_finish(c);
    return status;
}

const struct check_op check_convert = {"convert", run, true};
