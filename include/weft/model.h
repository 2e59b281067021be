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
 * [out][in/groups][rows][columns], dense1.weight [out][in] with a flattened image in
 * channel, row, column order, and conv1.bias, dense1.bias. A checkpoint holds
 * optim.m.NAME and optim.v.NAME as well. The metadata hold the network's text, the
 * classes, mean and stddev of the images, and the position in training. */
typedef struct weft_model weft_model;

/* Reads a model file; every length is checked against the file's size before it is used.
 * WEFT_ERR_FILE, WEFT_ERR_FORMAT, WEFT_ERR_NOMEM. */
WEFT_API enum weft_status weft_model_load(weft_context *context, const char *path,
                                          weft_model **out);
WEFT_API void weft_model_destroy(weft_model **model);

struct weft_model_info {
    const weft_net *net; /* the four pointers live as long as the model */
    const char *const *class_names;
    /* what it was trained on, as weft_dataset_info tells; may be "" */
    const char *dataset_known_as;
    int64_t step;
    double epochs;
    double mean[WEFT_MAX_CHANNELS], stddev[WEFT_MAX_CHANNELS];
};
WEFT_API void weft_model_info(const weft_model *model, struct weft_model_info *out);

/* An entry of the model file's metadata, or NULL. */
WEFT_API const char *weft_model_metadata(const weft_model *model, const char *name);

/* A model planned for one batch size on one device, without gradients. */
typedef struct weft_predictor weft_predictor;

/* Zero is the default of every field. */
struct weft_predictor_params {
    int batch; /* images it is planned for; 0: 1 */
    /* Float32 unless something else is said: float16 rounds each weight and each number
     * between layers to 11 bits, which moves a probability by some thousandths, and
     * whether it is faster depends on device, network and batch. AUTO runs both on some
     * batches in turns, for milliseconds, and keeps float16 only if it was faster in 20
     * rounds of 25 and by 3 percent in the median, if all its probabilities are finite
     * and none differs from float32's by more than 1/64, and if it finds the same class
     * likeliest, or one as near to it as that. What AUTO chooses is not repeatable to the
     * bit. */
    enum weft_precision precision;
    /* AUTO compares the two on these images, as weft_predictor_run takes them; NULL: on
     * noise of several strengths. */
    const uint8_t *pixels;
    int pixel_count; /* images */
};
#define weft_predictor_params(...) (&(struct weft_predictor_params){__VA_ARGS__})

/* `params` may be NULL. Waits. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE,
 * WEFT_ERR_BUILD. */
WEFT_API enum weft_status
weft_predictor_create(weft_device *device, const weft_model *model,
                      const struct weft_predictor_params *params, weft_predictor **out);
WEFT_API void weft_predictor_destroy(weft_predictor **predictor);

struct weft_predictor_info {
    enum weft_precision precision; /* that it works in: never AUTO */
    bool host;                     /* weft's own C code serves */
    size_t weight_bytes, activation_bytes;
    /* Of AUTO: the largest difference that float16 made to a probability, an infinity
     * where it was far off; and how many times as fast it was, 0 where that was not timed
     * for being wrong or far slower. Else 0. */
    double difference, speedup;
};
WEFT_API void weft_predictor_info(const weft_predictor *predictor,
                                  struct weft_predictor_info *out);

/* Lets weft's own C code serve instead, on the same processor, where it is faster: for a
 * image at a time the launches of an OpenCL driver can cost more than the work. Both
 * serve some batches in turns, for milliseconds, and the faster stays; weft's own code
 * works in float32. Its probabilities differ from the other's by rounding, so that what
 * this chooses is not repeatable to the bit. Devices that are not processors stay.
 * *host: whether weft's own code serves. Waits. WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predictor_autoselect_backend(weft_predictor *predictor,
                                                            const weft_model *model,
                                                            bool *host);

/* Runs `count` images (height x width x channels bytes each, one after the other)
 * through the network and writes count x classes probabilities. Any count: the work is
 * done in pieces of the planned batch. Waits. WEFT_ERR_ARG, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predictor_run(weft_predictor *predictor,
                                             const uint8_t *pixels, int count,
                                             float *probabilities);

/* Evaluates the model on a data set. Waits. WEFT_ERR_ARG, WEFT_ERR_NOMEM,
 * WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predictor_evaluate(weft_predictor *predictor,
                                                  const weft_dataset *data,
                                                  struct weft_eval *out);

#ifdef __cplusplus
}
#endif
#endif
