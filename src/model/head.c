/* SPDX-License-Identifier: Apache-2.0 */
/* Models made of models: a backbone, a backbone with another head, a model with another
 * temperature; and their files. */
#include "model/describe.h"
#include "model/examples.h"
#include "model/metadata.h"
#include "model/model.h"
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last dense layer; -1: none. */
static int head_of(const struct weft_net *net)
{
    int layer = net->layer_count - 1;
    while (layer >= 0 && net->layers[layer].op != &weft_op_dense)
        layer--;
    return layer;
}

/* True if a layer before `head` has weights. */
static bool has_backbone(const struct weft_net *net, int head)
{
    for (int i = 0; i < net->graph.count; i++)
        if (net->graph.nodes[i].layer < head &&
            weft_node_trained_count(&net->graph.nodes[i]))
            return true;
    return false;
}

/* The network of the first `layers` layers and the lines of `more`; the text of a network
 * has a line for its input and one for each layer. */
static enum weft_status rebuild(const struct weft_net *net, int layers, const char *more,
                                weft_net **out)
{
    const char *end = net->text;
    for (int line = 0; line <= layers; line++)
        end = strchr(end, '\n') + 1;
    size_t kept = (size_t)(end - net->text), bytes = kept + strlen(more) + 1;
    char *text = malloc(bytes);
    if (!text)
        return weft_out_of_memory(net->ctx, "network", bytes);
    memcpy(text, net->text, kept);
    memcpy(text + kept, more, bytes - kept);
    enum weft_status status =
        weft_net_create(net->ctx, text, weft_net_params(.name = net->name), out);
    free(text);
    return status;
}

/* A model of `net`, which stays the caller's, with the weights of `from` where both have
 * them. */
static enum weft_status make_model(const struct weft_model *from,
                                   const struct weft_net *net,
                                   const char *const *class_names, int classes,
                                   struct weft_model **out)
{
    size_t bytes = weft_graph_floats(&net->graph) * sizeof(float);
    float *weights = calloc(1, bytes + 1);
    json_t *metadata = weft_model_describe(&(struct weft_model_description){
        .net = net,
        .class_names = class_names,
        .classes = classes,
        .dataset_known_as = "",
        .mean = from->mean,
        .stddev = from->stddev,
        .preprocess = &from->preprocess,
    });
    if (!weights || !metadata) {
        free(weights);
        json_decref(metadata);
        return weft_out_of_memory(from->ctx, "model", bytes);
    }
    weft_weights_copy(&from->net->graph, from->weights, &net->graph, weights);
    enum weft_status status = weft_model_from_weights(from->ctx, metadata, weights, out);
    json_decref(metadata);
    return status;
}

/* Names for the features: "0", "1" and so on. */
static enum weft_status name_features(weft_context *ctx, int count, char ***out)
{
    enum { DIGITS = 12 };
    char **names = malloc((size_t)count * (sizeof(*names) + DIGITS));
    if (!names)
        return weft_out_of_memory(ctx, "model",
                                  (size_t)count * (sizeof(*names) + DIGITS));
    char *text = (char *)(names + count);
    for (int i = 0; i < count; i++, text += DIGITS) {
        snprintf(text, DIGITS, "%d", i);
        names[i] = text;
    }
    *out = names;
    return WEFT_OK;
}

enum weft_status weft_model_backbone(const weft_model *model, weft_model **out)
{
    WEFT_REQUIRE_POINTER(NULL, model, "model");
    WEFT_REQUIRE_POINTER(model->ctx, out, "out");
    int head = head_of(model->net);
    weft_net *net = NULL;
    char **names = NULL;
    if (!has_backbone(model->net, head))
        return weft_fail(model->ctx, WEFT_ERR_ARG,
                         "%s: has no backbone: no layer with weights is before a dense "
                         "one; use a network with several layers",
                         model->net->name);
    WEFT_TRY(rebuild(model->net, head, "", &net));
    int features = (int)weft_net_output_values(net);
    enum weft_status status = name_features(model->ctx, features, &names);
    if (!status)
        status = make_model(model, net, (const char *const *)names, features, out);
    free(names);
    weft_net_destroy(&net);
    return status;
}

/* The weights of the last layer. */
static void set_head(struct weft_model *model, const struct weft_head_params *p)
{
    const struct weft_graph *graph = &model->net->graph;
    int index = graph->count - 1;
    while (graph->nodes[index].op != &weft_op_dense)
        index--;
    const struct weft_node *node = &graph->nodes[index];
    const struct weft_param *w = &node->params[WEFT_PARAM_WEIGHT];
    for (size_t i = 0; i < w->count; i++)
        model->weights[weft_param_native_index(node, WEFT_PARAM_WEIGHT, i)] =
            p->weights[i];
    for (size_t i = 0; p->bias && i < node->params[WEFT_PARAM_BIAS].count; i++)
        model->weights[weft_param_native_index(node, WEFT_PARAM_BIAS, i)] = p->bias[i];
}

enum weft_status weft_model_with_head(const weft_model *backbone,
                                      const struct weft_head_params *params,
                                      weft_model **out)
{
    struct weft_head_params p;
    weft_net *net = NULL;
    char lines[96];
    WEFT_REQUIRE_POINTER(NULL, backbone, "backbone");
    WEFT_REQUIRE_POINTER(backbone->ctx, params, "params");
    WEFT_REQUIRE_POINTER(backbone->ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(backbone->ctx, params, &p));
    WEFT_REQUIRE(backbone->ctx, p.classes >= 2 && p.classes <= WEFT_MAX_CLASSES,
                 "classes must be 2 to WEFT_MAX_CLASSES");
    WEFT_REQUIRE_POINTER(backbone->ctx, p.class_names, "class_names");
    WEFT_REQUIRE_POINTER(backbone->ctx, p.weights, "weights");
    snprintf(lines, sizeof(lines), "dense %d%s\nsoftmax\n", p.classes,
             p.bias ? "" : " bias=no");
    WEFT_TRY(rebuild(backbone->net, backbone->net->layer_count, lines, &net));
    enum weft_status status = make_model(backbone, net, p.class_names, p.classes, out);
    if (!status)
        set_head(*out, &p);
    weft_net_destroy(&net);
    return status;
}

/* The dense layer whose sums are the logits: what the first output, a softmax, reads,
 * through constant factors and nothing else; -1: there is none. */
static int logits_of(const struct weft_net *net)
{
    int layer = net->graph.nodes[net->graph.outputs[0]].layer;
    if (net->layers[layer].op != &weft_op_softmax)
        return -1;
    for (layer = net->layers[layer].inputs[0]; layer >= 0;
         layer = net->layers[layer].inputs[0]) {
        const struct weft_layer *l = &net->layers[layer];
        enum weft_act act = l->activation.act;
        if ((act != WEFT_ACT_identity && act != WEFT_ACT_linear) ||
            weft_graph_consumer_count(&net->graph, l->output) != 1)
            return -1;
        if (l->op == &weft_op_dense)
            return layer;
        if (l->op != &weft_op_act)
            return -1;
    }
    return -1;
}

static void scale_param(const struct weft_node *node, int which, double factor,
                        float *weights)
{
    for (size_t i = 0; i < node->params[which].count; i++) {
        float *w = &weights[weft_param_native_index(node, which, i)];
        *w = (float)((double)*w * factor);
    }
}

/* The metadata without what followed from other probabilities. */
static json_t *uncalibrated(const struct weft_model *model)
{
    json_t *all = json_object_get(model->file.header, "__metadata__"),
           *kept = json_deep_copy(all);
    const char *name;
    json_t *value;
    json_object_foreach(all, name, value)
    {
        if (kept && !strncmp(name, META_CALIBRATION, strlen(META_CALIBRATION)))
            json_object_del(kept, name);
    }
    return kept;
}

enum weft_status weft_model_with_temperature(const weft_model *model, double temperature,
                                             weft_model **out)
{
    WEFT_REQUIRE_POINTER(NULL, model, "model");
    WEFT_REQUIRE_POINTER(model->ctx, out, "out");
    WEFT_REQUIRE(model->ctx, temperature >= 1e-3 && temperature <= 1e3,
                 "temperature must be 0.001 to 1000");
    const struct weft_graph *graph = &model->net->graph;
    int layer = logits_of(model->net);
    if (layer < 0)
        return weft_fail(model->ctx, WEFT_ERR_ARG,
                         "%s: has no temperature: its first output is not the softmax of "
                         "a dense layer that nothing else reads",
                         model->net->name);
    size_t bytes = weft_graph_floats(graph) * sizeof(float);
    float *weights = malloc(bytes);
    json_t *metadata = uncalibrated(model);
    if (!weights || !metadata) {
        free(weights);
        json_decref(metadata);
        return weft_out_of_memory(model->ctx, "model", bytes);
    }
    memcpy(weights, model->weights, bytes);
    const struct weft_node *node = &graph->nodes[model->net->layers[layer].first];
    scale_param(node, WEFT_PARAM_WEIGHT, 1 / temperature, weights);
    scale_param(node, WEFT_PARAM_BIAS, 1 / temperature, weights);
    struct weft_model *made = NULL;
    enum weft_status status =
        weft_model_from_weights(model->ctx, metadata, weights, &made);
    json_decref(metadata);
    if (!status)
        status = weft_model_examples_copy(model, &made->examples);
    if (status)
        weft_model_destroy(&made);
    else
        *out = made;
    return status;
}

enum weft_status weft_model_save(const weft_model *model, const char *path,
                                 const char *const *metadata)
{
    WEFT_REQUIRE_POINTER(NULL, model, "model");
    WEFT_REQUIRE_POINTER(model->ctx, path, "path");
    struct weft_tensors tensors = {0};
    json_t *described =
        json_deep_copy(json_object_get(model->file.header, "__metadata__"));
    weft_metadata_put(&described, META_FORMAT, json_string(META_FORMAT_CHECKED));
    weft_metadata_put_pairs(&described, metadata);
    if (!described)
        return weft_fail(model->ctx, WEFT_ERR_ARG,
                         "%s: not written: its metadata must be UTF-8, and each name its "
                         "own",
                         path);
    enum weft_status status = weft_tensors_add(model->ctx, &model->net->graph, "",
                                               WEFT_ALL, model->weights, &tensors);
    if (!status)
        status = weft_model_examples_add(model, &tensors);
    if (!status)
        status = weft_tensors_require_finite(model->ctx, path, &tensors);
    if (!status)
        status = weft_safetensors_write(model->ctx, path, described, tensors.list,
                                        tensors.count);
    json_decref(described);
    weft_tensors_free(&tensors);
    return status;
}
