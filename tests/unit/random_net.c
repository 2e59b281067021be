/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks: see random_net.h. */
#include "unit/random_net.h"

#include "net/builder.h"
#include "shared/random.h"

#include <string.h>

enum {
    MAX_LINES = 8, /* unread outputs fit into one concat */
    TRIES = 40,    /* draws of a layer until one is valid */
    MAX_TENSOR = 500,
    MAX_ROW = 150, /* inputs of a dense layer */
    MAX_WEIGHTS = 900,
};

struct drawing {
    weft_net_builder *builder;
    uint32_t number, drawn;
    int layers[4 * MAX_LINES]; /* that later ones may read */
    int count;
};

uint32_t random_net_draw(uint32_t number, uint32_t stream, uint32_t at, uint32_t below)
{
    struct weft_random r = weft_philox(11, stream, at, number, 0, RANDOM_VERIFY);
    return (uint32_t)((uint64_t)r.v[0] * below >> 32);
}

static int draw(struct drawing *d, int below)
{
    return (int)random_net_draw(d->number, 1, d->drawn++, (uint32_t)below);
}

/* The fields of an op. */

static void *member(const struct weft_layer_field *field, struct weft_layer_params *p)
{
    return (char *)p + field->offset;
}

static void draw_int(struct drawing *d, const struct weft_layer_field *field,
                     struct weft_layer_params *p)
{
    *(int *)member(field, p) = (int)field->min + draw(d, 5);
}

static void draw_float(struct drawing *d, const struct weft_layer_field *field,
                       struct weft_layer_params *p)
{
    double part = (1 + draw(d, 8)) / 10.0;
    *(float *)member(field, p) =
        (float)(field->initial > 0 ? field->initial * 10 * part : field->max * part);
}

static void draw_pair(struct drawing *d, const struct weft_layer_field *field,
                      struct weft_layer_params *p)
{
    int *pair = member(field, p);
    pair[0] = 1 + draw(d, 3);
    pair[1] = draw(d, 2) ? 1 + draw(d, 3) : 0;
}

static void draw_flag(struct drawing *d, const struct weft_layer_field *field,
                      struct weft_layer_params *p)
{
    *(bool *)member(field, p) = draw(d, 2);
}

/* One of the first three initial values; nothing is frozen. */
static void draw_name(struct drawing *d, const struct weft_layer_field *field,
                      struct weft_layer_params *p)
{
    int index = draw(d, 3);
    if (field->names != weft_frozen_names)
        *(const char **)member(field, p) = field->names[index];
}

static void draw_decay(struct drawing *d, const struct weft_layer_field *field,
                       struct weft_layer_params *p)
{
    *(float *)member(field, p) = draw(d, 2) ? -1 : 0.125f;
}

static void draw_pad(struct drawing *d, const struct weft_layer_field *field,
                     struct weft_layer_params *p)
{
    (void)field;
    p->same_padding = draw(d, 2);
    for (int i = 0; i < 4 && !p->same_padding; i++)
        p->pad[i] = draw(d, 3);
}

static void draw_fields(struct drawing *d, const struct weft_op *op,
                        struct weft_layer_params *p)
{
    static void (*const draws[])(struct drawing *, const struct weft_layer_field *,
                                 struct weft_layer_params *) = {
        [WEFT_FIELD_INT] = draw_int,   [WEFT_FIELD_FLOAT] = draw_float,
        [WEFT_FIELD_PAIR] = draw_pair, [WEFT_FIELD_YES] = draw_flag,
        [WEFT_FIELD_NO] = draw_flag,   [WEFT_FIELD_NAME] = draw_name,
        [WEFT_FIELD_PAD] = draw_pad,   [WEFT_FIELD_DECAY] = draw_decay,
    };
    for (const struct weft_layer_field *field = op->fields; field && field->name; field++)
        if (field->is_word || draw(d, 2))
            draws[field->type](d, field, p);
}

static void draw_parameters(struct drawing *d, enum weft_act act,
                            struct weft_layer_params *p)
{
    const struct weft_act_parameter *parameters = weft_act_parameters[act];
    int which = draw(d, 4);
    p->alpha = parameters[0].name ? parameters[0].tested[which] : 0;
    p->beta = parameters[1].name ? parameters[1].tested[which] : 0;
}

/* Layers. */

static struct weft_shape shape_of(const struct drawing *d, int layer)
{
    const struct weft_net *net = d->builder->net;
    return layer < 0 ? net->input : net->graph.nodes[net->layers[layer].output].out;
}

/* The index of the new layer; WEFT_NO_NODE if the builder refuses it. */
static int add(struct drawing *d, const char *word, const struct weft_layer_params *p,
               const int *inputs, int count)
{
    int layer;
    if (weft_net_add(d->builder, word, p, inputs, count, &layer))
        return WEFT_NO_NODE;
    if (d->count < (int)WEFT_ARRAY_SIZE(d->layers))
        d->layers[d->count++] = layer;
    return layer;
}

static int draw_input(struct drawing *d)
{
    return !d->count || !draw(d, 12) ? WEFT_NET_INPUT
           : draw(d, 3)              ? d->layers[d->count - 1]
                                     : d->layers[draw(d, d->count)];
}

/* A number for each channel, as squeeze-and-excite makes it. */
static int add_scale(struct drawing *d, int input)
{
    int pool =
        add(d, draw(d, 2) ? "global-avg-pool" : "global-max-pool", NULL, &input, 1);
    struct weft_layer_params p =
        *weft_layer_params(.units = shape_of(d, input).c,
                           .activation = draw(d, 2) ? "sigmoid" : "hard-sigmoid");
    return add(d, "dense", &p, &pool, 1);
}

static bool is_too_large(const struct drawing *d, const char *word, struct weft_shape s)
{
    size_t count = weft_shape_count(s);
    bool row = !strcmp(word, "dense") || !strcmp(word, "flatten") || s.c > 20;
    return count > (row ? MAX_ROW : MAX_TENSOR) ||
           d->builder->net->graph.weights > MAX_WEIGHTS;
}

/* A convolution, so that what follows has gradients; then a quarter of them, and every
 * other word. */
static const char *draw_word(struct drawing *d)
{
    int words = 0;
    while (weft_op_word(words))
        words++;
    return d->count && draw(d, 4) ? weft_op_word(draw(d, words)) : "conv";
}

static bool try_layer(struct drawing *d)
{
    const char *word = draw_word(d);
    enum weft_act act = WEFT_ACT_identity;
    const struct weft_op *op = weft_op_find(word, &act);
    struct weft_layer_params p = *weft_layer_params(0);
    int inputs[WEFT_MAX_INPUTS] = {draw_input(d)}, count = 1;
    if (op->is_loss || is_too_large(d, word, shape_of(d, inputs[0])))
        return false;
    draw_fields(d, op, &p);
    if (op->takes_act && draw(d, 2)) {
        act = (enum weft_act)(1 + draw(d, WEFT_ACT_COUNT - 1));
        p.activation = weft_act_names[act];
    }
    draw_parameters(d, act, &p);
    int more = op->extra_inputs;
    more += draw(d, 1 + (op->max_extra_inputs > 2 ? 2 : op->max_extra_inputs - more));
    while (count <= more)
        inputs[count++] = draw_input(d);
    if (!strcmp(word, "scale"))
        inputs[1] = add_scale(d, inputs[0]);
    return add(d, word, &p, inputs, count) != WEFT_NO_NODE;
}

/* Every output that nothing reads becomes a row, and all of them the classes. */
static bool add_end(struct drawing *d)
{
    const struct weft_net *net = d->builder->net;
    int rows[WEFT_MAX_INPUTS], count = 0, layers = net->layer_count, end;
    for (int i = 0; i < layers; i++) {
        if (weft_graph_consumer_count(&net->graph, net->layers[i].output))
            continue;
        if (count == WEFT_MAX_INPUTS)
            return false;
        bool small = weft_shape_count(shape_of(d, i)) <= MAX_ROW / 2;
        const char *words[] = {"global-avg-pool", "global-max-pool", "flatten"};
        rows[count++] = add(d, words[draw(d, small ? 3 : 2)], NULL, &i, 1);
    }
    end = count > 1 ? add(d, "concat", NULL, rows, count) : rows[0];
    struct weft_layer_params p =
        *weft_layer_params(.units = RANDOM_NET_CLASSES,
                           .activation = draw(d, 4) ? NULL : "leaky-relu");
    end = add(d, "dense", &p, &end, 1);
    return add(d, "softmax", NULL, &end, 1) != WEFT_NO_NODE;
}

weft_net *random_net_create(weft_context *ctx, uint32_t number)
{
    struct drawing d = {.number = number};
    weft_net *net = NULL;
    struct weft_net_params p = *weft_net_params(.height = 3 + draw(&d, 6));
    p.width = 3 + draw(&d, 6);
    p.channels = 1 + draw(&d, 4);
    p.label_smoothing = draw(&d, 2) ? 0.1f : 0;
    if (weft_net_begin(ctx, &p, &d.builder))
        return NULL;
    for (int lines = 2 + draw(&d, MAX_LINES - 1); lines > 0; lines--)
        for (int i = 0; i < TRIES && !try_layer(&d); i++)
            ;
    if (!add_end(&d) || weft_net_end(&d.builder, &net))
        weft_net_end(&d.builder, NULL);
    return net;
}
