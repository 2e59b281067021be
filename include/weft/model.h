/* SPDX-License-Identifier: Apache-2.0 */
/* Model files: trained weights with their network. */
#ifndef WEFT_MODEL_H
#define WEFT_MODEL_H

#include <weft/dataset.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A model file is a safetensors file. Tensors have PyTorch's names and layouts, ready for
 * load_state_dict: conv1.weight is [out][in/groups][rows][columns], dense1.weight
 * [out][in] with a flattened image in channel, row, column order, then conv1.bias,
 * dense1.bias and so on. A checkpoint also has optim.m.NAME and optim.v.NAME. The
 * metadata contain the network's text, the class names, mean and stddev of the images,
 * their preprocessing, and the position in training. */
typedef struct weft_model weft_model;

/* Reads a model file. The metadata have a checksum of tensors and metadata: a file that
 * does not match it is damaged (weft_context_params.accept_damaged). Every length is
 * checked against the file's size before use.
 * WEFT_ERR_FILE, WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_model_load(weft_context *context, const char *path,
                                          weft_model **out);
WEFT_API void weft_model_destroy(weft_model **model);

/* All pointers are borrowed and live as long as the model. */
struct weft_model_info {
    const weft_net *net;
    const char *const *class_names;
    const char *dataset_known_as; /* of the training set (weft_dataset_info); may be "" */
    int64_t step;
    double epochs;
    double mean[WEFT_MAX_CHANNELS], stddev[WEFT_MAX_CHANNELS];
    /* for weft_image_preprocess: images made as those of the training set were */
    const struct weft_preprocess_params *preprocess;
};
WEFT_API void weft_model_info(const weft_model *model, struct weft_model_info *out,
                              size_t size);
#define weft_model_info(model, out) weft_model_info(model, out, sizeof(*(out)))

/* An entry of the file's metadata; NULL: none. Lives as long as the model. */
WEFT_API const char *weft_model_metadata(const weft_model *model, const char *name);

/* Transfer learning with a fixed body. The head of a network is its last dense layer and
 * what follows it; the backbone is the rest, whose outputs are the features that the head
 * reads. A predictor of a backbone (weft/inference.h) writes them, weft_net_info.classes
 * of them for each image. WEFT_ERR_ARG (no layer with weights before a dense one),
 * WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_model_backbone(const weft_model *model, weft_model **out);

struct weft_head_params {
    size_t struct_size;
    int classes;                    /* at least 2 */
    const char *const *class_names; /* classes */
    const float *weights;           /* classes x features, a class in a row */
    const float *bias;              /* classes; NULL: a layer without */
};
#define weft_head_params(...) WEFT_PARAMS(weft_head_params, __VA_ARGS__)

/* A backbone with a new dense layer and softmax. Images are made as for the backbone.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_model_with_head(const weft_model *backbone,
                                               const struct weft_head_params *params,
                                               weft_model **out);

/* A model whose logits are those of `model` divided by `temperature`, so that whatever
 * runs it has the other probabilities: softmax(z / T) (Guo et al. 2017,
 * arXiv:1706.04599). The weights of its last dense layer are divided, which rounds each
 * of them once. The metadata stay, but for names that begin with "calibration.": those
 * were measured with other probabilities. WEFT_ERR_ARG (a temperature outside 0.001 to
 * 1000; the first output is not the softmax of a dense layer that nothing else reads),
 * WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_model_with_temperature(const weft_model *model,
                                                      double temperature,
                                                      weft_model **out);

/* Writes a model file without a training state, as weft_trainer_save_checkpoint does.
 * WEFT_ERR_ARG, WEFT_ERR_FILE, WEFT_ERR_FORMAT (weights that are not finite). */
WEFT_API enum weft_status weft_model_save(const weft_model *model, const char *path,
                                          const char *const *metadata);

#ifdef __cplusplus
}
#endif
#endif
