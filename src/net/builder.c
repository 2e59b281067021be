/* SPDX-License-Identifier: Apache-2.0 */
/* The network builder: checks each layer and infers its shape when it is added. */
#include "net/builder.h"

#include "os/suggest.h"
#include "util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTENT = 65535 }; /* of the input */
static const char batch_name[] = "input";

const struct weft_optimizer_field weft_optimizer_fields[] = {
    {"decay", offsetof(struct weft_optimizer, weight_decay), 1e3f, true, true},
    {"clip", offsetof(struct weft_optimizer, clip), 1e6f, true, true},
    {"momentum", offsetof(struct weft_optimizer, momentum), 1, true, false},
    {"beta1", offsetof(struct weft_optimizer, beta1), 0.999999f, false, true},
    {"beta2", offsetof(struct weft_optimizer, beta2), 0.999999f, false, true},
    {"epsilon", offsetof(struct weft_optimizer, epsilon), 1, false, true},
    {NULL, 0, 0, false, false},
};

/* A float of the params, which a line of a text replaces. */
static enum weft_status check_float(weft_context *ctx, const struct weft_net_params *p,
                                    const char *what, float value, float max)
{
    if (value >= 0 && value <= max)
        return WEFT_OK;
    return weft_fail(ctx, WEFT_ERR_ARG, "%s: %s is %g, must be 0 to %g",
                     p->name ? p->name : "network", what, (double)value, (double)max);
}

static enum weft_status check_optimizer(weft_context *ctx,
                                        const struct weft_net_params *p)
{
    const struct weft_optimizer *o = p->optimizer;
    int kind = (int)o->kind;
    if (kind < WEFT_OPTIMIZER_SGD || kind > WEFT_OPTIMIZER_ADAMW)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: the optimizer's kind is %d, must be %d to %d",
                         p->name ? p->name : "network", kind, WEFT_OPTIMIZER_SGD,
                         WEFT_OPTIMIZER_ADAMW);
    WEFT_TRY(check_float(ctx, p, "the learning rate", o->learning_rate, WEFT_MAX_RATE));
    for (const struct weft_optimizer_field *f = weft_optimizer_fields; f->name; f++)
        if (kind == WEFT_OPTIMIZER_SGD ? f->sgd : f->adam)
            WEFT_TRY(check_float(ctx, p, f->name,
                                 *(const float *)((const char *)o + f->offset), f->max));
    return WEFT_OK;
}

/* They may come from a user. The input: all of it, or nothing. */
static enum weft_status check_params(weft_context *ctx, const struct weft_net_params *p)
{
    const int extent[] = {p->height, p->width, p->channels};
    bool given = p->height || p->width || p->channels;
    for (size_t i = 0; given && i < WEFT_ARRAY_SIZE(extent); i++)
        if (extent[i] < 1 || extent[i] > MAX_EXTENT)
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "%s: an input of %dx%dx%d; each must be 1 to %d",
                             p->name ? p->name : "network", p->height, p->width,
                             p->channels, MAX_EXTENT);
    if (p->batch < 0 || p->batch > WEFT_MAX_BATCH)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: the batch size is %d, must be 1 to %d, or 0: not given",
                         p->name ? p->name : "network", p->batch, WEFT_MAX_BATCH);
    if (p->classes < 0)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: %d classes, must be 1 or more, or 0: any",
                         p->name ? p->name : "network", p->classes);
    WEFT_TRY(
        check_float(ctx, p, "label_smoothing", p->label_smoothing, WEFT_MAX_SMOOTHING));
    return p->optimizer ? check_optimizer(ctx, p) : WEFT_OK;
}

/* Fields that the kind does not have are the defaults, as they are after a text. */
static void set_optimizer(struct weft_optimizer *out, const struct weft_optimizer *given)
{
    bool sgd = given->kind == WEFT_OPTIMIZER_SGD;
    *out = weft_optimizer_initial;
    out->kind = given->kind;
    out->learning_rate = given->learning_rate;
    out->nesterov = sgd && given->nesterov;
    out->decay_norms = given->decay_norms;
    for (const struct weft_optimizer_field *f = weft_optimizer_fields; f->name; f++)
        if (sgd ? f->sgd : f->adam)
            memcpy((char *)out + f->offset, (const char *)given + f->offset,
                   sizeof(float));
}

enum weft_status weft_net_begin(weft_context *ctx, const struct weft_net_params *params,
                                weft_net_builder **out)
{
    struct weft_net_params p;
    struct weft_schedule schedule = {0};
    struct weft_averaging averaging = {0};
    struct weft_augment_options augment = {0};
    WEFT_REQUIRE_POINTER(NULL, ctx, "context");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, &p));
    WEFT_TRY(check_params(ctx, &p));
    if (p.schedule)
        WEFT_TRY(weft_schedule_read(ctx, p.schedule, &schedule));
    if (p.average)
        WEFT_TRY(weft_averaging_read(ctx, p.average, &averaging));
    if (p.augment)
        WEFT_TRY(weft_augment_read(ctx, p.augment, &augment));
    struct weft_net_builder *builder = calloc(1, sizeof(*builder));
    struct weft_net *net = calloc(1, sizeof(*net));
    char *name = strdup(p.name ? p.name : "network");
    if (!builder || !net || !name) {
        free(builder);
        free(net);
        free(name);
        return weft_out_of_memory(ctx, "network", sizeof(*builder) + sizeof(*net));
    }
    net->ctx = ctx;
    net->name = name;
    net->input = (struct weft_shape){p.height, p.width, p.channels};
    set_optimizer(&net->optimizer, p.optimizer ? p.optimizer : &weft_optimizer_initial);
    net->label_smoothing = p.label_smoothing;
    net->schedule = schedule;
    net->averaging = averaging;
    net->augment = augment;
    net->batch = p.batch;
    *builder = (struct weft_net_builder){
        .ctx = ctx, .net = net, .classes = p.classes, .default_input = p.default_input};
    *out = builder;
    return WEFT_OK;
}

int weft_net_builder_find(const struct weft_net_builder *builder, const char *name)
{
    for (int i = 0; i < builder->net->layer_count; i++)
        if (!strcmp(builder->net->layers[i].name, name))
            return i;
    return strcmp(name, batch_name) ? WEFT_NO_NODE : WEFT_BATCH;
}

/* The output shape of a layer, or of the batch. */
static struct weft_shape output_shape(const struct weft_net *net, int layer)
{
    return layer == WEFT_BATCH ? net->input
                               : net->graph.nodes[net->layers[layer].output].out;
}

/* Grows both arrays for one more layer and its activation. */
static enum weft_status make_room(struct weft_net_builder *b)
{
    struct weft_net *net = b->net;
    if (net->graph.count + 2 > WEFT_MAX_NODES)
        return weft_fail(b->ctx, WEFT_ERR_ARG, "more than %d layers", WEFT_MAX_NODES);
    if (net->graph.count + 2 > b->node_capacity) {
        int capacity = 2 * b->node_capacity + 16;
        struct weft_node *more =
            realloc(net->graph.nodes, (size_t)capacity * sizeof(*more));
        if (!more)
            return weft_out_of_memory(b->ctx, "network",
                                      (size_t)capacity * sizeof(*more));
        net->graph.nodes = more;
        b->node_capacity = capacity;
    }
    if (net->layer_count == b->layer_capacity) {
        int capacity = 2 * b->layer_capacity + 16;
        struct weft_layer *more = realloc(net->layers, (size_t)capacity * sizeof(*more));
        if (!more)
            return weft_out_of_memory(b->ctx, "network",
                                      (size_t)capacity * sizeof(*more));
        net->layers = more;
        b->layer_capacity = capacity;
    }
    return WEFT_OK;
}

/* conv1, conv2, dense1 ... and relu1 for an activation. */
static void name_node(const struct weft_graph *graph, struct weft_node *node)
{
    const char *prefix = node->op->name_prefix ? node->op->name_prefix : node->op->name;
    if (node->op == &weft_op_act)
        prefix = weft_act_names[node->activation.act];
    int number = 1;
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *other = &graph->nodes[i];
        number +=
            other->op == node->op &&
            (node->op != &weft_op_act || other->activation.act == node->activation.act);
    }
    snprintf(node->name, sizeof(node->name), "%s%d", prefix, number);
}

/* Reserves a param behind all others of its kind, whose end is `end`. */
static enum weft_status reserve_param(struct weft_net_builder *b,
                                      struct weft_param *param, size_t *end)
{
    size_t count = param->rank ? 1 : 0;
    for (int i = 0; i < param->rank; i++)
        if (!weft_checked_mul(count, (size_t)param->extent[i], &count) ||
            count > WEFT_MAX_VALUES)
            return weft_fail(b->ctx, WEFT_ERR_ARG,
                             "a layer of more than %d weights is too large",
                             WEFT_MAX_VALUES);
    weft_param_reserve(param, count, WEFT_FLOAT32, end);
    if (weft_graph_floats(&b->net->graph) > WEFT_MAX_VALUES)
        return weft_fail(b->ctx, WEFT_ERR_ARG, "the network has more than %d weights",
                         WEFT_MAX_VALUES);
    return WEFT_OK;
}

static enum weft_status check_image(weft_context *ctx, struct weft_shape shape)
{
    if (weft_shape_count(shape) > WEFT_MAX_VALUES)
        return weft_fail(ctx, WEFT_ERR_ARG, "one image of %dx%dx%d values is too large",
                         shape.h, shape.w, shape.c);
    return WEFT_OK;
}

/* The image that the row at the output of `node` was made of: h is 0 if none was. */
static struct weft_shape unflattened(const struct weft_node *node)
{
    if (node->op->flattens && node->in[0].h * node->in[0].w > 1)
        return node->in[0];
    return node->op->flattens || node->op->keeps_index ? node->unflattened
                                                       : (struct weft_shape){0};
}

static void freeze(struct weft_node *node, const struct weft_layer_params *p)
{
    int frozen = WEFT_FROZEN_NOTHING;
    while (p->frozen && strcmp(weft_frozen_names[frozen], p->frozen))
        frozen++;
    node->params[WEFT_PARAM_WEIGHT].frozen = frozen != WEFT_FROZEN_NOTHING;
    node->params[WEFT_PARAM_BIAS].frozen = frozen == WEFT_FROZEN_ALL;
}

/* Appends a node whose inputs and `in` are set. */
static enum weft_status add_node(struct weft_net_builder *b, struct weft_node *node,
                                 const struct weft_layer_params *p)
{
    struct weft_graph *graph = &b->net->graph;
    node->index = graph->count;
    node->layer = b->net->layer_count;
    node->batch_norm = WEFT_NO_NODE;
    name_node(graph, node);
    for (int k = 0; k < node->input_count; k++)
        WEFT_TRY(check_image(b->ctx, node->in[k]));
    WEFT_TRY(node->op->shape(b->ctx, node, p));
    freeze(node, p);
    WEFT_TRY(check_image(b->ctx, node->out));
    if (node->inputs[0] >= 0)
        node->unflattened = unflattened(&graph->nodes[node->inputs[0]]);
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        WEFT_TRY(reserve_param(b, &node->params[role],
                               weft_param_roles[role].trained ? &graph->weights
                                                              : &graph->statistics));
    graph->nodes[graph->count++] = *node;
    return WEFT_OK;
}

static enum weft_status check_name(struct weft_net_builder *b, const char *name)
{
    bool fits = *name && strlen(name) < WEFT_NAME_BYTES;
    for (const char *c = name; fits && *c; c++)
        fits = (unsigned char)*c > ' ' && *c != 0x7f && *c != '=' && *c != '#';
    if (!fits || !weft_text_is_utf8(name, strlen(name)))
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "as=%s: a name has 1 to %d characters of UTF-8, without blanks, "
                         "= and #",
                         name, WEFT_NAME_BYTES - 1);
    if (!strcmp(name, batch_name) || weft_act_find(name) != WEFT_ACT_COUNT)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "as=%s: this is the name of %s; choose another", name,
                         strcmp(name, batch_name) ? "an activation" : "the batch");
    if (weft_net_builder_find(b, name) != WEFT_NO_NODE)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "as=%s: an earlier layer has this name; choose another", name);
    return WEFT_OK;
}

static enum weft_status set_inputs(struct weft_net_builder *b, struct weft_layer *layer,
                                   const char *word, const int *inputs, int count)
{
    const struct weft_net *net = b->net;
    const struct weft_op *op = layer->op;
    if (!count) {
        layer->inputs[0] = net->layer_count - 1; /* the batch: -1 */
        count = 1;
    } else if (count <= WEFT_MAX_INPUTS)
        memcpy(layer->inputs, inputs, (size_t)count * sizeof(*inputs));
    int fewest = 1 + op->extra_inputs, most = 1 + op->max_extra_inputs;
    if (count < fewest || count > most)
        return weft_fail(
            b->ctx, WEFT_ERR_ARG,
            "%s has %d inputs, must have %d%s: name a layer by as=NAME on its "
            "line, and read it by \"%s NAME\"",
            word, count, count < fewest ? fewest : most,
            fewest == most   ? ""
            : count < fewest ? " or more"
                             : " or fewer",
            word);
    layer->input_count = count;
    for (int k = 0; k < count; k++) {
        int at = layer->inputs[k];
        if (at < WEFT_BATCH || at >= net->layer_count)
            return weft_fail(b->ctx, WEFT_ERR_ARG, "%s: there is no layer %d to read",
                             word, at);
        if (at >= 0 && net->layers[at].op->is_loss)
            return weft_fail(b->ctx, WEFT_ERR_ARG,
                             "%s: nothing may read %s; it is an "
                             "output of the network",
                             word, net->layers[at].op->name);
    }
    if (!net->input.h)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "the size of the images is not known: begin with a line \"input "
                         "HEIGHT WIDTH CHANNELS\"");
    return WEFT_OK;
}

static enum weft_status set_op(struct weft_net_builder *b, struct weft_layer *layer,
                               const char *word)
{
    enum weft_act act;
    layer->op = weft_op_find(word, &act);
    if (!layer->op) {
        char list[512];
        weft_op_list(list, sizeof(list));
        return weft_fail(b->ctx, WEFT_ERR_ARG, "\"%s\" is no op; there are %s", word,
                         list);
    }
    struct weft_layer_params *p = &layer->params;
    if (p->activation && !layer->op->takes_act)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "%s takes no activation: add \"%s\" as a layer of its own", word,
                         p->activation);
    if (p->activation && (act = weft_act_find(p->activation)) == WEFT_ACT_COUNT) {
        char list[256], close[WEFT_SUGGESTION];
        weft_act_list(list, sizeof(list));
        weft_suggestion(p->activation, weft_act_names, WEFT_ACT_COUNT, close);
        return weft_fail(b->ctx, WEFT_ERR_ARG, "\"%s\" is no activation; there are %s%s",
                         p->activation, list, close);
    }
    p->activation = act ? weft_act_names[act] : NULL;
    WEFT_TRY(weft_op_check_activation(b->ctx, word, act, p, &layer->activation));
    return weft_op_check_fields(b->ctx, word, layer->op, p);
}

/* The nodes of a checked layer; the activation is one of its own, which fusion may join
 * to it. */
static enum weft_status add_nodes(struct weft_net_builder *b, struct weft_layer *layer)
{
    const struct weft_net *net = b->net;
    bool is_act = layer->op == &weft_op_act;
    struct weft_node node = {.op = layer->op, .input_count = layer->input_count};
    if (is_act)
        node.activation = layer->activation;
    for (int k = 0; k < layer->input_count; k++) {
        int at = layer->inputs[k];
        node.inputs[k] = at == WEFT_BATCH ? WEFT_BATCH : net->layers[at].output;
        node.in[k] = output_shape(net, at);
    }
    layer->first = layer->output = net->graph.count;
    WEFT_TRY(add_node(b, &node, &layer->params));
    if (is_act || !layer->activation.act)
        return WEFT_OK;
    struct weft_node follower = {.op = &weft_op_act,
                                 .input_count = 1,
                                 .inputs = {layer->first},
                                 .in = {node.out},
                                 .activation = layer->activation,
                                 .from_suffix = true};
    layer->output = net->graph.count;
    return add_node(b, &follower, &layer->params);
}

enum weft_status weft_net_add(weft_net_builder *b, const char *op,
                              const struct weft_layer_params *params, const int *inputs,
                              int input_count, int *layer)
{
    struct weft_layer made = {0};
    WEFT_REQUIRE_POINTER(NULL, b, "builder");
    WEFT_REQUIRE_POINTER(b->ctx, op, "op");
    WEFT_REQUIRE(b->ctx, input_count >= 0, "input_count must be 0 or more");
    WEFT_REQUIRE(b->ctx, inputs || !input_count, "inputs must not be NULL");
    WEFT_TRY(WEFT_READ_PARAMS(b->ctx, params, &made.params));
    WEFT_TRY(set_op(b, &made, op));
    WEFT_TRY(set_inputs(b, &made, op, inputs, input_count));
    if (made.params.name)
        WEFT_TRY(check_name(b, made.params.name));
    snprintf(made.name, sizeof(made.name), "%s",
             made.params.name ? made.params.name : "");
    made.params.name = NULL;
    WEFT_TRY(make_room(b));
    struct weft_graph before = b->net->graph;
    enum weft_status status = add_nodes(b, &made);
    if (status) {
        b->net->graph = before; /* the builder stays usable without the layer */
        return status;
    }
    b->net->layers[b->net->layer_count] = made;
    if (layer)
        *layer = b->net->layer_count;
    b->net->layer_count++;
    return WEFT_OK;
}

enum weft_status weft_net_output(weft_net_builder *b, int layer)
{
    WEFT_REQUIRE_POINTER(NULL, b, "builder");
    struct weft_graph *graph = &b->net->graph;
    WEFT_REQUIRE(b->ctx, layer >= 0 && layer < b->net->layer_count,
                 "layer must be the index of a layer that was added");
    int node = b->net->layers[layer].output;
    for (int i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == node)
            return weft_fail(b->ctx, WEFT_ERR_ARG, "layer %d is an output already",
                             layer);
    if (graph->output_count == WEFT_MAX_OUTPUTS)
        return weft_fail(b->ctx, WEFT_ERR_ARG, "more than %d outputs", WEFT_MAX_OUTPUTS);
    graph->outputs[graph->output_count++] = node;
    return WEFT_OK;
}

int weft_net_builder_unread(const struct weft_net_builder *b)
{
    const struct weft_graph *graph = &b->net->graph;
    for (int i = 0; i < b->net->layer_count; i++) {
        int node = b->net->layers[i].output;
        bool used = weft_graph_consumer_count(graph, node) > 0 ||
                    (!graph->output_count && i == b->net->layer_count - 1);
        if (!used)
            return i;
    }
    return WEFT_NO_NODE;
}

/* Checks of the complete network. */
static enum weft_status check_whole(const struct weft_net_builder *b)
{
    const struct weft_net *net = b->net;
    const struct weft_graph *graph = &net->graph;
    if (!net->layer_count)
        return weft_fail(b->ctx, WEFT_ERR_ARG, "%s: has no layers", net->name);
    int unread = weft_net_builder_unread(b);
    if (unread != WEFT_NO_NODE)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "nothing reads the output of %s: name it by as=NAME and read it "
                         "by from=NAME or \"add NAME\", or make it an output by \"output "
                         "NAME\"",
                         graph->nodes[net->layers[unread].first].name);
    if (!graph->weights)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "%s: has nothing to train: no conv, no dense", net->name);
    int outputs = graph->nodes[graph->outputs[0]].out.c;
    if (b->classes && outputs != b->classes)
        return weft_fail(b->ctx, WEFT_ERR_ARG,
                         "%s: has %d outputs for %d classes: the last dense must be "
                         "\"dense classes\" or "
                         "\"dense %d\"",
                         net->name, outputs, b->classes, b->classes);
    return WEFT_OK;
}

/* Statistics follow all weights, whose number is known now. */
static void move_statistics(struct weft_graph *graph)
{
    for (int i = 0; i < graph->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++)
            if (!weft_param_roles[role].trained)
                graph->nodes[i].params[role].at += graph->weights;
}

enum weft_status weft_net_end(weft_net_builder **builder, weft_net **out)
{
    WEFT_REQUIRE_POINTER(NULL, builder, "builder");
    struct weft_net_builder *b = *builder;
    *builder = NULL;
    WEFT_REQUIRE(NULL, b || !out, "*builder must not be NULL");
    if (!b)
        return WEFT_OK;
    struct weft_net *net = b->net;
    enum weft_status status = out ? WEFT_OK : WEFT_ERR_ARG;
    if (!status && net->layer_count && !net->graph.output_count &&
        weft_net_builder_unread(b) == WEFT_NO_NODE)
        status = weft_net_output(b, net->layer_count - 1);
    if (!status)
        status = check_whole(b);
    if (!status) {
        move_statistics(&net->graph);
        status = weft_net_write(net, &net->text);
    }
    if (!status && !net->source && !(net->source = strdup(net->text)))
        status = weft_out_of_memory(b->ctx, "network", strlen(net->text));
    free(b);
    if (status)
        weft_net_destroy(&net);
    else
        *out = net;
    return out ? status : WEFT_OK;
}
