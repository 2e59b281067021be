/* SPDX-License-Identifier: Apache-2.0 */
/* Saved results of `weft bench`: read, checked, merged. A file holds one run, of one
 * device (weft.bench/1, written by bench_save_json.c), or a set of them
 * (weft.bench-set/1). */
#ifndef WEFT_CMD_RESULTS_RESULTS_H
#define WEFT_CMD_RESULTS_RESULTS_H

#include "core/app.h"

#include <jansson.h>

enum { RESULTS_MAX_RUNS = 64, RESULTS_MAX_ROWS = 4096, RESULTS_LABEL_BYTES = 400 };

struct results {
    json_t *runs; /* a list of them, each as it was written; NULL: none yet */
};

/* Appends the runs of a file. Whatever is in it, afterwards every field that is there has
 * the right type, numbers are finite, lists are not longer than above, and texts are free
 * of control characters. */
enum app_exit results_read(const struct app *app, struct results *results,
                           const char *path);
/* The same of a text in memory that `name` is told for. */
enum app_exit results_parse(const struct app *app, struct results *results,
                            const char *name, const char *text, size_t size);
void results_free(struct results *results);

/* Writes all runs as one set. False: errno tells, or 0 for no memory. */
bool results_write(const struct results *results, FILE *out);
bool results_save(const struct results *results, const char *path);

/* A run that came to nothing: only its device's names and why. */
void results_add_failed_run(struct results *results,
                            const struct weft_device_info *device, const char *fault);

void results_set_fault(json_t *run, const char *fault);

int results_count(const struct results *results);
json_t *results_run(const struct results *results, int index);

/* A field of a run or a row, "" or NaN where there is none. `path` may go through
 * objects: "device.name". */
const char *results_text(const json_t *object, const char *path);
double results_number(const json_t *object, const char *path);
bool results_passed(const json_t *row);

/* Its samples; the count is returned. *out is to be freed. */
int results_samples(const json_t *row, double **out);

/* What people call a run: its device and platform, and where two runs would be called the
 * same, the file too. */
void results_label(const struct results *results, int index,
                   char out[RESULTS_LABEL_BYTES]);
/* "A", "B", ...: where a label is too long or a colour not enough. In a static buffer. */
const char *results_letter(int index);
/* The device alone, briefly. */
void results_device_name(const json_t *run, char out[RESULTS_LABEL_BYTES]);
/* What was measured, such as "train seed 28x28x1 batch 128"; the same in two runs, the
 * same was measured. */
void results_workload_key(const json_t *row, char out[RESULTS_LABEL_BYTES]);

/* Whether smaller is better: a time. */
bool results_is_time(const json_t *row);

/* The row of `run` that measured the same and is right, or NULL. */
const json_t *results_find_same(const json_t *run, const json_t *row);

#endif
