/* SPDX-License-Identifier: Apache-2.0 */
/* Trained models: files, and using them. */
#ifndef WEFT_MODEL_H
#define WEFT_MODEL_H

#include <weft/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A model file is a safetensors file. Tensors carry the names and layouts that PyTorch
 * uses, so that load_state_dict takes them: conv1.weight is
 * [out][in/groups][rows][columns], dense1.weight [out][in] with a flattened picture in
 * channel, row, column order, and conv1.bias, dense1.bias. A checkpoint holds
 * optim.m.NAME and optim.v.NAME as well. The metadata hold the network's text, the
 * classes, mean and deviation of the pictures, and the position in training. */
typedef struct weft_model weft_model;

/* Reads a model file; every length is checked against the file's size before it is used.
 * WEFT_ERR_FILE, WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_model_load(weft_context *context, const char *path,
                                          weft_model **out);
WEFT_API void weft_model_destroy(weft_model **model);

struct weft_model_info {
    const weft_net *net; /* the four pointers live as long as the model */
    const char *const *class_names;
    const char
        *data_release; /* what it was trained on, as weft_data_info tells; may be "" */
    int64_t step;
    double epochs;
    double mean[WEFT_MAX_CHANNELS], deviation[WEFT_MAX_CHANNELS];
};
WEFT_API void weft_model_info(const weft_model *model, struct weft_model_info *out);

/* An entry of the model file's metadata, or NULL. */
WEFT_API const char *weft_model_note(const weft_model *model, const char *name);

/* A model planned for one batch size on one device, without gradients. */
typedef struct weft_predictor weft_predictor;

/* WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_predictor_create(weft_device *device,
                                                const weft_model *model, int batch,
                                                weft_predictor **out);
WEFT_API void weft_predictor_destroy(weft_predictor **predictor);

/* Lets weft's own C code serve instead, on the same processor, where it is faster: for a
 * picture at a time the launches of an OpenCL driver can cost more than the work. Both
 * serve some batches in turns, for milliseconds, and the faster stays. Its probabilities
 * differ from the other's by rounding, so that what this chooses is not repeatable to the
 * bit. Devices that are not processors stay. *builtin: whether weft's own code serves.
 * Waits. WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predictor_choose(weft_predictor *predictor,
                                                const weft_model *model, bool *builtin);

/* Runs `count` pictures (height x width x channels bytes each, one after the other)
 * through the network and writes count x classes probabilities. Any count: the work is
 * done in pieces of the planned batch. Waits. WEFT_ERR_ARG, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predict(weft_predictor *predictor, const uint8_t *pixels,
                                       int count, float *probabilities);

/* Evaluates the model on a data set. Waits. WEFT_ERR_ARG, WEFT_ERR_NOMEM,
 * WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_evaluate(weft_predictor *predictor, const weft_data *data,
                                        struct weft_eval *out);

#ifdef __cplusplus
}
#endif
#endif
