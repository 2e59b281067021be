/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of taking a batch normalization into the weights in front of it. */
#include "check.h"

#include <math.h>

struct fold_case {
    struct check_case base;
    struct weft_fold_args args; /* all but the views */
    struct check_tensor *w, *bias, *weight, *shift, *mean, *variance, *out_w, *out_bias;
};

static enum weft_status record(const struct check_case *c, enum check_side side,
                               struct weft_list *list)
{
    const struct fold_case *f = (const struct fold_case *)c;
    struct weft_fold_args args = f->args;
    args.w = check_view(c, f->w, side);
    args.bias = check_view(c, f->bias, side);
    args.weight = check_view(c, f->weight, side);
    args.shift = check_view(c, f->shift, side);
    args.mean = check_view(c, f->mean, side);
    args.variance = check_view(c, f->variance, side);
    args.out_w = check_view(c, f->out_w, side);
    args.out_bias = check_view(c, f->out_bias, side);
    return list->device->backend->fold(list, &args);
}

static double at(const struct fold_case *f, const struct check_tensor *t, size_t i,
                 double otherwise)
{
    return t ? (double)((const float *)check_image(&f->base, t))[i] : otherwise;
}

static void set_bounds(struct fold_case *f)
{
    size_t channels = (size_t)f->args.channels;
    for (size_t i = 0; i < f->out_w->count; i++) {
        size_t k = i % channels;
        double scale = at(f, f->weight, k, 0) /
                       sqrt(at(f, f->variance, k, 0) + (double)f->args.epsilon);
        double from = fabs(at(f, f->bias, k, 0)) + fabs(at(f, f->mean, k, 0));
        f->out_w->bound[i] = 8 * CHECK_ULP * fabs(at(f, f->w, i, 1) * scale) + CHECK_TINY;
        if (f->out_bias)
            f->out_bias->bound[k] =
                9 * CHECK_ULP * (from * fabs(scale) + fabs(at(f, f->shift, k, 0))) +
                CHECK_TINY;
    }
}

static enum weft_status run_case(struct fold_case *f)
{
    struct check_case *c = &f->base;
    struct check_run *run = check_run_add(
        c, "forward", record, (struct check_tensor *[]){f->out_w, f->out_bias, NULL});
    WEFT_TRY(check_case_place(c));
    check_reals(c, f->w, -1, 1);
    check_reals(c, f->bias, -1, 1);
    check_reals(c, f->weight, -1, 1);
    check_reals(c, f->shift, -1, 1);
    check_reals(c, f->mean, -1, 1);
    check_reals(c, f->variance, 0, 2);
    set_bounds(f);
    return check_compare(c, run, "real");
}

static enum weft_status run(struct check *k)
{
    struct fold_case f = {0};
    struct check_case *c = &f.base;
    int channels = CHECK_PICK(k, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 32, 33, 40, 65);
    int rows = k->params->small ? CHECK_PICK(k, 1, 2, 9)
                                : CHECK_PICK(k, 1, 4, 9, 63, 64, 65, 288);
    bool weights = check_chance(k, 70), bias = check_chance(k, 50),
         out_bias = check_chance(k, 70);
    f.args.rows = weights ? rows : 1;
    f.args.channels = channels;
    f.args.epsilon = CHECK_PICK(k, 0, 1) ? 1e-5f : 0.25f;

    check_case_init(c, k);
    check_tell(c, " %d rows of %d, epsilon %g, weights %s, bias %s, out_bias %s",
               f.args.rows, channels, (double)f.args.epsilon,
               weights ? "there" : "absent", bias ? "there" : "absent",
               out_bias ? "wanted" : "absent");
    if (weights)
        f.w = check_tensor_add(c, "w", CHECK_FLOAT, rows, 1, 1, channels);
    if (bias)
        f.bias = check_tensor_add(c, "bias", CHECK_FLOAT, 1, 1, 1, channels);
    f.weight = check_tensor_add(c, "weight", CHECK_FLOAT, 1, 1, 1, channels);
    f.shift = check_tensor_add(c, "shift", CHECK_FLOAT, 1, 1, 1, channels);
    f.mean = check_tensor_add(c, "mean", CHECK_FLOAT, 1, 1, 1, channels);
    f.variance = check_tensor_add(c, "variance", CHECK_FLOAT, 1, 1, 1, channels);
    f.out_w = check_tensor_add(c, "out_w", CHECK_FLOAT, f.args.rows, 1, 1, channels);
    if (out_bias)
        f.out_bias = check_tensor_add(c, "out_bias", CHECK_FLOAT, 1, 1, 1, channels);
    check_store(c, f.out_w, 75);
    enum weft_status status = run_case(&f);
    check_case_finish(c);
    return status;
}

const struct check_op check_fold = {"fold", run, true};
