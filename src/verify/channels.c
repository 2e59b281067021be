/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the primitives on channels: copies, scales by image and channel, shuffles.
 * All are linear, and exact on small integers. */
#include "verify/verify.h"

#include <math.h>

/* An activation fused into the producer of an input; its output, absent for identity. */
struct fused_act {
    struct weft_activation activation;
    struct lab_tensor *output;
};

/* `x` is the input and `y` the output forward, dy and dx backward. */
struct channels_case {
    struct verify_case base;
    struct fused_act act, factors_act;
    struct lab_tensor *x, *y, *dy, *dx;
    struct lab_tensor *factors, *dfactors; /* of scale */
    struct lab_tensor *sums;               /* of dy over positions */
    struct weft_copy_channels_args copy;   /* forward, without views */
    bool zero_rest_backward;
    int n, positions, channels;
    int groups; /* of the shuffle */
};

static struct weft_view view_of(const struct channels_case *s, const struct lab_tensor *t,
                                enum lab_side side)
{
    return lab_view(&s->base.lab, t, side);
}

static struct weft_act_grad act_grad_of(const struct channels_case *s,
                                        const struct fused_act *act, enum lab_side side)
{
    return (struct weft_act_grad){act->activation, view_of(s, act->output, side)};
}

static enum weft_status record_copy(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    struct weft_copy_channels_args args = s->copy;
    args.x = view_of(s, s->x, side);
    args.y = view_of(s, s->y, side);
    return list->primitives->copy_channels(list, &args);
}

static enum weft_status record_copy_back(const struct verify_case *c, enum lab_side side,
                                         struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_copy_channels_args args = {
        .rows = s->copy.rows,
        .count = s->copy.count,
        .x_channels = s->copy.y_channels,
        .x_first = s->copy.y_first,
        .y_channels = s->copy.x_channels,
        .y_first = s->copy.x_first,
        .zero_rest = s->zero_rest_backward,
        .act_grad = act_grad_of(s, &s->act, side),
        .x = view_of(s, s->dy, side),
        .y = view_of(s, s->dx, side),
    };
    return list->primitives->copy_channels(list, &args);
}

static enum weft_status record_scale(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_scale_args args = {
        .n = s->n,
        .positions = s->positions,
        .channels = s->channels,
        .x = view_of(s, s->x, side),
        .scale = view_of(s, s->factors, side),
        .y = view_of(s, s->y, side),
    };
    return list->primitives->scale(list, &args);
}

static enum weft_status record_scale_back(const struct verify_case *c, enum lab_side side,
                                          struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_scale_args args = {
        .n = s->n,
        .positions = s->positions,
        .channels = s->channels,
        .act_grad = act_grad_of(s, &s->act, side),
        .x = view_of(s, s->dy, side),
        .scale = view_of(s, s->factors, side),
        .y = view_of(s, s->dx, side),
    };
    return list->primitives->scale(list, &args);
}

static enum weft_status record_scale_gradient(const struct verify_case *c,
                                              enum lab_side side,
                                              struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_scale_gradient_args args = {
        .n = s->n,
        .positions = s->positions,
        .channels = s->channels,
        .act_grad = act_grad_of(s, &s->factors_act, side),
        .x = view_of(s, s->x, side),
        .dy = view_of(s, s->dy, side),
        .dscale = view_of(s, s->dfactors, side),
    };
    return list->primitives->scale_gradient(list, &args);
}

static enum weft_status record_sums(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_scale_gradient_args args = {
        .n = s->n,
        .positions = s->positions,
        .channels = s->channels,
        .sums = true,
        .act_grad = act_grad_of(s, &s->factors_act, side),
        .dy = view_of(s, s->dy, side),
        .dscale = view_of(s, s->sums, side),
    };
    return list->primitives->scale_gradient(list, &args);
}

static enum weft_status record_shuffle(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_channel_shuffle_args args = {
        .rows = s->n * s->positions,
        .channels = s->channels,
        .groups = s->groups,
        .x = view_of(s, s->x, side),
        .y = view_of(s, s->y, side),
    };
    return list->primitives->channel_shuffle(list, &args);
}

static enum weft_status record_shuffle_back(const struct verify_case *c,
                                            enum lab_side side,
                                            struct weft_command_list *list)
{
    const struct channels_case *s = (const struct channels_case *)c;
    const struct weft_channel_shuffle_args args = {
        .rows = s->n * s->positions,
        .channels = s->channels,
        .groups = s->channels / s->groups,
        .act_grad = act_grad_of(s, &s->act, side),
        .x = view_of(s, s->dy, side),
        .y = view_of(s, s->dx, side),
    };
    return list->primitives->channel_shuffle(list, &args);
}

struct channels_runs {
    struct verify_run *forward, *backward, *factors, *sums;
};

static void fill(struct channels_case *s, bool integers)
{
    struct verify_case *c = &s->base;
    struct lab_tensor *const tensors[] = {s->x, s->y, s->dy, s->dx, s->factors};
    bounds_zero(c);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        if (integers)
            lab_fill_integers(&c->lab, tensors[i], -9, 9);
        else
            lab_fill_uniform(&c->lab, tensors[i], -4, 4);
    tensor_fill_act_outputs(c, s->act.output, s->act.activation, integers);
    tensor_fill_act_outputs(c, s->factors_act.output, s->factors_act.activation,
                            integers);
}

/* The bound of element i of a gradient, a sum of `terms` products of this size, times the
 * derivative of an activation. */
static void bound_gradient(const struct channels_case *s, const struct fused_act *act,
                           struct lab_tensor *t, size_t i, double size, double terms)
{
    double slope = 1, rounding = 0;
    if (act->output) {
        const float *output = lab_initial(&s->base.lab, act->output);
        slope = fabs(act_gradient_reference(act->activation, 0, (double)output[i]));
        rounding = 6 * FP32_UNIT_ROUNDOFF;
    }
    t->bound[i] = size * ((gamma_bound(terms) + FP32_UNIT_ROUNDOFF) * slope + rounding);
}

static bool is_exact(const struct fused_act *act, bool integers)
{
    return integers && (!act->output || act_is_exact(act->activation));
}

/* Copies and shuffles round where an activation's derivative does. */
static void bound_moves(struct channels_case *s, bool integers)
{
    for (size_t i = 0; s->act.output && !is_exact(&s->act, integers) && i < s->dx->count;
         i++)
        bound_gradient(s, &s->act, s->dx, i, 9, 0);
}

static void bound_scale(struct channels_case *s, bool integers)
{
    const struct lab_case *lab = &s->base.lab;
    const float *x = lab_initial(lab, s->x), *dy = lab_initial(lab, s->dy);
    const float *factors = lab_initial(lab, s->factors);
    size_t channels = (size_t)s->channels, image = channels * (size_t)s->positions;
    bool is_rounded = !is_exact(&s->factors_act, integers);
    for (size_t i = 0; i < s->x->count; i++) {
        size_t k = i / image * channels + i % channels;
        double factor = (double)factors[k];
        if (!integers)
            s->y->bound[i] = FP32_UNIT_ROUNDOFF * fabs((double)x[i] * factor);
        if (is_rounded) { /* the sizes of the sums, first */
            s->dfactors->bound[k] += fabs((double)x[i] * (double)dy[i]);
            s->sums->bound[k] += fabs((double)dy[i]);
        }
        if (!is_exact(&s->act, integers))
            bound_gradient(s, &s->act, s->dx, i, fabs((double)dy[i] * factor), 1);
    }
    for (size_t k = 0; is_rounded && k < s->dfactors->count; k++) {
        bound_gradient(s, &s->factors_act, s->dfactors, k, s->dfactors->bound[k],
                       s->positions + 1);
        bound_gradient(s, &s->factors_act, s->sums, k, s->sums->bound[k], s->positions);
    }
}

static enum weft_status check_gradient(struct channels_case *s, struct channels_runs *r,
                                       const char *what, struct verify_run *backward,
                                       const struct fused_act *act,
                                       struct lab_tensor *input,
                                       struct lab_tensor *gradient)
{
    struct verify_case *c = &s->base;
    struct gradient_check check = {.what = what,
                                   .forward = r->forward,
                                   .backward = backward,
                                   .input = input,
                                   .output = s->y,
                                   .gradient = gradient,
                                   .coefficients = s->dy,
                                   .act_output = act->output,
                                   .activation = act->activation,
                                   .step = 0.125};
    fill(s, true);
    if (act->output && !act_is_exact(act->activation)) {
        lab_fill_uniform(&c->lab, input, -1, 1);
        check.step = 0x1p-6;
        check.rounded = true;
    }
    return verify_gradient(c, &check, LAB_REFERENCE);
}

static enum weft_status run_case(struct channels_case *s, struct channels_runs *r,
                                 void (*bound)(struct channels_case *s, bool integers),
                                 bool has_gradient)
{
    struct verify_case *c = &s->base;
    WEFT_TRY(case_allocate(c));
    for (int integers = 1; integers >= 0; integers--) {
        const char *name = integers ? "integers" : "real";
        fill(s, integers);
        bound(s, integers);
        WEFT_TRY(run_and_compare(c, r->forward, name));
        WEFT_TRY(run_and_compare(c, r->backward, name));
        if (r->factors)
            WEFT_TRY(run_and_compare(c, r->factors, name));
        if (r->sums)
            WEFT_TRY(run_and_compare(c, r->sums, name));
    }
    if (!has_gradient || is_fp16_run(c->check))
        return WEFT_OK;
    WEFT_TRY(check_gradient(s, r, "dx", r->backward, &s->act, s->x, s->dx));
    return r->factors ? check_gradient(s, r, "of the factors", r->factors,
                                       &s->factors_act, s->factors, s->dfactors)
                      : WEFT_OK;
}

static void random_size(struct verify_context *k, struct channels_case *s)
{
    bool tiny = k->params->tiny_shapes;
    s->n = tiny ? lab_random_int(&k->random, 1, 2)
                : LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5);
    s->positions = tiny ? lab_random_int(&k->random, 1, 9)
                        : LAB_RANDOM_CHOICE(&k->random, 1, 4, 9, 13, 49, 63, 64, 65, 121);
}

static int random_channels(struct verify_context *k)
{
    return k->params->tiny_shapes
               ? lab_random_int(&k->random, 1, 12)
               : LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 17, 24,
                                   31, 32, 33, 40, 64, 65, 96);
}

static struct lab_tensor *add_tensor(struct channels_case *s, const char *name, int rows,
                                     int channels)
{
    struct lab_tensor *t =
        lab_add_tensor(&s->base.lab, name, LAB_FLOAT, 1, 1, rows, channels);
    tensor_set_fp16(&s->base, t, 75);
    return t;
}

/* x and y with their gradients, and the output of a fused activation. */
static void add_tensors(struct channels_case *s, struct verify_context *k, int rows,
                        int x_channels, int y_channels)
{
    s->act.activation = random_activation(k, true);
    case_describe_act(&s->base, ", activation ", s->act.activation);
    s->x = add_tensor(s, "x", rows, x_channels);
    s->y = add_tensor(s, "y", rows, y_channels);
    s->dy = add_tensor(s, "dy", rows, y_channels);
    s->dx = add_tensor(s, "dx", rows, x_channels);
    if (s->act.activation.act)
        s->act.output = add_tensor(s, "output", rows, x_channels);
}

/* Channels before and behind the copied ones. */
static void random_rest(struct verify_context *k, int count, int *channels, int *first)
{
    *first = lab_random_bool(&k->random, 50) ? 0 : random_channels(k);
    *channels =
        *first + count + (lab_random_bool(&k->random, 50) ? 0 : random_channels(k));
}

static enum weft_status verify_copy_channels_case(struct verify_context *k)
{
    struct channels_case s = {0};
    struct verify_case *c = &s.base;
    struct weft_copy_channels_args *a = &s.copy;
    struct channels_runs r = {0};
    random_size(k, &s);
    a->rows = s.n * s.positions;
    a->count = random_channels(k);
    random_rest(k, a->count, &a->x_channels, &a->x_first);
    random_rest(k, a->count, &a->y_channels, &a->y_first);
    a->zero_rest = lab_random_bool(&k->random, 50);
    s.zero_rest_backward = lab_random_bool(&k->random, 70);
    bool whole = a->zero_rest || a->count == a->y_channels;
    bool whole_backward = s.zero_rest_backward || a->count == a->x_channels;

    case_init(c, k);
    case_describe(c, " %d rows, %d channels from %d of %d to %d of %d, %s, %s backward",
                  a->rows, a->count, a->x_first, a->x_channels, a->y_first, a->y_channels,
                  a->zero_rest ? "rest 0" : "rest kept",
                  s.zero_rest_backward ? "0" : "kept");
    add_tensors(&s, k, a->rows, a->x_channels, a->y_channels);
    s.y->is_in_out = !whole;
    s.dx->is_in_out = !whole_backward;
    s.y->may_be_zero = s.dx->may_be_zero = true;
    r.forward =
        case_add_run(c, "forward", record_copy, (struct lab_tensor *[]){s.y, NULL});
    r.backward = case_add_run(c, "backward", record_copy_back,
                              (struct lab_tensor *[]){s.dx, NULL});
    enum weft_status status = run_case(&s, &r, bound_moves, whole_backward);
    case_finish(c);
    return status;
}

static enum weft_status verify_scale_case(struct verify_context *k)
{
    struct channels_case s = {0};
    struct verify_case *c = &s.base;
    struct channels_runs r = {0};
    random_size(k, &s);
    s.channels = random_channels(k);

    case_init(c, k);
    case_describe(c, " %dx%dx%d", s.n, s.positions, s.channels);
    add_tensors(&s, k, s.n * s.positions, s.channels, s.channels);
    s.factors_act.activation = random_activation(k, true);
    case_describe_act(c, ", of the factors ", s.factors_act.activation);
    s.factors = add_tensor(&s, "factors", s.n, s.channels);
    s.dfactors = add_tensor(&s, "dfactors", s.n, s.channels);
    s.sums = add_tensor(&s, "sums", s.n, s.channels);
    if (s.factors_act.activation.act)
        s.factors_act.output = add_tensor(&s, "factor output", s.n, s.channels);
    r.forward =
        case_add_run(c, "forward", record_scale, (struct lab_tensor *[]){s.y, NULL});
    r.backward = case_add_run(c, "backward", record_scale_back,
                              (struct lab_tensor *[]){s.dx, NULL});
    r.factors = case_add_run(c, "gradient of the factors", record_scale_gradient,
                             (struct lab_tensor *[]){s.dfactors, NULL});
    r.sums = case_add_run(c, "sums of a gradient", record_sums,
                          (struct lab_tensor *[]){s.sums, NULL});
    enum weft_status status = run_case(&s, &r, bound_scale, true);
    case_finish(c);
    return status;
}

static enum weft_status verify_channel_shuffle_case(struct verify_context *k)
{
    struct channels_case s = {0};
    struct verify_case *c = &s.base;
    struct channels_runs r = {0};
    random_size(k, &s);
    s.groups = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 7);
    s.channels = s.groups * lab_random_int(&k->random, 1, 13);

    case_init(c, k);
    case_describe(c, " %dx%dx%d, %d groups", s.n, s.positions, s.channels, s.groups);
    add_tensors(&s, k, s.n * s.positions, s.channels, s.channels);
    r.forward =
        case_add_run(c, "forward", record_shuffle, (struct lab_tensor *[]){s.y, NULL});
    r.backward = case_add_run(c, "backward", record_shuffle_back,
                              (struct lab_tensor *[]){s.dx, NULL});
    enum weft_status status = run_case(&s, &r, bound_moves, true);
    case_finish(c);
    return status;
}

const struct verify_check verify_copy_channels = {"copy-channels",
                                                  verify_copy_channels_case, true};
const struct verify_check verify_scale = {"scale", verify_scale_case, true};
const struct verify_check verify_channel_shuffle = {"channel-shuffle",
                                                    verify_channel_shuffle_case, true};
