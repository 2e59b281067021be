/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of ReLU with learned slopes. Integers are exact, gradients along a direction
 * too: no input is near the kink. */
#include "verify/verify.h"

#include <math.h>

struct prelu_case {
    struct verify_case base;
    int rows, channels;
    struct lab_tensor *x, *slope, *y, *dy, *dx, *dslope;
};

static struct weft_prelu_args arguments(const struct verify_case *c, enum lab_side side)
{
    const struct prelu_case *p = (const struct prelu_case *)c;
    return (struct weft_prelu_args){.rows = p->rows,
                                    .channels = p->channels,
                                    .x = lab_view(&c->lab, p->x, side),
                                    .slope = lab_view(&c->lab, p->slope, side),
                                    .y = lab_view(&c->lab, p->y, side),
                                    .dy = lab_view(&c->lab, p->dy, side),
                                    .dx = lab_view(&c->lab, p->dx, side),
                                    .dslope = lab_view(&c->lab, p->dslope, side)};
}

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct weft_prelu_args args = arguments(c, side);
    return list->primitives->prelu_forward(list, &args);
}

static enum weft_status record_backward(const struct verify_case *c, enum lab_side side,
                                        struct weft_command_list *list)
{
    const struct weft_prelu_args args = arguments(c, side);
    return list->primitives->prelu_backward(list, &args);
}

/* Only the gradient of the slopes. */
static enum weft_status record_first(const struct verify_case *c, enum lab_side side,
                                     struct weft_command_list *list)
{
    struct weft_prelu_args args = arguments(c, side);
    args.dx = (struct weft_view){0};
    return list->primitives->prelu_backward(list, &args);
}

struct prelu_runs {
    struct verify_run *forward, *backward, *first;
};

static void set_bounds(struct prelu_case *p)
{
    const struct lab_case *lab = &p->base.lab;
    const float *x = lab_initial(lab, p->x), *slope = lab_initial(lab, p->slope);
    const float *dy = lab_initial(lab, p->dy);
    double gamma = gamma_bound(p->rows + 4.0);
    bounds_zero(&p->base);
    for (size_t i = 0; i < p->x->count; i++) {
        size_t k = i % (size_t)p->channels;
        if (x[i] > 0)
            continue;
        double steep = fabs((double)slope[k]), size = fabs((double)x[i] * (double)dy[i]);
        p->y->bound[i] = FP32_EPSILON * steep * fabs((double)x[i]) + FP32_MIN_NORMAL;
        p->dx->bound[i] = FP32_EPSILON * steep * fabs((double)dy[i]) + FP32_MIN_NORMAL;
        p->dslope->bound[k] += gamma * size + FP32_MIN_NORMAL;
    }
}

static enum weft_status compare_all(struct prelu_case *p, struct prelu_runs *r,
                                    const char *fill)
{
    WEFT_TRY(run_and_compare(&p->base, r->forward, fill));
    WEFT_TRY(run_and_compare(&p->base, r->backward, fill));
    return run_and_compare(&p->base, r->first, fill);
}

static void fill_integers(struct prelu_case *p)
{
    struct lab_case *lab = &p->base.lab;
    lab_fill_integers(lab, p->x, -9, 9);
    lab_fill_nonzero(lab, p->slope, 3);
    lab_fill_integers(lab, p->dy, -9, 9);
}

static enum weft_status verify_gradients(struct prelu_case *p, struct prelu_runs *r)
{
    struct verify_case *c = &p->base;
    const struct {
        const char *what;
        struct lab_tensor *input, *gradient;
    } sides[] = {{"dx", p->x, p->dx}, {"dslope", p->slope, p->dslope}};
    if (p->dx == p->dy)
        return WEFT_OK;
    fill_integers(p);
    lab_fill_nonzero(&c->lab, p->x, 9);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(sides); i++) {
        const struct gradient_check slope = {.what = sides[i].what,
                                             .forward = r->forward,
                                             .backward = r->backward,
                                             .input = sides[i].input,
                                             .output = p->y,
                                             .gradient = sides[i].gradient,
                                             .coefficients = p->dy,
                                             .step = 0.125};
        WEFT_TRY(verify_gradient(c, &slope, LAB_REFERENCE));
    }
    return WEFT_OK;
}

static enum weft_status run_case(struct prelu_case *p)
{
    struct verify_case *c = &p->base;
    struct prelu_runs r;
    r.forward =
        case_add_run(c, "forward", record_forward, (struct lab_tensor *[]){p->y, NULL});
    r.backward = case_add_run(c, "backward", record_backward,
                              (struct lab_tensor *[]){p->dx, p->dslope, NULL});
    r.first = case_add_run(c, "backward without dx", record_first,
                           (struct lab_tensor *[]){p->dslope, NULL});
    WEFT_TRY(case_allocate(c));
    bounds_zero(c);
    fill_integers(p);
    WEFT_TRY(compare_all(p, &r, "integers"));
    lab_fill_uniform(&c->lab, p->x, -1, 1);
    lab_fill_uniform(&c->lab, p->slope, -1, 1);
    lab_fill_uniform(&c->lab, p->dy, -1, 1);
    set_bounds(p);
    WEFT_TRY(compare_all(p, &r, "real"));
    return is_fp16_run(c->check) ? WEFT_OK : verify_gradients(p, &r);
}

static enum weft_status verify_prelu_case(struct verify_context *k)
{
    struct prelu_case p = {0};
    struct verify_case *c = &p.base;
    int images, height, width, limit = k->params->tiny_shapes ? 600 : 60000;
    bool in_place = lab_random_bool(&k->random, 50);
    do {
        images = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 5, 16, 61);
        height = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        width = LAB_RANDOM_CHOICE(&k->random, 1, 1, 2, 3, 5, 7, 14, 27);
        p.channels = LAB_RANDOM_CHOICE(&k->random, 1, 2, 3, 4, 5, 8, 12, 13, 16, 24, 33,
                                       40, 64, 128, 257);
        if (in_place) /* mostly vectors that end behind their row */
            p.channels = LAB_RANDOM_CHOICE(&k->random, 5, 13, 33, 64);
    } while (images * height * width * p.channels > limit);
    p.rows = images * height * width;

    case_init(c, k);
    case_describe(c, " %dx%dx%dx%d%s", images, height, width, p.channels,
                  in_place ? ", dx is dy" : "");
    p.x = lab_add_tensor(&c->lab, "x", LAB_FLOAT, images, height, width, p.channels);
    p.y = lab_add_tensor(&c->lab, "y", LAB_FLOAT, images, height, width, p.channels);
    p.dy = lab_add_tensor(&c->lab, "dy", LAB_FLOAT, images, height, width, p.channels);
    p.dx = in_place ? p.dy
                    : lab_add_tensor(&c->lab, "dx", LAB_FLOAT, images, height, width,
                                     p.channels);
    p.slope = lab_add_tensor(&c->lab, "slope", LAB_FLOAT, 1, 1, 1, p.channels);
    p.dslope = lab_add_tensor(&c->lab, "dslope", LAB_FLOAT, 1, 1, 1, p.channels);
    p.dy->is_in_out = in_place;
    p.y->may_be_zero = p.dx->may_be_zero = p.dslope->may_be_zero = true;
    tensor_set_fp16(c, p.x, 75);
    tensor_set_fp16(c, p.y, 75);
    tensor_set_fp16(c, p.dy, 75);
    if (!in_place)
        tensor_set_fp16(c, p.dx, 75);
    enum weft_status status = run_case(&p);
    case_finish(c);
    return status;
}

const struct verify_check verify_prelu = {"prelu", verify_prelu_case, true};
