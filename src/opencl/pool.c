/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling for both families: cl/pool.cl, one launch each way. */
#include "ocl.h"

/* How the pixels of a tensor are dealt to work-items. */
struct deal {
    int vector; /* channels */
    bool rows;  /* a row a work-item, else a vector of one pixel */
    size_t local;
};

/* A processor wants whole rows of wide vectors, one work-item a group; a GPU one short
 * vector a work-item. Vectors never reach past a pixel's channels, so that all are
 * aligned, but for odd numbers of channels on a processor. */
static struct deal deal_pixels(const struct weft_list *list, int channels)
{
    const struct ocl_device *device = ocl_of(list);
    bool rows = device->is_cpu && list->device->family == WEFT_FAMILY_VEC;
    struct deal deal = {.vector = 1, .rows = rows, .local = 1};
    int widest = rows ? device->vector : 4;
    while (deal.vector < widest && channels % (2 * deal.vector) == 0)
        deal.vector *= 2;
    if (!rows)
        deal.local = device->max_group < 64 ? device->max_group : 64;
    else if (channels > widest)
        deal.vector = widest;
    return deal;
}

/* By kind. Kernels of maxima have the argmax as their second view where it is read, as
 * their third where it is written. */
static const struct {
    const char *forward, *backward;
    bool argmax;
} kinds[] = {
    [WEFT_POOL_MAX] = {"max_forward", "max_backward", true},
    [WEFT_POOL_MEAN] = {"mean_forward", "mean_backward", false},
};

static struct ocl_options options_of(const struct weft_pool *pool,
                                     const struct deal *deal)
{
    struct ocl_options options = {""};
    ocl_define(&options, "H", pool->h);
    ocl_define(&options, "W", pool->w);
    ocl_define(&options, "C", pool->c);
    ocl_define(&options, "R", pool->r);
    ocl_define(&options, "S", pool->s);
    ocl_define(&options, "STRIDE_Y", pool->stride_y);
    ocl_define(&options, "STRIDE_X", pool->stride_x);
    ocl_define(&options, "PAD_TOP", pool->pad_top);
    ocl_define(&options, "PAD_LEFT", pool->pad_left);
    ocl_define(&options, "OUT_H", pool->out_h);
    ocl_define(&options, "OUT_W", pool->out_w);
    ocl_define(&options, "VW", deal->vector);
    ocl_define(&options, "ROWS", deal->rows);
    return options;
}

static enum weft_status launch(struct weft_list *list, const struct weft_pool *pool,
                               bool forward, struct ocl_arg from, struct ocl_arg to,
                               struct weft_view argmax)
{
    size_t lines = (size_t)pool->n * (size_t)(forward ? pool->out_h : pool->h);
    size_t width = (size_t)(forward ? pool->out_w : pool->w);
    struct deal deal = deal_pixels(list, pool->c);
    size_t vectors = (size_t)((pool->c + deal.vector - 1) / deal.vector);
    size_t items = deal.rows ? lines : lines * width * vectors;
    struct ocl_options options = options_of(pool, &deal);
    ocl_define(&options, "ARGMAX", argmax.mem != NULL);
    ocl_define_arg(&options, "X_HALF", &from);
    ocl_define_arg(&options, "Y_HALF", &to);

    struct ocl_launch launch = {
        .source = "pool.cl",
        .kernel = forward ? kinds[pool->kind].forward : kinds[pool->kind].backward,
        .global = {items},
        .local = {deal.local},
        .args = {from},
    };
    int n = 1;
    if (kinds[pool->kind].argmax && !forward)
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(argmax);
    launch.args[n++] = to;
    if (kinds[pool->kind].argmax && forward)
        launch.args[n++] = (struct ocl_arg)OCL_VIEW(argmax);
    launch.args[n++] = (struct ocl_arg)OCL_INT(items);
    launch.arg_count = n;
    return ocl_launch(list, options.text, &launch);
}

enum weft_status ocl_pool_max(struct weft_list *list, const struct weft_pool *pool,
                              struct ocl_arg x, struct ocl_arg y, struct weft_view argmax)
{
    return launch(list, pool, true, x, y, argmax);
}

enum weft_status ocl_pool_spread(struct weft_list *list, const struct weft_pool *pool,
                                 struct ocl_arg dy, struct weft_view argmax,
                                 struct ocl_arg dx)
{
    return launch(list, pool, false, dy, dx, argmax);
}

enum weft_status ocl_pool_forward(struct weft_list *list,
                                  const struct weft_pool_args *args)
{
    ocl_begin(list);
    return ocl_pool_max(list, &args->pool, (struct ocl_arg)OCL_VIEW(args->x),
                        (struct ocl_arg)OCL_VIEW(args->y), args->argmax);
}

enum weft_status ocl_pool_backward(struct weft_list *list,
                                   const struct weft_pool_args *args)
{
    ocl_begin(list);
    return ocl_pool_spread(list, &args->pool, (struct ocl_arg)OCL_VIEW(args->dy),
                           args->argmax, (struct ocl_arg)OCL_VIEW(args->dx));
}
