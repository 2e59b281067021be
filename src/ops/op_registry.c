/* SPDX-License-Identifier: Apache-2.0 */
/* All ops, and the words and geometry that several of them share. */
#include "ops/op.h"

#include <stdio.h>
#include <string.h>

static const struct weft_op *const ops[] = {
    &weft_op_conv,
    &weft_op_max_pool,
    &weft_op_avg_pool,
    &weft_op_global_max_pool,
    &weft_op_global_avg_pool,
    &weft_op_dense,
    &weft_op_batch_norm,
    &weft_op_add,
    &weft_op_dropout,
    &weft_op_flatten,
    &weft_op_softmax,
};

const struct weft_param_role_info weft_param_roles[WEFT_MAX_PARAMS] = {
    [WEFT_PARAM_WEIGHT] = {"weight", true},
    [WEFT_PARAM_BIAS] = {"bias", true},
    [WEFT_PARAM_RUNNING_MEAN] = {"running_mean", false},
    [WEFT_PARAM_RUNNING_VARIANCE] = {"running_var", false},
};

const char *const weft_init_names[] = {[WEFT_INIT_HE] = "he",
                                       [WEFT_INIT_GLOROT] = "glorot",
                                       [WEFT_INIT_UNIFORM] = "uniform",
                                       NULL};

enum weft_act weft_act_find(const char *word)
{
    for (int act = WEFT_ACT_identity + 1; act < WEFT_ACT_COUNT; act++)
        if (!strcmp(word, weft_act_names[act]))
            return (enum weft_act)act;
    return WEFT_ACT_COUNT;
}

const struct weft_op *weft_op_find(const char *word, enum weft_act *act)
{
    *act = weft_act_find(word);
    if (*act != WEFT_ACT_COUNT)
        return &weft_op_act;
    *act = WEFT_ACT_identity;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(ops); i++)
        if (!strcmp(word, ops[i]->name))
            return ops[i];
    return NULL;
}

const char *weft_op_word(int index)
{
    if (index < (int)WEFT_ARRAY_SIZE(ops))
        return ops[index]->name;
    index += WEFT_ACT_identity + 1 - (int)WEFT_ARRAY_SIZE(ops);
    return index < WEFT_ACT_COUNT ? weft_act_names[index] : NULL;
}

static enum weft_status unknown_act(struct weft_line_parser *parser, const char *word)
{
    char list[256] = "";
    for (int act = WEFT_ACT_identity + 1; act < WEFT_ACT_COUNT; act++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
                 weft_act_names[act]);
    }
    return weft_line_parser_fail(parser, "\"%s\" is no activation; there are %s", word,
                                 list);
}

enum weft_status weft_op_parse_act(struct weft_line_parser *parser,
                                   struct weft_activation *out)
{
    const char *word = weft_line_parser_peek(parser);
    if (word) {
        out->act = weft_act_find(word);
        if (out->act == WEFT_ACT_COUNT)
            return unknown_act(parser, word);
        parser->next++;
    }
    if (out->act != WEFT_ACT_leaky_relu)
        return WEFT_OK;
    out->negative_slope = 0.01f;
    return weft_line_parser_option_float(parser, "slope", 1e-6f, 1.0f,
                                         &out->negative_slope);
}

enum weft_status weft_op_parse_weights(struct weft_line_parser *parser,
                                       struct weft_node *node)
{
    int init = WEFT_INIT_HE;
    bool bias = true;
    WEFT_TRY(weft_line_parser_option_name(parser, "init", weft_init_names, &init));
    WEFT_TRY(weft_line_parser_option_bool(parser, "bias", &bias));
    node->params[WEFT_PARAM_WEIGHT].init = (enum weft_init)init;
    node->params[WEFT_PARAM_BIAS].init =
        init == WEFT_INIT_UNIFORM ? WEFT_INIT_UNIFORM : WEFT_INIT_CONSTANT;
    node->params[WEFT_PARAM_BIAS].rank = bias ? 1 : 0;
    return WEFT_OK;
}

size_t weft_op_unflatten_index(const struct weft_node *node,
                               const struct weft_param *param, size_t i)
{
    (void)param;
    size_t area = (size_t)node->unflattened.h * (size_t)node->unflattened.w;
    return area ? i % area * (size_t)node->unflattened.c + i / area : i;
}

enum weft_status weft_op_parse_stride(struct weft_line_parser *parser, int stride[2])
{
    return weft_line_parser_option_pair(parser, "stride", 1, 255, stride);
}

enum weft_status weft_op_parse_pad(struct weft_line_parser *parser, int out[2])
{
    const char *text = weft_line_parser_option(parser, "pad");
    out[0] = out[1] = 0;
    if (!text || !strcmp(text, "valid"))
        return WEFT_OK;
    if (!strcmp(text, "same")) {
        out[0] = out[1] = WEFT_PAD_SAME;
        return WEFT_OK;
    }
    return weft_line_parser_option_pair(parser, "pad", 0, 255, out);
}

int weft_op_extent(int in, int reach, int stride, int pad, int *before, int *after)
{
    if (pad == WEFT_PAD_SAME) {
        int out = (in + stride - 1) / stride;
        int total = (out - 1) * stride + reach - in;
        total = total > 0 ? total : 0;
        *before = total / 2;
        *after = total - *before;
        return out;
    }
    *before = *after = pad;
    return in + 2 * pad < reach ? 0 : (in + 2 * pad - reach) / stride + 1;
}
