/* SPDX-License-Identifier: Apache-2.0 */
/* A training command at work, shared by cmd_train.c (what is asked for, what came out)
 * and train_loop.c (epochs). */
#ifndef WEFT_CMD_TRAIN_TRAIN_H
#define WEFT_CMD_TRAIN_TRAIN_H

#include "train/run_dir.h"

enum train_stop { TRAIN_DONE, TRAIN_TARGET, TRAIN_TIME, TRAIN_INTERRUPTED };

struct train_session {
    struct app *app;
    struct run_dir run;

    const char *data_spec, *test_spec; /* test_spec "": no test */
    int batch, epochs, holdout_count;
    uint64_t seed;
    enum weft_precision precision; /* as asked for, then as found */
    double rate;                   /* 0: as the network says */
    double target;                 /* 0: none */
    double time_limit;             /* seconds since `start`; 0: none */
    double start;

    weft_model *checkpoint; /* NULL: from the beginning */
    weft_net *net;
    weft_dataset *train, *valid, *test; /* valid and test may be NULL */
    weft_trainer *trainer;
    double test_overlap; /* the part of the test images that is in the training data */

    /* The best epoch so far: its validation accuracy, or without validation its training
     * loss times -1. */
    double best;
    int best_epoch;    /* 0: none */
    double last_score; /* accuracy that is held against `target` */
    struct table table;
};

/* Trains until the epochs are done, or the target, the time or the user stops it. Leaves
 * last.safetensors in any case but failure. */
enum app_exit train_loop(struct train_session *session, enum train_stop *stop);

/* Writes a checkpoint with the notes that going on needs. */
enum app_exit train_save_checkpoint(const struct train_session *session,
                                    const char *path);

/* The lines above the table of epochs, on stderr. */
void train_print_data(const struct train_session *session);
/* Takes over what `auto` came to. */
void train_print_precision(struct train_session *session);
void train_print_run(const struct train_session *session, const struct weft_progress *at);

/* Tests, and tells how it ended and what to do next. */
enum app_exit train_finish(struct train_session *session, enum train_stop stop);

/* The notes of a checkpoint. The library's own tell batch, seed and rate. */
#define TRAIN_META_DATA       "run.data"
#define TRAIN_META_TEST       "run.test"
#define TRAIN_META_HELD_OUT   "run.holdout_count"
#define TRAIN_META_EPOCHS     "run.epochs"
#define TRAIN_META_BEST       "run.best"
#define TRAIN_META_BEST_EPOCH "run.best_epoch"

#endif
