/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of weights: the settings of each param, and the list of different ones. */
#include "net/weight_groups.h"

#include <stdlib.h>
#include <string.h>

/* Weights of one dimension are scales of norms and slopes: like biases they have no decay
 * unless the optimizer's line or their own has it. */
static float decay_of(const struct weft_layer_params *p, const struct weft_param *param,
                      int role, const struct weft_optimizer *o)
{
    bool is_bias = role == WEFT_PARAM_BIAS, is_filter = !is_bias && param->rank > 1;
    float own = p->decay != 0 ? p->decay : o->weight_decay;
    if (!is_filter && !o->decay_norms && (is_bias || p->decay == 0))
        return 0;
    own = own > 0 ? own : 0;
    return is_bias ? own / p->bias_rate : own;
}

static void settings_of(const struct weft_layer_params *p, const struct weft_param *param,
                        int role, const struct weft_optimizer *o,
                        float out[GROUP_SETTINGS])
{
    out[GROUP_RATE] = out[GROUP_DECAY] = 0;
    if (param->frozen)
        return;
    out[GROUP_RATE] = p->rate_factor * (role == WEFT_PARAM_BIAS ? p->bias_rate : 1);
    out[GROUP_DECAY] = decay_of(p, param, role, o);
}

/* The group with these settings, which may be a new one. */
static uint32_t find_group(struct weft_weight_groups *groups,
                           const float settings[GROUP_SETTINGS])
{
    size_t bytes = GROUP_SETTINGS * sizeof(*settings);
    int k = 0;
    while (k < groups->count &&
           memcmp(groups->settings + k * GROUP_SETTINGS, settings, bytes))
        k++;
    memcpy(groups->settings + k * GROUP_SETTINGS, settings, bytes);
    groups->count += k == groups->count;
    return (uint32_t)k;
}

static void assign(struct weft_weight_groups *groups, const struct weft_net *net,
                   const struct weft_node *node, const struct weft_optimizer *o)
{
    const struct weft_layer_params *p = &net->layers[node->layer].params;
    for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
        const struct weft_param *param = &node->params[role];
        float settings[GROUP_SETTINGS];
        if (!weft_param_roles[role].trained || !param->count)
            continue;
        settings_of(p, param, role, o, settings);
        uint32_t group = find_group(groups, settings);
        size_t end = (param->at + param->count + GROUP_WEIGHTS - 1) / GROUP_WEIGHTS;
        for (size_t i = param->at / GROUP_WEIGHTS; i < end; i++)
            groups->of[i] = group;
    }
}

enum weft_status weft_weight_groups_build(const struct weft_net *net,
                                          const struct weft_optimizer *o,
                                          struct weft_weight_groups *out)
{
    _Static_assert(WEFT_WEIGHT_ALIGN % GROUP_WEIGHTS == 0, "a param begins a group");
    const struct weft_graph *graph = &net->graph;
    size_t most = 2 * (size_t)graph->count * GROUP_SETTINGS;
    *out = (struct weft_weight_groups){.of_count = graph->weights / GROUP_WEIGHTS};
    out->of = calloc(out->of_count + 1, sizeof(*out->of));
    out->settings = calloc(most, sizeof(*out->settings));
    if (!out->of || !out->settings) {
        weft_weight_groups_free(out);
        return weft_out_of_memory(net->ctx, "groups of weights",
                                  out->of_count * sizeof(*out->of));
    }
    for (int i = 0; i < graph->count; i++)
        assign(out, net, &graph->nodes[i], o);
    if (out->count == 1 && out->settings[GROUP_RATE] == 1 &&
        out->settings[GROUP_DECAY] == o->weight_decay)
        weft_weight_groups_free(out);
    return WEFT_OK;
}

void weft_weight_groups_free(struct weft_weight_groups *groups)
{
    free(groups->of);
    free(groups->settings);
    *groups = (struct weft_weight_groups){0};
}
