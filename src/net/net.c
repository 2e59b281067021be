/* SPDX-License-Identifier: Apache-2.0 */
/* The public handle of a network: copies, information, destruction. */
#include "net/graph.h"

#include <stdlib.h>
#include <string.h>

const struct weft_optimizer weft_optimizer_initial = {.kind = WEFT_OPTIMIZER_ADAM,
                                                      .learning_rate = 1e-3f,
                                                      .momentum = 0.9f,
                                                      .beta1 = 0.9f,
                                                      .beta2 = 0.999f,
                                                      .epsilon = 1e-8f};

enum weft_status weft_net_copy(const struct weft_net *net, struct weft_net **out)
{
    size_t bytes = (size_t)net->layer_count * sizeof(*net->layers);
    struct weft_net *copy = malloc(sizeof(*copy));
    if (!copy)
        return weft_out_of_memory(net->ctx, "network", sizeof(*copy));
    *copy = *net;
    copy->graph = (struct weft_graph){0};
    copy->layers = malloc(bytes);
    copy->name = strdup(net->name);
    copy->source = strdup(net->source);
    copy->text = strdup(net->text);
    enum weft_status status = copy->layers && copy->name && copy->source && copy->text
                                  ? weft_graph_copy(net->ctx, &net->graph, &copy->graph)
                                  : weft_out_of_memory(net->ctx, "network", bytes);
    if (status) {
        weft_net_destroy(&copy);
        return status;
    }
    memcpy(copy->layers, net->layers, bytes);
    *out = copy;
    return WEFT_OK;
}

size_t weft_net_output_values(const struct weft_net *net)
{
    size_t values = 0;
    for (int k = 0; k < net->graph.output_count; k++)
        values += weft_shape_count(net->graph.nodes[net->graph.outputs[k]].out);
    return values;
}

void(weft_net_info)(const weft_net *net, struct weft_net_info *out, size_t size)
{
    if (!net) {
        weft_info_write(out, size, NULL, 0);
        return;
    }
    struct weft_net_info info = {
        .name = net->name,
        .text = net->source,
        .canonical_text = net->text,
        .layers = net->layer_count,
        .height = net->input.h,
        .width = net->input.w,
        .channels = net->input.c,
        .classes = net->graph.nodes[net->graph.outputs[0]].out.c,
        .outputs = net->graph.output_count,
        .output_values = weft_net_output_values(net),
        .batch = net->batch,
        .optimizer = net->optimizer,
        .label_smoothing = net->label_smoothing,
    };
    weft_schedule_write(&net->schedule, info.schedule);
    weft_averaging_write(&net->averaging, info.average);
    weft_augment_write(&net->augment, info.augment);
    for (int i = 0; i < net->graph.count; i++) {
        const struct weft_node *node = &net->graph.nodes[i];
        info.weights += (int64_t)weft_node_trained_count(node);
        info.flops += node->op->flops(node);
    }
    WEFT_WRITE_INFO(out, size, &info);
}

enum weft_status(weft_net_layer)(const weft_net *net, int index,
                                 struct weft_layer_info *out, size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, net, "net");
    WEFT_REQUIRE_POINTER(net->ctx, out, "out");
    if (index < 0 || index >= net->layer_count)
        return weft_fail(net->ctx, WEFT_ERR_ARG, "%s: has no layer %d", net->name, index);
    const struct weft_layer *layer = &net->layers[index];
    const struct weft_node *node = &net->graph.nodes[layer->first];
    struct weft_layer_info info = {
        .name = node->name,
        .op = node->op->name,
        .height = node->out.h,
        .width = node->out.w,
        .channels = node->out.c,
        .weights = (int64_t)weft_node_trained_count(node),
        .inputs = layer->inputs,
        .input_count = layer->input_count,
    };
    size_t values = weft_shape_count(node->out);
    for (int k = 0; k < node->input_count; k++)
        values += weft_shape_count(node->in[k]);
    if (node->op->forward)
        info.bytes = (double)(values * sizeof(float));
    for (int i = layer->first; i <= layer->output; i++)
        info.flops += net->graph.nodes[i].op->flops(&net->graph.nodes[i]);
    weft_layer_write(net, index, false, info.text, sizeof(info.text));
    WEFT_WRITE_INFO(out, size, &info);
    return WEFT_OK;
}

void weft_net_destroy(weft_net **net)
{
    if (!net || !*net)
        return;
    weft_graph_free(&(*net)->graph);
    free((*net)->layers);
    free((*net)->name);
    free((*net)->source);
    free((*net)->text);
    free(*net);
    *net = NULL;
}
