/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of model files. */
#include "model/model.h"
#include "model/examples.h"
#include "model/metadata.h"
#include "model/weights.h"

#include "dataset/format.h"
#include "image/preprocess.h"
#include "os/read_json.h"
#include "util/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum weft_status fail_metadata(const struct weft_model *model, const char *name)
{
    return weft_fail(model->ctx, WEFT_ERR_FORMAT,
                     "%s: has no valid metadata \"%s\": not written by weft",
                     model->file.path, name);
}

static enum weft_status read_net(struct weft_model *model)
{
    const char *text = weft_safetensors_metadata(&model->file, META_TEXT);
    const char *input = weft_safetensors_metadata(&model->file, META_INPUT);
    const char *name = weft_safetensors_metadata(&model->file, META_NAME);
    struct weft_net_params params =
        *weft_net_params(.name = name && weft_text_is_name(name) ? name : "network");
    if (!text)
        return fail_metadata(model, META_TEXT);
    if (!input ||
        sscanf(input, "%d %d %d", &params.height, &params.width, &params.channels) != 3 ||
        params.height < 1 || params.width < 1 || params.channels < 1 ||
        params.height > 65535 || params.width > 65535 ||
        params.channels > WEFT_MAX_CHANNELS)
        return fail_metadata(model, META_INPUT);
    enum weft_status status = weft_net_create(model->ctx, text, &params, &model->net);
    return status ? weft_fail(model->ctx, status, "%s: %s", model->file.path,
                              weft_error(model->ctx))
                  : WEFT_OK;
}

static enum weft_status read_classes(struct weft_model *model)
{
    const char *text = weft_safetensors_metadata(&model->file, META_CLASSES);
    struct weft_net_info info;
    weft_net_info(model->net, &info);
    json_error_t error;
    bool no_memory = false;
    model->classes = text ? weft_read_json(text, strlen(text), &error, &no_memory) : NULL;
    if (no_memory)
        return weft_out_of_memory(model->ctx, "model", strlen(text));
    size_t count = json_array_size(model->classes);
    if (count != (size_t)info.classes)
        return fail_metadata(model, META_CLASSES);
    model->class_names = calloc(count, sizeof(*model->class_names));
    if (!model->class_names)
        return weft_out_of_memory(model->ctx, "model", count * sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(model->classes, i));
        if (!name || !weft_text_is_name(name))
            return fail_metadata(model, META_CLASSES);
        model->class_names[i] = name;
    }
    return WEFT_OK;
}

static enum weft_status read_numbers(struct weft_model *model, const char *name,
                                     double *out)
{
    int channels = model->net->input.c;
    if (!weft_safetensors_numbers(&model->file, name, out, channels))
        return fail_metadata(model, name);
    for (int c = 0; c < channels; c++)
        if (!isfinite(out[c]))
            return fail_metadata(model, name);
    return WEFT_OK;
}

/* Files of earlier versions do not have it; theirs is that of the dataset. */
static enum weft_status read_preprocess(struct weft_model *model)
{
    const char *text = weft_safetensors_metadata(&model->file, META_PREPROCESS);
    const char *known_as = weft_safetensors_metadata(&model->file, META_DATASET);
    model->preprocess = *weft_preprocess_params(.fit = WEFT_FIT_PAD);
    if (!text)
        model->preprocess = weft_known_dataset_preprocess(known_as ? known_as : "");
    else if (!weft_preprocess_read(text, &model->preprocess))
        return weft_fail(model->ctx, WEFT_ERR_FORMAT,
                         "%s: has a preprocessing that this version does not know: "
                         "\"%.64s\"; use a newer weft",
                         model->file.path, text);
    model->preprocess.height = model->net->input.h;
    model->preprocess.width = model->net->input.w;
    model->preprocess.channels = model->net->input.c;
    return WEFT_OK;
}

/* All but the weights. */
static enum weft_status read_description(struct weft_model *model)
{
    WEFT_TRY(read_net(model));
    WEFT_TRY(read_classes(model));
    WEFT_TRY(read_numbers(model, META_MEAN, model->mean));
    WEFT_TRY(read_numbers(model, META_STDDEV, model->stddev));
    return read_preprocess(model);
}

static enum weft_status read_model(struct weft_model *model, const char *path)
{
    WEFT_TRY(weft_safetensors_open(model->ctx, path, &model->file));
    WEFT_TRY(read_description(model));
    size_t bytes = weft_graph_floats(&model->net->graph) * sizeof(float);
    model->weights = malloc(bytes);
    if (!model->weights)
        return weft_out_of_memory(model->ctx, path, bytes);
    return weft_tensors_load(&model->file, &model->net->graph, "", WEFT_ALL, false,
                             model->weights);
}

enum weft_status weft_model_load(weft_context *ctx, const char *path, weft_model **out)
{
    WEFT_REQUIRE_POINTER(NULL, ctx, "context");
    WEFT_REQUIRE_POINTER(ctx, path, "path");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    struct weft_model *model = calloc(1, sizeof(*model));
    if (!model)
        return weft_out_of_memory(ctx, path, sizeof(*model));
    model->ctx = ctx;
    enum weft_status status = read_model(model, path);
    if (status)
        weft_model_destroy(&model);
    else
        *out = model;
    return status;
}

enum weft_status weft_model_from_weights(weft_context *ctx, json_t *metadata,
                                         float *weights, weft_model **out)
{
    struct weft_model *model = calloc(1, sizeof(*model));
    if (!model) {
        free(weights);
        return weft_out_of_memory(ctx, "model", sizeof(*model));
    }
    *model = (struct weft_model){.ctx = ctx, .weights = weights};
    model->file = (struct weft_safetensors){
        .ctx = ctx,
        .path = strdup("model of a trainer"),
        .header = json_pack("{s:O}", "__metadata__", metadata),
    };
    enum weft_status status = model->file.path && model->file.header
                                  ? read_description(model)
                                  : weft_out_of_memory(ctx, "model", sizeof(*model));
    if (status)
        weft_model_destroy(&model);
    else
        *out = model;
    return status;
}

void weft_model_destroy(weft_model **model)
{
    if (!model || !*model)
        return;
    weft_safetensors_free(&(*model)->file);
    weft_net_destroy(&(*model)->net);
    json_decref((*model)->classes);
    free((*model)->class_names);
    weft_model_examples_destroy(&(*model)->examples);
    free((*model)->weights);
    free(*model);
    *model = NULL;
}

void(weft_model_info)(const weft_model *model, struct weft_model_info *out, size_t size)
{
    if (!model) {
        weft_info_write(out, size, NULL, 0);
        return;
    }
    const char *step = weft_model_metadata(model, META_STEP);
    const char *per_epoch = weft_model_metadata(model, META_EPOCH);
    const char *release = weft_model_metadata(model, META_DATASET);
    struct weft_model_info info = {
        .net = model->net,
        .class_names = model->class_names,
        .dataset_known_as = release && weft_text_is_name(release) ? release : "",
        .preprocess = &model->preprocess,
        .step = step ? strtoll(step, NULL, 10) : 0,
    };
    long steps = per_epoch ? strtol(per_epoch, NULL, 10) : 0;
    info.epochs = steps > 0 ? (double)info.step / (double)steps : 0;
    memcpy(info.mean, model->mean, sizeof(info.mean));
    memcpy(info.stddev, model->stddev, sizeof(info.stddev));
    WEFT_WRITE_INFO(out, size, &info);
}

const char *weft_model_metadata(const weft_model *model, const char *name)
{
    return model && name ? weft_safetensors_metadata(&model->file, name) : NULL;
}
