/* SPDX-License-Identifier: Apache-2.0 */
/* The list of ops, and names and geometry that several of them share. */
#include "ops/op.h"

#include <stdio.h>
#include <string.h>

static const struct weft_op *const ops[] = {
#define OP(name) &weft_op_##name,
#include "ops/ops.def"
#undef OP
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

const char *const weft_conv_init_names[] = {
    [WEFT_INIT_HE] = "he",           [WEFT_INIT_GLOROT] = "glorot",
    [WEFT_INIT_UNIFORM] = "uniform", [WEFT_INIT_IDENTITY] = "identity",
    [WEFT_INIT_WHITEN] = "whiten",   NULL};

const char *const weft_frozen_names[] = {[WEFT_FROZEN_NOTHING] = "no",
                                         [WEFT_FROZEN_WEIGHTS] = "weights",
                                         [WEFT_FROZEN_ALL] = "yes",
                                         NULL};

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

void weft_op_list(char *out, size_t size)
{
    out[0] = 0;
    for (int i = 0; weft_op_word(i); i++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", used ? ", " : "", weft_op_word(i));
    }
}

void weft_act_list(char *out, size_t size)
{
    out[0] = 0;
    for (int act = WEFT_ACT_identity + 1; act < WEFT_ACT_COUNT; act++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", used ? ", " : "", weft_act_names[act]);
    }
}

void weft_op_add_param(struct weft_node *node, enum weft_param_role role, int count,
                       float value)
{
    node->params[role] = (struct weft_param){
        .init = WEFT_INIT_CONSTANT, .value = value, .rank = 1, .extent = {count}};
}

void weft_op_add_weights(struct weft_node *node, const struct weft_layer_params *p,
                         int outputs)
{
    int init = 0;
    while (strcmp(weft_conv_init_names[init], p->init))
        init++;
    weft_op_add_param(node, WEFT_PARAM_WEIGHT, outputs, 0);
    node->params[WEFT_PARAM_WEIGHT].init = (enum weft_init)init;
    if (p->no_bias)
        return;
    weft_op_add_param(node, WEFT_PARAM_BIAS, outputs, 0);
    if (init == WEFT_INIT_UNIFORM)
        node->params[WEFT_PARAM_BIAS].init = WEFT_INIT_UNIFORM;
}

size_t weft_op_unflatten_index(const struct weft_node *node,
                               const struct weft_param *param, size_t i)
{
    (void)param;
    size_t area = (size_t)node->unflattened.h * (size_t)node->unflattened.w;
    return area ? i % area * (size_t)node->unflattened.c + i / area : i;
}

int weft_op_extent(int in, int reach, int stride, bool same, int *before, int *after)
{
    if (same) {
        int out = (in + stride - 1) / stride;
        int total = (out - 1) * stride + reach - in;
        total = total > 0 ? total : 0;
        *before = total / 2;
        *after = total - *before;
        return out;
    }
    int padded = in + *before + *after;
    return padded < reach ? 0 : (padded - reach) / stride + 1;
}

enum weft_status weft_op_window_misfit(weft_context *ctx, int rows, int columns, int h,
                                       int w)
{
    return weft_fail(
        ctx, WEFT_ERR_ARG,
        "a window of %dx%d does not fit into %dx%d: choose a smaller one, or "
        "pad=same",
        rows, columns, h, w);
}
