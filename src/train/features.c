/* SPDX-License-Identifier: Apache-2.0 */
/* Which features are kept, and how they are made. A file has those of one dataset: its
 * name is a hash of all that they depend on, which its header repeats. */
#include "train/features.h"

#include "dataset/dataset.h"
#include "net/frozen.h"
#include "os/private_folder.h"
#include "os/write_file.h"
#include "train/trainer.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/hash.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 16 };

static const size_t most_bytes = (size_t)1 << 30;

/* Operations for each feature; fewer of them take less time than sending it. */
static const double least_flops = 32;

/* Changes with the layout. */
static const char schema[8] = "weftfea1";

struct file_header {
    char schema[8];
    uint8_t key[WEFT_SHA256_BYTES];
    uint64_t images, count, sum; /* a hash of the values, which follow */
};

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
    struct weft_hash64_state hash;
    if (!weights)
        return weft_out_of_memory(t->device->context, "weights", bytes);
    enum weft_status status =
        t->device->backend->read(t->device, weights, t->buffers.weights, 0, bytes);
    weft_hash64_init(&hash);
    for (int i = 0; i < graph->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *param = &graph->nodes[i].params[role];
            weft_hash64_add(&hash, weights + param->at, param->count * sizeof(float));
        }
    *out = weft_hash64_finish(&hash);
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

/* All that the bits of the features depend on. */
static void compute_key(const struct weft_trainer *t, uint64_t data, uint64_t configs,
                        uint8_t key[WEFT_SHA256_BYTES])
{
    const struct weft_device_info *device = &t->device->info;
    const uint64_t numbers[] = {data, t->features.weights, configs,
                                (uint64_t)t->features.body->graph.count};
    struct weft_sha256_state hash;
    weft_sha256_init(&hash);
    weft_sha256_add(&hash, schema, sizeof(schema));
    weft_sha256_add(&hash, numbers, sizeof(numbers));
    weft_sha256_add(&hash, &t->normalization, sizeof(t->normalization));
    weft_sha256_add(&hash, device->name, strlen(device->name) + 1);
    weft_sha256_add(&hash, device->driver, strlen(device->driver) + 1);
    weft_sha256_add(&hash, t->net->text, strlen(t->net->text));
    weft_sha256_finish(&hash, key);
}

static char *file_path(const struct weft_features *f, const uint8_t *key)
{
    enum { NAME_BYTES = 16 };
    char name[2 * WEFT_SHA256_BYTES + 16];
    weft_sha256_hex(key, name);
    strcpy(name + 2 * NAME_BYTES, ".features");
    return f->dir ? weft_path_join(f->dir, name) : NULL;
}

/* Another user may not write there. */
static bool is_private(const struct weft_features *f)
{
    return weft_folder_is_private(f->dir, S_IWGRP | S_IWOTH);
}

static bool read_file(const struct weft_features *f, const char *path,
                      const struct file_header *expected, float *values)
{
    size_t bytes = (size_t)(expected->images * expected->count) * sizeof(float);
    struct weft_file_limits limits = {.limit = sizeof(*expected) + bytes};
    struct weft_file file = {NULL, 0, NULL};
    struct file_header header;
    bool valid = is_private(f) && !weft_file_read_within(NULL, path, &limits, &file) &&
                 file.size == limits.limit;
    if (valid) {
        memcpy(&header, file.bytes, sizeof(header));
        memcpy(values, file.bytes + sizeof(header), bytes);
        valid = header.sum == weft_hash64(values, bytes);
        header.sum = 0;
        valid = valid && !memcmp(&header, expected, sizeof(header));
    }
    weft_file_free(&file);
    return valid;
}

/* A failure is not one of the run. */
static void write_file(const struct weft_trainer *t, const char *path,
                       struct file_header header, const float *values)
{
    size_t bytes = (size_t)(header.images * header.count) * sizeof(float);
    header.sum = weft_hash64(values, bytes);
    const struct weft_write_part parts[] = {{&header, sizeof(header)}, {values, bytes}};
    const char *failure = NULL;
    if (weft_folder_create(NULL, t->features.dir, 0700))
        failure = "cannot be created";
    else if (!is_private(&t->features))
        failure = "is not a folder that you alone may write to (chmod 700)";
    else
        failure = weft_write_file_parts(path, 0600, parts, WEFT_ARRAY_SIZE(parts));
    if (failure)
        weft_log_message(t->device->context, WEFT_LOG_WARN,
                         "%s: %s: features are not kept", t->features.dir, failure);
}

static enum weft_status compute(struct weft_inference *body, const weft_dataset *data,
                                int images, size_t count, float *values)
{
    weft_context *ctx = body->device->context;
    struct weft_image_block block = {.pixels = NULL};
    enum weft_status status = WEFT_OK;
    int each = weft_dataset_block_images(data);
    each = each < BATCH ? BATCH : each / BATCH * BATCH;
    for (int first = 0, n; first < images && !status; first += n) {
        n = images - first < each ? images - first : each;
        status = weft_dataset_block(ctx, data, first, n, &block);
        if (!status)
            status =
                weft_inference_run(body, block.pixels, n, values + (size_t)first * count);
    }
    weft_image_block_free(&block);
    return status;
}

/* From the file of these features, or computed and written to it. */
static enum weft_status make(struct weft_trainer *t, struct weft_inference *body,
                             const weft_dataset *data,
                             const struct weft_dataset_info *info, float *values)
{
    double start = weft_clock_seconds();
    struct file_header header = {.images = (uint64_t)info->count,
                                 .count = t->features.count};
    memcpy(header.schema, schema, sizeof(schema));
    compute_key(t, info->hash, body->list->info.config_hash, header.key);
    char *path = file_path(&t->features, header.key);
    bool known = path && read_file(&t->features, path, &header, values);
    enum weft_status status =
        known ? WEFT_OK : compute(body, data, info->count, t->features.count, values);
    if (path && !known && !status)
        write_file(t, path, header, values);
    weft_log_message(t->device->context, WEFT_LOG_INFO,
                     "%s: features of %d images %s in %.1f s", t->net->name, info->count,
                     known ? "read" : "computed", weft_clock_seconds() - start);
    free(path);
    return status;
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
        status =
            weft_inference_create(t->device, f->body, t->buffers.weights,
                                  &t->normalization, BATCH, WEFT_FLOAT32, NULL, &body);
    if (!status)
        status = make(t, body, data, info, rows->values);
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
