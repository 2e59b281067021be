/* SPDX-License-Identifier: Apache-2.0 */
/* Explainers: a model's network lowered for gradients with respect to its layers. */
#include "inference/explainer.h"

#include "device/process.h"
#include "model/model.h"
#include "net/lower.h"

#include <stdlib.h>
#include <string.h>

/* Nothing is trained, so that batch-norms use the running statistics and no gradient of a
 * weight is computed; dropout passes its input on, as flatten does. */
static void fix(struct weft_graph *graph)
{
    for (int i = 0; i < graph->count; i++) {
        struct weft_node *node = &graph->nodes[i];
        for (int role = 0; role < WEFT_MAX_PARAMS; role++)
            node->params[role].frozen = true;
        if (node->op->training_only)
            node->op = &weft_op_flatten;
    }
}

/* A node that copies the batch, so that there is a gradient at the output of a node for
 * the batch too. */
static enum weft_status insert_input(struct weft_net *net)
{
    struct weft_graph *graph = &net->graph;
    size_t bytes = ((size_t)graph->count + 1) * sizeof(*graph->nodes);
    struct weft_node *nodes = malloc(bytes);
    if (!nodes)
        return weft_out_of_memory(net->ctx, "network", bytes);
    nodes[0] = (struct weft_node){.op = &weft_op_slice,
                                  .input_count = 1,
                                  .inputs = {WEFT_BATCH},
                                  .in = {net->input},
                                  .out = net->input,
                                  .name = "input",
                                  .batch_norm = WEFT_NO_NODE};
    memcpy(nodes + 1, graph->nodes, bytes - sizeof(*nodes));
    for (int i = 1; i <= graph->count; i++) {
        nodes[i].index = i;
        for (int k = 0; k < nodes[i].input_count; k++)
            nodes[i].inputs[k]++; /* WEFT_BATCH becomes node 0 */
    }
    for (int k = 0; k < graph->output_count; k++)
        graph->outputs[k]++;
    for (int i = 0; i < net->layer_count; i++) {
        net->layers[i].first++;
        net->layers[i].output++;
    }
    free(graph->nodes);
    graph->nodes = nodes;
    graph->count++;
    return WEFT_OK;
}

/* The node that makes the logits. */
static int logit_node(const struct weft_plan *plan)
{
    return weft_graph_producer(&plan->graph, plan->graph.count - 1, 0, true);
}

struct weft_view weft_explainer_logits(const struct weft_explainer *e)
{
    return weft_plan_value(e->plan, &e->buffers, logit_node(e->plan));
}

struct weft_view weft_explainer_logit_gradient(const struct weft_explainer *e)
{
    return weft_plan_gradient(e->plan, &e->buffers, logit_node(e->plan));
}

static int classes_of(const struct weft_explainer *e)
{
    return e->plan->graph.nodes[e->plan->graph.count - 1].out.c;
}

enum weft_status weft_explainer_record(struct weft_explainer *e,
                                       const struct weft_explainer *like)
{
    const struct weft_backend *backend = e->device->backend;
    struct weft_command_list **const lists[] = {&e->forward, &e->backward};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(lists); i++) {
        if (*lists[i])
            backend->list_destroy(*lists[i]);
        *lists[i] = NULL;
    }
    const struct weft_command_list_params forward = {.like = like ? like->forward : NULL};
    const struct weft_command_list_params backward = {.like =
                                                          like ? like->backward : NULL};
    WEFT_TRY(backend->list_create(e->device, &forward, &e->forward));
    WEFT_TRY(weft_lower_forward(e->plan, &e->buffers, e->forward));
    WEFT_TRY(backend->list_create(e->device, &backward, &e->backward));
    WEFT_TRY(weft_lower_backward(e->plan, &e->buffers, e->backward));
    /* Both are recorded by now, so that their kernels are built together. */
    WEFT_TRY(backend->list_finalize(e->forward));
    return backend->list_finalize(e->backward);
}

/* Gradients of weights are not computed, but some ops write those of theirs anyway. */
static enum weft_status allocate(struct weft_explainer *e)
{
    const struct weft_backend *backend = e->device->backend;
    const struct weft_graph *graph = &e->plan->graph;
    size_t input = weft_shape_count(e->net->input), classes = (size_t)classes_of(e);
    size_t rows =
        (size_t)e->batch * (input > classes ? input : classes) * sizeof(*e->rows);
    size_t weights = weft_graph_floats(graph) * sizeof(float);
    e->rows = calloc(1, rows);
    if (!e->rows)
        return weft_out_of_memory(e->device->context, "explainer", rows);
    WEFT_TRY(weft_plan_alloc(e->device, e->net, e->plan, &e->buffers.activations));
    WEFT_TRY(backend->alloc(e->device, weights, &e->buffers.weights));
    return backend->alloc(e->device, weights, &e->buffers.gradients);
}

enum weft_status weft_explainer_create_unchecked(struct weft_device *device,
                                                 const struct weft_net *net, int batch,
                                                 const struct weft_explainer *like,
                                                 struct weft_explainer **out)
{
    struct weft_explainer *e = calloc(1, sizeof(*e));
    if (!e)
        return weft_out_of_memory(device->context, "explainer", sizeof(*e));
    e->device = device;
    e->batch = batch;
    enum weft_status status = weft_net_copy(net, &e->net);
    if (!status && !like)
        status = insert_input(e->net);
    if (!status && !like)
        fix(&e->net->graph);
    if (!status)
        status = weft_plan_create_explaining(e->net, batch, &e->plan);
    if (!status)
        status = allocate(e);
    if (!status)
        status = weft_explainer_record(e, like);
    if (status)
        weft_explainer_destroy(&e);
    else
        *out = e;
    return status;
}

enum weft_status weft_explainer_create(weft_device *device, const weft_model *model,
                                       const struct weft_explainer_params *params,
                                       weft_explainer **out)
{
    WEFT_REQUIRE_DEVICE(device);
    weft_context *ctx = device->context;
    struct weft_explainer_params own;
    struct weft_explainer *e = NULL;
    WEFT_REQUIRE_POINTER(ctx, model, "model");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, &own));
    WEFT_REQUIRE(ctx, own.batch >= 0, "batch must be 0 or more");
    WEFT_TRY(weft_explainer_create_unchecked(device, model->net,
                                             own.batch ? own.batch : 1, NULL, &e));
    e->normalization = weft_normalize(model->mean, model->stddev);
    enum weft_status status = weft_explainer_check_kernels(e);
    if (!status)
        status =
            device->backend->write(device, e->buffers.weights, 0, model->weights,
                                   weft_graph_floats(&e->plan->graph) * sizeof(float));
    if (status)
        weft_explainer_destroy(&e);
    else
        *out = e;
    return status;
}

void weft_explainer_destroy(weft_explainer **explainer)
{
    struct weft_explainer *e = explainer ? *explainer : NULL;
    if (!e)
        return;
    const struct weft_backend *backend = e->device->backend;
    bool lost = weft_device_is_lost(e->device);
    struct weft_mem *const mems[] = {e->buffers.activations, e->buffers.weights,
                                     e->buffers.gradients};
    if (!lost && e->forward)
        backend->list_destroy(e->forward);
    if (!lost && e->backward)
        backend->list_destroy(e->backward);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(mems) && !lost; i++)
        if (mems[i])
            backend->free(e->device, mems[i]);
    weft_plan_destroy(&e->plan);
    weft_net_destroy(&e->net);
    free(e->rows);
    free(e);
    *explainer = NULL;
}

static enum weft_status write_view(struct weft_explainer *e, struct weft_view view,
                                   const float *from, size_t count)
{
    return e->device->backend->write(e->device, view.mem, view.offset * sizeof(float),
                                     from, count * sizeof(float));
}

static enum weft_status read_view(struct weft_explainer *e, struct weft_view view,
                                  float *to, size_t count)
{
    return e->device->backend->read(e->device, to, view.mem, view.offset * sizeof(float),
                                    count * sizeof(float));
}

/* The rest of the batch has stale images, whose values are not read. */
static enum weft_status run_forward(struct weft_explainer *e, const float *pixels)
{
    size_t values = (size_t)e->count * weft_shape_count(e->net->input);
    size_t channels = (size_t)e->net->input.c;
    for (size_t i = 0; i < values; i++)
        e->rows[i] = pixels[i] * e->normalization.scale[i % channels] +
                     e->normalization.shift[i % channels];
    WEFT_TRY(write_view(e, weft_plan_step_view(e->plan, &e->buffers, TENSOR_X), e->rows,
                        values));
    return e->device->backend->replay(e->forward);
}

/* The gradient of a logit with respect to the logits is 1 at it. */
static enum weft_status run_backward(struct weft_explainer *e, const int32_t *classes)
{
    size_t count = (size_t)classes_of(e), rows = (size_t)e->batch * count;
    memset(e->rows, 0, rows * sizeof(*e->rows));
    for (int i = 0; i < e->count; i++)
        e->rows[(size_t)i * count + (size_t)classes[i]] = 1;
    WEFT_TRY(write_view(e, weft_explainer_logit_gradient(e), e->rows, rows));
    return e->device->backend->replay(e->backward);
}

enum weft_status weft_explainer_run(weft_explainer *e, const float *pixels, int count,
                                    const int32_t *classes, float *logits)
{
    WEFT_REQUIRE_POINTER(NULL, e, "explainer");
    WEFT_REQUIRE_DEVICE(e->device);
    weft_context *ctx = e->device->context;
    WEFT_REQUIRE(ctx, count >= 0, "count must be 0 or more");
    WEFT_REQUIRE(ctx, pixels || !count, "pixels must not be NULL");
    if (count > e->batch)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: %d images, but the explainer runs %d at "
                         "a time; create it with a batch of %d",
                         e->net->name, count, e->batch, count);
    for (int i = 0; i < count && classes; i++)
        if (classes[i] < 0 || classes[i] >= classes_of(e))
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "%s: there is no class %d, the network has 0 to %d",
                             e->net->name, classes[i], classes_of(e) - 1);
    e->count = count;
    e->differentiated = false;
    if (!count)
        return WEFT_OK;
    WEFT_TRY(run_forward(e, pixels));
    if (classes)
        WEFT_TRY(run_backward(e, classes));
    e->differentiated = classes != NULL;
    return logits ? read_view(e, weft_explainer_logits(e), logits,
                              (size_t)count * (size_t)classes_of(e))
                  : e->device->backend->wait(e->device);
}

enum weft_status weft_explainer_layer(weft_explainer *e, int layer, float *outputs,
                                      float *gradients)
{
    WEFT_REQUIRE_POINTER(NULL, e, "explainer");
    WEFT_REQUIRE_DEVICE(e->device);
    weft_context *ctx = e->device->context;
    if (layer < WEFT_NET_INPUT || layer >= e->net->layer_count)
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: has no layer %d", e->net->name, layer);
    int node = layer == WEFT_NET_INPUT ? 0 : e->net->layers[layer].output;
    if (e->plan->graph.nodes[node].op->is_loss)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: layer %d is softmax, which does not run here: compute it "
                         "from the logits",
                         e->net->name, layer);
    if (gradients && !e->differentiated)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: layer %d has no gradients: the images ran without classes",
                         e->net->name, layer);
    size_t values = (size_t)e->count * weft_shape_count(e->plan->graph.nodes[node].out);
    if (outputs && values)
        WEFT_TRY(
            read_view(e, weft_plan_value(e->plan, &e->buffers, node), outputs, values));
    return gradients && values
               ? read_view(e, weft_plan_gradient(e->plan, &e->buffers, node), gradients,
                           values)
               : WEFT_OK;
}
