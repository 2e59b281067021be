/* SPDX-License-Identifier: Apache-2.0 */
/* State of a training run, shared by cmd_train.c (configuration), train_loop.c (epochs)
 * and train_report.c (results). */
#ifndef WEFT_CMD_TRAIN_TRAIN_H
#define WEFT_CMD_TRAIN_TRAIN_H

#include "train/run_dir.h"

enum train_stop { TRAIN_DONE, TRAIN_TARGET, TRAIN_TIME, TRAIN_INTERRUPTED };

struct train_session {
    struct app *app;
    struct run_dir run;

    const char *data_spec, *test_spec; /* test_spec "": no test */
    int batch, epochs, val_count;
    uint64_t seed;
    enum weft_precision precision; /* as requested, then as selected */
    double learning_rate;          /* 0: the network's */
    double target_accuracy;        /* 0: none */
    double time_limit;             /* seconds since `start`; 0: none */
    double start;

    weft_model *checkpoint; /* NULL: a new run */
    weft_net *net;
    weft_dataset *train, *val, *test; /* val and test may be NULL */
    weft_trainer *trainer;
    double test_overlap; /* fraction of the test images that are training images too */

    /* Score of the best epoch so far: the validation accuracy, or without validation the
     * negated training loss. */
    double best;
    int best_epoch;    /* 0: none */
    double last_score; /* the accuracy compared with `target_accuracy` */
    struct table table;
};

/* Trains until the epochs are done or the target, the time limit or the user stops it.
 * Except on failure, last.safetensors holds the final state. */
enum app_exit train_loop(struct train_session *session, enum train_stop *stop);

/* Writes a checkpoint with the metadata that resuming needs. */
enum app_exit train_save_checkpoint(const struct train_session *session,
                                    const char *path);

/* The lines above the table of epochs, on stderr. */
void train_print_data(const struct train_session *session);
/* Replaces `auto` by the selected precision. */
void train_print_precision(struct train_session *session);
void train_print_run(const struct train_session *session, const struct weft_progress *at);

/* Tests, and prints the results and the next commands. */
enum app_exit train_finish(struct train_session *session, enum train_stop stop);

/* Metadata of a checkpoint, beside the library's own (batch, seed, learning rate). */
#define TRAIN_META_DATA       "run.data"
#define TRAIN_META_TEST       "run.test"
#define TRAIN_META_VAL_COUNT  "run.val_images"
#define TRAIN_META_EPOCHS     "run.epochs"
#define TRAIN_META_BEST       "run.best"
#define TRAIN_META_BEST_EPOCH "run.best_epoch"

#endif
