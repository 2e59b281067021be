/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a trainer, shared by train.c (steps) and checkpoint.c (files). */
#ifndef WEFT_TRAIN_TRAINER_H
#define WEFT_TRAIN_TRAINER_H

#include "inference/inference.h"

/* What the steps of the epoch under way have given so far. */
struct weft_epoch_metrics {
    int64_t seen, correct;
    double loss;      /* summed over images */
    double last_loss; /* of the last step */
};

struct weft_trainer {
    struct weft_device *device;
    struct weft_net *net;
    struct weft_plan *plan;
    struct weft_buffers buffers;
    struct weft_mem *moment1, *moment2, *pixels, *labels;
    struct weft_command_list *list;   /* one step */
    struct weft_inference *inference; /* made at the first evaluation */
    struct weft_normalization normalization;
    struct weft_optimizer optimizer;
    struct weft_trainer_info info;
    uint64_t seed;
    int batch, count, steps_per_epoch;
    int64_t queued; /* steps, since the beginning */
    int64_t read;   /* of them, those that `epoch_metrics` knows */
    struct weft_epoch_metrics epoch_metrics;
    size_t device_bytes;

    /* For the model file. */
    char **class_names;
    int classes;
    char *dataset_known_as;
    double mean[WEFT_MAX_CHANNELS], stddev[WEFT_MAX_CHANNELS];
};

/* Share of their length by which float16 may move gradients: in a layer 0.6 % were seen
 * for two layers with weights and 11 % for nine, while a batch's own noise is larger. */
#define WEFT_FP16_GRAD_TOLERANCE 0.25

/* Writes step, seed, rate and powers to the device: the state in which step `step`
 * begins. */
enum weft_status weft_trainer_set_state(struct weft_trainer *trainer, int64_t step,
                                        float beta1_power, float beta2_power);

/* Waits, and enters what the steps since the last call have given into the epoch_metrics.
 * */
enum weft_status weft_trainer_collect_metrics(struct weft_trainer *trainer);

#endif
