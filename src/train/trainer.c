/* SPDX-License-Identifier: Apache-2.0 */
/* A trainer's buffers: allocation, upload of images and initial weights. */
#include "train/trainer.h"
#include "train/whiten.h"
#include "dataset/dataset.h"
#include "device/process.h"

#include "image/preprocess.h"
#include "lab/random.h"
#include "model/model.h"
#include "model/weights.h"
#include "os/memory.h"
#include "shared/state.h"
#include "util/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLASS_WEIGHT 1e6f

/* Unless it is there, from the phase before. */
static enum weft_status alloc(struct weft_trainer *t, size_t bytes, struct weft_mem **out)
{
    t->device_bytes += bytes + WEFT_BUFFER_PADDING;
    return *out ? WEFT_OK : t->device->backend->alloc(t->device, bytes, out);
}

/* The images of one batch, or their labels. */
static enum weft_status alloc_staged(struct weft_trainer *t, size_t bytes,
                                     struct weft_mem **out)
{
    size_t before = t->device->allocated;
    enum weft_status status = t->device->backend->alloc_staged(t->device, bytes, out);
    t->device_bytes += t->device->allocated - before;
    return status;
}

/* The network that a step runs. */
static const struct weft_net *trained_net(const struct weft_trainer *t)
{
    return t->features.head ? t->features.head : t->net;
}

/* Those of the phase before, if they have the size. */
static enum weft_status alloc_activations(struct weft_trainer *t)
{
    struct weft_mem **mem = &t->buffers.activations;
    if (*mem && t->activation_bytes < t->plan->bytes) {
        t->device->backend->free(t->device, *mem);
        *mem = NULL;
    }
    if (!*mem) {
        t->activation_bytes = t->plan->bytes;
        WEFT_TRY(weft_plan_alloc(t->device, trained_net(t), t->plan, mem));
    }
    t->device_bytes += t->activation_bytes;
    return WEFT_OK;
}

/* Activations, weights, gradients, optimizer state and step state. */
static enum weft_status alloc_buffers(struct weft_trainer *t)
{
    size_t weights = t->net->graph.weights * sizeof(float);
    WEFT_TRY(alloc_activations(t));
    WEFT_TRY(
        alloc(t, weft_graph_floats(&t->net->graph) * sizeof(float), &t->buffers.weights));
    WEFT_TRY(alloc(t, weights, &t->buffers.gradients));
    WEFT_TRY(alloc(t, weights, &t->moment1));
    if (t->optimizer.kind != WEFT_OPTIMIZER_SGD)
        WEFT_TRY(alloc(t, weights, &t->moment2));
    if (weft_augment_mixes(&t->augment))
        WEFT_TRY(
            alloc(t, 2 * (size_t)t->plan->batch * sizeof(int32_t), &t->buffers.mixing));
    if (t->parts > 1) {
        WEFT_TRY(alloc(t, weights, &t->gradient_sums));
        WEFT_TRY(alloc(t, 2 * (size_t)t->batch * sizeof(float), &t->row_metrics));
    }
    if (t->averaging.kind)
        WEFT_TRY(
            alloc(t, weft_graph_floats(&t->net->graph) * sizeof(float), &t->average));
    return alloc(t, (STATE_WORDS + (size_t)t->rate_count) * sizeof(uint32_t),
                 &t->buffers.state);
}

/* The settings follow the groups at an aligned place: they are groups of 16 too. */
size_t weft_trainer_group_settings_at(const struct weft_trainer *t)
{
    size_t step = WEFT_ALIGN / sizeof(uint32_t);
    return (t->groups.of_count + step - 1) / step * step;
}

static enum weft_status upload_groups(struct weft_trainer *t)
{
    const struct weft_backend *backend = t->device->backend;
    WEFT_TRY(weft_weight_groups_build(t->net, &t->optimizer, &t->groups));
    if (!t->groups.count)
        return WEFT_OK;
    size_t at = weft_trainer_group_settings_at(t) * sizeof(uint32_t);
    size_t bytes = (size_t)t->groups.count * GROUP_SETTINGS * sizeof(float);
    WEFT_TRY(alloc(t, at + bytes, &t->group_mem));
    WEFT_TRY(backend->write(t->device, t->group_mem, 0, t->groups.of,
                            t->groups.of_count * sizeof(uint32_t)));
    return backend->write(t->device, t->group_mem, at, t->groups.settings, bytes);
}

/* Those of classes that only the network has are 1. */
static enum weft_status upload_class_weights(struct weft_trainer *t,
                                             const struct weft_dataset_info *info,
                                             const float *weights)
{
    weft_context *ctx = t->device->context;
    const struct weft_graph *graph = &t->plan->graph;
    int classes = graph->nodes[graph->count - 1].in[0].c;
    size_t bytes = (size_t)classes * sizeof(float);
    if (!weights)
        return WEFT_OK;
    float *all = malloc(bytes);
    if (!all)
        return weft_out_of_memory(ctx, "class weights", bytes);
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < classes && !status; i++) {
        all[i] = i < info->classes ? weights[i] : 1.0f;
        if (!(all[i] >= 0 && all[i] <= MAX_CLASS_WEIGHT))
            status = weft_fail(ctx, WEFT_ERR_ARG,
                               "the weight of class %d is %g, must be 0 to %g", i,
                               (double)all[i], (double)MAX_CLASS_WEIGHT);
    }
    if (!status)
        status = alloc(t, bytes, &t->buffers.class_weights);
    if (!status)
        status =
            t->device->backend->write(t->device, t->buffers.class_weights, 0, all, bytes);
    t->class_weights_hash = weft_hash64(all, bytes) | 1;
    free(all);
    return status;
}

/* The memory of the device; where it is the host's, at most what the process may use. */
static uint64_t memory_of(const struct weft_device_info *device)
{
    uint64_t all = device->global_mem_bytes, host = weft_memory_bytes("");
    bool shared =
        device->kind == WEFT_DEVICE_CPU || device->kind == WEFT_DEVICE_INTEGRATED;
    return shared && host && host < all ? host : all;
}

/* True: the device has the images of one batch. */
static bool must_stream(const struct weft_trainer *t, const weft_dataset *data,
                        const struct weft_train_params *p)
{
    const struct weft_device_info *device = &t->device->info;
    uint64_t pixels = (uint64_t)t->count * weft_shape_count(t->net->input);
    uint64_t padded = pixels + WEFT_BUFFER_PADDING + WEFT_ALIGN;
    return p->stream || weft_dataset_is_decoding(data) || pixels > WEFT_MAX_ELEMENTS ||
           padded > device->max_alloc_bytes || pixels > memory_of(device) / 2;
}

/* Images and labels of `rows` places; behind the last image the first. */
static enum weft_status upload_rows(struct weft_trainer *t, const weft_dataset *data,
                                    const int32_t *labels, int rows)
{
    const struct weft_backend *backend = t->device->backend;
    struct weft_image_block block = {.pixels = NULL};
    size_t bytes = weft_shape_count(t->net->input);
    int each = weft_dataset_block_images(data);
    enum weft_status status = WEFT_OK;
    for (int first = 0, n; first < rows && !status; first += n) {
        int image = first % t->count, left = (rows < t->count ? rows : t->count) - image;
        n = rows - first < left ? rows - first : left;
        n = n < each ? n : each;
        status = weft_dataset_block(t->device->context, data, image, n, &block);
        if (!status)
            status = backend->write(t->device, t->images->pixels, (size_t)first * bytes,
                                    block.pixels, (size_t)n * bytes);
        if (!status)
            status = backend->write(t->device, t->images->labels,
                                    (size_t)first * sizeof(*labels), labels + image,
                                    (size_t)n * sizeof(*labels));
    }
    weft_image_block_free(&block);
    return status;
}

/* Features of the known-answer test, and labels. */
static enum weft_status upload_noise(struct weft_trainer *t, const int32_t *labels,
                                     size_t rows)
{
    const struct weft_backend *backend = t->device->backend;
    struct lab_random random = lab_random_begin(3, 0, 0);
    size_t count = rows * t->features.count;
    float *values = malloc(count * sizeof(*values));
    if (!values)
        return weft_out_of_memory(t->device->context, "features",
                                  count * sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = lab_random_float(&random, -1, 1);
    enum weft_status status =
        backend->write(t->device, t->images->pixels, 0, values, count * sizeof(*values));
    free(values);
    return status ? status
                  : backend->write(t->device, t->images->labels, 0, labels,
                                   rows * sizeof(*labels));
}

static void release_images(struct weft_trainer *t)
{
    struct weft_train_images *images = t->images;
    if (!images)
        return;
    if (--images->users) { /* what the stream has may still be written */
        t->device->backend->wait_written(t->device);
        return;
    }
    if (images->pixels)
        t->device->backend->free(t->device, images->pixels);
    if (images->labels)
        t->device->backend->free(t->device, images->labels);
    free(images);
}

/* The images of one batch are the first ones until a step begins. Those of the phase
 * before stay where they are. */
static enum weft_status upload_images(struct weft_trainer *t, const weft_dataset *data,
                                      const struct weft_train_params *p)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    bool streamed = t->features.head || must_stream(t, data, p);
    int rows = streamed ? t->batch + weft_augment_mixes(&t->augment) : t->count;
    size_t pixels = (size_t)rows * (t->features.head ? t->features.count * sizeof(float)
                                                     : weft_shape_count(t->net->input));
    size_t labels = (size_t)rows * sizeof(int32_t);
    struct weft_train_images *images = t->images;
    if (images && !t->features.head && images->rows == rows &&
        images->streamed == streamed) {
        t->device_bytes += images->device_bytes;
        return WEFT_OK;
    }
    release_images(t);
    t->images = images = calloc(1, sizeof(*images));
    if (!images)
        return weft_out_of_memory(t->device->context, "trainer", sizeof(*images));
    *images = (struct weft_train_images){.streamed = streamed, .rows = rows, .users = 1};
    size_t before = t->device_bytes;
    WEFT_TRY(streamed ? alloc_staged(t, pixels, &images->pixels)
                      : alloc(t, pixels, &images->pixels));
    WEFT_TRY(streamed ? alloc_staged(t, labels, &images->labels)
                      : alloc(t, labels, &images->labels));
    images->device_bytes = t->device_bytes - before;
    return t->features.head ? upload_noise(t, info.labels, (size_t)rows)
                            : upload_rows(t, data, info.labels, rows);
}

/* Initial weights that depend on the images, on a model or on the phase before: a restart
 * needs none of them. */
static enum weft_status make_initial(struct weft_trainer *t, const weft_dataset *data,
                                     const struct weft_train_params *p)
{
    const struct weft_graph *graph = &t->net->graph;
    if (t->initial || (!weft_whitens(t->net) && !p->from))
        return WEFT_OK;
    size_t bytes = weft_graph_floats(graph) * sizeof(float);
    t->initial = malloc(bytes);
    if (!t->initial)
        return weft_out_of_memory(t->device->context, "weights", bytes);
    weft_graph_initialize(graph, t->seed, t->initial);
    if (weft_whitens(t->net))
        WEFT_TRY(weft_whiten(t->net, data, &t->normalization, t->initial));
    if (p->from &&
        !weft_weights_copy(&p->from->net->graph, p->from->weights, graph, t->initial))
        return weft_fail(t->device->context, WEFT_ERR_ARG,
                         "%s: has no layer of the same name and shape as the model %s, "
                         "which it should begin with",
                         t->net->name, p->from->net->name);
    return WEFT_OK;
}

static enum weft_status write_weights(struct weft_trainer *t)
{
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = t->initial ? t->initial : malloc(bytes);
    if (!weights)
        return weft_out_of_memory(t->device->context, "weights", bytes);
    if (!t->initial)
        weft_graph_initialize(&t->net->graph, t->seed, weights);
    enum weft_status status =
        t->device->backend->write(t->device, t->buffers.weights, 0, weights, bytes);
    if (!status && t->average)
        status = t->device->backend->write(t->device, t->average, 0, weights, bytes);
    if (!t->initial)
        free(weights);
    return status;
}

struct weft_mem *weft_trainer_weights(const struct weft_trainer *t)
{
    return t->average ? t->average : t->buffers.weights;
}

static enum weft_status write_learning_rates(struct weft_trainer *t)
{
    size_t bytes = t->rate_count * sizeof(float);
    float *rates = malloc(bytes + 1);
    if (!rates)
        return weft_out_of_memory(t->device->context, "learning-rate schedule", bytes);
    for (uint32_t i = 0; i < t->rate_count; i++)
        rates[i] = weft_trainer_learning_rate(t, i);
    enum weft_status status = t->device->backend->write(
        t->device, t->buffers.state, STATE_WORDS * sizeof(uint32_t), rates, bytes);
    free(rates);
    return status;
}

/* A new trainer's optimizer state is zero already. */
static enum weft_status begin_training(struct weft_trainer *t)
{
    if (t->rate_count)
        WEFT_TRY(write_learning_rates(t));
    return weft_trainer_set_state(t, t->first_step, t->optimizer.beta1,
                                  t->optimizer.beta2);
}

enum weft_status weft_trainer_restart(struct weft_trainer *t)
{
    struct weft_mem *const moments[] = {t->moment1, t->moment2};
    WEFT_TRY(weft_trainer_clear(t, moments, WEFT_ARRAY_SIZE(moments)));
    t->epoch_metrics = (struct weft_epoch_metrics){0};
    WEFT_TRY(write_weights(t));
    return begin_training(t);
}

static enum weft_status copy_description(struct weft_trainer *t,
                                         const struct weft_dataset_info *info,
                                         const struct weft_train_params *p)
{
    weft_context *ctx = t->device->context;
    t->class_names = calloc((size_t)info->classes, sizeof(*t->class_names));
    t->dataset_known_as = strdup(info->known_as);
    if (!t->class_names || !t->dataset_known_as)
        return weft_out_of_memory(ctx, "trainer", (size_t)info->classes * sizeof(char *));
    for (t->classes = 0; t->classes < info->classes; t->classes++)
        if (!(t->class_names[t->classes] = strdup(info->class_names[t->classes])))
            return weft_out_of_memory(ctx, "trainer",
                                      strlen(info->class_names[t->classes]));
    t->data_hash = info->hash;
    if (p->from && p->from->net->input.c != info->channels)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "images of %d channels for training that begins with a model of "
                         "%d; open the data with the preprocessing of the model",
                         info->channels, p->from->net->input.c);
    memcpy(t->mean, p->from ? p->from->mean : info->mean, sizeof(t->mean));
    memcpy(t->stddev, p->from ? p->from->stddev : info->stddev, sizeof(t->stddev));
    t->normalization = weft_normalize(t->mean, t->stddev);
    t->preprocess = *info->preprocess;
    if (!p->preprocess)
        return WEFT_OK;
    WEFT_TRY(WEFT_READ_PARAMS(ctx, p->preprocess, &t->preprocess));
    return weft_preprocess_check(ctx, &t->preprocess);
}

/* Batch and steps, and what the optimizer needs. */
static void count_steps(struct weft_trainer *t, const weft_net *net,
                        const struct weft_dataset_info *info,
                        const struct weft_train_params *p)
{
    t->count = info->count;
    t->batch = p->batch ? p->batch : net->batch ? net->batch : 128;
    t->parts = p->accumulate > 1 ? p->accumulate : 1;
    if (t->batch > t->count)
        t->batch = t->count - t->count % t->parts;
    t->steps_per_epoch = t->count / t->batch;
    t->seed = p->seed;
    t->audit = p->audit;
    t->optimizer = net->optimizer;
    if (p->learning_rate > 0)
        t->optimizer.learning_rate = p->learning_rate;
}

enum weft_status weft_trainer_build(struct weft_trainer *t, const weft_net *net,
                                    const weft_dataset *data,
                                    const struct weft_train_params *p,
                                    enum weft_type type, const weft_trainer *share)
{
    struct weft_dataset_info own, *info = &own;
    const weft_trainer *like = share && share->plan->type == type ? share : NULL;
    weft_dataset_info(data, info);
    count_steps(t, net, info, p);
    WEFT_TRY(weft_net_copy(net, &t->net));
    WEFT_TRY(copy_description(t, info, p));
    WEFT_TRY(weft_trainer_plan_schedule(t, p));
    t->augment = t->net->augment;
    if (p->augment)
        WEFT_TRY(weft_augment_read(t->device->context, p->augment, &t->augment));
    WEFT_TRY(weft_features_plan(t, data, p, type));
    WEFT_TRY(weft_plan_create(trained_net(t), t->batch / t->parts, true, p->no_fusion,
                              type, &t->plan));
    weft_plan_set_parts(t->plan, t->parts);
    if (like)
        weft_trainer_borrow_weights(t, like);
    WEFT_TRY(alloc_buffers(t));
    WEFT_TRY(upload_groups(t));
    WEFT_TRY(upload_class_weights(t, info, p->class_weights));
    WEFT_TRY(weft_trainer_balance(t, info, p));
    if (!share)
        WEFT_TRY(upload_images(t, data, p));
    if (t->features.head) {
        t->buffers.x = t->images->pixels;
        t->buffers.labels = t->images->labels;
    }
    if (!like) { /* else it runs no steps but those of the known-answer test */
        if (t->images->streamed && !t->features.head)
            WEFT_TRY(
                weft_stream_create(t->device->context,
                                   &(struct weft_stream_params){.data = data,
                                                                .batch = t->batch,
                                                                .rows = t->images->rows,
                                                                .seed = t->seed,
                                                                .balance = t->balance},
                                   &t->stream));
        WEFT_TRY(make_initial(t, data, p));
        WEFT_TRY(write_weights(t));
    }
    WEFT_TRY(begin_training(t));
    WEFT_TRY(weft_trainer_record_step(t, like));
    return like ? WEFT_OK : weft_trainer_check_kernels(t, data, p);
}

enum weft_status weft_trainer_create_with_type(weft_device *device, const weft_net *net,
                                               const weft_dataset *data,
                                               const struct weft_train_params *p,
                                               enum weft_type type,
                                               const weft_trainer *share,
                                               weft_trainer **out)
{
    struct weft_trainer *t = calloc(1, sizeof(*t));
    if (!t)
        return weft_out_of_memory(device->context, "trainer", sizeof(*t));
    t->device = device;
    if (share) {
        t->images = share->images;
        t->images->users++;
    }
    enum weft_status status = weft_trainer_build(t, net, data, p, type, share);
    if (status)
        weft_trainer_destroy(&t);
    else
        *out = t;
    return status;
}

void weft_trainer_destroy(weft_trainer **trainer)
{
    struct weft_trainer *t = trainer ? *trainer : NULL;
    if (!t)
        return;
    if (weft_device_is_lost(t->device)) {
        *trainer = NULL;
        return;
    }
    const struct weft_backend *backend = t->device->backend;
    struct weft_mem *const mems[] = {t->buffers.activations,
                                     t->borrows ? NULL : t->buffers.weights,
                                     t->borrows ? NULL : t->buffers.gradients,
                                     t->buffers.state,
                                     t->buffers.mixing,
                                     t->borrows ? NULL : t->moment1,
                                     t->borrows ? NULL : t->moment2,
                                     t->gradient_sums,
                                     t->row_metrics,
                                     t->borrows ? NULL : t->average,
                                     t->group_mem,
                                     t->balance_mem,
                                     t->buffers.class_weights};
    weft_inference_destroy(&t->inference);
    if (t->averager)
        backend->list_destroy(t->averager);
    if (t->update)
        backend->list_destroy(t->update);
    if (t->gradients)
        backend->list_destroy(t->gradients);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(mems); i++)
        if (mems[i])
            backend->free(t->device, mems[i]);
    release_images(t);
    weft_stream_destroy(&t->stream);
    weft_features_free(&t->features);
    weft_weight_groups_free(&t->groups);
    free(t->initial);
    free(t->points);
    free(t->balance);
    weft_plan_destroy(&t->plan);
    weft_net_destroy(&t->net);
    for (int i = 0; i < t->classes; i++)
        free(t->class_names[i]);
    free(t->class_names);
    free(t->dataset_known_as);
    free(t);
    *trainer = NULL;
}
