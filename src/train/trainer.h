/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer, shared by the files of src/train. */
#ifndef WEFT_TRAIN_TRAINER_H
#define WEFT_TRAIN_TRAINER_H

#include "inference/inference.h"
#include "net/weight_groups.h"
#include "train/features.h"
#include "train/stream.h"

/* Sums over the finished steps of an epoch. */
struct weft_epoch_metrics {
    int64_t samples, correct;
    double loss;      /* summed over images */
    double last_loss; /* of the last step */
    /* With a clipped gradient: its norms, summed over steps, and the steps that were
     * limited. */
    double norm, clipped;
};

/* The training images in device memory, all or those of one batch; or the features of a
 * batch, as floats. Trainers whose
 * precisions are compared share them. */
struct weft_train_images {
    struct weft_mem *pixels, *labels;
    bool streamed; /* one batch, written before each step */
    int rows;
    int users;
    size_t device_bytes;
};

struct weft_trainer {
    struct weft_device *device;
    struct weft_net *net;
    struct weft_features features;
    struct weft_plan *plan; /* of the network, or of what follows its features */
    struct weft_buffers buffers;
    size_t activation_bytes; /* of buffers.activations; a plan may use fewer */
    float *initial; /* weights that depend on images (whiten.h), a model or the phase
                       before; else NULL */
    struct weft_mem *moment1, *moment2; /* moment2 of SGD: NULL */
    bool borrows; /* weights, gradients, moments and average are another trainer's */
    /* With a batch in parts: the sums of their gradients; the losses of its rows, then
     * whether each is correct. NULL: it is in one. */
    struct weft_mem *gradient_sums, *row_metrics;
    uint32_t *balance; /* shared/balance.h; NULL: each epoch is a permutation */
    struct weft_mem *balance_mem; /* the same */
    struct weft_mem *group_mem;   /* groups.of, then groups.settings; NULL: one group */
    struct weft_weight_groups groups;
    struct weft_train_images *images;
    struct weft_stream *stream; /* NULL: all images are on the device, or the features of
                                   the first step are not known yet */
    /* A step: batch, forward, loss and backward, for each part of the batch; then the
     * optimizer. The update may read the partial sums of weight gradients that the
     * gradients list leaves, and must be destroyed first. */
    struct weft_command_list *gradients, *update;
    /* After every averaging.every steps; NULL: no average. */
    struct weft_command_list *averager;
    struct weft_mem *average; /* of weights and statistics */
    struct weft_averaging averaging;
    struct weft_inference *inference; /* created by the first evaluation */
    struct weft_normalization normalization;
    struct weft_optimizer optimizer;
    struct weft_schedule schedule;
    /* Instead of it: pairs of a place in steps and a rate. NULL: none. */
    double *points;
    int point_count;
    int first_step; /* of the phase */
    int steps;      /* to its end, where the schedule or lookahead depends on them */
    struct weft_augment_options augment;
    uint32_t rate_count; /* learning rates in the state; 0: a constant one */
    struct weft_trainer_info info;
    uint64_t seed;
    int batch, count, steps_per_epoch;
    int parts;      /* of a batch, one after another */
    int audit;      /* one step of this number is audited; 0: none */
    int64_t queued; /* steps since the beginning */
    int64_t read;   /* those of them that are in `epoch_metrics` */
    struct weft_epoch_metrics epoch_metrics;
    float learning_rate; /* of the last step */
    size_t device_bytes;

    /* For the model file. */
    char **class_names;
    int classes;
    char *dataset_known_as;
    double mean[WEFT_MAX_CHANNELS], stddev[WEFT_MAX_CHANNELS];
    struct weft_preprocess_params preprocess;
    uint64_t data_hash;
    uint64_t class_weights_hash; /* 0: no weights */
};

/* trainer.c */

/* A trainer with tensors of one type, at its first step. `share` not NULL: uses the
 * images of that trainer, which has the same dataset and device; if it has the same type
 * also its kernel configs, weights and moments; else the kernels are checked. */
enum weft_status weft_trainer_create_with_type(weft_device *device, const weft_net *net,
                                               const weft_dataset *data,
                                               const struct weft_train_params *params,
                                               enum weft_type type,
                                               const weft_trainer *share,
                                               weft_trainer **out);
/* The same, for a trainer of `device`. What is there already stays: images, initial
 * weights and buffers of the phase before. */
enum weft_status weft_trainer_build(struct weft_trainer *trainer, const weft_net *net,
                                    const weft_dataset *data,
                                    const struct weft_train_params *params,
                                    enum weft_type type, const weft_trainer *share);
/* phase.c. Zeros in buffers of the trained weights; those that are NULL are left out. */
enum weft_status weft_trainer_clear(struct weft_trainer *trainer,
                                    struct weft_mem *const *mems, size_t count);
/* The next phase, after params->after. */
enum weft_status weft_trainer_begin_phase(weft_device *device, const weft_net *net,
                                          const weft_dataset *data,
                                          struct weft_train_params *params,
                                          weft_trainer **out);
/* precision.c. Params that do not fit the network or the data. */
enum weft_status weft_trainer_check_params(const weft_net *net, const weft_dataset *data,
                                           const struct weft_train_params *params);
/* kernel_check.c. Before its buffers are allocated: those of weights, gradients, moments
 * and average are another trainer's. */
void weft_trainer_borrow_weights(struct weft_trainer *trainer,
                                 const struct weft_trainer *lender);
/* The known-answer test: a step of the trainer on few images, call by
 * call, unless its kernels have passed it on this driver before. An algorithm that fails
 * is replaced, with a warning, and both lists are recorded again. WEFT_ERR_MISMATCH:
 * there is no other algorithm. */
enum weft_status weft_trainer_check_kernels(struct weft_trainer *trainer,
                                            const weft_dataset *data,
                                            const struct weft_train_params *params);
/* The same step, whether or not the kernels have passed, with an initialized trace; the
 * trainer is at its first step afterwards. A wrong call is one of its own lists. */
struct verify_trace;
struct verify_wrong_call;
enum weft_status weft_trainer_trace_kernels(struct weft_trainer *trainer,
                                            const weft_dataset *data,
                                            const struct weft_train_params *params,
                                            struct verify_trace *trace,
                                            struct verify_wrong_call *wrong);
/* audit.c. Runs a step twice from the same state, and compares the results of all calls
 * to the bit. WEFT_ERR_MISMATCH: they differ; the trainer is where it was before. */
enum weft_status weft_trainer_audit_step(struct weft_trainer *trainer);

/* The first of the settings in group_mem, in words. */
size_t weft_trainer_group_settings_at(const struct weft_trainer *trainer);

/* The weights that are evaluated and saved: the average, where there is one. */
struct weft_mem *weft_trainer_weights(const struct weft_trainer *trainer);

/* Back to the first step: initial weights, no moments, no metrics. */
enum weft_status weft_trainer_restart(struct weft_trainer *trainer);

/* balance.c. The table of balanced sampling, of the params; the device gets it, too. */
enum weft_status weft_trainer_balance(struct weft_trainer *trainer,
                                      const struct weft_dataset_info *info,
                                      const struct weft_train_params *params);

/* The number of its words. */
size_t weft_trainer_balance_words(const struct weft_trainer *trainer);

/* learning_rate.c */

/* The schedule and averaging of the params, and the steps that they depend on. */
enum weft_status weft_trainer_plan_schedule(struct weft_trainer *trainer,
                                            const struct weft_train_params *params);

/* The learning rate of step `step`. */
float weft_trainer_learning_rate(const struct weft_trainer *trainer, int64_t step);

/* The schedule in a checkpoint; of points a hash. */
void weft_trainer_schedule_text(const struct weft_trainer *trainer,
                                char out[WEFT_SCHEDULE_TEXT]);

/* step.c */

/* Records and finalizes all lists; with `like` not NULL by the kernel configs of that
 * trainer's. */
enum weft_status weft_trainer_record_step(struct weft_trainer *trainer,
                                          const struct weft_trainer *like);

/* Hash of the kernel configs of both lists. */
uint64_t weft_trainer_config_hash(const struct weft_trainer *trainer);

/* Writes step number, seed, learning rate and powers of beta to the device: the state in
 * which step `step` begins. */
enum weft_status weft_trainer_set_state(struct weft_trainer *trainer, int64_t step,
                                        float beta1_power, float beta2_power);

/* Waits, and adds the steps since the last call to epoch_metrics. */
enum weft_status weft_trainer_collect_metrics(struct weft_trainer *trainer);

#endif
