/* SPDX-License-Identifier: Apache-2.0 */
/* State of a prediction. cmd_predict.c reads images, predict_batch.c runs them,
 * predict_output.c writes results, predict_labels.c compares them with labels, and
 * predict_files.c sorts the files. */
#ifndef WEFT_CMD_PREDICT_PREDICT_H
#define WEFT_CMD_PREDICT_PREDICT_H

#include "core/decision.h"
#include "core/image_files.h"
#include "core/tta.h"
#include "predict/input_paths.h"

enum { PREDICT_MAX_TOP = 100 };

/* The formats of tables, then those of this command. */
enum { PREDICT_JSONL = TABLE_JSON + 1, PREDICT_NPY };
#define PREDICT_FORMATS TABLE_FORMATS "|jsonl|npy"

struct predict_options {
    struct app_options app;
    int top;
    double unsure_below, unsure_margin;
    const char *out, *labels, *report, *sort_into, *review, *preview;
    bool copy;
};

/* An image, or a file that cannot be read. */
struct predict_item {
    char *file; /* as it is printed: with the index for IDX */
    char *path; /* that can be linked to; NULL: one of IDX or standard input */
    char *why;  /* it cannot be read; NULL: it was */
    struct weft_preprocess_info preprocessing;
};

/* All that is known of an image once the network has seen it. */
struct predict_result {
    const struct predict_item *item;
    const uint8_t *pixels;           /* the network's input */
    const float *p;                  /* the probabilities of the classes */
    int order[PREDICT_MAX_TOP], top; /* the most likely classes */
    double margin;                   /* of the most likely class over the next one */
    bool unsure;
    const int *set;    /* the prediction set, most likely class first */
    int set_count;     /* -1: the model has no sets */
    const char *label; /* by --labels; NULL: none */
    int actual;        /* the class of the label; -1: the model has no such class */
};

/* A label of --labels FILE, by the path of its image. */
struct predict_label {
    char *path, *label;
    bool below; /* the path is from the folder of FILE */
};

/* Results beside the labels. */
struct predict_score {
    struct predict_label *list; /* of --labels FILE, sorted */
    size_t list_count;
    int images, right;       /* with a label that is a class of the model */
    int sure, sure_right;    /* of them */
    int other, other_unsure; /* whose label is no class of the model */
    int unlabelled;
    char *folder; /* the label of the current image */
    /* The first ones of `images`, for the page: */
    int shown;
    double loss;
    struct weft_prediction *predictions;
    int32_t *labels;
    char **files;
    uint8_t *pixels;                  /* reduced */
    struct weft_dataset_info extents; /* of these */
};

struct prediction {
    struct app *app;
    const struct predict_options *options;
    const char *model_path, *source; /* the operands */
    weft_model *model;
    struct weft_net_info net;
    const char *const *names;
    char **folders;           /* the names of the classes as names of folders */
    struct decision decision; /* of a calibrated model */
    double unsure_below;
    int *set; /* room for one */
    struct weft_preprocess_params preprocess;
    struct input_paths paths;
    weft_predictor *predictor;
    int batch; /* for which it was made; 0: not yet */
    struct tta tta;
    size_t image_bytes;
    uint8_t *pixels; /* of the items that could be read, in order */
    float *probabilities;
    struct predict_item *items;
    int item_count, item_room;
    int count, room, capacity; /* images: in the current batch, allocated, at most */
    int done, failed;
    int nonfinite; /* those of `failed` whose outputs are not numbers */
    char **errors; /* `failed` messages, for JSON */
    int widths[2]; /* of the files and classes of a batch, in text */
    struct json json;
    struct table table;
    float *rows; /* for NPY */
    size_t row_count, row_room;
    struct predict_score score;
    int unsorted; /* images without a file of their own */
};

/* Keeps a message for the list of failures. */
void predict_add_failure(struct prediction *prediction, const char *why);
/* The same, and prints it. */
void predict_skip(void *prediction, const char *why);

/* predict_batch.c. The largest size of a batch that `count` images fill. */
int predict_batch_size(int count);

/* Add an image, whose pixels are copied, or a failure to the batch, and
 * run it when it is full. `file` and `path` are taken. */
enum app_exit predict_add_image(struct prediction *prediction, char *file, char *path,
                                const uint8_t *pixels,
                                const struct weft_preprocess_info *preprocessing);
enum app_exit predict_add_unread(struct prediction *prediction, const char *file,
                                 const char *why);
enum app_exit predict_flush(struct prediction *prediction);
void predict_free_batch(struct prediction *prediction);

/* predict_output.c: begin, write the result or failure of an image, and end. */
void predict_begin_output(struct prediction *prediction);
void predict_begin_batch(struct prediction *prediction);
void predict_write_result(struct prediction *prediction,
                          const struct predict_result *result);
void predict_write_unread(struct prediction *prediction, const char *file,
                          const char *why);
enum app_exit predict_end_output(struct prediction *prediction);

/* predict_labels.c */
enum app_exit predict_read_labels(struct prediction *prediction);
void predict_find_label(struct prediction *prediction, struct predict_result *result);
void predict_score_result(struct prediction *prediction,
                          const struct predict_result *result);
void predict_print_score(const struct prediction *prediction);
void predict_json_score(const struct prediction *prediction, struct json *json);
enum app_exit predict_save_report(const struct prediction *prediction);
void predict_free_score(struct predict_score *score);

/* predict_files.c: --sort-into, --review and --preview. */
void predict_name_folders(struct prediction *prediction);
enum app_exit predict_sort_result(struct prediction *prediction,
                                  const struct predict_result *result);

#endif
