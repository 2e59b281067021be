/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of softmax and of its cross-entropy. */
#include "verify/softmax_bound.h"

#include "shared/augment.h"

#include <math.h>
#include <string.h>

struct softmax_case {
    struct verify_case base;
    int n, classes, global_batch, loss_scale_log2;
    float smoothing;
    bool has_gradient;
    struct lab_tensor *x, *y, *labels, *loss, *correct;
    struct lab_tensor *weights;           /* of the classes; NULL: all 1 */
    struct lab_tensor *partners, *shares; /* NULL: the batch is not mixed */
};

/* The logits of a fill: integers have ties; huge ones overflow exp unless the maximum is
 * subtracted first, which in each row is far above the rest and at another class, so that
 * none may be skipped. */
static const struct {
    const char *name;
    bool integers;
    int size;
} fills[] = {{"integers", true, 3}, {"real", false, 4}, {"huge", false, 300}};

static void fill_logits(struct softmax_case *s, size_t kind)
{
    int size = fills[kind].size;
    if (fills[kind].integers)
        lab_fill_integers(&s->base.lab, s->x, -size, size);
    else
        lab_fill_uniform(&s->base.lab, s->x, (float)-size, (float)size);
    float *x = lab_initial(&s->base.lab, s->x);
    for (int i = 0; !strcmp(fills[kind].name, "huge") && i < s->n; i++)
        x[i * s->classes + (i + s->base.check->number) % s->classes] = 1.5f * (float)size;
}

static enum weft_status record_softmax(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct softmax_case *s = (const struct softmax_case *)c;
    const struct weft_softmax_args args = {.n = s->n,
                                           .classes = s->classes,
                                           .x = lab_view(&c->lab, s->x, side),
                                           .y = lab_view(&c->lab, s->y, side)};
    return list->primitives->softmax(list, &args);
}

static void bound_softmax(struct softmax_case *s)
{
    const float *x = lab_initial(&s->base.lab, s->x);
    double *bound = s->y->bound;
    for (int i = 0; i < s->n; i++, x += s->classes, bound += s->classes) {
        struct softmax_row row = softmax_row_of(x, s->classes);
        for (int j = 0; j < s->classes; j++) {
            double distance = row.largest - (double)x[j];
            bound[j] =
                softmax_probability_bound(exp(-distance) / row.sum, distance, s->classes);
        }
    }
}

static void random_size(struct softmax_case *s, struct verify_context *k)
{
    int limit = k->params->tiny_shapes ? 300 : 20000;
    do {
        s->n = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 7, 13, 17, 33, 65, 128, 513);
        s->classes = LAB_RANDOM_CHOICE(&k->random, 2, 3, 4, 5, 7, 10, 10, 13, 17, 33, 65,
                                       100, 257, 1000);
    } while (s->n * s->classes > limit);
}

static enum weft_status run_softmax_case(struct softmax_case *s)
{
    struct verify_case *c = &s->base;
    struct verify_run *run =
        case_add_run(c, "forward", record_softmax, (struct lab_tensor *[]){s->y, NULL});
    WEFT_TRY(case_allocate(c));
    for (size_t kind = 0; kind < WEFT_ARRAY_SIZE(fills); kind++) {
        bounds_zero(c);
        fill_logits(s, kind);
        bound_softmax(s);
        s->y->may_be_zero = !fills[kind].integers; /* most of a wide row vanishes */
        WEFT_TRY(run_and_compare(c, run, fills[kind].name));
    }
    return WEFT_OK;
}

static enum weft_status verify_softmax_case(struct verify_context *k)
{
    struct softmax_case s = {0};
    struct verify_case *c = &s.base;
    random_size(&s, k);
    bool in_place = lab_random_bool(&k->random, 30);
    case_init(c, k);
    case_describe(c, " n=%d, %d classes%s", s.n, s.classes, in_place ? ", y is x" : "");
    s.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, s.n, 1, 1, s.classes);
    s.y = in_place ? s.x : lab_add_tensor(&c->lab, "y", LAB_FLOAT, s.n, 1, 1, s.classes);
    s.y->is_in_out = in_place;
    enum weft_status status = run_softmax_case(&s);
    case_finish(c);
    return status;
}

const struct verify_check verify_softmax = {"softmax", verify_softmax_case};

static enum weft_status record_loss(const struct verify_case *c, enum lab_side side,
                                    struct weft_command_list *list)
{
    const struct softmax_case *s = (const struct softmax_case *)c;
    const struct weft_loss_args args = {
        .n = s->n,
        .global_batch = s->global_batch,
        .classes = s->classes,
        .label_smoothing = s->smoothing,
        .loss_scale_log2 = s->loss_scale_log2,
        .logits = lab_view(&c->lab, s->x, side),
        .labels = lab_view(&c->lab, s->labels, side),
        .class_weights = lab_view(&c->lab, s->weights, side),
        .partner_labels = lab_view(&c->lab, s->partners, side),
        .shares = lab_view(&c->lab, s->shares, side),
        .dlogits = lab_view(&c->lab, s->has_gradient ? s->y : NULL, side),
        .loss = lab_view(&c->lab, s->loss, side),
        .correct = lab_view(&c->lab, s->correct, side),
    };
    return list->primitives->loss(list, &args);
}

/* -sum q log p = log sum exp(x - max) + sum q (max - x). */
static void bound_loss(struct softmax_case *s)
{
    const float *x = lab_initial(&s->base.lab, s->x);
    const struct weft_loss_args args = {.classes = s->classes,
                                        .label_smoothing = s->smoothing};
    const int32_t *labels = lab_initial(&s->base.lab, s->labels);
    const float *weights = s->weights ? lab_initial(&s->base.lab, s->weights) : NULL;
    const int32_t *partners = s->partners ? lab_initial(&s->base.lab, s->partners) : NULL;
    const int32_t *shares = s->shares ? lab_initial(&s->base.lab, s->shares) : NULL;
    for (int i = 0; i < s->n; i++, x += s->classes) {
        struct softmax_row row = softmax_row_of(x, s->classes);
        struct softmax_target target =
            softmax_target_of(&args, (size_t)i, labels, weights, partners, shares);
        softmax_loss(&row, x, &target, &s->loss->bound[i]);
        for (int j = 0; j < s->classes && s->has_gradient; j++) {
            double distance = row.largest - (double)x[j];
            s->y->bound[i * s->classes + j] = softmax_gradient_bound(
                exp(-distance) / row.sum, softmax_target_part(&target, j), distance,
                s->classes, target.weight, s->loss_scale_log2, s->global_batch);
        }
    }
}

static void fill_labels(struct softmax_case *s)
{
    struct lab_random *random = &s->base.check->random;
    int32_t *labels = lab_initial(&s->base.lab, s->labels);
    for (int i = 0; i < s->n; i++)
        labels[i] = lab_random_int(random, 0, s->classes - 1);
    if (!s->shares)
        return;
    int32_t *partners = lab_initial(&s->base.lab, s->partners);
    int32_t *shares = lab_initial(&s->base.lab, s->shares);
    for (int i = 0; i < s->n; i++) {
        partners[i] = lab_random_int(random, 0, s->classes - 1);
        shares[i] = LAB_RANDOM_CHOICE(random, 0, 1, AUGMENT_SHARES / 2, AUGMENT_SHARES,
                                      lab_random_int(random, 0, AUGMENT_SHARES));
    }
}

static enum weft_status run_loss_case(struct softmax_case *s)
{
    struct verify_case *c = &s->base;
    struct lab_tensor *const with[] = {s->loss, s->correct, s->y, NULL};
    struct lab_tensor *const without[] = {s->loss, s->correct, NULL};
    struct verify_run *run = case_add_run(c, s->has_gradient ? "loss" : "loss alone",
                                          record_loss, s->has_gradient ? with : without);
    WEFT_TRY(case_allocate(c));
    for (size_t kind = 0; kind < WEFT_ARRAY_SIZE(fills); kind++) {
        fill_labels(s);
        if (s->weights)
            lab_fill_uniform(&c->lab, s->weights, 0, 3);
        bounds_zero(c);
        fill_logits(s, kind);
        bound_loss(s);
        WEFT_TRY(run_and_compare(c, run, fills[kind].name));
    }
    if (!s->has_gradient || s->loss_scale_log2)
        return WEFT_OK;
    fill_logits(s, 1);
    const struct gradient_check slope = {.what = "dlogits",
                                         .forward = run,
                                         .backward = run,
                                         .input = s->x,
                                         .output = s->loss,
                                         .gradient = s->y,
                                         .batch = s->global_batch,
                                         .step = 0x1p-7,
                                         .rounded = true};
    return verify_gradient(c, &slope, LAB_REFERENCE);
}

static enum weft_status verify_loss_case(struct verify_context *k)
{
    struct softmax_case s = {0};
    struct verify_case *c = &s.base;
    random_size(&s, k);
    s.smoothing =
        lab_random_bool(&k->random, 50) ? 0 : lab_random_float(&k->random, 0.01f, 0.5f);
    s.has_gradient = lab_random_bool(&k->random, 80);
    s.loss_scale_log2 =
        lab_random_bool(&k->random, 60) ? 0 : lab_random_int(&k->random, 1, 16);
    s.global_batch =
        s.n + (lab_random_bool(&k->random, 50) ? 0 : lab_random_int(&k->random, 1, 600));
    bool weighted = lab_random_bool(&k->random, 40);
    bool mixed = lab_random_bool(&k->random, 40);
    case_init(c, k);
    case_describe(
        c, " n=%d of %d, %d classes%s, smoothing %.9g, gradient %s, times 2^%d%s", s.n,
        s.global_batch, s.classes, weighted ? " with weights" : "", (double)s.smoothing,
        s.has_gradient ? "present" : "absent", s.loss_scale_log2, mixed ? ", mixed" : "");
    s.x = lab_add_tensor(&c->lab, "logits", LAB_FLOAT, s.n, 1, 1, s.classes);
    s.labels = lab_add_tensor(&c->lab, "labels", LAB_INT32, 1, 1, 1, s.n);
    if (weighted)
        s.weights = lab_add_tensor(&c->lab, "weights", LAB_FLOAT, 1, 1, 1, s.classes);
    if (mixed) {
        s.partners = lab_add_tensor(&c->lab, "partners", LAB_INT32, 1, 1, 1, s.n);
        s.shares = lab_add_tensor(&c->lab, "shares", LAB_INT32, 1, 1, 1, s.n);
    }
    s.loss = lab_add_tensor(&c->lab, "loss", LAB_FLOAT, 1, 1, 1, s.n);
    s.correct = lab_add_tensor(&c->lab, "correct", LAB_INT32, 1, 1, 1, s.n);
    s.y = lab_add_tensor(&c->lab, "dlogits", LAB_FLOAT, s.n, 1, 1, s.classes);
    s.y->may_be_zero = s.loss->may_be_zero = true; /* of a confident row */
    enum weft_status status = run_loss_case(&s);
    case_finish(c);
    return status;
}

const struct verify_check verify_loss = {"loss", verify_loss_case};
