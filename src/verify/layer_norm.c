/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of layer normalization. */
#include "verify/norm.h"

static struct weft_layer_norm_args arguments(const struct verify_case *c,
                                             enum lab_side side)
{
    const struct norm_case *n = (const struct norm_case *)c;
    return (struct weft_layer_norm_args){
        .rows = n->rows,
        .channels = n->channels,
        .epsilon = n->epsilon,
        .activation = n->activation,
        .x = lab_view(&c->lab, n->x, side),
        .weight = lab_view(&c->lab, n->weight, side),
        .bias = lab_view(&c->lab, n->bias, side),
        .mean = lab_view(&c->lab, n->mean, side),
        .inverse = lab_view(&c->lab, n->inverse, side),
        .y = lab_view(&c->lab, n->y, side),
        .dy = lab_view(&c->lab, n->dy, side),
        .dx = lab_view(&c->lab, n->dx, side),
        .dweight = lab_view(&c->lab, n->dweight, side),
        .dbias = lab_view(&c->lab, n->dbias, side),
    };
}

static enum weft_status record_forward(const struct verify_case *c, enum lab_side side,
                                       struct weft_command_list *list)
{
    const struct weft_layer_norm_args args = arguments(c, side);
    return list->primitives->layer_norm_forward(list, &args);
}

/* Without mean and inverse. */
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

static enum weft_status record_without_dx(const struct verify_case *c, enum lab_side side,
                                          struct weft_command_list *list)
{
    struct weft_layer_norm_args args = arguments(c, side);
    args.dx = (struct weft_view){0};
    return list->primitives->layer_norm_backward(list, &args);
}

static void add_statistics(struct norm_case *n, int images, int height, int width)
{
    struct lab_case *lab = &n->base.lab;
    n->mean = lab_add_tensor(lab, "mean", LAB_FLOAT, images, height, width, 1);
    n->inverse = lab_add_tensor(lab, "inverse", LAB_FLOAT, images, height, width, 1);
    n->mean->may_be_zero = true;
}

static enum weft_status verify_layer_norm_case(struct verify_context *k)
{
    static const int channels[] = {1,  2,  3,  4,  5,  7,   8,   13,  16,
                                   24, 31, 32, 40, 65, 128, 257, 768, 0};
    static const struct norm_kind kind = {
        .by_row = true,
        .forward = record_forward,
        .inference = record_inference,
        .backward = record_backward,
        .backward_without_dx = record_without_dx,
        .add_statistics = add_statistics,
    };
    return norm_check(k, &kind, channels);
}

const struct verify_check verify_layer_norm = {"layer-norm", verify_layer_norm_case,
                                               true};
