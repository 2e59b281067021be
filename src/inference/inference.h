/* SPDX-License-Identifier: Apache-2.0 */
/* A network planned for the forward pass, on weights owned by the caller: shared by
 * predictors and the evaluation of a trainer. */
#ifndef WEFT_INFERENCE_INFERENCE_H
#define WEFT_INFERENCE_INFERENCE_H

#include "net/plan.h"

#include <weft/inference.h>

/* Normalization of pixels: x = byte * scale + shift, by channel. */
struct weft_normalization {
    float scale[WEFT_MAX_CHANNELS], shift[WEFT_MAX_CHANNELS];
};

/* From mean and stddev of pixels in 0..1. */
struct weft_normalization weft_normalize(const double *mean, const double *stddev);

struct weft_inference {
    struct weft_device *device;
    struct weft_plan *plan;
    struct weft_buffers buffers; /* weights is borrowed */
    struct weft_mem *pixels;     /* one batch; or the floats that the network reads */
    struct weft_command_list *list;
    struct weft_command_list *prepare; /* NULL: no weights to prepare */
    int batch;
    int classes;   /* values of the first output */
    size_t values; /* of all outputs, for one image */
    size_t image_bytes;
    float *rows; /* host: batch x values */
};

/* Without `normalization` the input of the network is floats, as they are, in place of
 * images. `like` not NULL: one of another batch, whose kernel configs this one takes;
 * else the kernels are checked. */
enum weft_status weft_inference_create(
    struct weft_device *device, const struct weft_net *net, struct weft_mem *weights,
    const struct weft_normalization *normalization, int batch, enum weft_type type,
    const struct weft_inference *like, struct weft_inference **out);
/* Records its lists, again where they exist. */
enum weft_status weft_inference_record(struct weft_inference *inference,
                                       const struct weft_net *net,
                                       const struct weft_normalization *normalization,
                                       const struct weft_inference *like);
/* kernel_check.c. The known-answer test: a batch of noise on few images, call by call,
 * unless the kernels have passed it on this driver before. An algorithm that fails is
 * replaced, with a warning. WEFT_ERR_MISMATCH: there is no other. */
enum weft_status
weft_inference_check_kernels(struct weft_inference *inference, const struct weft_net *net,
                             const struct weft_normalization *normalization);
/* The same, whether or not they have passed, with an initialized trace. A wrong call is
 * one of the inference's own lists. */
struct verify_trace;
struct verify_wrong_call;
enum weft_status
weft_inference_trace_kernels(struct weft_inference *inference, const struct weft_net *net,
                             const struct weft_normalization *normalization,
                             struct verify_trace *trace, struct verify_wrong_call *wrong);
/* Weights of a known-answer test, as after some training: those that begin at 0 or 1
 * would hide kernels that ignore them. Every other channel of a layer is small, where
 * epsilons show. They come from the initial weights in `initial`, which may be `weights`;
 * NULL: made here, since those of a model may overflow. */
enum weft_status weft_write_test_weights(struct weft_device *device,
                                         const struct weft_graph *graph,
                                         struct weft_mem *initial,
                                         struct weft_mem *weights);
/* From constant host weights. *weights must be freed after the inference; NULL if
 * they are no longer needed, as in float16. */
enum weft_status weft_inference_create_with_weights(
    struct weft_device *device, const struct weft_net *net, const float *from,
    const struct weft_normalization *normalization, int batch, enum weft_type type,
    struct weft_mem **weights, struct weft_inference **out);
/* Prepares the weights again after they changed. */
enum weft_status weft_inference_refresh(struct weft_inference *inference);
void weft_inference_destroy(struct weft_inference **inference);

/* The largest difference; infinite where one is not a number. */
double weft_probabilities_distance(const float *a, const float *b, size_t count);

/* Any count of images; count x classes probabilities. Waits. */
enum weft_status weft_inference_run(struct weft_inference *inference,
                                    const uint8_t *pixels, int count,
                                    float *probabilities);
/* The first output must be softmax; else the message is "`where`: `what`: ...". */
enum weft_status weft_inference_require_softmax(const struct weft_inference *inference,
                                                const char *where, const char *what);
/* Then: weft_inference_run, but logits of the first output. */
enum weft_status weft_inference_run_logits(struct weft_inference *inference,
                                           const uint8_t *pixels, int count,
                                           float *logits);

/* `features` not NULL: the input of the network for each image of `data`. */
enum weft_status weft_inference_evaluate(struct weft_inference *inference,
                                         const weft_dataset *data, const float *features,
                                         struct weft_prediction *predictions,
                                         struct weft_eval *out, size_t size);

/* Allocates the activation buffer of a plan; the error message names a batch that
 * would fit. */
enum weft_status weft_plan_alloc(struct weft_device *device, const struct weft_net *net,
                                 const struct weft_plan *plan, struct weft_mem **out);

#endif
