/* SPDX-License-Identifier: Apache-2.0 */
/* What a network is made of and what it costs; the built-in networks. */
#include "net/graph.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
} builtins[] = {
    {"small", "# A small network for 28x28 grey images: 174 thousand weights.\n"
              "conv 32 3x3 relu\n"
              "max-pool 2\n"
              "flatten\n"
              "dense 32 relu\n"
              "dense 10\n"
              "softmax\n"
              "optimizer adam 1e-3\n"
              "batch 512\n"},
    {"small-64", "# The same, twice as wide, with dropout.\n"
                 "conv 64 3x3 relu\n"
                 "max-pool 2\n"
                 "flatten\n"
                 "dense 64 relu\n"
                 "dropout 0.2\n"
                 "dense 10\n"
                 "softmax\n"
                 "optimizer adam 1e-3\n"
                 "batch 512\n"},
    {"medium", "# For 28x28 grey images: seven convolutions, 290 thousand weights.\n"
               "conv 8 2x2 gelu\n"
               "conv 32 3x3 pad=same bias=no\n"
               "max-pool 2\n"
               "batch-norm gelu\n"
               "conv 32 3x3 pad=same bias=no\n"
               "batch-norm gelu\n"
               "conv 64 3x3 pad=same bias=no\n"
               "max-pool 2\n"
               "batch-norm gelu\n"
               "conv 64 3x3 pad=same bias=no\n"
               "batch-norm gelu\n"
               "conv 128 3x3 pad=same bias=no\n"
               "max-pool 2\n"
               "batch-norm gelu\n"
               "conv 128 3x3 pad=same bias=no\n"
               "batch-norm gelu\n"
               "global-max-pool\n"
               "dense 10 bias=no\n"
               "softmax\n"
               "optimizer sgd 0.1 momentum=0.9 nesterov=yes\n"
               "batch 256\n"},
    {"resnet9", "# ResNet-9 (Page, DAWNBench 2018): eight convolutions, two residuals, "
                "6.6 million weights.\n"
                "conv 64 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "conv 128 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "max-pool 2 as=half\n"
                "conv 128 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "conv 128 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "add half\n"
                "conv 256 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "max-pool 2\n"
                "conv 512 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "max-pool 2 as=eighth\n"
                "conv 512 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "conv 512 3x3 pad=same bias=no\n"
                "batch-norm relu\n"
                "add eighth\n"
                "global-max-pool\n"
                "dense 10 bias=no init=uniform\n"
                "softmax\n"
                "optimizer sgd 0.002 momentum=0.9 nesterov=yes decay=5e-4\n"
                "batch 256\n"},
};

const char *weft_net_builtin(const char *name, int index)
{
    if (!name)
        return index >= 0 && index < (int)WEFT_ARRAY_SIZE(builtins) ? builtins[index].name
                                                                    : NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(builtins); i++)
        if (!strcmp(name, builtins[i].name))
            return builtins[i].text;
    return NULL;
}

/* The node of the index-th layer as people count: an activation on another layer's line
 * is part of that. NULL: there is none. */
static const struct weft_node *layer_node(const struct weft_net *net, int index)
{
    for (int i = 0; i < net->graph.count; i++)
        if (!net->graph.nodes[i].from_suffix && index-- == 0)
            return &net->graph.nodes[i];
    return NULL;
}

void(weft_net_info)(const weft_net *net, struct weft_net_info *out, size_t size)
{
    struct weft_net_info info = {
        .name = net->name,
        .text = net->text,
        .height = net->input.h,
        .width = net->input.w,
        .channels = net->input.c,
        .classes = net->graph.nodes[net->graph.count - 1].out.c,
        .batch = net->batch,
        .optimizer = net->optimizer,
        .label_smoothing = net->label_smoothing,
    };
    for (int i = 0; i < net->graph.count; i++) {
        const struct weft_node *node = &net->graph.nodes[i];
        info.layers += !node->from_suffix;
        info.weights += (int64_t)weft_node_trained_count(node);
        info.flops += node->op->flops(node);
    }
    WEFT_WRITE_INFO(out, size, &info);
}

enum weft_status(weft_net_layer)(const weft_net *net, int index,
                                 struct weft_layer_info *out, size_t size)
{
    const struct weft_node *node = index < 0 ? NULL : layer_node(net, index);
    if (!node)
        return weft_fail(net->ctx, WEFT_ERR_ARG, "%s: has no layer %d", net->name, index);
    struct weft_layer_info info = {
        .name = node->name,
        .op = node->op->name,
        .height = node->out.h,
        .width = node->out.w,
        .channels = node->out.c,
        .weights = (int64_t)weft_node_trained_count(node),
        .flops = node->op->flops(node),
    };
    size_t values = weft_shape_count(node->out);
    for (int k = 0; k < node->input_count; k++)
        values += weft_shape_count(node->in[k]);
    if (node->op->forward)
        info.bytes = (double)(values * sizeof(float));
    snprintf(info.text, sizeof(info.text), "%s", node->text);
    const struct weft_node *end = net->graph.nodes + net->graph.count;
    if (node + 1 < end && node[1].from_suffix)
        info.flops += node[1].op->flops(&node[1]);
    WEFT_WRITE_INFO(out, size, &info);
    return WEFT_OK;
}
