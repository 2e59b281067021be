/* SPDX-License-Identifier: Apache-2.0 */
/* Training a network on a device, and its checkpoints. */
#ifndef WEFT_TRAIN_H
#define WEFT_TRAIN_H

#include <weft/dataset.h>
#include <weft/device.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zero is the default of every field: what the network's text says, and where that is
 * silent Adam at 1e-3, batch 128. */
struct weft_train_params {
    int batch;
    float learning_rate; /* learning rate */
    uint64_t seed;       /* of weights, order of images and dropout */
    bool
        no_fusion; /* no fusion: every layer its own launches; for tests and comparison */
    /* Float16: activations, which are most of the memory, and their gradients lie in
     * memory as float16. Weights, their gradients, statistics, the optimizer, and the
     * last layer with its loss stay float32, and so does all arithmetic. Gradients are
     * kept between 2^-24 and 2^16 by a factor: 2^6 times those of the loss's sum over the
     * batch. A gradient or an activation that is larger all the same is an infinity, and
     * the loss NaN (weft_trainer_progress).
     * AUTO trains some 30 steps in both, in turns, with two trainers' memory, and keeps
     * float16 only if it was faster in 20 rounds of 25 and by 3 percent in the median, if
     * it moved the gradients of the first step by at most a quarter of their length, and
     * if the loss is still a number. Training then starts anew. What AUTO chooses is not
     * repeatable to the bit; what it chose is. */
    enum weft_precision precision;
};
#define weft_train_params(...) (&(struct weft_train_params){__VA_ARGS__})

/* A network in training: weights, gradients, optimizer state, the training images and
 * the recorded step on one device. */
typedef struct weft_trainer weft_trainer;

/* Plans the memory, compiles the kernels, puts weights and images on the device.
 * Images are normalized by `data`'s mean and stddev, which travel with the model.
 * The trainer keeps nothing of `data` and copies what it needs of `net`. A batch larger
 * than the data is cut to it; each epoch goes through a fresh permutation of the data and
 * leaves out the last incomplete batch. WEFT_ERR_ARG, WEFT_ERR_NOMEM (the sentence says
 * by how much, and which batch would fit), WEFT_ERR_DEVICE, WEFT_ERR_BUILD. */
WEFT_API enum weft_status weft_trainer_create(weft_device *device, const weft_net *net,
                                              const weft_dataset *data,
                                              const struct weft_train_params *params,
                                              weft_trainer **out);
WEFT_API void weft_trainer_destroy(weft_trainer **trainer);

struct weft_trainer_info {
    enum weft_precision precision; /* that it works in: never AUTO */
    /* Of AUTO: how many times as fast float16 was, 0 where that was not timed for being
     * wrong or far slower; and by what share it moved the gradients, an infinity where
     * they or the loss were no numbers. Else 0. */
    double speedup, difference;
};
WEFT_API void weft_trainer_info(const weft_trainer *trainer,
                                struct weft_trainer_info *out);

/* Queues `steps` training steps and returns at once; nothing is allocated, compiled or
 * waited for. */
WEFT_API enum weft_status weft_trainer_run(weft_trainer *trainer, int steps);

struct weft_progress {
    int64_t step; /* finished since the beginning, over all runs */
    int steps_per_epoch;
    int batch;
    int epoch;                /* finished epochs */
    int step_in_epoch;        /* finished steps of the epoch that is under way */
    int64_t samples, correct; /* images of the epoch that ended with, or is under way at,
                              `step`; and how many were classified right */
    double loss; /* their mean loss as the steps saw it; NaN if the numbers blew up */
    double last_loss;    /* of the last step */
    size_t device_bytes; /* planned peak on the device */
};

/* Waits for all queued steps and tells. WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_trainer_progress(weft_trainer *trainer,
                                                struct weft_progress *out);

/* Results on a data set. Free with weft_eval_free. */
struct weft_eval {
    int count, correct, classes;
    double accuracy;       /* 0..1 */
    double standard_error; /* sqrt(accuracy (1 - accuracy) / count) */
    double loss;           /* mean cross-entropy, no smoothing */
    int64_t *confusion;    /* classes x classes, rows are the truth */
    double seconds;        /* wall clock, images already on the host */
};
WEFT_API void weft_eval_free(struct weft_eval *eval);

/* Evaluates the weights as they are after all queued steps. Waits. The data must have the
 * network's input shape. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_trainer_evaluate(weft_trainer *trainer,
                                                const weft_dataset *data,
                                                struct weft_eval *out);

/* Writes a model file (weft/model.h) with weights, optimizer state and position:
 * everything that going on needs. Waits. Written aside, synced, renamed: there is always
 * a whole file under `path`. `metadata` are extra "name", "value" pairs for its metadata,
 * NULL after the last pair; may be NULL. The file depends on the training alone: no time,
 * no path. WEFT_ERR_FILE, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_trainer_save_checkpoint(weft_trainer *trainer,
                                                       const char *path,
                                                       const char *const *metadata);

/* Takes weights, optimizer state and position from a file that
 * weft_trainer_save_checkpoint wrote for the same network, data size, batch and seed;
 * going on from there gives, on the same device and build, the same bits as not having
 * stopped. WEFT_ERR_FILE, WEFT_ERR_FORMAT (also if it was another network, batch or
 * seed). */
WEFT_API enum weft_status weft_trainer_load_checkpoint(weft_trainer *trainer,
                                                       const char *path);

#ifdef __cplusplus
}
#endif
#endif
