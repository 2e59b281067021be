/* SPDX-License-Identifier: Apache-2.0 */
/* State of a training run, shared by cmd_train.c (options), train_run.c (configuration),
 * train_loop.c (epochs), divergence.c and train_report.c (results). */
#ifndef WEFT_CMD_TRAIN_TRAIN_H
#define WEFT_CMD_TRAIN_TRAIN_H

#include "core/step_timing.h"
#include "train/run_dir.h"

enum train_stop {
    TRAIN_DONE,
    TRAIN_TARGET,
    TRAIN_TIME,
    TRAIN_INTERRUPTED,
    TRAIN_PATIENCE
};

enum { TRAIN_NO_PRECISION = -1 }; /* --precision is absent */

enum { TRAIN_LOGS = 2 }; /* beside log.jsonl: CSV, TensorBoard */

struct train_options {
    struct app_options app;
    const char *data, *net, *from, *freeze, *layer_rates, *out, *test, *input, *labels;
    int epochs, batch, accumulate, audit, patience;
    double learning_rate;
    const char *schedule, *rates, *augment, *class_weights, *phases;
    uint64_t seed;
    bool resume, stream, balance;
    struct args_count_or_percent val_split;
    double target_accuracy, time_limit;
    bool keep_going;
    int seeds;      /* runs; 0: one */
    bool find_rate; /* instead of a run */
    int folds;      /* runs, of cross-validation; 0: none */
    bool logs[TRAIN_LOGS];
    bool watch; /* the page by HTTP */
};

/* Results on one part of the data. */
struct train_result {
    bool done;
    int epoch; /* of the weights */
    struct weft_eval eval;
    char tta[128]; /* tta_text; "": none */
    const weft_dataset *data;
    struct weft_prediction *predictions; /* of each image; NULL: none were kept */
};

/* Results after a run: of the last weights, and the test of the best if those differ. */
struct train_outcome {
    struct train_result val, last, best;
};

struct train_session;

/* Probabilities of every image, by the network that was not trained on it. */
struct train_out_of_fold {
    int count, classes; /* 0: nothing is known yet */
    int *fold;          /* of each image, from 1 on */
    int32_t *labels;
    char **names, **files; /* of the classes; of the images, may be NULL */
    float *probabilities;
};

/* A run among several of one command, whose results are not written to stdout except as
 * text. */
struct train_job {
    /* Called with the results, before the run is closed. */
    enum app_exit (*use)(struct train_session *session, void *priv);
    void *priv;
    bool quiet;    /* nothing on stdout */
    bool diverged; /* receives whether it did */
    int fold;      /* that is validated on, from 1 on; 0: no cross-validation */
    struct train_out_of_fold *out_of_fold; /* receives its probabilities */
};

/* A part of a run; 0 and NULL: as the network has it. */
struct train_phase {
    int epochs;
    double learning_rate;
    const char *freeze, *layer_rates, *schedule, *augment;
};
enum { TRAIN_MAX_PHASES = 16 };

struct train_session {
    struct app *app;
    const struct train_job *job; /* NULL: the only run */
    struct app_images images;
    struct run_dir run;

    const char *data_spec, *test_spec;               /* test_spec "": no test */
    char data_path[PATHS_MAX], test_path[PATHS_MAX]; /* the same, absolute */
    uint64_t data_hash; /* of all images of data_spec: for training and validation */
    uint64_t val_hash;  /* of the validation part, with val_part */
    int batch, epochs, val_count, audit;
    int accumulate; /* parts of a batch; 0 and 1: one */
    uint64_t seed;
    enum weft_precision precision; /* as requested, then as selected */
    int fold, folds;               /* of cross-validation; 0: none */
    bool val_part;                 /* validation is a part of the data, not split off */
    double learning_rate;          /* 0: the network's */
    const char *schedule;          /* NULL: the network's */
    struct weft_rate_point *rates; /* instead of the schedule; NULL: none */
    int rate_count;
    const char *rate_unit;        /* "epoch" or "step" */
    char *rates_text;             /* the same as a text, for the checkpoint */
    const char *augment;          /* NULL: the network's */
    const char *class_weights;    /* as --class-weights; NULL: none */
    float *weights;               /* of the classes of `train`; NULL: all are 1 */
    char weights_path[PATHS_MAX]; /* class_weights, absolute if it is a file */
    char labels_path[PATHS_MAX];  /* --labels, absolute; "": none */
    char from_path[PATHS_MAX];    /* --from, absolute; "": none */
    const char *freeze;           /* as --freeze; NULL: none */
    const char *layer_rates;      /* as --layer-rates; NULL: the network's */
    struct train_phase phases[TRAIN_MAX_PHASES]; /* in `phase_words` */
    int phase_count, phase; /* 0: a run without phases; the present one, from 0 on */
    char *phase_words;      /* the texts of the phases */
    char *phases_text;      /* the same, for the checkpoint */
    char *phase_net;        /* the network that those of the phases are made of */
    bool balance;           /* every class is drawn equally often */
    bool new_rate;          /* of a resumed run: not that of its checkpoint */
    double target_accuracy; /* 0: none */
    int patience;           /* epochs without a better one; 0: any number */
    double time_limit;      /* seconds since `start`; 0: none */
    bool plan;              /* the epochs are planned by the time limit */
    double planned_rate;    /* images/s, measured for it; 0: not measured */
    struct weft_preprocess_params preprocess; /* of images for the model */
    double start;
    bool keep_going;       /* after divergence */
    bool watch;            /* serve the page */
    bool logs[TRAIN_LOGS]; /* those that are written */
    bool stream;           /* as asked for, then as it is */

    weft_model *checkpoint; /* NULL: a new run */
    weft_model *from;       /* of --from; NULL: none */
    weft_net *net;
    weft_dataset *train, *val, *test; /* val and test may be NULL */
    /* Image files are decoded in the first epoch: what needs all of them waits for its
     * end. The data that `train` was split off then; NULL: `train` is all. */
    bool decoding;
    weft_dataset *whole;
    weft_trainer *trainer;
    double test_overlap; /* fraction of the test images that are training images too */

    /* Score of the best epoch so far: the validation accuracy, or without validation the
     * negated training loss. */
    double best;
    int best_epoch;    /* 0: none */
    double last_score; /* the accuracy compared with `target_accuracy` */
    bool learned;      /* an epoch was better than guessing */
    bool diverged;
    /* That of the first step, also of the first after --resume with a smaller learning
     * rate; 0: none yet. */
    double first_loss;
    double stall_seconds;      /* weft_progress's, at the end of the last epoch */
    double stalled, trained;   /* seconds of the epochs of this process: waiting, all */
    struct weft_progress half; /* at half of the current epoch; zero before */
    bool withheld;             /* the last epoch ended with guessing and was not saved */
    bool saved;                /* the last call of train_save_checkpoint wrote the file */
    int64_t saved_step;        /* of last.safetensors */
    int epochs_done;
    struct train_outcome outcome;
    struct train_result validated; /* of the last epoch */
    double page_time;              /* of the last try to write report.html; 0: none */
    bool page_written;             /* it succeeded */
    struct step_timing timing;     /* for it */
    struct table table;
};

/* Options of a run, of weft train and weft sweep (cmd_train.c). */
extern const struct args_option train_option_table[];

/* train_run.c. A run from its options to its report; `job` may be NULL. */
enum app_exit train_run(struct app *app, const struct train_options *options,
                        struct train_job *job);

/* train_several.c. A run for each seed, and the mean of the results. */
enum app_exit train_seeds(struct app *app, const struct train_options *options);
/* The same for each fold of --folds. */
enum app_exit train_folds(struct app *app, const struct train_options *options);

/* Creates the trainer, for session->epochs; or, where there is one, begins the phase. */
enum weft_status train_create_trainer(struct train_session *session);

/* train_rate.c. Searches for a learning rate, instead of a run. */
enum app_exit train_find_rate(struct train_session *session);

/* train_plan.c. Measures a trainer that is destroyed again, and sets session->epochs. */
enum app_exit train_plan_epochs(struct train_session *session);

/* rate_table.c. Learning rates from the file of --rates, or from a checkpoint, where
 * `saved` may be NULL. */
enum app_exit train_read_rates(struct train_session *session, const char *path);
enum app_exit train_restore_rates(struct train_session *session, const char *saved);
void train_free_rates(struct train_session *session);

/* phases.c. Reads the phases of --phases, where words that a phase does not have are
 * those of the other options; or of a checkpoint, with `defaults`. */
enum app_exit train_read_phase_options(struct train_session *session,
                                       const struct train_options *options);
enum app_exit train_read_phases(struct train_session *session, const char *text,
                                const struct train_phase *defaults);
void train_free_phases(struct train_session *session);
/* Makes phase `number`, from 0 on, the present one. */
void train_set_phase(struct train_session *session, int number);
/* Epochs before the present phase, and its own; of a run without phases 0, and all. */
int train_phase_begin(const struct train_session *session);
int train_phase_epochs(const struct train_session *session);
/* Makes session->net that of the present phase. */
enum app_exit train_open_phase_net(struct train_session *session);
/* After the last epoch of a phase: the trainer of the next one. */
enum app_exit train_next_phase(struct train_session *session,
                               struct weft_progress *progress);
void train_print_phase(const struct train_session *session);

/* train_data.c */

/* Opens the parts of the data. */
enum app_exit train_open_data(struct train_session *session,
                              const struct train_options *options);

/* All image files are decoded: counts the test images that are training images. */
enum app_exit train_end_decoding(struct train_session *session);

/* train_folds.c. Splits the images for session->fold; classifies those that were left
 * out; writes all of them to a CSV file. */
enum app_exit train_split_fold(struct train_session *session, const weft_dataset *all);
enum app_exit train_predict_fold(struct train_session *session);
enum app_exit train_write_out_of_fold(const struct app *app,
                                      const struct train_out_of_fold *out,
                                      const char *path);
void train_out_of_fold_free(struct train_out_of_fold *out);

/* train_labels.c. Replaces the labels that the file of --labels has. */
enum app_exit train_apply_labels(struct train_session *session, weft_dataset *data);

/* class_weights.c. Computes or reads the weights of the classes. */
enum app_exit train_open_class_weights(struct train_session *session);

/* resume.c */

/* Restores the run's configuration from its checkpoint, with the changes of the options.
 */
enum app_exit train_configure_resumed(struct train_session *session,
                                      const struct train_options *options);
/* A resumed run must have the images it was started with, for training and, of data with
 * a part for it, for validation. */
enum app_exit train_check_same_data(const struct train_session *session,
                                    const weft_dataset *data, enum weft_split split);

/* resume_options.c. What `text` names, absolute if it is a path. */
void train_absolute(char out[PATHS_MAX], const char *text);
/* Refuses options that a resumed run cannot follow: they must be as it was started. */
enum app_exit train_check_resumed(struct train_session *session,
                                  const struct train_options *options);
/* The same of --net, once the data are open. */
enum app_exit train_check_resumed_net(struct train_session *session, const char *net);

/* train_from.c. Opens the model of --from; the way in which its images are made (NULL:
 * without one); its network, with a last layer for the data. */
enum app_exit train_open_source(struct train_session *session,
                                const struct train_options *options);
const struct weft_preprocess_params *
train_source_images(const struct train_session *session);
enum app_exit train_open_net_from(struct train_session *session);
/* Freezes layers of session->net, and gives them factors of the learning rate, in its
 * text; NULL: none. */
enum app_exit train_edit_layers(struct train_session *session, const char *freeze,
                                const char *layer_rates);

/* train_epoch.c */

/* Results of one epoch for the table, the log and JSON. */
struct train_epoch {
    int number;
    int64_t step;
    double learning_rate; /* of the last step */
    double loss, accuracy, seconds, images_per_second;
    double val_accuracy, val_error, val_loss; /* NaN without validation */
    int val_nonfinite;                        /* images */
    double gradient_norm, clipped;            /* NaN where the gradient is not clipped */
    bool best;
    double stall_seconds; /* of `seconds`; NaN: all images are on the device */
};

/* The table of epochs, its rows, and the line of log.jsonl. */
void train_table_init(struct table *table, FILE *out, enum table_format format);
void train_add_row(struct table *table, const struct train_epoch *epoch, int epochs);
void train_show_epoch(struct train_session *session, const struct train_epoch *epoch);
void train_log_epoch(struct json *json, const void *epoch);

/* train_logs.c. Removes models and logs of a new run that begins again. */
void train_discard_files(const struct train_session *session);
/* Logs of a resumed run end at its checkpoint, and are continued. */
enum app_exit train_begin_logs(struct train_session *session,
                               const struct weft_progress *progress);
enum app_exit train_append_logs(struct train_session *session,
                                const struct train_epoch *epoch);
/* The members "val", "test" and "test_best", those that there are. */
void train_emit_outcome(struct json *json, const struct train_outcome *outcome);
/* The results of the test, at the end of a run. */
enum app_exit train_append_test(struct train_session *session);

/* train_watch.c. With --watch: writes the page of a run that begins, serves it, and
 * prints its address, once a command. At the end of the command waits, at most 15
 * seconds, until an open page has loaded its last state. */
enum app_exit train_watch_begin(struct train_session *session);
/* The page to serve from now on. */
void train_watch_page(const char *path);
void train_watch_end(void);

/* Trains until the epochs are done or the target, the time limit or the user stops it.
 * Except on failure, last.safetensors holds the final state. */
enum app_exit train_loop(struct train_session *session, enum train_stop *stop);

/* train_checkpoint.c. Writes a checkpoint with the metadata that resuming needs. A state
 * that is not finite is not written but reported as divergence. */
enum app_exit train_save_checkpoint(struct train_session *session, const char *path);
/* The fields of a session from the metadata of its checkpoint. */
void train_restore_fields(struct train_session *session);
/* An entry of these metadata; "": none. */
const char *train_metadata(const struct train_session *session, const char *name);

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
void train_print_features(const struct train_session *session);
void train_print_run(const struct train_session *session, const struct weft_progress *at);

/* train_test.c. Fills session->outcome; afterwards the trainer may have the best
 * weights. */
enum app_exit train_test(struct train_session *session);

/* run_report.c. Writes report.html: of a run that continues, at most every five seconds;
 * at its end with data and network. A failure is a warning. */
void train_write_page(struct train_session *session, bool running);
/* Measures the time of each layer for the page, after the last use of the trainer, which
 * is destroyed for its memory. Nothing after a run of less than ten seconds or 100 steps,
 * or as one of several. */
void train_measure_layers(struct train_session *session);
/* Makes room for the predictions of a result, for the page. */
void train_keep_predictions(struct train_result *result, const weft_dataset *data);

/* Tests, and prints the results and the next commands. */
enum app_exit train_finish(struct train_session *session, enum train_stop stop);

/* Metadata of a checkpoint that are read by name; train_checkpoint.c has all of a run,
 * and src/model/metadata.h those of the trainer. */
#define TRAIN_META_DATA      "run.data"
#define TRAIN_META_DATA_HASH "run.data_hash"
#define TRAIN_META_VAL_HASH  "run.val_hash" /* of the validation part, if there is one */
#define TRAIN_META_TEST      "run.test"
#define TRAIN_META_EPOCHS    "run.epochs"
#define TRAIN_META_PATIENCE  "run.patience"
#define TRAIN_META_FROM      "run.from"
#define TRAIN_META_FREEZE    "run.freeze"
#define TRAIN_META_LAYERS    "run.layer_rates"
#define TRAIN_META_WEIGHTS   "run.class_weights"
#define TRAIN_META_LABELS    "run.labels"
#define TRAIN_META_RATES     "run.rates"
#define TRAIN_META_PHASES    "run.phases"
#define TRAIN_META_PHASE_NET "run.phase_net"

#endif
