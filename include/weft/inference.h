/* SPDX-License-Identifier: Apache-2.0 */
/* Inference: a trained model on a device. */
#ifndef WEFT_INFERENCE_H
#define WEFT_INFERENCE_H

#include <weft/device.h>
#include <weft/model.h>
#include <weft/train.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weft_predictor_params {
    size_t struct_size;
    int batch; /* planned batch size; 0: 1 */
    /* FLOAT16 rounds each weight and each activation to 11 bits, which moves a
     * probability by some thousandths; whether it is faster depends on device, network
     * and batch. AUTO runs some batches in both precisions, interleaved, for
     * milliseconds. It selects float16 if that was faster in 20 rounds of 25 and by 3
     * percent in the median, all its probabilities are finite, none differs from
     * float32's by more than 1/64, and the most likely class is the same or as close as
     * that. The choice is not reproducible to the bit. */
    enum weft_precision precision;
    /* On a device of kind CPU: let the host backend serve if it is faster, because for
     * single images the launches of an OpenCL driver can cost more than the work. Both
     * run some batches, interleaved, for milliseconds. The host backend works in float32;
     * its probabilities differ by rounding, so the choice is not reproducible to the
     * bit. */
    bool autoselect_backend;
    /* Images on which precisions are compared, as weft_predictor_run takes them; NULL:
     * noise of several amplitudes. */
    const uint8_t *pixels;
    int pixel_count; /* images */
    /* weft_predictor_run writes count x classes logits, which the softmax of the first
     * output reads, for probabilities that float32 cannot distinguish from 0 or 1.
     * WEFT_ERR_ARG if the first output is not softmax. */
    bool logits;
};
#define weft_predictor_params(...) WEFT_PARAMS(weft_predictor_params, __VA_ARGS__)

/* A model planned for one batch size on one device, without gradients. */
typedef struct weft_predictor weft_predictor;

/* The model may be destroyed afterwards. Waits.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status
weft_predictor_create(weft_device *device, const weft_model *model,
                      const struct weft_predictor_params *params, weft_predictor **out);
WEFT_API void weft_predictor_destroy(weft_predictor **predictor);

struct weft_predictor_info {
    enum weft_precision precision; /* in use: never AUTO */
    bool host;                     /* the host backend serves */
    size_t weight_bytes, activation_bytes;
    /* After precision AUTO: the largest difference of a probability in float16, infinite
     * where one was not finite; and float16's speed relative to float32's, 0 if it was
     * not timed because it was inaccurate or much slower. Otherwise 0. */
    double difference, speedup;
    /* After AUTO: the largest change of a probability where each pixel changes by one
     * level, which `difference` must not exceed for float16. Otherwise 0. */
    double noise;
};
WEFT_API void weft_predictor_info(const weft_predictor *predictor,
                                  struct weft_predictor_info *out, size_t size);
#define weft_predictor_info(predictor, out) \
    weft_predictor_info(predictor, out, sizeof(*(out)))

/* Runs `count` images (height x width x channels bytes each, contiguous) through the
 * network and writes count x classes probabilities, or logits. Any count: the images are
 * processed in batches of the planned size. Waits. WEFT_ERR_ARG, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predictor_run(weft_predictor *predictor,
                                             const uint8_t *pixels, int count,
                                             float *probabilities);

/* Evaluates the model on a dataset, as weft_trainer_evaluate does. Waits.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_predictor_evaluate(weft_predictor *predictor,
                                                  const weft_dataset *data,
                                                  struct weft_prediction *predictions,
                                                  struct weft_eval *out, size_t size);
#define weft_predictor_evaluate(predictor, data, predictions, out) \
    weft_predictor_evaluate(predictor, data, predictions, out, sizeof(*(out)))

#ifdef __cplusplus
}
#endif
#endif
