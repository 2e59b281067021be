/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of batch normalization. The bounds hold for sums of distances from a value near
 * the mean; the mean of squares minus the square of the mean exceeds them where the mean
 * is large. */
#include "verify/verify.h"

#include <math.h>

struct norm_case {
    struct verify_case base;
    struct weft_batch_norm_args args; /* all but the views */
    struct lab_tensor *x, *weight, *bias, *running_mean, *running_variance;
    struct lab_tensor *mean, *inverse, *scale, *y, *dy, *dx, *dweight, *dbias;
};

static struct weft_batch_norm_args arguments(const struct verify_case *c,
                                             enum lab_side side)
{
    const struct norm_case *n = (const struct norm_case *)c;
    struct weft_batch_norm_args args = n->args;
    args.x = lab_view(&c->lab, n->x, side);
    args.weight = lab_view(&c->lab, n->weight, side);
    args.bias = lab_view(&c->lab, n->bias, side);
    args.running_mean = lab_view(&c->lab, n->running_mean, side);
    args.running_variance = lab_view(&c->lab, n->running_variance, side);
    args.mean = lab_view(&c->lab, n->mean, side);
    args.inverse = lab_view(&c->lab, n->inverse, side);
    args.scale = lab_view(&c->lab, n->scale, side);
    args.y = lab_view(&c->lab, n->y, side);
    args.dy = lab_view(&c->lab, n->dy, side);
    args.dx = lab_view(&c->lab, n->dx, side);
    args.dweight = lab_view(&c->lab, n->dweight, side);
    args.dbias = lab_view(&c->lab, n->dbias, side);
    return args;
}

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct weft_batch_norm_args args = arguments(c, side);
    return list->primitives->batch_norm_forward(list, &args);
}

static enum weft_status record_apply(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    const struct weft_batch_norm_args all = arguments(c, side);
    const struct weft_batch_norm_args args = {.rows = all.rows,
                                              .channels = all.channels,
                                              .activation = all.activation,
                                              .x = all.x,
                                              .bias = all.bias,
                                              .mean = all.mean,
                                              .scale = all.scale,
                                              .y = all.y};
    return list->primitives->batch_norm_inference(list, &args);
}

static enum weft_status record_backward(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct weft_batch_norm_args args = arguments(c, side);
    return list->primitives->batch_norm_backward(list, &args);
}

/* Only the gradients of the parameters: no layer before this one has any. */
static enum weft_status record_first(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    struct weft_batch_norm_args args = arguments(c, side);
    args.dx = (struct weft_view){0};
    return list->primitives->batch_norm_backward(list, &args);
}

static enum weft_status record_both(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    WEFT_TRY(record_forward(c, side, list));
    return record_backward(c, side, list);
}

struct batch_norm_runs {
    struct verify_run *forward, *apply, *backward, *first, *both;
};

static void add_runs(struct norm_case *n, struct batch_norm_runs *r)
{
    struct verify_case *c = &n->base;
    struct lab_tensor *const moved[] = {
        n->y, n->mean, n->inverse, n->scale, n->running_mean, n->running_variance, NULL};
    struct lab_tensor *const all[] = {
        n->y,  n->mean,    n->inverse, n->scale, n->running_mean, n->running_variance,
        n->dx, n->dweight, n->dbias,   NULL};
    r->forward = case_add_run(c, "forward", record_forward, moved);
    r->apply =
        case_add_run(c, "apply", record_apply, (struct lab_tensor *[]){n->y, NULL});
    r->backward =
        case_add_run(c, "backward", record_backward,
                     (struct lab_tensor *[]){n->dx, n->dweight, n->dbias, NULL});
    r->first = case_add_run(c, "backward without dx", record_first,
                            (struct lab_tensor *[]){n->dweight, n->dbias, NULL});
    r->both = case_add_run(c, "both", record_both, all);
}

/* Mean and variance of a channel of the initial contents, and their error bounds. */
struct moments {
    double mean, variance, mean_bound, variance_bound;
};

static struct moments moments_of(const struct norm_case *n, int channel)
{
    const float *x = lab_initial(&n->base.lab, n->x);
    size_t rows = (size_t)n->args.rows, step = (size_t)n->args.channels;
    struct moments m = {0};
    double far = 0;
    for (size_t i = 0; i < rows; i++)
        m.mean += (double)x[i * step + (size_t)channel] / (double)rows;
    for (size_t i = 0; i < rows; i++) {
        double off = (double)x[i * step + (size_t)channel] - m.mean;
        m.variance += off * off / (double)rows;
        far = fmax(far, fabs(off));
    }
    /* The terms are at most 2 from the mean; partial means are rounded and merged. */
    m.mean_bound = 4 * FP32_UNIT_ROUNDOFF * fabs(m.mean) +
                   gamma_bound((double)rows + 4) * 2 * far + FP32_MIN_NORMAL;
    m.variance_bound = gamma_bound((double)rows + 8) * m.variance +
                       4 * m.mean_bound * (sqrt(m.variance) + m.mean_bound);
    return m;
}

static double inverse_at(double variance, double epsilon)
{
    return 1 / sqrt(fmax(variance, 0) + epsilon);
}

static void bound_channel(struct norm_case *n, int k, const struct moments *m,
                          double *scale_bound)
{
    struct verify_case *c = &n->base;
    const struct weft_batch_norm_args *a = &n->args;
    double epsilon = (double)a->epsilon, momentum = (double)a->momentum;
    double inverse = inverse_at(m->variance, epsilon);
    double low = inverse - inverse_at(m->variance + m->variance_bound, epsilon);
    double high = inverse_at(m->variance - m->variance_bound, epsilon) - inverse;
    double inverse_bound = fmax(low, high) + 8 * FP32_EPSILON * inverse;
    double weight = fabs((double)((const float *)lab_initial(&c->lab, n->weight))[k]);
    double old_mean = (double)((const float *)lab_initial(&c->lab, n->running_mean))[k];
    double old = (double)((const float *)lab_initial(&c->lab, n->running_variance))[k];
    double spread = a->rows > 1 ? (double)a->rows / (a->rows - 1) : 1;
    *scale_bound = weight * (inverse_bound + FP32_EPSILON * inverse);
    n->mean->bound[k] = m->mean_bound + FP32_UNIT_ROUNDOFF * fabs(m->mean);
    n->inverse->bound[k] = inverse_bound;
    n->scale->bound[k] = *scale_bound;
    n->running_mean->bound[k] = momentum * m->mean_bound +
                                4 * FP32_UNIT_ROUNDOFF * (fabs(old_mean) + fabs(m->mean));
    n->running_variance->bound[k] = momentum * spread * m->variance_bound +
                                    FP32_EPSILON * 4 * (fabs(old) + spread * m->variance);
}

/* Error bound of y, given those of mean and scale. */
static void bound_output(struct norm_case *n, int k, double mean, double scale,
                         double mean_bound, double scale_bound)
{
    struct verify_case *c = &n->base;
    const float *x = lab_initial(&c->lab, n->x);
    double bias = (double)((const float *)lab_initial(&c->lab, n->bias))[k];
    size_t step = (size_t)n->args.channels;
    for (size_t i = (size_t)k; i < n->x->count; i += step) {
        double off = (double)x[i] - mean, z = off * scale + bias;
        double size = fabs(off * scale) + fabs(bias);
        double bound = fabs(off) * scale_bound +
                       (fabs(scale) + scale_bound) * mean_bound +
                       4 * FP32_UNIT_ROUNDOFF * size;
        double y = act_reference(n->args.activation, z);
        n->y->bound[i] = act_error_bound(n->args.activation, size, bound, y) +
                         FP32_UNIT_ROUNDOFF * fabs(y) + FP32_MIN_NORMAL;
    }
}

static void bound_forward(struct norm_case *n)
{
    const float *weight = lab_initial(&n->base.lab, n->weight);
    for (int k = 0; k < n->args.channels; k++) {
        struct moments m = moments_of(n, k);
        double scale_bound,
            scale = (double)weight[k] * inverse_at(m.variance, (double)n->args.epsilon);
        bound_channel(n, k, &m, &scale_bound);
        bound_output(n, k, m.mean, scale, m.mean_bound, scale_bound);
    }
}

/* The reference's mean, inverse and scale, as inputs of both sides. */
static enum weft_status set_statistics(struct norm_case *n, struct batch_norm_runs *r)
{
    struct verify_case *c = &n->base;
    struct lab_tensor *const given[] = {n->mean, n->inverse, n->scale};
    WEFT_TRY(run_execute(c, r->forward, LAB_REFERENCE));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(given); i++) {
        const float *from = lab_result(&c->lab, given[i], LAB_REFERENCE);
        float *to = lab_initial(&c->lab, given[i]);
        for (size_t k = 0; k < given[i]->count; k++)
            to[k] = from[k];
    }
    return WEFT_OK;
}

static void bound_apply(struct norm_case *n)
{
    const float *mean = lab_initial(&n->base.lab, n->mean);
    const float *scale = lab_initial(&n->base.lab, n->scale);
    for (int k = 0; k < n->args.channels; k++)
        bound_output(n, k, (double)mean[k], (double)scale[k], 0, 0);
}

/* g = dy act'(z) and normal = (x - mean) inverse of one position, and their error bounds.
 */
struct grad_element {
    double g, g_bound, normal, normal_bound;
};

static struct grad_element place_at(const struct norm_case *n, size_t i)
{
    const struct verify_case *c = &n->base;
    size_t k = i % (size_t)n->args.channels;
    double off = (double)((const float *)lab_initial(&c->lab, n->x))[i] -
                 (double)((const float *)lab_initial(&c->lab, n->mean))[k];
    double scaled = off * (double)((const float *)lab_initial(&c->lab, n->scale))[k];
    double bias = (double)((const float *)lab_initial(&c->lab, n->bias))[k];
    double dy = (double)((const float *)lab_initial(&c->lab, n->dy))[i];
    double z = scaled + bias,
           z_bound = 4 * FP32_UNIT_ROUNDOFF * (fabs(scaled) + fabs(bias));
    struct weft_activation act = n->args.activation;
    struct grad_element p = {
        .g = dy * act_gradient_reference(act, z, act_reference(act, z)),
        .g_bound = fabs(dy) * act_gradient_error_bound(act, z, z_bound) + FP32_MIN_NORMAL,
        .normal = off * (double)((const float *)lab_initial(&c->lab, n->inverse))[k],
    };
    p.g_bound += FP32_EPSILON * fabs(p.g);
    p.normal_bound = 3 * FP32_UNIT_ROUNDOFF * fabs(p.normal);
    return p;
}

static void bound_backward(struct norm_case *n)
{
    double rows = n->args.rows, gamma = gamma_bound(rows + 4);
    size_t step = (size_t)n->args.channels;
    const float *scales = lab_initial(&n->base.lab, n->scale);
    for (size_t k = 0; k < step; k++) {
        double sum = 0, product = 0, sum_bound = FP32_MIN_NORMAL,
               product_bound = FP32_MIN_NORMAL;
        for (size_t i = k; i < n->x->count; i += step) {
            struct grad_element p = place_at(n, i);
            sum += p.g;
            product += p.g * p.normal;
            sum_bound += p.g_bound + gamma * fabs(p.g);
            product_bound += (p.g_bound + gamma * fabs(p.g)) * fabs(p.normal) +
                             (p.g_bound + fabs(p.g)) * p.normal_bound;
        }
        n->dbias->bound[k] = sum_bound;
        n->dweight->bound[k] = product_bound;
        for (size_t i = k; i < n->x->count; i += step) {
            struct grad_element p = place_at(n, i);
            double size = fabs(p.g) + (fabs(sum) + fabs(p.normal * product)) / rows;
            double off = sum_bound + fabs(p.normal) * product_bound +
                         p.normal_bound * (fabs(product) + product_bound);
            n->dx->bound[i] = fabs((double)scales[k]) * (p.g_bound + off / rows +
                                                         8 * FP32_UNIT_ROUNDOFF * size) +
                              FP32_MIN_NORMAL;
        }
    }
}

/* Channels of small integers around means of very different magnitudes. */
static void fill_integers(struct norm_case *n)
{
    struct verify_case *c = &n->base;
    float *x = lab_initial(&c->lab, n->x);
    lab_fill_integers(&c->lab, n->x, -9, 9);
    for (int k = 0; k < n->args.channels; k++) {
        int mean = LAB_RANDOM_CHOICE(&c->check->random, 0, 5, -300, 9000, -40000);
        for (size_t i = (size_t)k; i < n->x->count; i += (size_t)n->args.channels)
            x[i] += (float)mean;
    }
    lab_quantize(&c->lab, n->x);
    lab_fill_nonzero(&c->lab, n->weight, 3);
    lab_fill_integers(&c->lab, n->bias, -3, 3);
    lab_fill_integers(&c->lab, n->running_mean, -9, 9);
    lab_fill_integers(&c->lab, n->running_variance, 0, 9);
    lab_fill_integers(&c->lab, n->dy, -9, 9);
}

static void fill_reals(struct norm_case *n)
{
    struct verify_case *c = &n->base;
    lab_fill_uniform(&c->lab, n->x, -1, 1);
    lab_fill_uniform(&c->lab, n->weight, -1, 1);
    lab_fill_uniform(&c->lab, n->bias, -1, 1);
    lab_fill_uniform(&c->lab, n->running_mean, -1, 1);
    lab_fill_uniform(&c->lab, n->running_variance, 0, 2);
    lab_fill_uniform(&c->lab, n->dy, -1, 1);
}

static enum weft_status compare_all(struct norm_case *n, struct batch_norm_runs *r,
                                    const char *fill)
{
    bound_forward(n);
    WEFT_TRY(run_and_compare(&n->base, r->forward, fill));
    WEFT_TRY(set_statistics(n, r));
    bound_apply(n);
    WEFT_TRY(run_and_compare(&n->base, r->apply, fill));
    bound_backward(n);
    WEFT_TRY(run_and_compare(&n->base, r->backward, fill));
    return run_and_compare(&n->base, r->first, fill);
}

/* Rows far enough apart for a finite difference; activations without a kink. */
static enum weft_status verify_gradients(struct norm_case *n, struct batch_norm_runs *r)
{
    struct verify_case *c = &n->base;
    struct {
        const char *what;
        struct lab_tensor *input, *gradient;
    } sides[] = {{"dx", n->x, n->dx},
                 {"dweight", n->weight, n->dweight},
                 {"dbias", n->bias, n->dbias}};
    if (act_is_kinked(n->args.activation) || n->dx == n->dy)
        return WEFT_OK;
    fill_reals(n);
    float *x = lab_initial(&c->lab, n->x);
    for (size_t i = 0; i < n->x->count; i++)
        x[i] += i / (size_t)n->args.channels % 2 ? 2.0f : -2.0f;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(sides); i++) {
        const struct gradient_check slope = {.what = sides[i].what,
                                             .forward = r->forward,
                                             .backward = r->both,
                                             .input = sides[i].input,
                                             .output = n->y,
                                             .gradient = sides[i].gradient,
                                             .coefficients = n->dy,
                                             .step = 0x1p-6,
                                             .tolerance = 5e-4};
        WEFT_TRY(verify_gradient(c, &slope, LAB_REFERENCE));
    }
    return WEFT_OK;
}

static enum weft_status run_case(struct norm_case *n)
{
    struct batch_norm_runs r;
    add_runs(n, &r);
    WEFT_TRY(case_allocate(&n->base));
    fill_integers(n);
    WEFT_TRY(compare_all(n, &r, "integers"));
    fill_reals(n);
    WEFT_TRY(compare_all(n, &r, "real"));
    return is_fp16_run(n->base.check) ? WEFT_OK : verify_gradients(n, &r);
}

static void add_tensors(struct norm_case *n, int images, int height, int width,
                        bool in_place)
{
    struct verify_case *c = &n->base;
    int channels = n->args.channels;
    struct {
        const char *name;
        struct lab_tensor **tensor;
    } vectors[] = {{"weight", &n->weight},
                   {"bias", &n->bias},
                   {"running_mean", &n->running_mean},
                   {"running_variance", &n->running_variance},
                   {"mean", &n->mean},
                   {"inverse", &n->inverse},
                   {"scale", &n->scale},
                   {"dweight", &n->dweight},
                   {"dbias", &n->dbias}};
    n->x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, images, height, width, channels);
    n->y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, images, height, width, channels);
    n->dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, images, height, width, channels);
    n->dx = in_place ? n->dy
                     : lab_add_tensor(&c->lab, "dx", LAB_FLOAT, images, height, width,
                                      channels);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(vectors); i++)
        *vectors[i].tensor =
            lab_add_tensor(&c->lab, vectors[i].name, LAB_FLOAT, 1, 1, 1, channels);
    n->running_mean->is_in_out = n->running_variance->is_in_out = true;
    n->dy->is_in_out = in_place;
    /* A single row is its own mean, and all of a channel may be below zero. */
    n->dweight->may_be_zero = n->args.rows < 3;
    n->dx->may_be_zero = n->args.rows < 3 || channels < 4;
    n->running_variance->may_be_zero = n->args.rows < 3;
    n->y->may_be_zero = true;
}

static enum weft_status verify_norm_case(struct verify_context *k)
{
    struct norm_case n = {.args.activation = random_act_parameters(
                              k, (enum weft_act)(k->number % WEFT_ACT_COUNT), true)};
    struct verify_case *c = &n.base;
    struct weft_batch_norm_args *a = &n.args;
    int images, height, width, limit = k->params->tiny_shapes ? 600 : 60000;
    do {
        images = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 16, 61);
        height = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        width = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        a->channels = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31,
                                        32, 33, 40, 65, 128, 257);
    } while (images * height * width * a->channels > limit);
    a->rows = images * height * width;
    a->momentum = (float)LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 5, 10) / 10.0f;
    a->epsilon = LAB_RANDOM_CHOICE(&k->random, 0, 1) ? 1e-5f : 0.25f;
    bool in_place = lab_random_bool(&k->random, 20);

    case_init(c, k);
    case_describe(c, " %dx%dx%dx%d, momentum %g, epsilon %g%s", images, height, width,
                  a->channels, (double)a->momentum, (double)a->epsilon,
                  in_place ? ", dx is dy" : "");
    case_describe_act(c, ", ", a->activation);
    add_tensors(&n, images, height, width, in_place);
    tensor_set_fp16(c, n.x, 75);
    tensor_set_fp16(c, n.y, 75);
    tensor_set_fp16(c, n.dy, 75);
    if (!in_place)
        tensor_set_fp16(c, n.dx, 75);
    enum weft_status status = run_case(&n);
    case_finish(c);
    return status;
}

const struct verify_check verify_batch_norm = {"batch-norm", verify_norm_case, true};
