/* SPDX-License-Identifier: Apache-2.0 */
/* Networks to text. Fields are written where they differ from their defaults, names where
 * they are read. */
#include "net/graph.h"

#include "util/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that is cut at the end of its buffer. */
struct writer {
    char *out;
    size_t size, used;
};

static void put(struct writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(w->out + w->used, w->size - w->used, format, args);
    va_end(args);
    w->used += length > 0 ? (size_t)length : 0;
    if (w->used >= w->size)
        w->used = w->size - 1;
}

/* The shortest digits that give the same float. */
static void put_float(struct writer *w, float value)
{
    char text[32];
    weft_float_write(text, sizeof(text), value);
    put(w, "%s", text);
}

static void put_pad(struct writer *w, const struct weft_layer_params *p)
{
    const int *pad = p->pad;
    if (p->same_padding)
        put(w, "same");
    else if (pad[0] != pad[2] || pad[1] != pad[3])
        put(w, "%d,%d,%d,%d", pad[0], pad[1], pad[2], pad[3]);
    else
        put(w, "%dx%d", pad[0], pad[1]);
}

static void put_field(struct writer *w, const struct weft_layer_field *field,
                      const struct weft_layer_params *p)
{
    const void *member = (const char *)p + field->offset;
    const int *ints = member;
    put(w, field->is_word ? " " : " %s=", field->name);
    switch (field->type) {
    case WEFT_FIELD_INT:
        put(w, "%d", *ints);
        break;
    case WEFT_FIELD_FLOAT:
        put_float(w, *(const float *)member);
        break;
    case WEFT_FIELD_PAIR:
        put(w, "%dx%d", ints[0], ints[1]);
        break;
    case WEFT_FIELD_YES:
        put(w, "yes");
        break;
    case WEFT_FIELD_NO:
        put(w, "no");
        break;
    case WEFT_FIELD_DECAY:
        put_float(w, fmaxf(*(const float *)member, 0));
        break;
    case WEFT_FIELD_NAME:
        put(w, "%s", *(const char *const *)member);
        break;
    case WEFT_FIELD_PAD:
        put_pad(w, p);
        break;
    }
}

/* The name of a layer, or one that no layer has. */
static void layer_name(const struct weft_net *net, int layer, char *out, size_t size)
{
    if (layer == WEFT_BATCH || net->layers[layer].name[0]) {
        snprintf(out, size, "%s",
                 layer == WEFT_BATCH ? "input" : net->layers[layer].name);
        return;
    }
    int number = layer + 1;
    snprintf(out, size, "n%d", number);
    for (int i = 0; i < net->layer_count; i++)
        if (!strcmp(out, net->layers[i].name)) {
            number += WEFT_MAX_NODES; /* no other layer's */
            snprintf(out, size, "n%d", number);
            i = -1;
        }
}

static void put_name(struct writer *w, const char *before, const struct weft_net *net,
                     int layer)
{
    char name[WEFT_NAME_BYTES];
    layer_name(net, layer, name, sizeof(name));
    put(w, "%s%s", before, name);
}

static bool is_default_output(const struct weft_net *net)
{
    return net->graph.output_count == 1 &&
           net->graph.outputs[0] == net->layers[net->layer_count - 1].output;
}

/* True if a line below reads the layer by its name. */
static bool is_named(const struct weft_net *net, int layer)
{
    if (net->layers[layer].name[0])
        return true;
    for (int i = layer + 1; i < net->layer_count; i++)
        for (int k = 0; k < net->layers[i].input_count; k++)
            if (net->layers[i].inputs[k] == layer && (k || i != layer + 1))
                return true;
    for (int k = 0; k < net->graph.output_count; k++)
        if (net->graph.outputs[k] == net->layers[layer].output && !is_default_output(net))
            return true;
    return false;
}

static void put_layer(struct writer *w, const struct weft_net *net, int index, bool names)
{
    const struct weft_layer *layer = &net->layers[index];
    const char *act = weft_act_names[layer->activation.act];
    bool is_act = layer->op == &weft_op_act;
    put(w, "%s", is_act ? act : layer->op->name);
    for (int k = 1; k < layer->input_count; k++)
        put_name(w, " ", net, layer->inputs[k]);
    for (const struct weft_layer_field *f = layer->op->fields; f && f->name; f++)
        if (f->is_word)
            put_field(w, f, &layer->params);
    if (layer->activation.act && !is_act)
        put(w, " %s", act);
    for (const struct weft_layer_field *f = layer->op->fields; f && f->name; f++)
        if (!f->is_word && !weft_field_is_initial(f, &layer->params))
            put_field(w, f, &layer->params);
    for (int k = 0; k < WEFT_ACT_PARAMETERS; k++) {
        const struct weft_act_parameter *a =
            &weft_act_parameters[layer->activation.act][k];
        float value = k ? layer->activation.beta : layer->activation.alpha;
        if (!a->name || value == a->initial)
            continue;
        put(w, " %s=", a->name);
        put_float(w, value);
    }
    if (names && layer->inputs[0] != index - 1)
        put_name(w, " from=", net, layer->inputs[0]);
    if (names && is_named(net, index))
        put_name(w, " as=", net, index);
}

void weft_layer_write(const struct weft_net *net, int layer, bool names, char *out,
                      size_t size)
{
    struct writer w = {out, size, 0};
    out[0] = 0;
    put_layer(&w, net, layer, names);
}

static void put_option(struct writer *w, const char *name, float value, float initial)
{
    if (value == initial)
        return;
    put(w, " %s=", name);
    put_float(w, value);
}

static void put_training(struct writer *w, const struct weft_net *net)
{
    static const char *const kinds[] = {[WEFT_OPTIMIZER_SGD] = "sgd",
                                        [WEFT_OPTIMIZER_ADAM] = "adam",
                                        [WEFT_OPTIMIZER_ADAMW] = "adamw"};
    const struct weft_optimizer *o = &net->optimizer, *d = &weft_optimizer_initial;
    if (net->label_smoothing > 0) {
        put(w, "loss");
        put_option(w, "smoothing", net->label_smoothing, 0);
        put(w, "\n");
    }
    put(w, "optimizer %s ", kinds[o->kind]);
    put_float(w, o->learning_rate);
    if (o->kind == WEFT_OPTIMIZER_SGD) {
        put_option(w, "momentum", o->momentum, d->momentum);
        put(w, "%s", o->nesterov ? " nesterov=yes" : "");
    } else {
        put_option(w, "beta1", o->beta1, d->beta1);
        put_option(w, "beta2", o->beta2, d->beta2);
        put_option(w, "epsilon", o->epsilon, d->epsilon);
    }
    put_option(w, "decay", o->weight_decay, 0);
    put_option(w, "clip", o->clip, 0);
    put(w, "%s", o->decay_norms ? " decay-norms=yes" : "");
    put(w, "\n");
    if (!weft_schedule_is_constant(&net->schedule)) {
        char text[WEFT_SCHEDULE_TEXT];
        weft_schedule_write(&net->schedule, text);
        put(w, "schedule %s\n", text);
    }
    if (net->averaging.kind) {
        char text[WEFT_AVERAGING_TEXT];
        weft_averaging_write(&net->averaging, text);
        put(w, "average %s\n", text);
    }
    char augment[WEFT_AUGMENT_TEXT];
    weft_augment_write(&net->augment, augment);
    if (strcmp(augment, "none"))
        put(w, "augment %s\n", augment);
    if (net->batch)
        put(w, "batch %d\n", net->batch);
}

enum weft_status weft_net_write(const struct weft_net *net, char **out)
{
    enum { LINE = 512 }; /* more than the longest line */
    struct writer w = {.size = (size_t)(net->layer_count + WEFT_MAX_OUTPUTS + 8) * LINE};
    if (!(w.out = malloc(w.size)))
        return weft_out_of_memory(net->ctx, "network", w.size);
    put(&w, "input %d %d %d\n", net->input.h, net->input.w, net->input.c);
    for (int i = 0; i < net->layer_count; i++) {
        put_layer(&w, net, i, true);
        put(&w, "\n");
    }
    for (int k = 0; k < net->graph.output_count && !is_default_output(net); k++) {
        int layer = net->graph.nodes[net->graph.outputs[k]].layer;
        put_name(&w, "output ", net, layer);
        put(&w, "\n");
    }
    put_training(&w, net);
    *out = w.out;
    return WEFT_OK;
}
