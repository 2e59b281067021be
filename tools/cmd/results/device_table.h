/* SPDX-License-Identifier: Apache-2.0 */
/* A table of runs, one line per device. */
#ifndef WEFT_CMD_RESULTS_DEVICE_TABLE_H
#define WEFT_CMD_RESULTS_DEVICE_TABLE_H

#include "results/results.h"

/* Writes the table and comparison_print() to stdout; as JSON the whole set. Errors go to
 * stderr; returns the number of runs with errors or mismatches. */
int device_table_write(const struct results *results, enum table_format format);

/* Builds the table without writing it; the first column is the device. */
void device_table_build(struct table *table, const struct results *results,
                        enum table_format format);
/* Explains its columns. */
enum { DEVICE_TABLE_LEGEND_BYTES = 800 };
void device_table_legend(const struct results *results,
                         char out[DEVICE_TABLE_LEGEND_BYTES]);

/* Says that the samples of a run vary more than they do on a quiet machine, and which;
 * false: they do not. */
enum { DEVICE_TABLE_NOISE_BYTES = 600 };
bool device_table_noise(const json_t *run, char out[DEVICE_TABLE_NOISE_BYTES]);

/* The code that a row of latency was measured with, or "". */
const char *results_backend_name(const json_t *row);

/* Saves to a JSON file, unless `path` is NULL. */
enum app_exit results_save_if_named(const struct app *app, const struct results *results,
                                    const char *path);

/* The fastest passed row of a workload, or NULL. */
const json_t *results_best_row(const json_t *run, const char *workload);

/* The passed convergence row of `run` with the same network, batch and steps as `row`, or
 * NULL. It has no samples if the target was not reached. */
const json_t *results_matching_convergence(const json_t *run, const json_t *row);

#endif
