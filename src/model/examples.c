/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of a taught model: tensors of its file beside the weights. */
#include "model/examples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char values_name[] = "teach.features", labels_name[] = "teach.labels";

enum weft_status weft_model_examples_create(weft_context *ctx, int count, int features,
                                            struct weft_model_examples **out)
{
    size_t floats = (size_t)count * ((size_t)features + 1);
    struct weft_model_examples *e = calloc(1, sizeof(*e) + floats * sizeof(float));
    if (!e)
        return weft_out_of_memory(ctx, "examples", floats * sizeof(float));
    *e = (struct weft_model_examples){.count = count, .features = features};
    e->values = (float *)(e + 1);
    e->labels = e->values + (size_t)count * (size_t)features;
    *out = e;
    return WEFT_OK;
}

void weft_model_examples_destroy(struct weft_model_examples **examples)
{
    free(*examples);
    *examples = NULL;
}

/* The extents of a tensor of the file; false: it has no such tensor of this rank. */
static bool extents_of(const struct weft_safetensors *file, const char *name, int rank,
                       int *extent)
{
    const json_t *shape = json_object_get(json_object_get(file->header, name), "shape");
    if (json_array_size(shape) != (size_t)rank)
        return false;
    for (int i = 0; i < rank; i++) {
        json_int_t n = json_integer_value(json_array_get(shape, (size_t)i));
        if (n < 1 || n > 1 << 24)
            return false;
        extent[i] = (int)n;
    }
    return true;
}

static enum weft_status check(const struct weft_model *model,
                              const struct weft_model_examples *e)
{
    size_t floats = (size_t)e->count * (size_t)e->features, i = 0;
    while (i < floats && isfinite(e->values[i]))
        i++;
    int k = 0, classes = (int)json_array_size(model->classes);
    while (k < e->count && e->labels[k] >= 0 && e->labels[k] < (float)classes &&
           e->labels[k] == truncf(e->labels[k]))
        k++;
    if (i == floats && k == e->count)
        return WEFT_OK;
    return weft_fail(model->ctx, WEFT_ERR_FORMAT,
                     "%s: its examples (%s, %s) are not valid: teach the model again",
                     model->file.path, values_name, labels_name);
}

enum weft_status weft_model_examples_of(const struct weft_model *model,
                                        struct weft_model_examples **out)
{
    int extent[2], labels[1];
    const uint8_t *values_at, *labels_at;
    const struct weft_model_examples *own = model->examples;
    if (own) {
        WEFT_TRY(weft_model_examples_create(model->ctx, own->count, own->features, out));
        memcpy((*out)->values, own->values,
               (size_t)own->count * ((size_t)own->features + 1) * sizeof(float));
        return WEFT_OK;
    }
    if (!extents_of(&model->file, values_name, 2, extent) ||
        !extents_of(&model->file, labels_name, 1, labels) || labels[0] != extent[0])
        return weft_fail(model->ctx, WEFT_ERR_ARG,
                         "%s: was not taught, so nothing can be added to it; teach it "
                         "without adding",
                         model->file.path);
    WEFT_TRY(weft_safetensors_find(&model->file, values_name, 2, extent, &values_at));
    WEFT_TRY(weft_safetensors_find(&model->file, labels_name, 1, labels, &labels_at));
    WEFT_TRY(weft_model_examples_create(model->ctx, extent[0], extent[1], out));
    memcpy((*out)->values, values_at,
           (size_t)extent[0] * (size_t)extent[1] * sizeof(float));
    memcpy((*out)->labels, labels_at, (size_t)extent[0] * sizeof(float));
    enum weft_status status = check(model, *out);
    if (status)
        weft_model_examples_destroy(out);
    return status;
}

enum weft_status weft_model_examples_copy(const struct weft_model *model,
                                          struct weft_model_examples **out)
{
    *out = NULL;
    return model->examples || json_object_get(model->file.header, values_name)
               ? weft_model_examples_of(model, out)
               : WEFT_OK;
}

/* A tensor with a copy of the values. */
static enum weft_status add_tensor(weft_context *ctx, const char *name, int rank,
                                   int rows, int columns, const float *values,
                                   struct weft_tensors *tensors)
{
    size_t count = (size_t)rows * (size_t)columns;
    struct weft_tensor *more =
        realloc(tensors->list, ((size_t)tensors->count + 1) * sizeof(*more));
    if (!more)
        return weft_out_of_memory(ctx, "model", sizeof(*more));
    tensors->list = more;
    char *own_name = strdup(name);
    float *own = malloc(count * sizeof(*own));
    if (!own_name || !own) {
        free(own_name);
        free(own);
        return weft_out_of_memory(ctx, "model", count * sizeof(*own));
    }
    memcpy(own, values, count * sizeof(*own));
    more[tensors->count++] = (struct weft_tensor){
        .name = own_name,
        .rank = rank,
        .extent = {rows, columns},
        .count = count,
        .values = own,
    };
    return WEFT_OK;
}

enum weft_status weft_model_examples_add(const struct weft_model *model,
                                         struct weft_tensors *tensors)
{
    const struct weft_model_examples *e = model->examples;
    if (!e)
        return WEFT_OK;
    WEFT_TRY(add_tensor(model->ctx, values_name, 2, e->count, e->features, e->values,
                        tensors));
    return add_tensor(model->ctx, labels_name, 1, e->count, 1, e->labels, tensors);
}
