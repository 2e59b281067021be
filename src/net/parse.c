/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a network to calls of the builder. */
#include "net/builder.h"

#include "util/line_parser.h"
#include "util/text.h"
#include "os/suggest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIVES = 9 };

struct net_reader {
    struct weft_line_parser parser;
    struct weft_net_builder *builder;
    bool fixed_input;                /* by the params: an `input` line must agree */
    int classes_line;                /* the last `dense classes`; 0: none */
    float width;                     /* width-multiplier */
    int directive_lines[DIRECTIVES]; /* 0: none yet */
    int lines[WEFT_MAX_NODES];       /* of the layers */
};

static enum weft_status parse_input(struct net_reader *r)
{
    static const char *const what[] = {"the height", "the width",
                                       "the number of channels"};
    enum { MAX_EXTENT = 65535 };
    int extent[3];
    struct weft_shape *in = &r->builder->net->input;
    if (r->builder->net->layer_count)
        return weft_line_parser_fail(&r->parser, "input must stand before the layers");
    for (int i = 0; i < 3; i++) {
        const char *word = NULL;
        WEFT_TRY(weft_line_parser_take(&r->parser, what[i], &word));
        WEFT_TRY(
            weft_line_parser_int(&r->parser, what[i], word, 1, MAX_EXTENT, &extent[i]));
    }
    if (r->fixed_input &&
        (in->h != extent[0] || in->w != extent[1] || in->c != extent[2]))
        return weft_line_parser_fail(
            &r->parser, "the input is %dx%dx%d, the data are %dx%dx%d", extent[0],
            extent[1], extent[2], in->h, in->w, in->c);
    *in = (struct weft_shape){extent[0], extent[1], extent[2]};
    return WEFT_OK;
}

static enum weft_status parse_width(struct net_reader *r)
{
    const char *word = NULL;
    if (r->builder->net->layer_count)
        return weft_line_parser_fail(&r->parser,
                                     "width-multiplier must stand before the layers");
    WEFT_TRY(weft_line_parser_take(&r->parser, "the factor", &word));
    return weft_line_parser_float(&r->parser, "the factor", word, WEFT_MIN_WIDTH,
                                  WEFT_MAX_WIDTH, &r->width);
}

static enum weft_status parse_loss(struct net_reader *r)
{
    return weft_line_parser_option_float(&r->parser, "smoothing", 0.0f,
                                         WEFT_MAX_SMOOTHING,
                                         &r->builder->net->label_smoothing);
}

static enum weft_status parse_optimizer(struct net_reader *r)
{
    static const struct {
        const char *name;
        enum weft_optimizer_kind kind;
    } kinds[] = {{"sgd", WEFT_OPTIMIZER_SGD},
                 {"adam", WEFT_OPTIMIZER_ADAM},
                 {"adamw", WEFT_OPTIMIZER_ADAMW}};
    struct weft_line_parser *w = &r->parser;
    struct weft_optimizer *o = &r->builder->net->optimizer;
    const char *word = NULL;
    int k = 0;
    WEFT_TRY(weft_line_parser_row(w, "optimizer", kinds, sizeof(*kinds),
                                  WEFT_ARRAY_SIZE(kinds), &k));
    *o = weft_optimizer_initial;
    o->kind = kinds[k].kind;
    WEFT_TRY(weft_line_parser_take(w, "the learning rate", &word));
    WEFT_TRY(weft_line_parser_float(w, "the learning rate", word, 0.0f, WEFT_MAX_RATE,
                                    &o->learning_rate));
    bool sgd = o->kind == WEFT_OPTIMIZER_SGD;
    WEFT_TRY(weft_line_parser_option_bool(w, "decay-norms", &o->decay_norms));
    for (const struct weft_optimizer_field *f = weft_optimizer_fields; f->name; f++)
        if (sgd ? f->sgd : f->adam)
            WEFT_TRY(weft_line_parser_option_float(w, f->name, 0.0f, f->max,
                                                   (float *)((char *)o + f->offset)));
    return sgd ? weft_line_parser_option_bool(w, "nesterov", &o->nesterov) : WEFT_OK;
}

static enum weft_status parse_schedule(struct net_reader *r)
{
    return weft_schedule_parse(&r->parser, &r->builder->net->schedule);
}

static enum weft_status parse_average(struct net_reader *r)
{
    return weft_averaging_parse(&r->parser, &r->builder->net->averaging);
}

static enum weft_status parse_augment(struct net_reader *r)
{
    return weft_augment_parse(&r->parser, &r->builder->net->augment);
}

static enum weft_status parse_batch(struct net_reader *r)
{
    const char *word = NULL;
    WEFT_TRY(weft_line_parser_take(&r->parser, "the batch size", &word));
    return weft_line_parser_int(&r->parser, "the batch size", word, 1, WEFT_MAX_BATCH,
                                &r->builder->net->batch);
}

/* The layer called `name`. */
static enum weft_status find_layer(struct net_reader *r, const char *name, int *layer)
{
    *layer = weft_net_builder_find(r->builder, name);
    const struct weft_net *net = r->builder->net;
    const char *names[WEFT_MAX_NODES];
    char close[WEFT_SUGGESTION];
    int count = 0;
    if (*layer != WEFT_NO_NODE)
        return WEFT_OK;
    for (int i = 0; i < net->layer_count && count < WEFT_MAX_NODES; i++)
        if (net->layers[i].name[0])
            names[count++] = net->layers[i].name;
    return weft_line_parser_fail(&r->parser,
                                 "no line above is called \"%s\": put as=%s at the end "
                                 "of the line that is meant%s",
                                 name, name, weft_suggestion(name, names, count, close));
}

/* Errors of the builder are errors of the text. */
static enum weft_status in_text(enum weft_status status)
{
    return status == WEFT_ERR_ARG ? WEFT_ERR_FORMAT : status;
}

static enum weft_status parse_output(struct net_reader *r)
{
    const char *word = NULL;
    int layer;
    WEFT_TRY(weft_line_parser_take(&r->parser, "the name of a layer", &word));
    WEFT_TRY(find_layer(r, word, &layer));
    if (layer == WEFT_BATCH)
        return weft_line_parser_fail(&r->parser, "the batch is no output");
    return in_text(weft_net_output(r->builder, layer));
}

/* Lines that are no layers. */
static const struct {
    const char *name;
    enum weft_status (*parse)(struct net_reader *r);
    bool repeats;
} directives[DIRECTIVES] = {
    {"input", parse_input, false},         {"width-multiplier", parse_width, false},
    {"output", parse_output, true},        {"loss", parse_loss, false},
    {"optimizer", parse_optimizer, false}, {"schedule", parse_schedule, false},
    {"average", parse_average, false},     {"augment", parse_augment, false},
    {"batch", parse_batch, false}};

static enum weft_status parse_directive(struct net_reader *r, size_t index)
{
    int *line = &r->directive_lines[index];
    if (*line && !directives[index].repeats)
        return weft_line_parser_fail(
            &r->parser, "a second line \"%s\", the first is line %d; keep one",
            directives[index].name, *line);
    *line = r->parser.line;
    WEFT_TRY(directives[index].parse(r));
    return weft_line_parser_check_all_used(&r->parser);
}

static enum weft_status unknown_word(struct net_reader *r, const char *word)
{
    char list[512];
    weft_op_list(list, sizeof(list));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(directives); i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, ", %s", directives[i].name);
    }
    const char *names[64], *close;
    char words[sizeof(list)], *rest = NULL;
    int count = 0;
    memcpy(words, list, sizeof(words));
    for (char *name = strtok_r(words, ", ", &rest); name && count < 64;
         name = strtok_r(NULL, ", ", &rest))
        names[count++] = name;
    close = weft_suggest(word, names, count);
    return weft_line_parser_fail(
        &r->parser, "\"%s\" is not known; %s%s%s line begins with %s", word,
        close ? "did you mean " : "", close ? close : "", close ? "? A" : "a", list);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* valid, same, one or two numbers, or top,left,bottom,right. */
static enum weft_status parse_pad(struct weft_line_parser *w, const char *text,
                                  struct weft_layer_params *p)
{
    static const char *const words[] = {"valid", "same"};
    char close[WEFT_SUGGESTION];
    int end = 0, *pad = p->pad;
    if (!strcmp(text, "valid"))
        return WEFT_OK;
    if (!strcmp(text, "same")) {
        p->same_padding = true;
        return WEFT_OK;
    }
    if (strchr(text, ',')) {
        if (sscanf(text, "%3d,%3d,%3d,%3d%n", &pad[0], &pad[1], &pad[2], &pad[3], &end) !=
                4 ||
            text[end])
            return weft_line_parser_fail(
                w,
                "pad must be valid, same, ROWSxCOLUMNS or TOP,LEFT,BOTTOM,RIGHT, not "
                "\"%s\"",
                text);
        return WEFT_OK; /* the builder checks the range */
    }
    if (is_letter(text[0]))
        return weft_line_parser_fail(
            w, "pad=%s is not known; choose from valid, same, ROWSxCOLUMNS%s", text,
            weft_suggestion(text, words, WEFT_ARRAY_SIZE(words), close));
    WEFT_TRY(weft_line_parser_pair(w, "pad", text, 0, 255, pad));
    pad[2] = pad[0];
    pad[3] = pad[1];
    return WEFT_OK;
}

static enum weft_status parse_field(struct weft_line_parser *w,
                                    const struct weft_layer_field *field,
                                    const char *text, struct weft_layer_params *p)
{
    void *member = (char *)p + field->offset;
    int min = (int)field->min, max = (int)field->max;
    float max_float = (float)field->max;
    switch (field->type) {
    case WEFT_FIELD_INT:
        return weft_line_parser_int(w, field->name, text, min, max, member);
    case WEFT_FIELD_PAIR:
        return weft_line_parser_pair(w, field->name, text, min, max, member);
    case WEFT_FIELD_FLOAT:
        return weft_line_parser_float(w, field->name, text, (float)field->min, max_float,
                                      member);
    case WEFT_FIELD_YES:
        return weft_line_parser_option_bool(w, field->name, member);
    case WEFT_FIELD_NO: {
        bool yes = true;
        WEFT_TRY(weft_line_parser_option_bool(w, field->name, &yes));
        *(bool *)member = !yes;
        return WEFT_OK;
    }
    case WEFT_FIELD_DECAY:
        WEFT_TRY(weft_line_parser_float(w, field->name, text, 0, max_float, member));
        if (!(*(float *)member > 0))
            *(float *)member = -1;
        return WEFT_OK;
    case WEFT_FIELD_NAME: {
        int index = 0;
        WEFT_TRY(weft_line_parser_option_name(w, field->name, field->names, &index));
        *(const char **)member = field->names[index];
        return WEFT_OK;
    }
    case WEFT_FIELD_PAD:
        return parse_pad(w, text, p);
    }
    return WEFT_OK;
}

static const struct weft_layer_field *next_word(const struct weft_layer_field *field)
{
    while (field && field->name && !field->is_word)
        field++;
    return field && field->name ? field : NULL;
}

/* Plain words after the first, in any order: an activation, names of inputs, and numbers
 * in the order of the op's table. */
static enum weft_status parse_words(struct net_reader *r, const struct weft_op *op,
                                    struct weft_layer_params *p, int *inputs, int *count)
{
    struct weft_line_parser *w = &r->parser;
    const struct weft_layer_field *field = next_word(op->fields);
    for (const char *word; (word = weft_line_parser_peek(w)); w->next++) {
        if (field && field->offset == offsetof(struct weft_layer_params, units) &&
            !strcmp(word, "classes")) {
            p->units = r->builder->classes ? r->builder->classes : WEFT_DEFAULT_CLASSES;
            r->classes_line = w->line;
            field = next_word(field + 1);
            continue;
        }
        bool is_act = weft_act_find(word) != WEFT_ACT_COUNT;
        if (op->takes_act && !p->activation &&
            (is_act || (is_letter(word[0]) && *count > op->max_extra_inputs)))
            p->activation = word;
        else if (*count <= op->max_extra_inputs && !is_act) {
            WEFT_TRY(find_layer(r, word, &inputs[*count]));
            ++*count;
        } else if (field) {
            WEFT_TRY(parse_field(w, field, word, p));
            field = next_word(field + 1);
        } else
            return WEFT_OK; /* weft_line_parser_check_all_used fails */
    }
    if (*count <= op->extra_inputs)
        return weft_line_parser_fail(
            w,
            "%s needs the name of a second layer: put as=NAME at "
            "the end of that line, and \"%s NAME\" here",
            op->name, op->name);
    const char *missing = NULL;
    if (field && p->activation && weft_act_find(p->activation) == WEFT_ACT_COUNT)
        return weft_line_parser_fail(
            w, "%s must be a number%s, not \"%s\"", field->name,
            field->offset == offsetof(struct weft_layer_params, units) ? " or classes"
                                                                       : "",
            p->activation);
    return field ? weft_line_parser_take(w, field->name, &missing) : WEFT_OK;
}

static enum weft_status parse_options(struct weft_line_parser *w,
                                      const struct weft_op *op, enum weft_act act,
                                      struct weft_layer_params *p)
{
    for (const struct weft_layer_field *f = op->fields; f && f->name; f++) {
        const char *text = f->is_word ? NULL : weft_line_parser_option(w, f->name);
        if (text)
            WEFT_TRY(parse_field(w, f, text, p));
    }
    struct weft_activation activation = weft_activation_init(act);
    float *const values[] = {&activation.alpha, &activation.beta};
    for (int k = 0; k < WEFT_ACT_PARAMETERS; k++) {
        const struct weft_act_parameter *a = &weft_act_parameters[act][k];
        if (a->name)
            WEFT_TRY(
                weft_line_parser_option_float(w, a->name, a->min, a->max, values[k]));
    }
    /* Both 0 would be the defaults of the params. */
    WEFT_TRY(in_text(weft_op_check_act_parameters(w->ctx, w->word[0], &activation)));
    p->alpha = activation.alpha;
    p->beta = activation.beta;
    return WEFT_OK;
}

static int widened(int count, float width)
{
    return count ? (int)fmaxf(1, roundf((float)count * width)) : 0;
}

/* Applies width-multiplier. A depthwise convolution remains one; a whitening one has the
 * filters that its patches determine. */
static void widen(const struct net_reader *r, int input, struct weft_layer_params *p)
{
    const struct weft_net *net = r->builder->net;
    int channels =
        input < 0 ? net->input.c : net->graph.nodes[net->layers[input].output].out.c;
    if (p->init && !strcmp(p->init, "whiten"))
        return;
    p->filters = widened(p->filters, r->width);
    if (p->groups > 1 && widened(p->groups, r->width) == channels)
        p->groups = channels;
    if (r->classes_line != r->parser.line)
        p->units = widened(p->units, r->width);
}

static enum weft_status parse_layer(struct net_reader *r, const char *word)
{
    struct weft_line_parser *w = &r->parser;
    struct weft_layer_params p = *weft_layer_params(0);
    int inputs[1 + WEFT_MAX_INPUTS] = {r->builder->net->layer_count - 1}, count = 1;
    enum weft_act act;
    const struct weft_op *op = weft_op_find(word, &act);
    if (!op)
        return unknown_word(r, word);
    const char *from = weft_line_parser_option(w, "from");
    if (from)
        WEFT_TRY(find_layer(r, from, &inputs[0]));
    WEFT_TRY(parse_words(r, op, &p, inputs, &count));
    if (p.activation)
        act = weft_act_find(p.activation);
    WEFT_TRY(parse_options(w, op, act == WEFT_ACT_COUNT ? WEFT_ACT_identity : act, &p));
    p.name = weft_line_parser_option(w, "as");
    WEFT_TRY(weft_line_parser_check_all_used(w));
    widen(r, inputs[0], &p);
    int layer = 0;
    WEFT_TRY(in_text(weft_net_add(r->builder, word, &p, inputs, count, &layer)));
    r->lines[layer] = w->line;
    return WEFT_OK;
}

static enum weft_status parse_line(struct net_reader *r, const char *line, size_t length)
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
        if (!strcmp(word, directives[i].name))
            return parse_directive(r, i);
    return parse_layer(r, word);
}

/* Error messages, of the builder too, begin with the position. */
static void set_position(struct net_reader *r, char *position, size_t size)
{
    snprintf(position, size, "%s, line %d: ", r->parser.where, r->parser.line);
    r->parser.ctx->error_position = position;
}

static enum weft_status parse_text(struct net_reader *r, const char *text, char *position,
                                   size_t size)
{
    set_position(r, position, size);
    const char *encoding = weft_text_foreign_encoding(text, strlen(text));
    if (encoding)
        return weft_line_parser_fail(&r->parser, "is a text in %s; save it in UTF-8",
                                     encoding);
    for (const char *line = text + weft_text_mark(text, strlen(text)); *line;
         r->parser.line++) {
        size_t length = strcspn(line, "\r\n");
        set_position(r, position, size);
        WEFT_TRY(parse_line(r, line, length));
        line += length;
        line += *line == '\r';
        line += *line == '\n';
    }
    int unread = weft_net_builder_unread(r->builder);
    r->parser.ctx->error_position = NULL;
    if (unread != WEFT_NO_NODE) {
        r->parser.line = r->lines[unread];
        set_position(r, position, size);
    }
    return WEFT_OK;
}

enum weft_status weft_net_create(weft_context *ctx, const char *text,
                                 const struct weft_net_params *params, weft_net **out)
{
    WEFT_REQUIRE_POINTER(NULL, ctx, "context");
    WEFT_REQUIRE_POINTER(ctx, text, "text");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    struct net_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return weft_out_of_memory(ctx, "network", sizeof(*r));
    enum weft_status status = weft_net_begin(ctx, params, &r->builder);
    if (status) {
        free(r);
        return status;
    }
    struct weft_net *net = r->builder->net;
    size_t size = strlen(net->name) + 32;
    char *position = malloc(size);
    r->parser = (struct weft_line_parser){.ctx = ctx, .where = net->name, .line = 1};
    r->fixed_input = net->input.h > 0 && !r->builder->default_input;
    r->width = 1;
    if (!position)
        status = weft_out_of_memory(ctx, "network", size);
    else
        status = parse_text(r, text, position, size);
    /* `classes` depends on the params: weft_net_end writes a text of the layers. */
    if (!status && !r->classes_line && !(net->source = strdup(text)))
        status = weft_out_of_memory(ctx, "network", strlen(text) + 1);
    status = status ? (weft_net_end(&r->builder, NULL), status)
                    : in_text(weft_net_end(&r->builder, out));
    ctx->error_position = NULL;
    free(position);
    free(r);
    return status;
}
