/* SPDX-License-Identifier: Apache-2.0 */
/* Training a network on a device, evaluation and checkpoints. */
#ifndef WEFT_TRAIN_H
#define WEFT_TRAIN_H

#include <weft/dataset.h>
#include <weft/device.h>
#include <weft/model.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A learning rate from an epoch, which may be a fraction, or a step on. */
struct weft_rate_point {
    double at;
    float rate;
};

/* A network in training: weights, gradients, optimizer state, the training images and
 * the recorded step, all on one device. */
typedef struct weft_trainer weft_trainer;

/* The default of batch and learning rate is the network's text, and without a value there
 * Adam at 1e-3 and batch 128. */
struct weft_train_params {
    size_t struct_size;
    int batch;
    float learning_rate;
    uint64_t seed;  /* of weights, image order and dropout */
    bool no_fusion; /* separate launches for every layer, for tests and comparison */
    /* FLOAT16: activations, which are most of the memory, and their gradients are stored
     * as float16. Weights, their gradients, statistics, the optimizer state, the last
     * layer and the loss stay float32, and so does all arithmetic. A static loss scale,
     * 2^6 times the gradient of the batch's summed loss, keeps gradients between 2^-24
     * and 2^16. A larger gradient or activation becomes an infinity, and the loss NaN
     * (weft_trainer_progress).
     * AUTO runs about 30 steps in both precisions, interleaved, with the memory of two
     * trainers. It selects float16 if that was faster in 20 rounds of 25 and by 3 percent
     * in the median, moved the gradients of the first step by at most a quarter of their
     * norm, and left the loss finite. Training then starts from the beginning. The choice
     * is not reproducible to the bit; training with the chosen precision is. */
    enum weft_precision precision;
    /* Preprocessing of images for the model, kept in its file; only fit, trim and invert
     * are used. NULL: that of the dataset. Training itself does not use it. */
    const struct weft_preprocess_params *preprocess;
    /* The words behind `schedule` of a network (weft/net.h); NULL: the network's. Kinds
     * other than constant need `epochs`, the length of the run; later steps have the last
     * step's learning rate. */
    const char *schedule;
    int epochs;
    /* One step of this number is run twice, from the same state, and the results of all
     * its ops are compared to the bit; 0: none. WEFT_ERR_MISMATCH, with the op, from
     * weft_trainer_run, which then waits for these steps. An audited step takes as long
     * as three or four. */
    int audit;
    /* Transfer learning: the weights begin as those of this model where both networks
     * have a layer of the same name and shape, and elsewhere as without it; images are
     * normalized as the model's. NULL: none. WEFT_ERR_ARG if the networks have no such
     * layer. `frozen` of a network (weft/net.h) keeps layers as they are. */
    const weft_model *from;
    /* The words behind `augment` of a network (weft/net.h); NULL: the network's. */
    const char *augment;
    /* Images are sent to the device batch by batch, even if all of them would fit there
     * (weft_trainer_create). Results are the same to the bit. */
    bool stream;
    /* A schedule of one's own: `rate_count` points in ascending order, with straight
     * lines between them, and the rate of the first and the last before and after them.
     * Of two points at one place the second holds from there on. They are at epochs, or
     * with `rates_by_step` at steps, and are rates, not factors: learning_rate is not
     * used. Needs `epochs`, and no `schedule`. NULL: none. */
    const struct weft_rate_point *rates;
    int rate_count;
    bool rates_by_step;
    /* The weight of each class of `data`, 0 or more, against imbalance: loss and gradient
     * of an image are multiplied by that of its class, also in weft_progress; evaluation
     * does not use them. Balanced ones are N / (k n) for a class with n of the N images,
     * of k classes, as in scikit-learn and Keras. NULL: all 1. */
    const float *class_weights;
    /* The outputs of a frozen first part of the network, its features, are computed once
     * for each image, before the first step or evaluation, so that a step runs what
     * follows only; where there is such a part, of at least 32 FLOP for each of its
     * outputs, of which the rest reads one tensor, all in float32, without augmentation,
     * for a batch in one part, and with at most 1 GiB of features. */
    bool keep_features;
    /* A folder of this user only, created if it is missing, where they are kept in files
     * for other trainers on the same device with the same frozen weights and images;
     * they may be deleted, and of more than 4 GiB those that were not used for the
     * longest time are. NULL: in memory only. */
    const char *features_dir;
    /* Gradient accumulation, for batches whose activations are too large for the device:
     * the batch of a step is processed in this many equal parts in turn, whose gradients
     * are added in order before the one update of the weights. Loss and gradient are
     * means over the whole batch, as without it up to rounding; steps, learning rates,
     * `clip` and averages are of whole batches. Batch normalization and the moving
     * statistics are those of the parts, and dropout draws for each. 0 and 1: one part.
     * WEFT_ERR_ARG unless it divides the batch. */
    int accumulate;
    /* Balanced sampling, against imbalance: an epoch draws as many images as the data
     * has, of every class that has any equally often. Images of small classes are drawn
     * more than once in an epoch, each time augmented in another way, and those of large
     * ones in some epochs only: of a class all images are drawn before one of them is
     * again. Excludes class_weights, which would count a class twice. */
    bool balance;
    /* The number of the first epoch, 0 or more, of a phase of a training. Order and
     * augmentation are those of the epochs from this one on; steps and epochs are counted
     * on from those before; `epochs` and `rates` begin here. */
    int first_epoch;
    /* A phase after this trainer, which is destroyed and set to NULL, as `out` may be:
     * the lists are recorded again over its buffers, for a network of the same layers of
     * which others may be frozen or have other rates, and with other learning_rate,
     * schedule, augment, epochs and first_epoch. Images, batch, seed and precision are
     * its own. The weights continue, of an average as its values, and the moments of the
     * optimizer begin at 0: the bits are those of a new trainer from weft_trainer_model.
     * Only activations that need more memory, and images after a phase on features, are
     * allocated again. WEFT_ERR_ARG for other layers, data or another device: the trainer
     * is as before. NULL, or of NULL: none. */
    weft_trainer **after;
};
#define weft_train_params(...) WEFT_PARAMS(weft_train_params, __VA_ARGS__)

/* Plans the memory, compiles the kernels, uploads weights and images. Kernels that are
 * new on a driver first pass a known-answer test, a step on few images; where one fails,
 * another algorithm replaces it, with a warning. Images are
 * normalized by the mean and stddev of `data`, which become part of the model. `net` and
 * `data` may be destroyed afterwards.
 *
 * Images that are larger than the device's largest buffer, or than half of its memory,
 * stay where they are, and the trainer keeps `data` alive: a thread gathers the batches
 * of the next steps, up to 64 MiB or four batches of them, and each is sent to the device
 * before its step. A batch larger than the dataset is reduced to it;
 * each epoch is a new permutation of the data without the last incomplete batch.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM (the message has the missing bytes, and a batch that would
 * fit), WEFT_ERR_DEVICE, WEFT_ERR_BUILD, WEFT_ERR_MISMATCH (a kernel is wrong, and there
 * is no other algorithm). */
WEFT_API enum weft_status weft_trainer_create(weft_device *device, const weft_net *net,
                                              const weft_dataset *data,
                                              const struct weft_train_params *params,
                                              weft_trainer **out);
WEFT_API void weft_trainer_destroy(weft_trainer **trainer);

struct weft_trainer_info {
    enum weft_precision precision; /* in use: never AUTO */
    /* After AUTO: float16's speed relative to float32's, 0 if it was not timed because it
     * was inaccurate or much slower; and its relative error of the gradients, infinite
     * if they or the loss were not finite. Otherwise 0. */
    double speedup, difference;
    /* After AUTO: the relative standard deviation that the choice of a batch's images
     * gives the gradients, which `difference` must not exceed for float16. Otherwise 0.
     */
    double noise;
    bool streamed; /* images are sent to the device batch by batch */
    int features;  /* of an image that are kept; 0: none */
    /* With keep_features and a frozen first part: why none are kept; "" otherwise */
    const char *features_note;
};
WEFT_API void weft_trainer_info(const weft_trainer *trainer,
                                struct weft_trainer_info *out, size_t size);
#define weft_trainer_info(trainer, out) weft_trainer_info(trainer, out, sizeof(*(out)))

/* Queues `steps` training steps and returns at once; nothing is allocated, compiled or
 * waited for, except by the first call where features are kept: it computes them. Where
 * images are sent batch by batch it waits for their thread and, every few batches, for
 * the device. WEFT_ERR_FILE: the images of the next step cannot be read;
 * the steps before are queued, and the trainer is as after them. */
WEFT_API enum weft_status weft_trainer_run(weft_trainer *trainer, int steps);

struct weft_progress {
    int64_t step; /* finished steps, over all runs */
    int steps_per_epoch;
    int batch;
    int epoch;         /* finished epochs */
    int step_in_epoch; /* finished steps of the current epoch */
    /* images of the current epoch, or of the epoch that `step` completed, and how many
     * of them were classified correctly: as augmented, by the weights of their step, and
     * a mixture of two as the one with the larger share */
    int64_t samples, correct;
    double loss; /* mean loss of these images at their steps; NaN after an overflow */
    double last_loss;    /* of the last step */
    float learning_rate; /* of the last step; before the first one, of this */
    size_t device_bytes; /* planned peak of device memory */
    /* For which weft_trainer_run has waited because the images of a step were not
     * gathered yet, since the trainer was created */
    double stall_seconds;
    /* With `clip` of the optimizer: the mean norm of the gradients of these steps, before
     * they were limited, and the part of the steps, 0 to 1, that were. Else 0. */
    double gradient_norm, clipped;
};

/* Waits for all queued steps. WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_trainer_progress(weft_trainer *trainer,
                                                struct weft_progress *out, size_t size);
#define weft_trainer_progress(trainer, out) \
    weft_trainer_progress(trainer, out, sizeof(*(out)))

/* Results on a dataset. */
struct weft_eval {
    int count, correct, classes;
    double accuracy;       /* 0..1 */
    double standard_error; /* sqrt(accuracy (1 - accuracy) / count) */
    /* mean cross-entropy by log-sum-exp of the logits, without label smoothing; NaN where
     * `nonfinite` is not 0 */
    double loss;
    double seconds; /* wall clock, images already in host memory */
    /* images whose outputs are not numbers: never correct, and of no class */
    int nonfinite;
};

/* The most likely class of an image, and its probability. */
struct weft_prediction {
    int32_t label; /* -1: an output is not a number */
    float probability;
};

/* Evaluates the weights after all queued steps. Waits. The data must have the network's
 * input shape. `predictions`, unless NULL, receives one for each image.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_trainer_evaluate(weft_trainer *trainer,
                                                const weft_dataset *data,
                                                struct weft_prediction *predictions,
                                                struct weft_eval *out, size_t size);
#define weft_trainer_evaluate(trainer, data, predictions, out) \
    weft_trainer_evaluate(trainer, data, predictions, out, sizeof(*(out)))

/* Writes a model file (weft/model.h) with weights, optimizer state and position: all that
 * is needed to continue. Waits. The file is written beside `path`, synced and renamed, so
 * `path` is complete at any time. `metadata` are additional "name", "value" pairs with
 * names that the file does not have yet, NULL after the last; may be NULL. The contents
 * depend on the training only: no time, no path.
 * A state with values that are not finite is not written: `path` stays as it is.
 * WEFT_ERR_ARG, WEFT_ERR_FILE, WEFT_ERR_DEVICE, WEFT_ERR_FORMAT (not finite). */
WEFT_API enum weft_status weft_trainer_save_checkpoint(weft_trainer *trainer,
                                                       const char *path,
                                                       const char *const *metadata);

/* A model of the weights after all queued steps, as one that is saved and loaded again.
 * Waits. It is independent of the trainer. WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_trainer_model(weft_trainer *trainer, weft_model **out);

/* Restores weights, optimizer state and position from a file that
 * weft_trainer_save_checkpoint wrote for the same network, images, labels, batch and
 * seed. On the same device and build training then continues bit-identically.
 * WEFT_ERR_FILE, WEFT_ERR_FORMAT (also for another network, batch or seed). */
WEFT_API enum weft_status weft_trainer_load_checkpoint(weft_trainer *trainer,
                                                       const char *path);

/* A preview of augmentation: images of one epoch, in its order. */
struct weft_preview_params {
    size_t struct_size;
    /* The words behind `augment` of a network (weft/net.h); NULL: none. */
    const char *augment;
    uint64_t seed; /* of the training */
    int epoch;     /* 0: the first */
    /* Image number 0 of an epoch is the first one of its first batch. */
    int first, count;
};
#define weft_preview_params(...) WEFT_PARAMS(weft_preview_params, __VA_ARGS__)

/* `index` of the dataset; with mixup or cutmix `share` of its label and the rest of that
 * of `partner`, otherwise 1. */
struct weft_preview_image {
    int index, partner;
    float share;
};

/* Writes the bytes of images as a training on all of `data` sees them, in the layout of a
 * dataset's pixels: bit for bit its input before normalization, but erased places have
 * the data's mean, and it and mixtures are rounded to bytes. `images`, unless NULL, has
 * `count` elements. It uses no device. WEFT_ERR_ARG; where the images stay in a file, as
 * weft_dataset_read. */
WEFT_API enum weft_status weft_preview(const weft_dataset *data,
                                       const struct weft_preview_params *params,
                                       uint8_t *pixels,
                                       struct weft_preview_image *images);

/* Teaching: a classifier of own classes from a few photographs of each, without training
 * the network. The features of the photographs, the outputs of the model's backbone
 * (weft_model_backbone), stay in the new model, so that examples and classes can be added
 * later. */
enum weft_teach_method {
    WEFT_TEACH_AUTO,  /* the one with the higher accuracy, of equals MEANS */
    WEFT_TEACH_MEANS, /* the nearest class mean by cosine */
    WEFT_TEACH_RIDGE, /* ridge regression; the penalty with the highest accuracy */
};

struct weft_teach_params {
    size_t struct_size;
    enum weft_teach_method method;
    /* The model was taught: its examples stay. Classes are matched by their names. */
    bool add;
    int batch; /* of the backbone; 0: 16 */
    /* As features_dir of weft_train_params: features are those of a training with the
     * same frozen backbone and images. NULL: none are kept. */
    const char *features_dir;
};
#define weft_teach_params(...) WEFT_PARAMS(weft_teach_params, __VA_ARGS__)

/* Accuracies are those of leave-one-out cross-validation: each example is classified
 * without having been learned. NaN: not measured. */
struct weft_teach_report {
    int examples, classes, features;
    enum weft_teach_method method;         /* in use: never AUTO */
    double accuracy, macro_recall;         /* of the method in use */
    double means_accuracy, ridge_accuracy; /* ridge: of the best penalty */
    double ridge;                          /* the best penalty */
    double feature_seconds, fit_seconds;
};

/* Makes a model of the classes of `data` whose backbone is that of `model`. The images
 * have the input shape of the model; those of the new model are made as its own. Waits.
 * WEFT_ERR_ARG (no backbone, another shape, a class without examples, `add` to a model
 * that was not taught), WEFT_ERR_NOMEM, WEFT_ERR_DEVICE, WEFT_ERR_FORMAT (features that
 * are not finite); where the images stay in a file, as weft_dataset_read. */
WEFT_API enum weft_status weft_teach(weft_device *device, const weft_model *model,
                                     const weft_dataset *data,
                                     const struct weft_teach_params *params,
                                     weft_model **out, struct weft_teach_report *report,
                                     size_t size);
#define weft_teach(device, model, data, params, out, report) \
    weft_teach(device, model, data, params, out, report, sizeof(*(report)))

#ifdef __cplusplus
}
#endif
#endif
