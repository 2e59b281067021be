/* SPDX-License-Identifier: Apache-2.0 */
/* State of a training run, shared by cmd_train.c (options), train_run.c (configuration),
 * train_loop.c (epochs), divergence.c and train_report.c (results). */
#ifndef WEFT_CMD_TRAIN_TRAIN_H
#define WEFT_CMD_TRAIN_TRAIN_H

#include "train/run_dir.h"

enum train_stop { TRAIN_DONE, TRAIN_TARGET, TRAIN_TIME, TRAIN_INTERRUPTED };

enum { TRAIN_NO_PRECISION = -1 }; /* --precision is absent */

struct train_options {
    struct app_options app;
    const char *data, *net, *from, *freeze, *out, *test, *input;
    int epochs, batch, audit;
    double learning_rate;
    const char *schedule, *augment;
    uint64_t seed;
    bool resume;
    struct args_count_or_percent val_split;
    double target_accuracy, time_limit;
    bool keep_going;
};

struct train_session {
    struct app *app;
    struct app_images images;
    struct run_dir run;

    const char *data_spec, *test_spec;               /* test_spec "": no test */
    char data_path[PATHS_MAX], test_path[PATHS_MAX]; /* the same, absolute */
    uint64_t data_hash; /* of all images of data_spec: for training and validation */
    int batch, epochs, val_count, audit;
    uint64_t seed;
    enum weft_precision precision; /* as requested, then as selected */
    bool val_part;                 /* validation is a part of the data, not split off */
    double learning_rate;          /* 0: the network's */
    const char *schedule;          /* NULL: the network's */
    const char *augment;           /* NULL: the network's */
    bool new_rate;                 /* of a resumed run: not that of its checkpoint */
    double target_accuracy;        /* 0: none */
    double time_limit;             /* seconds since `start`; 0: none */
    struct weft_preprocess_params preprocess; /* of images for the model */
    double start;
    bool keep_going; /* after divergence */

    weft_model *checkpoint; /* NULL: a new run */
    weft_model *from;       /* of --from; NULL: none */
    weft_net *net;
    weft_dataset *train, *val, *test; /* val and test may be NULL */
    weft_trainer *trainer;
    double test_overlap; /* fraction of the test images that are training images too */

    /* Score of the best epoch so far: the validation accuracy, or without validation the
     * negated training loss. */
    double best;
    int best_epoch;    /* 0: none */
    double last_score; /* the accuracy compared with `target_accuracy` */
    bool learned;      /* an epoch was better than guessing */
    bool diverged;
    double first_loss;         /* of the first step of this process; 0: none yet */
    struct weft_progress half; /* at half of the current epoch */
    bool withheld;             /* the last epoch ended with guessing and was not saved */
    bool saved;                /* the last call of train_save_checkpoint wrote the file */
    int64_t saved_step;        /* of last.safetensors */
    struct table table;
};

/* train_run.c. A run from its options to its report. */
enum app_exit train_run(struct app *app, const struct train_options *options);

/* train_data.c */

/* Opens the parts of the data. */
enum app_exit train_open_data(struct train_session *session,
                              const struct train_options *options);

/* resume.c */

/* Restores the run's configuration from its checkpoint; only the number of epochs and
 * the learning rate may change. */
enum app_exit train_configure_resumed(struct train_session *session,
                                      const struct train_options *options);
/* A resumed run must train on the images it was started with. */
enum app_exit train_check_same_data(const struct train_session *session,
                                    const weft_dataset *all);
/* Warns of an option that contradicts the checkpoint of a resumed run. */
void train_warn_ignored(const struct train_session *session, const char *option,
                        const char *given, const char *saved);

/* train_from.c. Opens the model of --from, the way in which its images are made (NULL:
 * without one), and the network of such a run. */
enum app_exit train_open_source(struct train_session *session,
                                const struct train_options *options);
const struct weft_preprocess_params *
train_source_images(const struct train_session *session);
enum app_exit train_open_net_from(struct train_session *session,
                                  const struct train_options *options,
                                  const struct weft_dataset_info *shape);

/* Trains until the epochs are done or the target, the time limit or the user stops it.
 * Except on failure, last.safetensors holds the final state. */
enum app_exit train_loop(struct train_session *session, enum train_stop *stop);

/* Writes a checkpoint with the metadata that resuming needs. A state that is not finite
 * is not written but reported as divergence. */
enum app_exit train_save_checkpoint(struct train_session *session, const char *path);

/* The learning rate in use. */
double train_learning_rate(const struct train_session *session);

/* True if an epoch was better than guessing on the training images. */
bool train_has_learned(const struct train_session *session,
                       const struct weft_progress *progress);

/* True if the results of an epoch on the training images are those of guessing after an
 * earlier epoch was better, or far worse. Validation results are no criterion: after a
 * few steps those of batch normalization are arbitrary. `since`, unless NULL: only the
 * part of the epoch after this. */
bool train_is_guessing(const struct train_session *session,
                       const struct weft_progress *progress,
                       const struct weft_progress *since);
#define TRAIN_GUESSING "the training accuracy is that of guessing"

/* Reports divergence once. APP_OK with --keep-going, else APP_FAILED. */
enum app_exit train_report_divergence(struct train_session *session,
                                      const struct weft_progress *p, const char *what);

/* The lines above the table of epochs, on stderr. */
void train_print_data(const struct train_session *session);
/* Replaces `auto` by the selected precision. */
void train_print_precision(struct train_session *session);
void train_print_run(const struct train_session *session, const struct weft_progress *at);

/* Tests, and prints the results and the next commands. */
enum app_exit train_finish(struct train_session *session, enum train_stop stop);

/* Metadata of a checkpoint, beside the library's own (batch, seed, learning rate). */
#define TRAIN_META_DATA       "run.data"
#define TRAIN_META_DATA_HASH  "run.data_hash"
#define TRAIN_META_TEST       "run.test"
#define TRAIN_META_VAL_COUNT  "run.val_images"
#define TRAIN_META_VAL_PART   "run.val_part" /* train_session.val_part */
#define TRAIN_META_EPOCHS     "run.epochs"
#define TRAIN_META_BEST       "run.best"
#define TRAIN_META_BEST_EPOCH "run.best_epoch"
#define TRAIN_META_LEARNED    "run.learned" /* train_session.learned */

#endif
