/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a network to a graph with all shapes. */
#include "net/symbols.h"

#include "util/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTENT = 65535 }; /* of the input */

/* A network that is being read. */
struct reader {
    struct weft_line_parser parser;
    struct weft_net *net;
    int capacity;
    bool fixed_input; /* by the params: an `input` line must agree */
    struct weft_symbols symbols;
};

static enum weft_status parse_input(struct reader *r)
{
    static const char *const what[] = {"the height", "the width",
                                       "the number of channels"};
    int extent[3];
    struct weft_shape *in = &r->net->input;
    if (r->net->graph.count)
        return weft_line_parser_fail(&r->parser, "input must stand before the layers");
    for (int i = 0; i < 3; i++)
        WEFT_TRY(weft_line_parser_int(&r->parser, what[i], 1, MAX_EXTENT, &extent[i]));
    if (r->fixed_input &&
        (in->h != extent[0] || in->w != extent[1] || in->c != extent[2]))
        return weft_line_parser_fail(
            &r->parser, "wants images of %dx%dx%d, the data are %dx%dx%d", extent[0],
            extent[1], extent[2], in->h, in->w, in->c);
    *in = (struct weft_shape){extent[0], extent[1], extent[2]};
    return WEFT_OK;
}

static enum weft_status parse_loss(struct reader *r)
{
    return weft_line_parser_option_float(&r->parser, "smoothing", 0.0f, 0.99f,
                                         &r->net->label_smoothing);
}

static enum weft_status parse_optimizer(struct reader *r)
{
    static const struct {
        const char *name;
        enum weft_optimizer_kind kind;
    } kinds[] = {{"sgd", WEFT_OPTIMIZER_SGD},
                 {"adam", WEFT_OPTIMIZER_ADAM},
                 {"adamw", WEFT_OPTIMIZER_ADAMW}};
    struct weft_line_parser *w = &r->parser;
    struct weft_optimizer *o = &r->net->optimizer;
    const char *word = weft_line_parser_peek(w);
    size_t k = 0;
    while (word && k < WEFT_ARRAY_SIZE(kinds) && strcmp(word, kinds[k].name))
        k++;
    if (!word || k == WEFT_ARRAY_SIZE(kinds))
        return weft_line_parser_fail(w, "optimizer must be sgd, adam or adamw");
    w->next++;
    o->kind = kinds[k].kind;
    WEFT_TRY(
        weft_line_parser_float(w, "the learning rate", 0.0f, 1e6f, &o->learning_rate));
    WEFT_TRY(weft_line_parser_option_float(w, "decay", 0.0f, 1e3f, &o->weight_decay));
    if (o->kind == WEFT_OPTIMIZER_SGD) {
        WEFT_TRY(weft_line_parser_option_float(w, "momentum", 0.0f, 1.0f, &o->momentum));
        return weft_line_parser_option_bool(w, "nesterov", &o->nesterov);
    }
    WEFT_TRY(weft_line_parser_option_float(w, "beta1", 0.0f, 0.999999f, &o->beta1));
    WEFT_TRY(weft_line_parser_option_float(w, "beta2", 0.0f, 0.999999f, &o->beta2));
    return weft_line_parser_option_float(w, "epsilon", 0.0f, 1.0f, &o->epsilon);
}

static enum weft_status parse_batch(struct reader *r)
{
    return weft_line_parser_int(&r->parser, "the batch size", 1, 1 << 20, &r->net->batch);
}

/* Lines that are no layers. */
static const struct {
    const char *name;
    enum weft_status (*parse)(struct reader *r);
} directives[] = {{"input", parse_input},
                  {"loss", parse_loss},
                  {"optimizer", parse_optimizer},
                  {"batch", parse_batch}};

static enum weft_status unknown_word(struct reader *r, const char *word)
{
    char list[512] = "";
    for (int i = 0; weft_op_word(i); i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s, ", weft_op_word(i));
    }
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(directives); i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
                 directives[i].name);
    }
    return weft_line_parser_fail(&r->parser, "\"%s\" is not known; a line begins with %s",
                                 word, list);
}

/* conv1, conv2, dense1 ... and relu1 for an activation. */
static void name_node(const struct weft_graph *graph, struct weft_node *node)
{
    const char *name_prefix = node->op == &weft_op_act
                                  ? weft_act_names[node->activation.act]
                              : node->op->name_prefix ? node->op->name_prefix
                                                      : node->op->name;
    int number = 1;
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *other = &graph->nodes[i];
        number +=
            other->op == node->op &&
            (node->op != &weft_op_act || other->activation.act == node->activation.act);
    }
    snprintf(node->name, sizeof(node->name), "%s%d", name_prefix, number);
}

/* Gives a param its place behind all others of its kind, whose end is `end`. */
static enum weft_status place_param(struct reader *r, struct weft_param *param,
                                    size_t *end)
{
    size_t count = param->rank ? 1 : 0;
    for (int i = 0; i < param->rank; i++)
        if (!weft_checked_mul(count, (size_t)param->extent[i], &count) || count > INT_MAX)
            return weft_line_parser_fail(
                &r->parser, "a layer of more than %d weights is too large", INT_MAX);
    weft_param_reserve(param, count, WEFT_FLOAT32, end);
    if (weft_graph_floats(&r->net->graph) > INT_MAX)
        return weft_line_parser_fail(&r->parser, "the network has more than %d weights",
                                     INT_MAX);
    return WEFT_OK;
}

/* The shape of input `which` of a node. */
static struct weft_shape input_shape(const struct reader *r, const struct weft_node *node,
                                     int which)
{
    int input = node->inputs[which];
    return input == WEFT_BATCH ? r->net->input : r->net->graph.nodes[input].out;
}

/* A place for one more at the end of the graph. */
static enum weft_status make_room(struct reader *r)
{
    struct weft_graph *graph = &r->net->graph;
    if (graph->count == WEFT_MAX_NODES)
        return weft_line_parser_fail(&r->parser, "more than %d layers", WEFT_MAX_NODES);
    if (graph->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 16;
        struct weft_node *more =
            realloc(graph->nodes, (size_t)r->capacity * sizeof(*graph->nodes));
        if (!more)
            return weft_out_of_memory(r->parser.ctx, "network", sizeof(*more));
        graph->nodes = more;
    }
    return WEFT_OK;
}

/* The image that was made the row that comes out of `node`: h is 0 if none was. */
static struct weft_shape row_of(const struct weft_node *node)
{
    if (node->op->flattens && node->in[0].h * node->in[0].w > 1)
        return node->in[0];
    return node->op->flattens || node->op->elementwise ? node->unflattened
                                                       : (struct weft_shape){0};
}

static enum weft_status add_node(struct reader *r, const struct weft_node *made)
{
    struct weft_graph *graph = &r->net->graph;
    if (graph->count && graph->nodes[graph->count - 1].op->is_loss)
        return weft_line_parser_fail(&r->parser, "nothing may follow %s",
                                     graph->nodes[graph->count - 1].op->name);
    WEFT_TRY(make_room(r));
    struct weft_node *node = &graph->nodes[graph->count];
    *node = *made;
    node->line = r->parser.line;
    for (int k = 0; k < node->input_count; k++)
        node->in[k] = input_shape(r, node, k);
    if (!node->in[0].h)
        return weft_line_parser_fail(&r->parser,
                                     "the size of the images is not known: begin with "
                                     "a line \"input HEIGHT WIDTH CHANNELS\"");
    if (weft_shape_count(node->in[0]) > INT_MAX)
        return weft_line_parser_fail(&r->parser,
                                     "one image of %dx%dx%d values is too large",
                                     node->in[0].h, node->in[0].w, node->in[0].c);
    WEFT_TRY(node->op->shape(&r->parser, node));
    size_t area = weft_shape_count(node->out);
    if (area > INT_MAX)
        return weft_line_parser_fail(&r->parser,
                                     "one image of %dx%dx%d values is too large",
                                     node->out.h, node->out.w, node->out.c);
    if (node->inputs[0] >= 0)
        node->unflattened = row_of(&graph->nodes[node->inputs[0]]);
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        WEFT_TRY(place_param(r, &node->params[role],
                             weft_param_roles[role].trained ? &graph->weights
                                                            : &graph->statistics));
    node->index = graph->count;
    node->batch_norm = WEFT_NO_NODE;
    name_node(graph, node);
    graph->count++;
    return WEFT_OK;
}

/* What a line reads: the line before, or from=NAME; and where two are joined, the one
 * that its first word names. */
static enum weft_status parse_inputs(struct reader *r, struct weft_node *node)
{
    struct weft_line_parser *w = &r->parser;
    const char *from = weft_line_parser_option(w, "from");
    node->inputs[0] = r->net->graph.count ? r->net->graph.count - 1 : WEFT_BATCH;
    node->input_count = node->op->two_inputs ? 2 : 1;
    if (from)
        WEFT_TRY(weft_symbols_find(&r->symbols, w, from, &node->inputs[0]));
    if (!node->op->two_inputs)
        return WEFT_OK;
    const char *name = weft_line_parser_peek(w);
    if (!name)
        return weft_line_parser_fail(
            w,
            "%s needs the name of a second layer: put as=NAME at the "
            "end of that line, and \"%s NAME\" here",
            node->op->name, node->op->name);
    w->next++;
    return weft_symbols_find(&r->symbols, w, name, &node->inputs[1]);
}

/* The node of a line; the ACT at the end of another layer's line is a node of its own,
 * which fusion may bring together with it. */
static enum weft_status add_line(struct reader *r, struct weft_node *node)
{
    if (node->op == &weft_op_act || !node->activation.act)
        return add_node(r, node);
    struct weft_node follower = {
        .op = &weft_op_act, .activation = node->activation, .from_suffix = true};
    node->activation = (struct weft_activation){0};
    WEFT_TRY(add_node(r, node));
    follower.input_count = 1;
    follower.inputs[0] = r->net->graph.count - 1;
    return add_node(r, &follower);
}

static enum weft_status parse_layer(struct reader *r, const char *word, const char *text)
{
    struct weft_node node = {0};
    enum weft_act act;
    node.op = weft_op_find(word, &act);
    if (!node.op)
        return unknown_word(r, word);
    node.activation.act = act;
    snprintf(node.text, sizeof(node.text), "%s", text);
    WEFT_TRY(parse_inputs(r, &node));
    const char *name = weft_line_parser_option(&r->parser, "as");
    WEFT_TRY(node.op->parse(&r->parser, &node));
    WEFT_TRY(weft_line_parser_check_all_used(&r->parser));
    WEFT_TRY(add_line(r, &node));
    if (!name)
        return WEFT_OK;
    return weft_symbols_add(&r->symbols, &r->parser, name, r->net->graph.count - 1);
}

/* A copy of the line without comment and surplus blanks, for people. */
static void tidy(const char *line, size_t length, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < length && line[i] != '#' && used + 1 < size; i++) {
        bool blank = line[i] == ' ' || line[i] == '\t' || line[i] == '\r';
        if (!blank)
            out[used++] = line[i];
        else if (used && out[used - 1] != ' ')
            out[used++] = ' ';
    }
    while (used && out[used - 1] == ' ')
        used--;
    out[used] = 0;
}

static enum weft_status parse_line(struct reader *r, const char *line, size_t length)
{
    /* Comments too: model files hold the whole text. */
    if (!weft_text_is_utf8(line, length))
        return weft_line_parser_fail(&r->parser,
                                     "is not UTF-8: save the text in this encoding");
    WEFT_TRY(weft_line_parser_split(&r->parser, line, length));
    const char *word = weft_line_parser_peek(&r->parser);
    if (!word && r->parser.option_count)
        return weft_line_parser_fail(&r->parser,
                                     "begins with an option; a layer's name comes first");
    if (!word)
        return WEFT_OK;
    r->parser.next++;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(directives); i++)
        if (!strcmp(word, directives[i].name)) {
            WEFT_TRY(directives[i].parse(r));
            return weft_line_parser_check_all_used(&r->parser);
        }
    char text[96];
    tidy(line, length, text, sizeof(text));
    return parse_layer(r, word, text);
}

static enum weft_status parse_text(struct reader *r, const char *text)
{
    for (const char *line = text; *line; r->parser.line++) {
        size_t length = strcspn(line, "\n");
        WEFT_TRY(parse_line(r, line, length));
        line += length + (line[length] == '\n');
    }
    return WEFT_OK;
}

/* Statistics lie behind all weights, whose number is known now. */
static void move_statistics(struct weft_graph *graph)
{
    for (int i = 0; i < graph->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++)
            if (!weft_param_roles[role].trained)
                graph->nodes[i].params[role].at += graph->weights;
}

/* Every output but the last must be of use. */
static enum weft_status check_read(struct reader *r)
{
    const struct weft_graph *graph = &r->net->graph;
    WEFT_TRY(weft_symbols_check_all_used(&r->symbols, &r->parser));
    for (int i = 0; i < graph->count - 1; i++)
        if (!weft_graph_consumer_count(graph, i)) {
            r->parser.line = graph->nodes[i].line;
            return weft_line_parser_fail(
                &r->parser,
                "nothing reads what %s makes: put as=NAME at the end "
                "of the line, and read it below with from=NAME or "
                "\"add NAME\"",
                graph->nodes[i].name);
        }
    return WEFT_OK;
}

/* What is only known at the end. */
static enum weft_status check_whole(struct reader *r, int classes)
{
    const struct weft_graph *graph = &r->net->graph;
    weft_context *ctx = r->parser.ctx;
    if (!graph->count)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: has no layers", r->parser.where);
    const struct weft_node *last = &graph->nodes[graph->count - 1];
    if (!last->op->is_loss)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: must end in a line \"softmax\", not in \"%s\"",
                         r->parser.where, last->op->name);
    WEFT_TRY(check_read(r));
    if (!graph->weights)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has nothing to train: no conv, no dense", r->parser.where);
    if (classes && last->out.c != classes)
        return weft_fail(
            ctx, WEFT_ERR_FORMAT,
            "%s: has %d outputs for %d classes: the last dense must be \"dense "
            "%d\"",
            r->parser.where, last->out.c, classes, classes);
    return WEFT_OK;
}

/* The input may come from a user: all of it, or nothing. */
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
    return WEFT_OK;
}

enum weft_status weft_net_create(weft_context *ctx, const char *text,
                                 const struct weft_net_params *params, weft_net **out)
{
    struct weft_net_params own, *p = &own;
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, p));
    WEFT_REQUIRE(ctx, text);
    WEFT_TRY(check_params(ctx, p));
    struct weft_net *net = calloc(1, sizeof(*net));
    if (!net)
        return weft_out_of_memory(ctx, "network", sizeof(*net));
    net->ctx = ctx;
    net->name = strdup(p->name ? p->name : "network");
    net->text = strdup(text);
    net->input = (struct weft_shape){p->height, p->width, p->channels};
    net->optimizer = (struct weft_optimizer){.kind = WEFT_OPTIMIZER_ADAM,
                                             .learning_rate = 1e-3f,
                                             .momentum = 0.9f,
                                             .beta1 = 0.9f,
                                             .beta2 = 0.999f,
                                             .epsilon = 1e-8f};
    enum weft_status status = WEFT_ERR_NOMEM;
    if (!net->name || !net->text) {
        weft_out_of_memory(ctx, "network", strlen(text));
        goto fail;
    }
    struct reader r = {.parser = {.ctx = ctx, .where = net->name, .line = 1},
                       .net = net,
                       .fixed_input = p->height > 0};
    if ((status = parse_text(&r, text)) || (status = check_whole(&r, p->classes)))
        goto fail;
    move_statistics(&net->graph);
    *out = net;
    return WEFT_OK;

fail:
    weft_net_destroy(&net);
    return status;
}

enum weft_status weft_net_copy(const struct weft_net *net, struct weft_net **out)
{
    struct weft_net_params params =
        *weft_net_params(.name = net->name, .height = net->input.h, .width = net->input.w,
                         .channels = net->input.c);
    return weft_net_create(net->ctx, net->text, &params, out);
}

void weft_net_destroy(weft_net **net)
{
    if (!*net)
        return;
    weft_graph_free(&(*net)->graph);
    free((*net)->name);
    free((*net)->text);
    free(*net);
    *net = NULL;
}
