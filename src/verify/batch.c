/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of making a batch. */
#include "verify/verify.h"

#include <math.h>

struct input_case {
    struct verify_case base;
    struct weft_batch_args args; /* all but the views */
    struct verify_tensor *state, *bytes, *labels, *x, *batch_labels;
};

static enum weft_status record(const struct verify_case *c, enum verify_side side,
                               struct weft_command_list *list)
{
    const struct input_case *in = (const struct input_case *)c;
    struct weft_batch_args args = in->args;
    args.state = tensor_view(c, in->state, side);
    args.bytes = tensor_view(c, in->bytes, side);
    args.labels = tensor_view(c, in->labels, side);
    args.x = tensor_view(c, in->x, side);
    args.batch_labels = tensor_view(c, in->batch_labels, side);
    return list->primitives->make_batch(list, &args);
}

/* Any state whose step lies in the first few epochs, or, after two years, far beyond. */
static void fill_state(struct input_case *in)
{
    struct verify_context *k = in->base.check;
    uint32_t *state = in->state ? tensor_initial_data(&in->base, in->state) : NULL;
    for (size_t i = 0; state && i < in->state->count; i++)
        state[i] = random_bits(k);
    if (state && random_bool(k, 80))
        state[STATE_STEP] = (uint32_t)random_int(k, 0, 5 * in->args.steps_per_epoch);
}

static void fill(struct input_case *in)
{
    struct verify_case *c = &in->base;
    uint8_t *bytes = tensor_initial_data(c, in->bytes);
    for (size_t i = 0; i < in->bytes->count; i++)
        bytes[i] = (uint8_t)random_bits(c->check);
    int32_t *labels = in->labels ? tensor_initial_data(c, in->labels) : NULL;
    for (size_t i = 0; labels && i < in->labels->count; i++)
        labels[i] = random_int(c->check, 0, 999);
    fill_state(in);
}

static enum weft_status run_case(struct input_case *in, bool exact)
{
    struct verify_case *c = &in->base;
    struct verify_tensor *outs[] = {in->state, in->batch_labels};
    if (!outs[0]) {
        outs[0] = outs[1];
        outs[1] = NULL;
    }
    struct verify_run *run =
        case_add_run(c, in->state ? "shuffled" : "in order", record,
                     (struct verify_tensor *[]){in->x, outs[0], outs[1], NULL});
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
    a->channels = RANDOM_CHOICE(k, 1, 1, 2, 3, 4);
    int places = RANDOM_CHOICE(k, 1, 3, 5, 7, 13, 49, small ? 9 : 784);
    a->pixels = a->channels * places;
    a->n = small ? random_int(k, 1, 7) : RANDOM_CHOICE(k, 1, 2, 3, 5, 7, 13, 17, 33, 64);
    a->count = a->n * random_int(k, 1, 4) + random_int(k, 0, a->n - 1);
    a->steps_per_epoch = a->count / a->n;
    for (int i = 0; i < 4; i++) {
        a->scale[i] =
            exact ? (float)random_int(k, 1, 9) / 16 : random_float(k, 0.001f, 1);
        a->shift[i] = exact ? (float)random_int(k, -9, 9) : random_float(k, -3, 3);
    }
}

static enum weft_status verify_input_case(struct verify_context *k)
{
    struct input_case in = {0};
    struct verify_case *c = &in.base;
    struct weft_batch_args *a = &in.args;
    bool exact = random_bool(k, 60), shuffled = random_bool(k, 75);
    bool labelled = random_bool(k, 80);
    random_geometry(&in, k, exact);
    case_init(c, k);
    case_describe(c, " %d of %d images, %d bytes, %d channels, %s, labels %s", a->n,
                  a->count, a->pixels, a->channels, shuffled ? "shuffled" : "in order",
                  labelled ? "wanted" : "absent");
    in.bytes = case_add_tensor(c, "bytes", VERIFY_BYTE, a->count, 1, 1, a->pixels);
    in.x = case_add_tensor(c, "x", VERIFY_FLOAT, a->n, 1, 1, a->pixels);
    if (shuffled)
        in.state = case_add_tensor(c, "state", VERIFY_INT32, 1, 1, 1, STATE_WORDS);
    if (shuffled)
        in.state->is_in_out = true;
    if (labelled) {
        in.labels = case_add_tensor(c, "labels", VERIFY_INT32, 1, 1, 1, a->count);
        in.batch_labels = case_add_tensor(c, "batch labels", VERIFY_INT32, 1, 1, 1, a->n);
    }
    tensor_set_fp16(c, in.x, 75);
    enum weft_status status = run_case(&in, exact);
    case_finish(c);
    return status;
}

const struct verify_op verify_input = {"input", verify_input_case, true};
