/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of layer normalization. The bounds hold for sums of distances from a value near
 * the mean of a row, as those of batch normalization. */
#include "verify/verify.h"

#include <math.h>

struct layer_norm_case {
    struct verify_case base;
    struct weft_layer_norm_args args; /* all but the views */
    struct lab_tensor *x, *weight, *bias, *mean, *inverse;
    struct lab_tensor *y, *dy, *dx, *dweight, *dbias;
};

static struct weft_layer_norm_args arguments(const struct verify_case *c,
                                             enum lab_side side)
{
    const struct layer_norm_case *n = (const struct layer_norm_case *)c;
    struct weft_layer_norm_args args = n->args;
    args.x = lab_view(&c->lab, n->x, side);
    args.weight = lab_view(&c->lab, n->weight, side);
    args.bias = lab_view(&c->lab, n->bias, side);
    args.mean = lab_view(&c->lab, n->mean, side);
    args.inverse = lab_view(&c->lab, n->inverse, side);
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
    const struct weft_layer_norm_args args = arguments(c, side);
    return list->primitives->layer_norm_forward(list, &args);
}

/* Without mean and inverse, as at inference. */
static enum weft_status record_inference(const struct verify_case *c, enum lab_side side,
                                         struct weft_command_list *list)
{
    struct weft_layer_norm_args args = arguments(c, side);
    args.mean = args.inverse = (struct weft_view){0};
    return list->primitives->layer_norm_forward(list, &args);
}

static enum weft_status record_backward(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct weft_layer_norm_args args = arguments(c, side);
    return list->primitives->layer_norm_backward(list, &args);
}

/* Only the gradients of the parameters. */
static enum weft_status record_first(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    struct weft_layer_norm_args args = arguments(c, side);
    args.dx = (struct weft_view){0};
    return list->primitives->layer_norm_backward(list, &args);
}

static enum weft_status record_both(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    WEFT_TRY(record_forward(c, side, list));
    return record_backward(c, side, list);
}

struct layer_norm_runs {
    struct verify_run *forward, *inference, *backward, *first, *both;
};

static void add_runs(struct layer_norm_case *n, struct layer_norm_runs *r)
{
    struct verify_case *c = &n->base;
    r->forward = case_add_run(c, "forward", record_forward,
                              (struct lab_tensor *[]){n->y, n->mean, n->inverse, NULL});
    r->inference = case_add_run(c, "inference", record_inference,
                                (struct lab_tensor *[]){n->y, NULL});
    r->backward =
        case_add_run(c, "backward", record_backward,
                     (struct lab_tensor *[]){n->dx, n->dweight, n->dbias, NULL});
    r->first = case_add_run(c, "backward without dx", record_first,
                            (struct lab_tensor *[]){n->dweight, n->dbias, NULL});
    r->both = case_add_run(c, "both", record_both,
                           (struct lab_tensor *[]){n->y, n->mean, n->inverse, n->dx,
                                                   n->dweight, n->dbias, NULL});
}

static double value(const struct layer_norm_case *n, const struct lab_tensor *t, size_t i)
{
    return (double)((const float *)lab_initial(&n->base.lab, t))[i];
}

/* Mean and inverse standard deviation of a row, and their error bounds. */
struct row_moments {
    double mean, inverse, mean_bound, inverse_bound;
};

static double inverse_at(double variance, double epsilon)
{
    return 1 / sqrt(fmax(variance, 0) + epsilon);
}

static struct row_moments moments_of(const struct layer_norm_case *n, size_t row)
{
    size_t channels = (size_t)n->args.channels;
    struct row_moments m = {0};
    double variance = 0, far = 0, epsilon = (double)n->args.epsilon;
    for (size_t k = 0; k < channels; k++)
        m.mean += value(n, n->x, row * channels + k) / n->args.channels;
    for (size_t k = 0; k < channels; k++) {
        double off = value(n, n->x, row * channels + k) - m.mean;
        variance += off * off / n->args.channels;
        far = fmax(far, fabs(off));
    }
    /* The terms are at most 2 far; the mean is rounded. */
    m.mean_bound = 4 * FP32_UNIT_ROUNDOFF * fabs(m.mean) +
                   gamma_bound(n->args.channels + 4.0) * 2 * far + FP32_MIN_NORMAL;
    double variance_bound = gamma_bound(n->args.channels + 8.0) * variance +
                            4 * m.mean_bound * (sqrt(variance) + m.mean_bound);
    m.inverse = inverse_at(variance, epsilon);
    m.inverse_bound = fmax(m.inverse - inverse_at(variance + variance_bound, epsilon),
                           inverse_at(variance - variance_bound, epsilon) - m.inverse) +
                      8 * FP32_EPSILON * m.inverse;
    return m;
}

static void bound_forward(struct layer_norm_case *n)
{
    size_t channels = (size_t)n->args.channels;
    for (size_t row = 0; row < (size_t)n->args.rows; row++) {
        struct row_moments m = moments_of(n, row);
        n->mean->bound[row] = m.mean_bound + FP32_UNIT_ROUNDOFF * fabs(m.mean);
        n->inverse->bound[row] = m.inverse_bound;
        for (size_t k = 0; k < channels; k++) {
            size_t i = row * channels + k;
            double off = value(n, n->x, i) - m.mean, x_hat = off * m.inverse;
            double weight = value(n, n->weight, k), bias = value(n, n->bias, k);
            double size = fabs(x_hat * weight) + fabs(bias);
            double bound = (fabs(off) * m.inverse_bound +
                            (m.inverse + m.inverse_bound) * m.mean_bound) *
                               fabs(weight) +
                           5 * FP32_UNIT_ROUNDOFF * size;
            double y = act_reference(n->args.activation, x_hat * weight + bias);
            n->y->bound[i] = act_error_bound(n->args.activation, size, bound, y) +
                             FP32_UNIT_ROUNDOFF * fabs(y) + FP32_MIN_NORMAL;
        }
    }
}

/* The reference's mean and inverse, as inputs of both sides. */
static enum weft_status set_statistics(struct layer_norm_case *n,
                                       struct layer_norm_runs *r)
{
    struct verify_case *c = &n->base;
    struct lab_tensor *const given[] = {n->mean, n->inverse};
    WEFT_TRY(run_execute(c, r->forward, LAB_REFERENCE));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(given); i++) {
        const float *from = lab_result(&c->lab, given[i], LAB_REFERENCE);
        float *to = lab_initial(&c->lab, given[i]);
        for (size_t k = 0; k < given[i]->count; k++)
            to[k] = from[k];
    }
    return WEFT_OK;
}

/* g = dy act'(z) and x_hat of one element, and their error bounds. */
struct layer_norm_element {
    double g, g_bound, x_hat, x_hat_bound;
};

static struct layer_norm_element element_at(const struct layer_norm_case *n, size_t i)
{
    size_t row = i / (size_t)n->args.channels, k = i % (size_t)n->args.channels;
    double x_hat =
        (value(n, n->x, i) - value(n, n->mean, row)) * value(n, n->inverse, row);
    double scaled = x_hat * value(n, n->weight, k), bias = value(n, n->bias, k);
    double dy = value(n, n->dy, i), z = scaled + bias;
    double z_bound = 6 * FP32_UNIT_ROUNDOFF * (fabs(scaled) + fabs(bias));
    struct weft_activation act = n->args.activation;
    struct layer_norm_element e = {
        .g = dy * act_gradient_reference(act, z, act_reference(act, z)),
        .g_bound = fabs(dy) * act_gradient_error_bound(act, z, z_bound) + FP32_MIN_NORMAL,
        .x_hat = x_hat,
        .x_hat_bound = 3 * FP32_UNIT_ROUNDOFF * fabs(x_hat),
    };
    e.g_bound += FP32_EPSILON * fabs(e.g);
    return e;
}

/* A sum of g and of g x_hat, and their error bounds. */
struct grad_sums {
    double sum, product, sum_bound, product_bound;
};

static void add_element(struct grad_sums *s, struct layer_norm_element e, double gamma)
{
    s->sum += e.g;
    s->product += e.g * e.x_hat;
    s->sum_bound += e.g_bound + gamma * fabs(e.g);
    s->product_bound += (e.g_bound + gamma * fabs(e.g)) * fabs(e.x_hat) +
                        (e.g_bound + fabs(e.g)) * e.x_hat_bound + FP32_MIN_NORMAL;
}

/* The element times the weight of its channel. */
static struct layer_norm_element weighted_at(const struct layer_norm_case *n, size_t i)
{
    struct layer_norm_element e = element_at(n, i);
    double weight = value(n, n->weight, i % (size_t)n->args.channels);
    e.g *= weight;
    e.g_bound = fabs(weight) * e.g_bound + FP32_UNIT_ROUNDOFF * fabs(e.g);
    return e;
}

static void bound_backward(struct layer_norm_case *n)
{
    size_t channels = (size_t)n->args.channels, rows = (size_t)n->args.rows;
    for (size_t k = 0; k < channels; k++) {
        struct grad_sums s = {0};
        for (size_t row = 0; row < rows; row++)
            add_element(&s, element_at(n, row * channels + k),
                        gamma_bound(n->args.rows + 4.0));
        n->dbias->bound[k] = s.sum_bound;
        n->dweight->bound[k] = s.product_bound;
    }
    for (size_t row = 0; row < rows; row++) {
        struct grad_sums s = {0};
        double inverse = value(n, n->inverse, row);
        for (size_t k = 0; k < channels; k++)
            add_element(&s, weighted_at(n, row * channels + k),
                        gamma_bound(n->args.channels + 4.0));
        for (size_t k = 0; k < channels; k++) {
            struct layer_norm_element e = weighted_at(n, row * channels + k);
            double size =
                fabs(e.g) + (fabs(s.sum) + fabs(e.x_hat * s.product)) / n->args.channels;
            double off = s.sum_bound + fabs(e.x_hat) * s.product_bound +
                         e.x_hat_bound * (fabs(s.product) + s.product_bound);
            n->dx->bound[row * channels + k] =
                inverse *
                    (e.g_bound + off / n->args.channels + 8 * FP32_UNIT_ROUNDOFF * size) +
                FP32_MIN_NORMAL;
        }
    }
}

/* Rows of small integers around means of very different magnitudes. */
static void fill_integers(struct layer_norm_case *n)
{
    struct verify_case *c = &n->base;
    float *x = lab_initial(&c->lab, n->x);
    size_t channels = (size_t)n->args.channels;
    lab_fill_integers(&c->lab, n->x, -9, 9);
    for (size_t row = 0; row < (size_t)n->args.rows; row++) {
        int mean = LAB_RANDOM_CHOICE(&c->check->random, 0, 5, -300, 9000, -40000);
        for (size_t k = 0; k < channels; k++)
            x[row * channels + k] += (float)mean;
    }
    lab_quantize(&c->lab, n->x);
    lab_fill_nonzero(&c->lab, n->weight, 3);
    lab_fill_integers(&c->lab, n->bias, -3, 3);
    lab_fill_integers(&c->lab, n->dy, -9, 9);
}

static void fill_reals(struct layer_norm_case *n)
{
    struct lab_tensor *const tensors[] = {n->x, n->weight, n->bias, n->dy};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        lab_fill_uniform(&n->base.lab, tensors[i], -1, 1);
}

static enum weft_status compare_all(struct layer_norm_case *n, struct layer_norm_runs *r,
                                    const char *fill)
{
    bound_forward(n);
    WEFT_TRY(run_and_compare(&n->base, r->forward, fill));
    WEFT_TRY(run_and_compare(&n->base, r->inference, fill));
    WEFT_TRY(set_statistics(n, r));
    bound_backward(n);
    WEFT_TRY(run_and_compare(&n->base, r->backward, fill));
    return run_and_compare(&n->base, r->first, fill);
}

/* Channels far enough apart for a finite difference; activations without a kink. */
static enum weft_status verify_gradients(struct layer_norm_case *n,
                                         struct layer_norm_runs *r)
{
    struct verify_case *c = &n->base;
    const struct {
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
        x[i] += i % (size_t)n->args.channels % 2 ? 2.0f : -2.0f;
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

static enum weft_status run_case(struct layer_norm_case *n)
{
    struct layer_norm_runs r;
    add_runs(n, &r);
    WEFT_TRY(case_allocate(&n->base));
    fill_integers(n);
    WEFT_TRY(compare_all(n, &r, "integers"));
    fill_reals(n);
    WEFT_TRY(compare_all(n, &r, "real"));
    return is_fp16_run(n->base.check) ? WEFT_OK : verify_gradients(n, &r);
}

static void add_tensors(struct layer_norm_case *n, int images, int height, int width,
                        bool in_place)
{
    struct lab_case *lab = &n->base.lab;
    int channels = n->args.channels;
    n->x = lab_add_tensor(lab, "x", LAB_FLOAT, images, height, width, channels);
    n->y = lab_add_tensor(lab, "y", LAB_FLOAT, images, height, width, channels);
    n->dy = lab_add_tensor(lab, "dy", LAB_FLOAT, images, height, width, channels);
    n->dx = in_place
                ? n->dy
                : lab_add_tensor(lab, "dx", LAB_FLOAT, images, height, width, channels);
    n->mean = lab_add_tensor(lab, "mean", LAB_FLOAT, images, height, width, 1);
    n->inverse = lab_add_tensor(lab, "inverse", LAB_FLOAT, images, height, width, 1);
    n->weight = lab_add_tensor(lab, "weight", LAB_FLOAT, 1, 1, 1, channels);
    n->bias = lab_add_tensor(lab, "bias", LAB_FLOAT, 1, 1, 1, channels);
    n->dweight = lab_add_tensor(lab, "dweight", LAB_FLOAT, 1, 1, 1, channels);
    n->dbias = lab_add_tensor(lab, "dbias", LAB_FLOAT, 1, 1, 1, channels);
    n->dy->is_in_out = in_place;
    /* A single channel is its own mean; an activation may have no gradient anywhere. */
    n->y->may_be_zero = n->mean->may_be_zero = true;
    n->dx->may_be_zero = channels < 4 || n->args.rows < 3;
    n->dweight->may_be_zero = n->dbias->may_be_zero = n->dx->may_be_zero;
}

static enum weft_status verify_norm_case(struct verify_context *k)
{
    struct layer_norm_case n = {
        .args.activation =
            random_act_parameters(k, (enum weft_act)(k->number % WEFT_ACT_COUNT), true)};
    struct verify_case *c = &n.base;
    struct weft_layer_norm_args *a = &n.args;
    int images, height, width, limit = k->params->tiny_shapes ? 600 : 60000;
    do {
        images = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 16, 61);
        height = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        width = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        a->channels = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 7, 8, 13, 16, 24, 31,
                                        32, 40, 65, 128, 257, 768);
    } while (images * height * width * a->channels > limit);
    a->rows = images * height * width;
    a->epsilon = LAB_RANDOM_CHOICE(&k->random, 0, 1) ? 1e-5f : 0.25f;
    bool in_place = lab_random_bool(&k->random, 20);

    case_init(c, k);
    case_describe(c, " %dx%dx%dx%d, epsilon %g%s", images, height, width, a->channels,
                  (double)a->epsilon, in_place ? ", dx is dy" : "");
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

const struct verify_check verify_layer_norm = {"layer-norm", verify_norm_case, true};
