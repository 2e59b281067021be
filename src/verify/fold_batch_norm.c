/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of folding a batch normalization into the weights before it. */
#include "verify/verify.h"

#include <math.h>

struct fold_case {
    struct verify_case base;
    struct weft_fold_batch_norm_args args; /* all but the views */
    struct lab_tensor *w, *bias, *weight, *shift, *mean, *variance, *out_w, *out_bias;
};

static enum weft_status record(const struct verify_case *c, enum lab_side side,
                               struct weft_command_list *list)
{
    const struct fold_case *f = (const struct fold_case *)c;
    struct weft_fold_batch_norm_args args = f->args;
    args.w = lab_view(&c->lab, f->w, side);
    args.bias = lab_view(&c->lab, f->bias, side);
    args.weight = lab_view(&c->lab, f->weight, side);
    args.shift = lab_view(&c->lab, f->shift, side);
    args.mean = lab_view(&c->lab, f->mean, side);
    args.variance = lab_view(&c->lab, f->variance, side);
    args.out_w = lab_view(&c->lab, f->out_w, side);
    args.out_bias = lab_view(&c->lab, f->out_bias, side);
    return list->primitives->fold_batch_norm(list, &args);
}

static double at(const struct fold_case *f, const struct lab_tensor *t, size_t i,
                 double otherwise)
{
    return t ? (double)((const float *)lab_initial(&f->base.lab, t))[i] : otherwise;
}

static void set_bounds(struct fold_case *f)
{
    size_t channels = (size_t)f->args.channels;
    for (size_t i = 0; i < f->out_w->count; i++) {
        size_t k = i % channels;
        double scale = at(f, f->weight, k, 0) /
                       sqrt(at(f, f->variance, k, 0) + (double)f->args.epsilon);
        double from = fabs(at(f, f->bias, k, 0)) + fabs(at(f, f->mean, k, 0));
        f->out_w->bound[i] =
            8 * FP32_EPSILON * fabs(at(f, f->w, i, 1) * scale) + FP32_MIN_NORMAL;
        if (f->out_bias)
            f->out_bias->bound[k] =
                9 * FP32_EPSILON * (from * fabs(scale) + fabs(at(f, f->shift, k, 0))) +
                FP32_MIN_NORMAL;
    }
}

static enum weft_status run_case(struct fold_case *f)
{
    struct verify_case *c = &f->base;
    struct verify_run *run = case_add_run(
        c, "forward", record, (struct lab_tensor *[]){f->out_w, f->out_bias, NULL});
    WEFT_TRY(case_allocate(c));
    lab_fill_uniform(&c->lab, f->w, -1, 1);
    lab_fill_uniform(&c->lab, f->bias, -1, 1);
    lab_fill_uniform(&c->lab, f->weight, -1, 1);
    lab_fill_uniform(&c->lab, f->shift, -1, 1);
    lab_fill_uniform(&c->lab, f->mean, -1, 1);
    lab_fill_uniform(&c->lab, f->variance, 0, 2);
    set_bounds(f);
    return run_and_compare(c, run, "real");
}

static enum weft_status verify_fold_case(struct verify_context *k)
{
    struct fold_case f = {0};
    struct verify_case *c = &f.base;
    int channels =
        LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 32, 33, 40, 65);
    int rows = k->params->tiny_shapes
                   ? LAB_RANDOM_CHOICE(&k->random, 1, 2, 9)
                   : LAB_RANDOM_CHOICE(&k->random, 1, 4, 9, 63, 64, 65, 288);
    bool weights = lab_random_bool(&k->random, 70),
         bias = lab_random_bool(&k->random, 50),
         out_bias = lab_random_bool(&k->random, 70);
    f.args.rows = weights ? rows : 1;
    f.args.channels = channels;
    f.args.epsilon = LAB_RANDOM_CHOICE(&k->random, 0, 1) ? 1e-5f : 0.25f;

    case_init(c, k);
    case_describe(c, " %d rows of %d, epsilon %g, weights %s, bias %s, out_bias %s",
                  f.args.rows, channels, (double)f.args.epsilon,
                  weights ? "there" : "absent", bias ? "there" : "absent",
                  out_bias ? "present" : "absent");
    if (weights)
        f.w = lab_add_tensor(&c->lab, "w", LAB_FLOAT, rows, 1, 1, channels);
    if (bias)
        f.bias = lab_add_tensor(&c->lab, "bias", LAB_FLOAT, 1, 1, 1, channels);
    f.weight = lab_add_tensor(&c->lab, "weight", LAB_FLOAT, 1, 1, 1, channels);
    f.shift = lab_add_tensor(&c->lab, "shift", LAB_FLOAT, 1, 1, 1, channels);
    f.mean = lab_add_tensor(&c->lab, "mean", LAB_FLOAT, 1, 1, 1, channels);
    f.variance = lab_add_tensor(&c->lab, "variance", LAB_FLOAT, 1, 1, 1, channels);
    f.out_w = lab_add_tensor(&c->lab, "out_w", LAB_FLOAT, f.args.rows, 1, 1, channels);
    if (out_bias)
        f.out_bias = lab_add_tensor(&c->lab, "out_bias", LAB_FLOAT, 1, 1, 1, channels);
    tensor_set_fp16(c, f.out_w, 75);
    enum weft_status status = run_case(&f);
    case_finish(c);
    return status;
}

const struct verify_check verify_fold_batch_norm = {"fold-batch-norm", verify_fold_case,
                                                    true};
