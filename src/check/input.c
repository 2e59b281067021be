/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of making a batch. */
#include "check.h"

#include <math.h>

struct input_case {
    struct check_case base;
    struct weft_input_args args; /* all but the views */
    struct check_tensor *state, *bytes, *labels, *x, *batch_labels;
};

static enum weft_status record(const struct check_case *c, enum check_side side,
                               struct weft_list *list)
{
    const struct input_case *in = (const struct input_case *)c;
    struct weft_input_args args = in->args;
    args.state = check_view(c, in->state, side);
    args.bytes = check_view(c, in->bytes, side);
    args.labels = check_view(c, in->labels, side);
    args.x = check_view(c, in->x, side);
    args.batch_labels = check_view(c, in->batch_labels, side);
    return list->device->backend->input(list, &args);
}

/* Any state whose step lies in the first few epochs, or, after two years, far beyond. */
static void fill_state(struct input_case *in)
{
    struct check *k = in->base.check;
    uint32_t *state = in->state ? check_image(&in->base, in->state) : NULL;
    for (size_t i = 0; state && i < in->state->count; i++)
        state[i] = check_bits(k);
    if (state && check_chance(k, 80))
        state[STATE_STEP] = (uint32_t)check_range(k, 0, 5 * in->args.steps_per_epoch);
}

static void fill(struct input_case *in)
{
    struct check_case *c = &in->base;
    uint8_t *bytes = check_image(c, in->bytes);
    for (size_t i = 0; i < in->bytes->count; i++)
        bytes[i] = (uint8_t)check_bits(c->check);
    int32_t *labels = in->labels ? check_image(c, in->labels) : NULL;
    for (size_t i = 0; labels && i < in->labels->count; i++)
        labels[i] = check_range(c->check, 0, 999);
    fill_state(in);
}

static enum weft_status run_case(struct input_case *in, bool exact)
{
    struct check_case *c = &in->base;
    struct check_tensor *outs[] = {in->state, in->batch_labels};
    if (!outs[0]) {
        outs[0] = outs[1];
        outs[1] = NULL;
    }
    struct check_run *run =
        check_run_add(c, in->state ? "shuffled" : "in order", record,
                      (struct check_tensor *[]){in->x, outs[0], outs[1], NULL});
    WEFT_TRY(check_case_place(c));
    check_exact(c);
    double size = 0;
    for (int i = 0; i < in->args.channels; i++)
        size = fmax(size, 255 * fabs((double)in->args.scale[i]) +
                              fabs((double)in->args.shift[i]));
    for (size_t i = 0; !exact && i < in->x->count; i++)
        in->x->bound[i] = 3 * CHECK_UNIT * size;
    for (int i = 0; i < 2; i++) {
        fill(in);
        WEFT_TRY(check_compare(c, run, exact ? "integers" : "real"));
    }
    return WEFT_OK;
}

static void draw(struct input_case *in, struct check *k, bool exact)
{
    struct weft_input_args *a = &in->args;
    bool small = k->params->small;
    a->channels = CHECK_PICK(k, 1, 1, 2, 3, 4);
    int places = CHECK_PICK(k, 1, 3, 5, 7, 13, 49, small ? 9 : 784);
    a->pixels = a->channels * places;
    a->n = small ? check_range(k, 1, 7) : CHECK_PICK(k, 1, 2, 3, 5, 7, 13, 17, 33, 64);
    a->count = a->n * check_range(k, 1, 4) + check_range(k, 0, a->n - 1);
    a->steps_per_epoch = a->count / a->n;
    for (int i = 0; i < 4; i++) {
        a->scale[i] = exact ? (float)check_range(k, 1, 9) / 16 : check_real(k, 0.001f, 1);
        a->shift[i] = exact ? (float)check_range(k, -9, 9) : check_real(k, -3, 3);
    }
}

static enum weft_status run(struct check *k)
{
    struct input_case in = {0};
    struct check_case *c = &in.base;
    struct weft_input_args *a = &in.args;
    bool exact = check_chance(k, 60), shuffled = check_chance(k, 75);
    bool labelled = check_chance(k, 80);
    draw(&in, k, exact);
    check_case_init(c, k);
    check_tell(c, " %d of %d pictures, %d bytes, %d channels, %s, labels %s", a->n,
               a->count, a->pixels, a->channels, shuffled ? "shuffled" : "in order",
               labelled ? "wanted" : "absent");
    in.bytes = check_tensor_add(c, "bytes", CHECK_BYTE, a->count, 1, 1, a->pixels);
    in.x = check_tensor_add(c, "x", CHECK_FLOAT, a->n, 1, 1, a->pixels);
    if (shuffled)
        in.state = check_tensor_add(c, "state", CHECK_WORD, 1, 1, 1, STATE_WORDS);
    if (shuffled)
        in.state->updated = true;
    if (labelled) {
        in.labels = check_tensor_add(c, "labels", CHECK_WORD, 1, 1, 1, a->count);
        in.batch_labels = check_tensor_add(c, "batch labels", CHECK_WORD, 1, 1, 1, a->n);
    }
    check_store(c, in.x, 75);
    enum weft_status status = run_case(&in, exact);
    check_case_finish(c);
    return status;
}

const struct check_op check_input = {"input", run, true};
