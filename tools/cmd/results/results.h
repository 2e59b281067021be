/* SPDX-License-Identifier: Apache-2.0 */
/* Saved results of `weft bench`: reading, validation, merging. A file holds one run on
 * one device (weft.bench/2, written by bench_save.c), or a set of runs
 * (weft.bench-set/2). */
#ifndef WEFT_CMD_RESULTS_RESULTS_H
#define WEFT_CMD_RESULTS_RESULTS_H

#include "core/app.h"

#include <jansson.h>

enum { RESULTS_MAX_RUNS = 64, RESULTS_MAX_ROWS = 4096, RESULTS_LABEL_BYTES = 400 };

struct results {
    json_t *runs; /* a list of runs as written; NULL: empty */
};

/* Appends the runs of a file after validation: every known field has its type, numbers
 * are finite, lists are within the limits above, texts have no control characters. */
enum app_exit results_read(const struct app *app, struct results *results,
                           const char *path);
/* The same for a text in memory; `name` appears in errors. */
enum app_exit results_parse(const struct app *app, struct results *results,
                            const char *name, const char *text, size_t size);
void results_free(struct results *results);

/* Writes all runs as one set. False on failure, with errno set, or 0 if out of memory. */
bool results_write(const struct results *results, FILE *out);
bool results_save(const struct results *results, const char *path);

/* Appends a run without results: its device and the error. */
void results_add_failed_run(struct results *results,
                            const struct weft_device_info *device, const char *error);

void results_set_error(json_t *run, const char *error);

int results_count(const struct results *results);
json_t *results_run(const struct results *results, int index);

/* A field of a run or a row, "" or NaN if absent. `path` may contain dots:
 * "device.name". */
const char *results_text(const json_t *object, const char *path);
double results_number(const json_t *object, const char *path);
bool results_passed(const json_t *row);

/* Copies the samples of a row; returns their number. Caller frees *out. */
int results_samples(const json_t *row, double **out);

/* A unique label of a run: device and platform, plus the file or other fields if several
 * runs share them. */
void results_label(const struct results *results, int index,
                   char out[RESULTS_LABEL_BYTES]);
/* A short label, "A", "B", ..., in a static buffer. */
const char *results_letter(int index);
/* device_short_name. */
void results_device_name(const json_t *run, char out[RESULTS_LABEL_BYTES]);
/* Identifies a measurement across runs: "train small 28x28x1 batch 128". */
void results_workload_key(const json_t *row, char out[RESULTS_LABEL_BYTES]);

/* The passed row of throughput or latency whose samples vary most; NULL: all of them are
 * steady. Receives the 95 % interval. */
const json_t *results_noisiest_row(const json_t *run, double bounds[2]);

/* True for durations, where smaller is better. */
bool results_is_time(const json_t *row);

/* The passed row of `run` with the same key, or NULL. */
const json_t *results_find_same(const json_t *run, const json_t *row);

#endif
