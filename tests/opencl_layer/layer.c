/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points of a layer, and the selection of its function. */
#include "opencl_layer/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static const struct {
    const char *variable;
    void (*wrap)(cl_icd_dispatch *table, const char *word);
} stages[] = {
    {"WEFT_LAYER_FAKE", layer_fake},
    {"WEFT_LAYER_FAULT", layer_fault},
    {"WEFT_LAYER_MUTANT", layer_mutant},
    {"WEFT_LAYER_DELAY", layer_delay},
};

cl_int layer_return_query(const void *data, size_t bytes, size_t size, void *value,
                          size_t *size_ret)
{
    if (!bytes || (value && size < bytes))
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, data, bytes);
    if (size_ret)
        *size_ret = bytes;
    return CL_SUCCESS;
}

void layer_exit_with_error(const char *why, const char *word)
{
    fprintf(stderr, "layer: %s: \"%s\"\n", why, word);
    abort();
}

EXPORT cl_int clGetLayerInfo(cl_layer_info what, size_t size, void *value,
                             size_t *size_ret)
{
    static const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
    static const char name[] = "weft's layer for tests";
    if (what == CL_LAYER_API_VERSION)
        return layer_return_query(&version, sizeof(version), size, value, size_ret);
    if (what == CL_LAYER_NAME)
        return layer_return_query(name, sizeof(name), size, value, size_ret);
    return CL_INVALID_VALUE;
}

EXPORT cl_int clInitLayer(cl_uint count, const cl_icd_dispatch *target,
                          cl_uint *count_ret, const cl_icd_dispatch **out)
{
    static cl_icd_dispatch table;
    const cl_uint entries = sizeof(table) / sizeof(void *);
    if (!target || !count_ret || !out)
        return CL_INVALID_VALUE;
    memcpy(&table, target, (count < entries ? count : entries) * sizeof(void *));
    for (size_t i = 0; i < LAYER_COUNT(stages); i++) {
        const char *word = getenv(stages[i].variable);
        if (word && *word)
            stages[i].wrap(&table, word);
    }
    *out = &table;
    *count_ret = entries;
    return CL_SUCCESS;
}
