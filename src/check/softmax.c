/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of softmax, and of its cross-entropy. */
#include "check.h"

#include <math.h>

struct softmax_case {
    struct check_case base;
    int n, classes, exponent;
    float smoothing;
    bool want_gradient;
    struct check_tensor *x, *y, *labels, *loss, *hit;
};

/* The logits of a fill: integers have ties; huge ones overflow exp unless the maximum is
 * subtracted first. */
static const struct {
    const char *name;
    bool integers;
    int size;
} fills[] = {{"integers", true, 3}, {"real", false, 4}, {"huge", false, 300}};

static void fill_logits(struct softmax_case *s, size_t kind)
{
    int size = fills[kind].size;
    if (fills[kind].integers)
        check_integers(&s->base, s->x, -size, size);
    else
        check_reals(&s->base, s->x, (float)-size, (float)size);
}

/* A row's largest logit, the probability of each class and how far a device may be off:
 * exp is good for 3 ulp and carries its argument's rounding, the sum one unit a class. */
static double row_maximum(const struct softmax_case *s, int row)
{
    const float *x = check_image(&s->base, s->x);
    double maximum = -INFINITY;
    for (int j = 0; j < s->classes; j++)
        maximum = fmax(maximum, (double)x[row * s->classes + j]);
    return maximum;
}

static double row_sum(const struct softmax_case *s, int row, double maximum)
{
    const float *x = check_image(&s->base, s->x);
    double sum = 0;
    for (int j = 0; j < s->classes; j++)
        sum += exp((double)x[row * s->classes + j] - maximum);
    return sum;
}

static double probability_bound(const struct softmax_case *s, double p, double distance)
{
    return p * CHECK_ULP * (12 + s->classes + 4 * distance) + 2 * CHECK_TINY;
}

static enum weft_status record_softmax(const struct check_case *c, enum check_side side,
                                       struct weft_list *list)
{
    const struct softmax_case *s = (const struct softmax_case *)c;
    const struct weft_softmax_args args = {.n = s->n,
                                           .classes = s->classes,
                                           .x = check_view(c, s->x, side),
                                           .y = check_view(c, s->y, side)};
    return list->device->backend->softmax(list, &args);
}

static void bound_softmax(struct softmax_case *s)
{
    const float *x = check_image(&s->base, s->x);
    for (int i = 0; i < s->n; i++) {
        double maximum = row_maximum(s, i), sum = row_sum(s, i, maximum);
        for (int j = 0; j < s->classes; j++) {
            double distance = maximum - (double)x[i * s->classes + j];
            s->y->bound[i * s->classes + j] =
                probability_bound(s, exp(-distance) / sum, distance);
        }
    }
}

static void draw_size(struct softmax_case *s, struct check *k)
{
    int limit = k->params->small ? 300 : 20000;
    do {
        s->n = CHECK_PICK(k, 1, 2, 3, 5, 7, 13, 17, 33, 65, 128, 513);
        s->classes = CHECK_PICK(k, 2, 3, 4, 5, 7, 10, 10, 13, 17, 33, 65, 100, 257, 1000);
    } while (s->n * s->classes > limit);
}

static enum weft_status run_softmax_case(struct softmax_case *s)
{
    struct check_case *c = &s->base;
    struct check_run *run = check_run_add(c, "forward", record_softmax,
                                          (struct check_tensor *[]){s->y, NULL});
    WEFT_TRY(check_case_place(c));
    for (size_t kind = 0; kind < WEFT_COUNT(fills); kind++) {
        check_exact(c);
        fill_logits(s, kind);
        bound_softmax(s);
        s->y->sparse = !fills[kind].integers; /* most of a wide row vanishes */
        WEFT_TRY(check_compare(c, run, fills[kind].name));
    }
    return WEFT_OK;
}

static enum weft_status run_softmax(struct check *k)
{
    struct softmax_case s = {0};
    struct check_case *c = &s.base;
    draw_size(&s, k);
    bool in_place = check_chance(k, 30);
    check_case_init(c, k);
    check_tell(c, " n=%d, %d classes%s", s.n, s.classes, in_place ? ", y is x" : "");
    s.x = check_tensor_add(c, "x", CHECK_FLOAT, s.n, 1, 1, s.classes);
    s.y = in_place ? s.x : check_tensor_add(c, "y", CHECK_FLOAT, s.n, 1, 1, s.classes);
    s.y->updated = in_place;
    enum weft_status status = run_softmax_case(&s);
    check_case_finish(c);
    return status;
}

const struct check_op check_softmax = {"softmax", run_softmax};

static enum weft_status record_loss(const struct check_case *c, enum check_side side,
                                    struct weft_list *list)
{
    const struct softmax_case *s = (const struct softmax_case *)c;
    const struct weft_loss_args args = {
        .n = s->n,
        .classes = s->classes,
        .smoothing = s->smoothing,
        .exponent = s->exponent,
        .logits = check_view(c, s->x, side),
        .labels = check_view(c, s->labels, side),
        .dlogits = check_view(c, s->want_gradient ? s->y : NULL, side),
        .loss = check_view(c, s->loss, side),
        .hit = check_view(c, s->hit, side),
    };
    return list->device->backend->loss(list, &args);
}

/* -sum q log p = log sum exp(x - max) + sum q (max - x). */
static void bound_loss(struct softmax_case *s)
{
    const float *x = check_image(&s->base, s->x);
    const int32_t *labels = check_image(&s->base, s->labels);
    for (int i = 0; i < s->n; i++) {
        double maximum = row_maximum(s, i), sum = row_sum(s, i, maximum), distances = 0;
        for (int j = 0; j < s->classes; j++) {
            double distance = maximum - (double)x[i * s->classes + j];
            double even = (double)s->smoothing / s->classes;
            double q = (labels[i] == j ? 1 - (double)s->smoothing : 0) + even;
            double p = exp(-distance) / sum;
            distances += q * distance;
            if (s->want_gradient)
                s->y->bound[i * s->classes + j] =
                    ldexp(probability_bound(s, p, distance) +
                              CHECK_ULP * (3 * q + fabs(p - q)),
                          s->exponent) /
                        s->n +
                    CHECK_TINY;
        }
        s->loss->bound[i] =
            CHECK_ULP * (12 + s->classes + 4 * log(sum) + (4 + s->classes) * distances +
                         4 * fabs(maximum));
    }
}

static enum weft_status run_loss_case(struct softmax_case *s)
{
    struct check_case *c = &s->base;
    struct check_tensor *const with[] = {s->loss, s->hit, s->y, NULL};
    struct check_tensor *const without[] = {s->loss, s->hit, NULL};
    struct check_run *run = check_run_add(c, s->want_gradient ? "loss" : "loss alone",
                                          record_loss, s->want_gradient ? with : without);
    WEFT_TRY(check_case_place(c));
    for (size_t kind = 0; kind < WEFT_COUNT(fills); kind++) {
        int32_t *labels = check_image(c, s->labels);
        for (int i = 0; i < s->n; i++)
            labels[i] = check_range(c->check, 0, s->classes - 1);
        check_exact(c);
        fill_logits(s, kind);
        bound_loss(s);
        WEFT_TRY(check_compare(c, run, fills[kind].name));
    }
    if (!s->want_gradient || s->exponent)
        return WEFT_OK;
    fill_logits(s, 1);
    const struct check_slope slope = {.what = "dlogits",
                                      .forward = run,
                                      .backward = run,
                                      .input = s->x,
                                      .output = s->loss,
                                      .gradient = s->y,
                                      .step = 0x1p-7,
                                      .tolerance = 3e-4};
    return check_slope(c, &slope, CHECK_REFERENCE);
}

static enum weft_status run_loss(struct check *k)
{
    struct softmax_case s = {0};
    struct check_case *c = &s.base;
    draw_size(&s, k);
    s.smoothing = check_chance(k, 50) ? 0 : check_real(k, 0.01f, 0.5f);
    s.want_gradient = check_chance(k, 80);
    s.exponent = check_chance(k, 60) ? 0 : check_range(k, 1, 16);
    check_case_init(c, k);
    check_tell(c, " n=%d, %d classes, smoothing %.9g, gradient %s, times 2^%d", s.n,
               s.classes, (double)s.smoothing, s.want_gradient ? "wanted" : "absent",
               s.exponent);
    s.x = check_tensor_add(c, "logits", CHECK_FLOAT, s.n, 1, 1, s.classes);
    s.labels = check_tensor_add(c, "labels", CHECK_WORD, 1, 1, 1, s.n);
    s.loss = check_tensor_add(c, "loss", CHECK_FLOAT, 1, 1, 1, s.n);
    s.hit = check_tensor_add(c, "hit", CHECK_WORD, 1, 1, 1, s.n);
    s.y = check_tensor_add(c, "dlogits", CHECK_FLOAT, s.n, 1, 1, s.classes);
    s.y->sparse = s.loss->sparse = true; /* a confident row's are */
    enum weft_status status = run_loss_case(&s);
    check_case_finish(c);
    return status;
}

const struct check_op check_loss = {"loss", run_loss};
