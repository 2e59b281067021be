/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of the checks of normalizations. */
#include "verify/norm.h"

#include <math.h>

struct norm_runs {
    struct verify_run *forward, *inference, *backward, *without_dx, *both;
};

static enum weft_status record_both(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct norm_kind *kind = ((const struct norm_case *)c)->kind;
    WEFT_TRY(kind->forward(c, side, list));
    return kind->backward(c, side, list);
}

/* The statistics that forward writes; NULL after the last. */
struct norm_statistics {
    struct lab_tensor *tensors[4];
};

static struct norm_statistics statistics_of(const struct norm_case *n)
{
    return (struct norm_statistics){{n->mean, n->inverse, n->scale}};
}

static void add_runs(struct norm_case *n, struct norm_runs *r)
{
    struct verify_case *c = &n->base;
    const struct norm_kind *kind = n->kind;
    struct lab_tensor *const written[] = {
        n->y, n->mean, n->inverse, n->scale, n->running_mean, n->running_variance, NULL};
    struct lab_tensor *const gradients[] = {n->dweight, n->dbias, n->dx, NULL};
    struct lab_tensor *all[VERIFY_MAX_OUTPUTS + 1] = {0};
    int count = 0;
    for (int i = 0; written[i]; i++)
        all[count++] = written[i];
    for (int i = 0; gradients[i]; i++)
        all[count++] = gradients[i];
    r->forward = case_add_run(c, "forward", kind->forward, written);
    r->inference = case_add_run(c, "inference", kind->inference,
                                (struct lab_tensor *[]){n->y, NULL});
    r->backward = case_add_run(c, "backward", kind->backward, gradients);
    r->without_dx = case_add_run(c, "backward without dx", kind->backward_without_dx,
                                 (struct lab_tensor *[]){n->dweight, n->dbias, NULL});
    r->both = case_add_run(c, "both", record_both, all);
}

double norm_value(const struct norm_case *n, const struct lab_tensor *t, size_t i)
{
    return (double)((const float *)lab_initial(&n->base.lab, t))[i];
}

static size_t channel_of(const struct norm_case *n, size_t i)
{
    return i % (size_t)n->channels;
}

static size_t group_of(const struct norm_case *n, size_t i)
{
    return n->kind->by_row ? i / (size_t)n->channels : channel_of(n, i);
}

static struct norm_group channel_group(const struct norm_case *n, size_t channel)
{
    return (struct norm_group){channel, (size_t)n->channels, (size_t)n->rows};
}

static struct norm_group group_at(const struct norm_case *n, size_t group)
{
    size_t channels = (size_t)n->channels;
    return n->kind->by_row ? (struct norm_group){group * channels, 1, channels}
                           : channel_group(n, group);
}

static struct norm_moments moments_of(const struct norm_case *n, size_t group)
{
    return norm_moments_of(lab_initial(&n->base.lab, n->x), group_at(n, group),
                           (double)n->epsilon);
}

/* y of one element, from a mean and an inverse that are known to their bounds. */
static void bound_output(struct norm_case *n, size_t i, const struct norm_moments *m)
{
    size_t k = channel_of(n, i);
    double weight = norm_value(n, n->weight, k), bias = norm_value(n, n->bias, k);
    double scale = m->inverse * weight, off = norm_value(n, n->x, i) - m->mean;
    double scale_bound = fabs(weight) * (m->inverse_bound + FP32_EPSILON * m->inverse);
    double size = fabs(off * scale) + fabs(bias);
    double bound = fabs(off) * scale_bound + (fabs(scale) + scale_bound) * m->mean_bound +
                   4 * FP32_UNIT_ROUNDOFF * size;
    double y = act_reference(n->activation, off * scale + bias);
    n->y->bound[i] = act_error_bound(n->activation, size, bound, y) +
                     FP32_UNIT_ROUNDOFF * fabs(y) + FP32_MIN_NORMAL;
}

static void bound_forward(struct norm_case *n)
{
    for (size_t group = 0; group < n->mean->count; group++) {
        struct norm_group g = group_at(n, group);
        struct norm_moments m = moments_of(n, group);
        n->mean->bound[group] = m.mean_bound + FP32_UNIT_ROUNDOFF * fabs(m.mean);
        n->inverse->bound[group] = m.inverse_bound;
        if (n->kind->bound_statistics)
            n->kind->bound_statistics(n, group, &m);
        for (size_t j = 0; j < g.count; j++)
            bound_output(n, g.first + j * g.step, &m);
    }
}

/* Mean and inverse are inputs. */
static void bound_inference(struct norm_case *n)
{
    for (size_t i = 0; i < n->x->count; i++) {
        size_t group = group_of(n, i);
        const struct norm_moments m = {.mean = norm_value(n, n->mean, group),
                                       .inverse = norm_value(n, n->inverse, group)};
        bound_output(n, i, &m);
    }
}

/* The reference's statistics, as inputs of both sides. */
static enum weft_status set_statistics(struct norm_case *n, struct norm_runs *r)
{
    struct verify_case *c = &n->base;
    const struct norm_statistics given = statistics_of(n);
    WEFT_TRY(run_execute(c, r->forward, LAB_REFERENCE));
    for (int i = 0; given.tensors[i]; i++) {
        const float *from = lab_result(&c->lab, given.tensors[i], LAB_REFERENCE);
        float *to = lab_initial(&c->lab, given.tensors[i]);
        for (size_t k = 0; k < given.tensors[i]->count; k++)
            to[k] = from[k];
    }
    return WEFT_OK;
}

static double distance(const struct norm_case *n, size_t i)
{
    return norm_value(n, n->x, i) - norm_value(n, n->mean, group_of(n, i));
}

static double scale_at(const struct norm_case *n, size_t i)
{
    return norm_value(n, n->inverse, group_of(n, i)) *
           norm_value(n, n->weight, channel_of(n, i));
}

static struct norm_element element_at(const struct norm_case *n, size_t i)
{
    return norm_element_of(distance(n, i), norm_value(n, n->inverse, group_of(n, i)),
                           scale_at(n, i), norm_value(n, n->bias, channel_of(n, i)),
                           norm_value(n, n->dy, i), n->activation);
}

static struct norm_element weighted_at(const struct norm_case *n, size_t i)
{
    return norm_weighted(element_at(n, i), norm_value(n, n->weight, channel_of(n, i)));
}

static struct norm_sums sums_of(const struct norm_case *n, struct norm_group group,
                                struct norm_element (*at)(const struct norm_case *n,
                                                          size_t i))
{
    struct norm_sums s = {0};
    double gamma = gamma_bound((double)group.count + 4);
    for (size_t j = 0; j < group.count; j++)
        norm_sums_add(&s, at(n, group.first + j * group.step), gamma);
    return s;
}

static void bound_backward(struct norm_case *n)
{
    for (size_t k = 0; k < (size_t)n->channels; k++) {
        struct norm_sums s = sums_of(n, channel_group(n, k), element_at);
        n->dbias->bound[k] = s.sum_bound;
        n->dweight->bound[k] = s.product_bound;
    }
    for (size_t group = 0; group < n->mean->count; group++) {
        struct norm_group g = group_at(n, group);
        struct norm_sums s = sums_of(n, g, weighted_at);
        double inverse = norm_value(n, n->inverse, group), count = (double)g.count;
        for (size_t j = 0; j < g.count; j++) {
            size_t i = g.first + j * g.step;
            n->dx->bound[i] =
                norm_input_gradient_bound(&s, weighted_at(n, i), inverse, count) +
                FP32_MIN_NORMAL;
        }
    }
}

/* Where z is nearer to a kink than its error, either derivative is right, and the bound
 * of everything the element is summed into would be as large as the element. */
static void clear_dy_at_kinks(struct norm_case *n)
{
    float *dy = lab_initial(&n->base.lab, n->dy);
    if (!act_is_kinked(n->activation))
        return;
    for (size_t i = 0; i < n->dy->count; i++) {
        double bias = norm_value(n, n->bias, channel_of(n, i)), bound;
        double z = norm_preactivation(distance(n, i), scale_at(n, i), bias, &bound);
        if (act_off_kink(n->activation, z, bound) != z)
            dy[i] = 0;
    }
}

/* Groups of small integers around means of very different magnitudes. */
static void fill_integers(struct norm_case *n)
{
    struct lab_case *lab = &n->base.lab;
    float *x = lab_initial(lab, n->x);
    lab_fill_integers(lab, n->x, -9, 9);
    for (size_t group = 0; group < n->mean->count; group++) {
        struct norm_group g = group_at(n, group);
        int mean = LAB_RANDOM_CHOICE(&n->base.check->random, 0, 5, -300, 9000, -40000);
        for (size_t j = 0; j < g.count; j++)
            x[g.first + j * g.step] += (float)mean;
    }
    lab_quantize(lab, n->x);
    lab_fill_nonzero(lab, n->weight, 3);
    lab_fill_integers(lab, n->bias, -3, 3);
    lab_fill_integers(lab, n->dy, -9, 9);
    if (n->running_mean) {
        lab_fill_integers(lab, n->running_mean, -9, 9);
        lab_fill_integers(lab, n->running_variance, 0, 9);
    }
}

static void fill_reals(struct norm_case *n)
{
    struct lab_tensor *const tensors[] = {n->x, n->weight, n->bias, n->dy};
    struct lab_case *lab = &n->base.lab;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tensors); i++)
        lab_fill_uniform(lab, tensors[i], -1, 1);
    if (n->running_mean) {
        lab_fill_uniform(lab, n->running_mean, -1, 1);
        lab_fill_uniform(lab, n->running_variance, 0, 2);
    }
}

static enum weft_status compare_all(struct norm_case *n, struct norm_runs *r,
                                    const char *fill)
{
    bound_forward(n);
    WEFT_TRY(run_and_compare(&n->base, r->forward, fill));
    WEFT_TRY(set_statistics(n, r));
    if (n->kind->inference_reads_statistics)
        bound_inference(n);
    WEFT_TRY(run_and_compare(&n->base, r->inference, fill));
    clear_dy_at_kinks(n);
    bound_backward(n);
    WEFT_TRY(run_and_compare(&n->base, r->backward, fill));
    return run_and_compare(&n->base, r->without_dx, fill);
}

/* The elements of a group far enough apart for a finite difference; activations without
 * a kink. */
static enum weft_status verify_gradients(struct norm_case *n, struct norm_runs *r)
{
    struct verify_case *c = &n->base;
    const struct {
        const char *what;
        struct lab_tensor *input, *gradient;
    } sides[] = {{"dx", n->x, n->dx},
                 {"dweight", n->weight, n->dweight},
                 {"dbias", n->bias, n->dbias}};
    if (act_is_kinked(n->activation) || n->dx == n->dy)
        return WEFT_OK;
    fill_reals(n);
    float *x = lab_initial(&c->lab, n->x);
    for (size_t group = 0; group < n->mean->count; group++) {
        struct norm_group g = group_at(n, group);
        for (size_t j = 0; j < g.count; j++)
            x[g.first + j * g.step] += j % 2 ? 2.0f : -2.0f;
    }
    /* dx of a single element is a difference of equal numbers, times 1 / sqrt(epsilon):
     * its rounding is not that of its own size. */
    size_t first = group_at(n, 0).count > 1 ? 0 : 1;
    for (size_t i = first; i < WEFT_ARRAY_SIZE(sides); i++) {
        const struct gradient_check slope = {.what = sides[i].what,
                                             .forward = r->forward,
                                             .backward = r->both,
                                             .input = sides[i].input,
                                             .output = n->y,
                                             .gradient = sides[i].gradient,
                                             .coefficients = n->dy,
                                             .step = 0x1p-6,
                                             .rounded = true};
        WEFT_TRY(verify_gradient(c, &slope, LAB_REFERENCE));
    }
    return WEFT_OK;
}

static enum weft_status run_case(struct norm_case *n)
{
    struct norm_runs r;
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
    const struct {
        const char *name;
        struct lab_tensor **tensor;
    } vectors[] = {{"weight", &n->weight},
                   {"bias", &n->bias},
                   {"dweight", &n->dweight},
                   {"dbias", &n->dbias}},
      maps[] = {{"x", &n->x}, {"y", &n->y}, {"dy", &n->dy}, {"dx", &n->dx}};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(maps) - in_place; i++) {
        *maps[i].tensor = lab_add_tensor(&c->lab, maps[i].name, LAB_FLOAT, images, height,
                                         width, n->channels);
        tensor_set_fp16(c, *maps[i].tensor, 75);
    }
    if (in_place)
        n->dx = n->dy;
    n->dy->is_in_out = in_place;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(vectors); i++)
        *vectors[i].tensor =
            lab_add_tensor(&c->lab, vectors[i].name, LAB_FLOAT, 1, 1, 1, n->channels);
    n->kind->add_statistics(n, images, height, width);
    /* A single element is its own mean; an activation may have no gradient anywhere. */
    n->y->may_be_zero = true;
    n->dx->may_be_zero = n->rows < 3 || n->channels < 4;
    n->dweight->may_be_zero = n->rows < 3 || (n->kind->by_row && n->channels < 4);
    n->dbias->may_be_zero = n->kind->by_row && n->dweight->may_be_zero;
}

enum weft_status norm_check(struct verify_context *k, const struct norm_kind *kind,
                            const int *channels)
{
    struct norm_case n = {.kind = kind,
                          .activation = random_act_parameters(
                              k, (enum weft_act)(k->number % WEFT_ACT_COUNT), true)};
    struct verify_case *c = &n.base;
    int images, height, width, choices = 0, limit = k->params->tiny_shapes ? 600 : 60000;
    while (channels[choices])
        choices++;
    do {
        images = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 16, 61);
        height = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        width = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        n.channels = channels[lab_random_int(&k->random, 0, choices - 1)];
    } while (images * height * width * n.channels > limit);
    n.rows = images * height * width;
    n.momentum = (float)LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 5, 10) / 10.0f;
    n.epsilon = LAB_RANDOM_CHOICE(&k->random, 0, 1) ? 1e-5f : 0.25f;
    bool in_place = lab_random_bool(&k->random, 20);

    case_init(c, k);
    case_describe(c, " %dx%dx%dx%d, momentum %g, epsilon %g%s", images, height, width,
                  n.channels, (double)n.momentum, (double)n.epsilon,
                  in_place ? ", dx is dy" : "");
    case_describe_act(c, ", ", n.activation);
    add_tensors(&n, images, height, width, in_place);
    enum weft_status status = run_case(&n);
    case_finish(c);
    return status;
}
