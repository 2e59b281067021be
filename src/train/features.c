/* SPDX-License-Identifier: Apache-2.0 */
/* Which features of a training are kept. */
#include "train/features.h"

#include "dataset/dataset.h"
#include "net/frozen.h"
#include "train/feature_files.h"
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

static const size_t most_bytes = (size_t)1 << 30;

/* Operations for each feature; fewer of them take less time than sending it. */
static const double least_flops = 32;

/* Why features of `net` are not kept; NULL: they are. */
static const char *find_obstacle(const struct weft_trainer *t, const weft_dataset *data,
                                 enum weft_type type, int nodes)
{
    struct weft_dataset_info info;
    char augment[WEFT_AUGMENT_TEXT];
    weft_dataset_info(data, &info);
    double flops = 0;
    for (int i = 0; i < nodes; i++)
        flops += t->net->graph.nodes[i].op->flops(&t->net->graph.nodes[i]);
    size_t count = nodes ? weft_shape_count(t->net->graph.nodes[nodes - 1].out) : 0;
    if (!nodes || flops < least_flops * (double)count)
        return "";
    if (type != WEFT_FLOAT32)
        return "features are not kept in float16: the frozen layers run in every step";
    if (t->parts > 1)
        return "features are not kept for a batch in parts: the frozen layers run in "
               "every step";
    weft_augment_write(&t->augment, augment);
    if (strcmp(augment, "none") != 0)
        return "augmentation makes other images in each epoch: the frozen layers run in "
               "every step";
    if (count > most_bytes / sizeof(float) / (size_t)info.count)
        return "the features of all images have more than 1 GiB: the frozen layers run "
               "in every step; freeze more of them";
    return NULL;
}

static enum weft_status hash_weights(const struct weft_trainer *t, uint64_t *out)
{
    const struct weft_graph *graph = &t->features.body->graph;
    size_t bytes = weft_graph_floats(graph) * sizeof(float);
    float *weights = malloc(bytes);
    if (!weights)
        return weft_out_of_memory(t->device->context, "weights", bytes);
    enum weft_status status =
        t->device->backend->read(t->device, weights, t->buffers.weights, 0, bytes);
    *out = weft_features_hash(graph, weights);
    free(weights);
    return status;
}

enum weft_status weft_features_plan(struct weft_trainer *t, const weft_dataset *data,
                                    const struct weft_train_params *p,
                                    enum weft_type type)
{
    struct weft_features *f = &t->features;
    int nodes = p->keep_features ? weft_net_frozen_nodes(t->net) : 0;
    f->note = find_obstacle(t, data, type, nodes);
    if (f->note)
        return WEFT_OK;
    f->note = "";
    WEFT_TRY(weft_net_cut(t->net, 0, nodes, &f->body));
    WEFT_TRY(weft_net_cut(t->net, nodes, t->net->graph.count, &f->head));
    f->count = weft_shape_count(f->head->input);
    f->data = weft_dataset_retain(data);
    if (p->features_dir && !(f->dir = strdup(p->features_dir)))
        return weft_out_of_memory(t->device->context, "trainer", strlen(p->features_dir));
    return WEFT_OK;
}

static void forget_rows(struct weft_features *f)
{
    while (f->rows) {
        struct weft_feature_rows *first = f->rows;
        f->rows = first->next;
        free(first->values);
        free(first);
    }
}

void weft_features_free(struct weft_features *f)
{
    forget_rows(f);
    weft_net_destroy(&f->body);
    weft_net_destroy(&f->head);
    weft_dataset_destroy(&f->data);
    free(f->dir);
}

enum weft_status weft_features_check(struct weft_trainer *t)
{
    uint64_t weights;
    if (!t->features.rows)
        return WEFT_OK;
    WEFT_TRY(hash_weights(t, &weights));
    if (weights != t->features.weights)
        forget_rows(&t->features);
    return WEFT_OK;
}

static enum weft_status add_rows(struct weft_trainer *t, const weft_dataset *data,
                                 const struct weft_dataset_info *info)
{
    struct weft_features *f = &t->features;
    size_t bytes = (size_t)info->count * f->count * sizeof(float);
    struct weft_inference *body = NULL;
    struct weft_feature_rows *rows = calloc(1, sizeof(*rows));
    if (!rows || !(rows->values = malloc(bytes))) {
        free(rows);
        return weft_out_of_memory(t->device->context, "features", bytes);
    }
    rows->data = info->hash;
    enum weft_status status = hash_weights(t, &f->weights);
    if (!status)
        status = weft_inference_create(t->device, f->body, t->buffers.weights,
                                       &t->normalization, WEFT_FEATURES_BATCH,
                                       WEFT_FLOAT32, NULL, &body);
    const struct weft_feature_maker maker = {.body = body,
                                             .net = t->net,
                                             .nodes = f->body->graph.count,
                                             .weights = f->weights,
                                             .normalization = &t->normalization,
                                             .count = f->count,
                                             .dir = f->dir};
    if (!status)
        status = weft_features_make(&maker, data, rows->values);
    weft_inference_destroy(&body);
    if (status) {
        free(rows->values);
        free(rows);
        return status;
    }
    rows->next = f->rows;
    f->rows = rows;
    return WEFT_OK;
}

enum weft_status weft_features_of(struct weft_trainer *t, const weft_dataset *data,
                                  const float **out)
{
    struct weft_dataset_info info;
    const struct weft_shape input = t->net->input;
    weft_dataset_info(data, &info);
    const struct weft_feature_rows *rows = t->features.rows;
    while (rows && rows->data != info.hash)
        rows = rows->next;
    if (!rows) {
        if (info.height != input.h || info.width != input.w || info.channels != input.c)
            return weft_fail(t->device->context, WEFT_ERR_ARG,
                             "%s: images of %dx%dx%d do not fit a network for %dx%dx%d",
                             info.source, info.height, info.width, info.channels, input.h,
                             input.w, input.c);
        WEFT_TRY(add_rows(t, data, &info));
        rows = t->features.rows;
    }
    *out = rows->values;
    return WEFT_OK;
}
