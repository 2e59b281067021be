/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion between weights and tensors of a model file. */
#include "model/weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 64 };

size_t weft_param_native_index(const struct weft_node *node, int role, size_t i)
{
    const struct weft_param *param = &node->params[role];
    return param->at +
           (node->op->to_native_index ? node->op->to_native_index(node, param, i) : i);
}

/* True if the node has a param of this role that `part` includes. */
static bool is_included(const struct weft_node *node, int role,
                        enum weft_tensor_filter part)
{
    return node->params[role].count &&
           (weft_param_roles[role].trained || part == WEFT_ALL);
}

static enum weft_status add_param(weft_context *ctx, const struct weft_node *node,
                                  int role, const char *prefix, const float *weights,
                                  struct weft_tensors *tensors)
{
    const struct weft_param *param = &node->params[role];
    char *name = malloc(NAME_BYTES);
    float *values = malloc(param->count * sizeof(*values));
    if (!name || !values) {
        free(name);
        free(values);
        return weft_out_of_memory(ctx, "model", param->count * sizeof(*values));
    }
    snprintf(name, NAME_BYTES, "%s%s.%s", prefix, node->name,
             weft_param_roles[role].name);
    for (size_t i = 0; i < param->count; i++)
        values[i] = weights[weft_param_native_index(node, role, i)];
    struct weft_tensor *tensor = &tensors->list[tensors->count++];
    *tensor = (struct weft_tensor){
        .name = name, .rank = param->rank, .count = param->count, .values = values};
    memcpy(tensor->extent, param->extent, sizeof(tensor->extent));
    return WEFT_OK;
}

enum weft_status weft_tensors_add(weft_context *ctx, const struct weft_graph *graph,
                                  const char *prefix, enum weft_tensor_filter part,
                                  const float *weights, struct weft_tensors *tensors)
{
    size_t capacity = (size_t)tensors->count + (size_t)graph->count * WEFT_MAX_PARAMS;
    struct weft_tensor *more = realloc(tensors->list, capacity * sizeof(*more));
    if (!more)
        return weft_out_of_memory(ctx, "model", capacity * sizeof(*more));
    tensors->list = more;
    for (int n = 0; n < graph->count; n++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++)
            if (is_included(&graph->nodes[n], role, part))
                WEFT_TRY(
                    add_param(ctx, &graph->nodes[n], role, prefix, weights, tensors));
    return WEFT_OK;
}

enum weft_status weft_tensors_require_finite(weft_context *ctx, const char *path,
                                             const struct weft_tensors *tensors)
{
    for (int k = 0; k < tensors->count; k++) {
        const struct weft_tensor *tensor = &tensors->list[k];
        for (size_t i = 0; i < tensor->count; i++)
            if (!isfinite(tensor->values[i]))
                return weft_fail(ctx, WEFT_ERR_FORMAT,
                                 "%s: not written: tensor \"%s\" has non-finite values: "
                                 "training diverged; use an earlier state",
                                 path, tensor->name);
    }
    return WEFT_OK;
}

void weft_tensors_free(struct weft_tensors *tensors)
{
    for (int i = 0; i < tensors->count; i++) {
        free((char *)tensors->list[i].name);
        free((float *)tensors->list[i].values);
    }
    free(tensors->list);
    *tensors = (struct weft_tensors){0};
}

static enum weft_status load_param(const struct weft_safetensors *file,
                                   const struct weft_node *node, int role,
                                   const char *prefix, bool finite, float *weights)
{
    const struct weft_param *param = &node->params[role];
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%s%s.%s", prefix, node->name,
             weft_param_roles[role].name);
    const uint8_t *bytes;
    WEFT_TRY(weft_safetensors_find(file, name, param->rank, param->extent, &bytes));
    size_t nonfinite = 0;
    for (size_t i = 0; i < param->count; i++) {
        float value;
        memcpy(&value, bytes + i * sizeof(value), sizeof(value));
        nonfinite += !isfinite(value);
        weights[weft_param_native_index(node, role, i)] = value;
    }
    if (!nonfinite)
        return WEFT_OK;
    if (finite)
        return weft_fail(
            file->ctx, WEFT_ERR_FORMAT,
            "%s: tensor \"%s\" has %zu non-finite values: training diverged; "
            "use an earlier file",
            file->path, name, nonfinite);
    weft_log_message(file->ctx, WEFT_LOG_WARN,
                     "%s: tensor \"%s\" has %zu non-finite values", file->path, name,
                     nonfinite);
    return WEFT_OK;
}

enum weft_status weft_tensors_load(const struct weft_safetensors *file,
                                   const struct weft_graph *graph, const char *prefix,
                                   enum weft_tensor_filter part, bool finite,
                                   float *weights)
{
    size_t floats = part == WEFT_ALL ? weft_graph_floats(graph) : graph->weights;
    memset(weights, 0, floats * sizeof(*weights));
    for (int n = 0; n < graph->count; n++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++)
            if (is_included(&graph->nodes[n], role, part))
                WEFT_TRY(
                    load_param(file, &graph->nodes[n], role, prefix, finite, weights));
    return WEFT_OK;
}

int weft_weights_copy(const struct weft_graph *from, const float *weights,
                      const struct weft_graph *to, float *out)
{
    int copied = 0;
    for (int n = 0; n < to->count; n++)
        for (int k = 0; k < from->count; k++) {
            if (strcmp(from->nodes[k].name, to->nodes[n].name))
                continue;
            for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
                const struct weft_param *a = &from->nodes[k].params[role];
                const struct weft_param *b = &to->nodes[n].params[role];
                if (!a->count || a->rank != b->rank ||
                    memcmp(a->extent, b->extent, sizeof(a->extent)) != 0)
                    continue;
                memcpy(out + b->at, weights + a->at, a->count * sizeof(*out));
                copied++;
            }
        }
    return copied;
}
