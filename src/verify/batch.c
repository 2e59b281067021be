/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of making a batch. */
#include "verify/verify.h"

#include <math.h>

struct input_case {
    struct verify_case base;
    struct weft_batch_args args; /* all but the views */
    struct lab_tensor *state, *bytes, *labels, *x, *batch_labels;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct input_case *in = (const struct input_case *)c;
    struct weft_batch_args args = in->args;
    args.state = lab_view(&c->lab, in->state, side);
    args.bytes = lab_view(&c->lab, in->bytes, side);
    args.labels = lab_view(&c->lab, in->labels, side);
    args.x = lab_view(&c->lab, in->x, side);
    args.batch_labels = lab_view(&c->lab, in->batch_labels, side);
    return list->primitives->make_batch(list, &args);
}

/* A state whose step is in the first few epochs or, as after two years of training, far
 * beyond. */
static void fill_state(struct input_case *in)
{
    struct verify_context *k = in->base.check;
    uint32_t *state = in->state ? lab_initial(&in->base.lab, in->state) : NULL;
    for (size_t i = 0; state && i < in->state->count; i++)
        state[i] = lab_random_bits(&k->random);
    if (state && lab_random_bool(&k->random, 80))
        state[STATE_STEP] =
            (uint32_t)lab_random_int(&k->random, 0, 5 * in->args.steps_per_epoch);
}

static void fill(struct input_case *in)
{
    struct verify_case *c = &in->base;
    uint8_t *bytes = lab_initial(&c->lab, in->bytes);
    for (size_t i = 0; i < in->bytes->count; i++)
        bytes[i] = (uint8_t)lab_random_bits(&c->check->random);
    int32_t *labels = in->labels ? lab_initial(&c->lab, in->labels) : NULL;
    for (size_t i = 0; labels && i < in->labels->count; i++)
        labels[i] = lab_random_int(&c->check->random, 0, 999);
    fill_state(in);
}

static enum weft_status run_case(struct input_case *in, bool exact)
{
    struct verify_case *c = &in->base;
    struct lab_tensor *outs[] = {in->state, in->batch_labels};
    if (!outs[0]) {
        outs[0] = outs[1];
        outs[1] = NULL;
    }
    struct verify_run *run =
        case_add_run(c, in->state ? "shuffled" : "in order", record,
                     (struct lab_tensor *[]){in->x, outs[0], outs[1], NULL});
    WEFT_TRY(case_allocate(c));
    bounds_zero(c);
    double size = 0;
    for (int i = 0; i < in->args.channels; i++)
        size = fmax(size, 255 * fabs((double)in->args.scale[i]) +
                              fabs((double)in->args.shift[i]));
    for (size_t i = 0; !exact && i < in->x->count; i++)
        in->x->bound[i] = 3 * FP32_UNIT_ROUNDOFF * size;
    for (int i = 0; i < 2; i++) {
        fill(in);
        WEFT_TRY(run_and_compare(c, run, exact ? "integers" : "real"));
    }
    return WEFT_OK;
}

static void random_geometry(struct input_case *in, struct verify_context *k, bool exact)
{
    struct weft_batch_args *a = &in->args;
    bool small = k->params->tiny_shapes;
    a->channels = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 4);
    int places = LAB_RANDOM_CHOICE(&k->random, 1, 3, 5, 7, 13, 49, small ? 9 : 784);
    a->pixels = a->channels * places;
    a->n = small ? lab_random_int(&k->random, 1, 7)
                 : LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 7, 13, 17, 33, 64);
    a->count =
        a->n * lab_random_int(&k->random, 1, 4) + lab_random_int(&k->random, 0, a->n - 1);
    a->steps_per_epoch = a->count / a->n;
    for (int i = 0; i < 4; i++) {
        a->scale[i] = exact ? (float)lab_random_int(&k->random, 1, 9) / 16
                            : lab_random_float(&k->random, 0.001f, 1);
        a->shift[i] = exact ? (float)lab_random_int(&k->random, -9, 9)
                            : lab_random_float(&k->random, -3, 3);
    }
}

static enum weft_status verify_input_case(struct verify_context *k)
{
    struct input_case in = {0};
    struct verify_case *c = &in.base;
    struct weft_batch_args *a = &in.args;
    bool exact = lab_random_bool(&k->random, 60),
         shuffled = lab_random_bool(&k->random, 75);
    bool labelled = lab_random_bool(&k->random, 80);
    random_geometry(&in, k, exact);
    case_init(c, k);
    case_describe(c, " %d of %d images, %d bytes, %d channels, %s, labels %s", a->n,
                  a->count, a->pixels, a->channels, shuffled ? "shuffled" : "in order",
                  labelled ? "present" : "absent");
    in.bytes = lab_add_tensor(&c->lab, "bytes", LAB_BYTE, a->count, 1, 1, a->pixels);
    in.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, a->n, 1, 1, a->pixels);
    if (shuffled)
        in.state = lab_add_tensor(&c->lab, "state", LAB_INT32, 1, 1, 1, STATE_WORDS);
    if (shuffled)
        in.state->is_in_out = true;
    if (labelled) {
        in.labels = lab_add_tensor(&c->lab, "labels", LAB_INT32, 1, 1, 1, a->count);
        in.batch_labels =
            lab_add_tensor(&c->lab, "batch labels", LAB_INT32, 1, 1, 1, a->n);
    }
    tensor_set_fp16(c, in.x, 75);
    enum weft_status status = run_case(&in, exact);
    case_finish(c);
    return status;
}

const struct verify_op verify_input = {"input", verify_input_case, true};
