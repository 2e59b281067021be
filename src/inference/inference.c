/* SPDX-License-Identifier: Apache-2.0 */
/* Running a network forward. */
#include "inference/inference.h"

#include "dataset/dataset.h"
#include "net/lower.h"
#include "util/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* With `like` not NULL by the kernel configs of that one. */
static enum weft_status lower(struct weft_inference *inference,
                              const struct weft_net *net,
                              const struct weft_normalization *normalization,
                              const struct weft_inference *like)
{
    struct weft_device *device = inference->device;
    struct weft_batch_args input = {
        .n = inference->batch,
        .count = inference->batch,
        .pixels = (int)inference->image_bytes,
        .channels = net->input.c,
        .bytes = {inference->pixels, 0, (size_t)inference->batch * inference->image_bytes,
                  WEFT_UINT8},
        .x = weft_plan_step_view(inference->plan, &inference->buffers, TENSOR_X),
    };
    for (int c = 0; normalization && c < WEFT_MAX_CHANNELS; c++) {
        input.scale[c] = normalization->scale[c];
        input.shift[c] = normalization->shift[c];
    }
    const struct weft_command_list_params params = {.constant_weights = true,
                                                    .like = like ? like->list : NULL};
    WEFT_TRY(device->backend->list_create(device, &params, &inference->list));
    WEFT_TRY(weft_list_begin_segment(inference->list, -1, WEFT_PHASE_BATCH));
    if (normalization)
        WEFT_TRY(inference->list->primitives->make_batch(inference->list, &input));
    WEFT_TRY(weft_lower_forward(inference->plan, &inference->buffers, inference->list));
    return device->backend->list_finalize(inference->list);
}

static enum weft_status prepare(struct weft_inference *inference,
                                const struct weft_inference *like)
{
    struct weft_device *device = inference->device;
    size_t bytes = inference->plan->prepared_floats * sizeof(float);
    if (!bytes)
        return WEFT_OK;
    const struct weft_command_list_params params = {.like = like ? like->prepare : NULL};
    if (!inference->buffers.prepared)
        WEFT_TRY(device->backend->alloc(device, bytes, &inference->buffers.prepared));
    WEFT_TRY(device->backend->list_create(device, &params, &inference->prepare));
    WEFT_TRY(weft_prepared_record(&inference->plan->graph, inference->plan->prepared,
                                  inference->buffers.weights, inference->buffers.prepared,
                                  inference->prepare));
    WEFT_TRY(device->backend->list_finalize(inference->prepare));
    return weft_inference_refresh(inference);
}

enum weft_status weft_inference_record(struct weft_inference *inference,
                                       const struct weft_net *net,
                                       const struct weft_normalization *normalization,
                                       const struct weft_inference *like)
{
    struct weft_command_list **const lists[] = {&inference->list, &inference->prepare};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(lists); i++) {
        if (*lists[i])
            inference->device->backend->list_destroy(*lists[i]);
        *lists[i] = NULL;
    }
    WEFT_TRY(prepare(inference, like));
    return lower(inference, net, normalization, like);
}

enum weft_status weft_inference_create(
    struct weft_device *device, const struct weft_net *net, struct weft_mem *weights,
    const struct weft_normalization *normalization, int batch, enum weft_type type,
    const struct weft_inference *like, struct weft_inference **out)
{
    struct weft_inference *inference = calloc(1, sizeof(*inference));
    if (!inference)
        return weft_out_of_memory(device->context, "predictor", sizeof(*inference));
    inference->device = device;
    inference->batch = batch;
    inference->classes = net->graph.nodes[net->graph.outputs[0]].out.c;
    inference->values = weft_net_output_values(net);
    inference->image_bytes =
        weft_shape_count(net->input) * (normalization ? 1 : sizeof(float));
    inference->buffers.weights = weights;
    size_t rows = (size_t)batch * inference->values;
    enum weft_status status =
        weft_plan_create(net, batch, false, false, type, &inference->plan);
    if (status)
        goto fail;
    inference->rows = malloc(rows * sizeof(*inference->rows));
    if (!inference->rows) {
        status = weft_out_of_memory(device->context, "predictor", rows * sizeof(float));
        goto fail;
    }
    if ((status = weft_plan_alloc(device, net, inference->plan,
                                  &inference->buffers.activations)) ||
        (status = device->backend->alloc(device, (size_t)batch * inference->image_bytes,
                                         &inference->pixels)))
        goto fail;
    inference->buffers.x = normalization ? NULL : inference->pixels;
    if ((status = weft_inference_record(inference, net, normalization, like)) ||
        (!like && (status = weft_inference_check_kernels(inference, net, normalization))))
        goto fail;
    *out = inference;
    return WEFT_OK;

fail:
    weft_inference_destroy(&inference);
    return status;
}

/* In float16 the prepared weights replace the float32 ones. */
static enum weft_status release_fp32_weights(struct weft_inference *inference,
                                             struct weft_mem **weights)
{
    const struct weft_backend *backend = inference->device->backend;
    if (inference->plan->type != WEFT_FLOAT16)
        return WEFT_OK;
    WEFT_TRY(backend->wait(inference->device));
    if (inference->prepare)
        backend->list_destroy(inference->prepare);
    backend->free(inference->device, *weights);
    inference->prepare = NULL;
    inference->buffers.weights = *weights = NULL;
    return WEFT_OK;
}

enum weft_status weft_inference_create_with_weights(
    struct weft_device *device, const struct weft_net *net, const float *from,
    const struct weft_normalization *normalization, int batch, enum weft_type type,
    struct weft_mem **weights, struct weft_inference **out)
{
    const struct weft_backend *backend = device->backend;
    size_t bytes = weft_graph_floats(&net->graph) * sizeof(float);
    *weights = NULL;
    *out = NULL;
    WEFT_TRY(backend->alloc(device, bytes, weights));
    enum weft_status status = backend->write(device, *weights, 0, from, bytes);
    if (!status)
        status = weft_inference_create(device, net, *weights, normalization, batch, type,
                                       NULL, out);
    if (!status)
        status = release_fp32_weights(*out, weights);
    if (!status)
        return WEFT_OK;
    weft_inference_destroy(out);
    if (*weights)
        backend->free(device, *weights);
    *weights = NULL;
    return status;
}

double weft_probabilities_distance(const float *a, const float *b, size_t count)
{
    double distance = 0;
    for (size_t i = 0; i < count; i++) {
        double off = fabs((double)a[i] - (double)b[i]);
        if (!(off <= distance)) /* NaN too */
            distance = isfinite(off) ? off : INFINITY;
    }
    return distance;
}

enum weft_status weft_inference_refresh(struct weft_inference *inference)
{
    if (inference->list)
        weft_command_list_weights_changed(inference->list);
    return inference->prepare ? inference->device->backend->replay(inference->prepare)
                              : WEFT_OK;
}

void weft_inference_destroy(struct weft_inference **inference)
{
    struct weft_inference *i = *inference;
    if (!i)
        return;
    if (i->list)
        i->device->backend->list_destroy(i->list);
    if (i->prepare)
        i->device->backend->list_destroy(i->prepare);
    if (i->buffers.prepared)
        i->device->backend->free(i->device, i->buffers.prepared);
    if (i->pixels)
        i->device->backend->free(i->device, i->pixels);
    if (i->buffers.activations)
        i->device->backend->free(i->device, i->buffers.activations);
    weft_plan_destroy(&i->plan);
    free(i->rows);
    free(i);
    *inference = NULL;
}

/* At most one batch. The rest of the batch has stale images, whose rows are not read. */
static enum weft_status replay_batch(struct weft_inference *inference,
                                     const uint8_t *pixels, int count)
{
    const struct weft_backend *backend = inference->device->backend;
    WEFT_TRY(backend->write_async(inference->device, inference->pixels, 0, pixels,
                                  (size_t)count * inference->image_bytes));
    return backend->replay(inference->list);
}

static enum weft_status read_rows(struct weft_inference *inference, struct weft_view view,
                                  int count, size_t values, float *out)
{
    return inference->device->backend->read(inference->device, out, view.mem,
                                            view.offset * sizeof(float),
                                            (size_t)count * values * sizeof(float));
}

/* Images from `first` on of `total`, whose outputs are contiguous in `out`. */
static enum weft_status run_batch(struct weft_inference *inference, const uint8_t *pixels,
                                  int count, size_t first, size_t total, float *out)
{
    const struct weft_graph *graph = &inference->plan->graph;
    WEFT_TRY(replay_batch(inference, pixels, count));
    for (int k = 0; k < graph->output_count; k++) {
        struct weft_view view = weft_plan_output(inference->plan, &inference->buffers, k);
        size_t values = weft_shape_count(graph->nodes[graph->outputs[k]].out);
        WEFT_TRY(read_rows(inference, view, count, values, out + first * values));
        out += total * values;
    }
    return WEFT_OK;
}

enum weft_status weft_inference_run(struct weft_inference *inference,
                                    const uint8_t *pixels, int count, float *out)
{
    for (int done = 0, n; done < count; done += n) {
        n = count - done < inference->batch ? count - done : inference->batch;
        WEFT_TRY(run_batch(inference, pixels + (size_t)done * inference->image_bytes, n,
                           (size_t)done, (size_t)count, out));
    }
    return WEFT_OK;
}

enum weft_status weft_inference_require_softmax(const struct weft_inference *inference,
                                                const char *where, const char *what)
{
    const struct weft_graph *graph = &inference->plan->graph;
    if (graph->nodes[graph->outputs[0]].op->is_loss)
        return WEFT_OK;
    return weft_fail(inference->device->context, WEFT_ERR_ARG,
                     "%s: %s: the first output of the network is not softmax", where,
                     what);
}

enum weft_status weft_inference_run_logits(struct weft_inference *inference,
                                           const uint8_t *pixels, int count,
                                           float *logits)
{
    size_t classes = (size_t)inference->classes;
    struct weft_view view = weft_plan_logits(inference->plan, &inference->buffers);
    for (int done = 0, n; done < count; done += n) {
        n = count - done < inference->batch ? count - done : inference->batch;
        WEFT_TRY(
            replay_batch(inference, pixels + (size_t)done * inference->image_bytes, n));
        WEFT_TRY(read_rows(inference, view, n, classes, logits + (size_t)done * classes));
    }
    return WEFT_OK;
}

/* Counts one row of logits with its true class; returns the loss of the row. Softmax of
 * a row with a NaN or an infinite maximum is NaN: no hit, whatever the label is. */
static double score_row(struct weft_eval *eval, const float *logits, int label,
                        struct weft_prediction *out)
{
    int best = 0;
    bool is_nan = false;
    for (int c = 0; c < eval->classes; c++) {
        is_nan = is_nan || isnan(logits[c]);
        best = logits[c] > logits[best] ? c : best;
    }
    if (is_nan || !isfinite(logits[best])) {
        eval->nonfinite++;
        *out = (struct weft_prediction){.label = -1, .probability = NAN};
        return NAN;
    }
    eval->correct += best == label;
    double largest = (double)logits[best], sum = 0;
    for (int c = 0; c < eval->classes; c++)
        sum += exp((double)logits[c] - largest);
    *out = (struct weft_prediction){.label = best, .probability = (float)(1 / sum)};
    return log(sum) - ((double)logits[label] - largest);
}

enum weft_status weft_inference_evaluate(struct weft_inference *inference,
                                         const weft_dataset *data, const float *features,
                                         struct weft_prediction *predictions,
                                         struct weft_eval *out, size_t size)
{
    weft_context *ctx = inference->device->context;
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    const struct weft_shape *in = &inference->plan->input;
    if (!features &&
        (info.height != in->h || info.width != in->w || info.channels != in->c))
        return weft_fail(
            ctx, WEFT_ERR_ARG, "%s: images of %dx%dx%d do not fit a network for %dx%dx%d",
            info.source, info.height, info.width, info.channels, in->h, in->w, in->c);
    WEFT_TRY(
        weft_inference_require_softmax(inference, info.source, "cannot be evaluated"));
    size_t classes = (size_t)inference->classes;
    struct weft_eval eval = {.count = info.count, .classes = inference->classes};
    struct weft_view logits = weft_plan_logits(inference->plan, &inference->buffers);
    struct weft_image_block block = {.pixels = NULL};
    const int32_t *labels = info.labels;
    enum weft_status status = WEFT_OK;
    double start = weft_clock_seconds(), loss = 0;
    for (int i = 0, n; i < info.count && !status; i += n) {
        n = info.count - i < inference->batch ? info.count - i : inference->batch;
        if (!features)
            status = weft_dataset_block(ctx, data, i, n, &block);
        const uint8_t *rows =
            features ? (const uint8_t *)features + (size_t)i * inference->image_bytes
                     : block.pixels;
        if (!status)
            status = replay_batch(inference, rows, n);
        if (!status)
            status = read_rows(inference, logits, n, classes, inference->rows);
        for (int k = 0; k < n && !status; k++) {
            if (labels[i + k] < 0 || labels[i + k] >= inference->classes)
                status =
                    weft_fail(ctx, WEFT_ERR_ARG,
                              "%s: image %d is of class %d, the network has 0 to %d",
                              info.source, i + k, labels[i + k], inference->classes - 1);
            else {
                struct weft_prediction best;
                loss +=
                    score_row(&eval, inference->rows + (size_t)k * classes, labels[i + k],
                              predictions ? predictions + i + k : &best);
            }
        }
    }
    weft_image_block_free(&block);
    WEFT_TRY(status);
    eval.seconds = weft_clock_seconds() - start;
    eval.accuracy = (double)eval.correct / info.count;
    eval.standard_error = sqrt(eval.accuracy * (1 - eval.accuracy) / info.count);
    eval.loss = loss / info.count;
    WEFT_WRITE_INFO(out, size, &eval);
    return WEFT_OK;
}
