/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization for both families: cl/norm.cl. Three launches each way: over parts
 * of the rows, over the parts, over the rows. */
#include "runtime.h"

/* How rows of `channels` channels are dealt to work-items. */
struct deal {
    int vector;    /* VW */
    int rows;      /* of a work-item */
    size_t across; /* work-items that share a row */
    size_t local[3];
    struct ocl_options options;
};

enum { GROUP = 64, MOST_PARTS = 512 };

static bool walks(const struct weft_list *list)
{
    return ocl_of(list)->is_cpu && list->device->family == WEFT_FAMILY_VEC;
}

/* Vectors never reach past a row, so that all are aligned, but for odd numbers of
 * channels on a processor. There a work-item walks along whole rows; on a GPU neighbours
 * take neighbouring vectors of a row. */
static struct deal deal_rows(const struct weft_list *list, int channels, long rows)
{
    const struct ocl_device *device = ocl_of(list);
    struct deal deal = {.vector = 1, .across = 1, .local = {1, 1, 1}};
    int widest = walks(list) ? device->vector : 4;
    while (deal.vector < widest && channels % (2 * deal.vector) == 0)
        deal.vector *= 2;
    if (walks(list) && channels > widest)
        deal.vector = widest;
    deal.rows = (int)rows;
    if (!walks(list)) {
        size_t most = device->max_group < GROUP ? device->max_group : GROUP;
        deal.across = ocl_vectors((size_t)channels, deal.vector);
        while (deal.local[0] * 2 <= most && deal.local[0] < deal.across)
            deal.local[0] *= 2;
        deal.local[1] = most / deal.local[0];
    }
    ocl_define(&deal.options, "C", channels);
    ocl_define(&deal.options, "VW", deal.vector);
    ocl_define(&deal.options, "ROWS", rows);
    return deal;
}

static enum weft_status launch_rows(struct weft_list *list, const struct deal *deal,
                                    size_t rows, struct ocl_launch *launch)
{
    launch->source = "norm.cl";
    launch->global[0] = deal->across;
    launch->global[1] = ocl_vectors(rows, deal->rows);
    for (int i = 0; i < 3; i++)
        launch->local[i] = deal->local[i];
    return ocl_launch(list, deal->options.text, launch);
}

/* The launches that write y or dx: a work-item of a processor does 16 KiB. */
static struct deal deal_values(const struct weft_list *list,
                               const struct weft_norm_args *a)
{
    long rows = walks(list) ? 4096 / a->channels : 1;
    struct deal deal = deal_rows(list, a->channels, rows < 1 ? 1 : rows);
    ocl_define(&deal.options, "ACT", a->activation.act);
    return deal;
}

/* The launches over parts. On a processor a part is read twice and fits the first-level
 * cache; a GPU wants many parts. `vectors`: of channels, that a work-item of a processor
 * sums at once. */
static struct deal deal_parts(const struct weft_list *list,
                              const struct weft_norm_args *a, int vectors)
{
    long rows = walks(list) ? 6144 / a->channels : 16, least = a->rows / MOST_PARTS + 1;
    rows = rows < 8 ? 8 : rows;
    struct deal deal = deal_rows(list, a->channels, rows < least ? least : rows);
    int blocks = (int)ocl_vectors((size_t)a->channels, deal.vector);
    while (blocks % vectors || !walks(list))
        if (vectors == 1)
            break;
        else
            vectors /= 2;
    ocl_define(&deal.options, "NV", vectors);
    ocl_define(&deal.options, "ACT", a->activation.act);
    return deal;
}

static struct ocl_arg take_parts(struct weft_list *list, const struct deal *deal,
                                 const struct weft_norm_args *a)
{
    size_t pitch = ocl_vectors((size_t)a->channels, deal->vector) * (size_t)deal->vector;
    size_t parts = ocl_vectors((size_t)a->rows, deal->rows);
    return (struct ocl_arg)OCL_SCRATCH(
        ocl_scratch(list, parts * 2 * pitch * sizeof(float)));
}

/* The launch that joins the parts: a work-item a vector, or a work-group a channel. */
static enum weft_status launch_join(struct weft_list *list, struct deal *deal,
                                    const struct weft_norm_args *a, const char *serial,
                                    const char *tree, struct ocl_launch *launch)
{
    size_t group = 1, most = ocl_of(list)->max_group;
    bool joined = list->device->family != WEFT_FAMILY_VEC;
    while (joined && group < GROUP && 2 * group <= most)
        group *= 2;
    if (joined)
        ocl_define(&deal->options, "GROUP", (long)group);
    launch->source = "norm.cl";
    launch->kernel = joined ? tree : serial;
    launch->global[0] = joined ? group * (size_t)a->channels
                               : ocl_vectors((size_t)a->channels, deal->vector);
    launch->local[0] = group;
    return ocl_launch(list, deal->options.text, launch);
}

static enum weft_status apply(struct weft_list *list, const struct weft_norm_args *a)
{
    struct deal deal = deal_values(list, a);
    ocl_define_type(&deal.options, "X_HALF", a->x);
    ocl_define_type(&deal.options, "Y_HALF", a->y);
    return launch_rows(list, &deal, (size_t)a->rows,
                       &(struct ocl_launch){
                           .kernel = "norm_apply",
                           .arg_count = 7,
                           .args = {OCL_VIEW(a->x), OCL_VIEW(a->mean), OCL_VIEW(a->scale),
                                    OCL_VIEW(a->bias), OCL_VIEW(a->y), OCL_INT(a->rows),
                                    OCL_FLOAT(a->activation.slope)},
                       });
}

enum weft_status ocl_norm_apply(struct weft_list *list, const struct weft_norm_args *args)
{
    ocl_begin(list);
    return apply(list, args);
}

enum weft_status ocl_norm_forward(struct weft_list *list,
                                  const struct weft_norm_args *args)
{
    const struct weft_norm_args *a = args;
    ocl_begin(list);
    struct deal deal = deal_parts(list, a, 4);
    ocl_define_type(&deal.options, "X_HALF", a->x);
    struct ocl_arg parts = take_parts(list, &deal, a);
    WEFT_TRY(launch_rows(list, &deal, (size_t)a->rows,
                         &(struct ocl_launch){
                             .kernel = "norm_statistics",
                             .arg_count = 3,
                             .args = {OCL_VIEW(a->x), parts, OCL_INT(a->rows)},
                         }));
    WEFT_TRY(launch_join(
        list, &deal, a, "norm_finish_serial", "norm_finish_tree",
        &(struct ocl_launch){
            .arg_count = 10,
            .args = {parts, OCL_VIEW(a->weight), OCL_VIEW(a->running_mean),
                     OCL_VIEW(a->running_variance), OCL_VIEW(a->mean),
                     OCL_VIEW(a->inverse), OCL_VIEW(a->scale), OCL_INT(a->rows),
                     OCL_FLOAT(a->momentum), OCL_FLOAT(a->epsilon)},
        }));
    return apply(list, a);
}

enum weft_status ocl_norm_backward(struct weft_list *list,
                                   const struct weft_norm_args *args)
{
    const struct weft_norm_args *a = args;
    ocl_begin(list);
    struct deal deal = deal_parts(list, a, 2);
    ocl_define_type(&deal.options, "X_HALF", a->x);
    ocl_define_type(&deal.options, "OTHER_HALF", a->dy);
    struct ocl_arg parts = take_parts(list, &deal, a);
    WEFT_TRY(launch_rows(list, &deal, (size_t)a->rows,
                         &(struct ocl_launch){
                             .kernel = "norm_sums",
                             .arg_count = 8,
                             .args = {OCL_VIEW(a->x), OCL_VIEW(a->dy), OCL_VIEW(a->mean),
                                      OCL_VIEW(a->scale), OCL_VIEW(a->bias), parts,
                                      OCL_INT(a->rows), OCL_FLOAT(a->activation.slope)},
                         }));
    WEFT_TRY(launch_join(list, &deal, a, "norm_total_serial", "norm_total_tree",
                         &(struct ocl_launch){
                             .arg_count = 5,
                             .args = {parts, OCL_VIEW(a->inverse), OCL_VIEW(a->dweight),
                                      OCL_VIEW(a->dbias), OCL_INT(a->rows)},
                         }));
    if (!a->dx.mem)
        return WEFT_OK;
    struct deal values = deal_values(list, a);
    ocl_define_type(&values.options, "X_HALF", a->x);
    ocl_define_type(&values.options, "OTHER_HALF", a->dy);
    ocl_define_type(&values.options, "Y_HALF", a->dx);
    return launch_rows(
        list, &values, (size_t)a->rows,
        &(struct ocl_launch){
            .kernel = "norm_data",
            .arg_count = 11,
            .args = {OCL_VIEW(a->x), OCL_VIEW(a->dy), OCL_VIEW(a->mean),
                     OCL_VIEW(a->inverse), OCL_VIEW(a->scale), OCL_VIEW(a->bias),
                     OCL_VIEW(a->dweight), OCL_VIEW(a->dbias), OCL_VIEW(a->dx),
                     OCL_INT(a->rows), OCL_FLOAT(a->activation.slope)},
        });
}

enum weft_status ocl_fold(struct weft_list *list, const struct weft_fold_args *args)
{
    const struct weft_fold_args *a = args;
    struct deal deal = deal_rows(list, a->channels, walks(list) ? 64 : 1);
    ocl_begin(list);
    ocl_define(&deal.options, "FOLD_W", a->w.mem != NULL);
    ocl_define(&deal.options, "FOLD_BIAS", a->bias.mem != NULL);
    ocl_define(&deal.options, "FOLD_OUT_BIAS", a->out_bias.mem != NULL);
    ocl_define_type(&deal.options, "Y_HALF", a->out_w);
    return launch_rows(
        list, &deal, (size_t)a->rows,
        &(struct ocl_launch){
            .kernel = "fold",
            .arg_count = 10,
            .args = {OCL_VIEW(a->w), OCL_VIEW(a->bias), OCL_VIEW(a->weight),
                     OCL_VIEW(a->shift), OCL_VIEW(a->mean), OCL_VIEW(a->variance),
                     OCL_VIEW(a->out_w), OCL_VIEW(a->out_bias), OCL_INT(a->rows),
                     OCL_FLOAT(a->epsilon)},
        });
}
