/* SPDX-License-Identifier: Apache-2.0 */
/* Runs side by side: a line a device, and who is faster. */
#ifndef WEFT_CMD_RESULTS_DEVICE_TABLE_H
#define WEFT_CMD_RESULTS_DEVICE_TABLE_H

#include "results/results.h"

/* Writes them to stdout, with the sentences of summary.h; as JSON the whole set. Returns
 * how many runs failed or have wrong results, which stderr is told. */
int device_table_write(const struct results *results, enum table_format format);

/* That table, written by nobody yet: its first column is the device. */
void device_table_build(struct table *table, const struct results *results,
                        enum table_format format);
/* What its columns mean. */
enum { DEVICE_TABLE_LEGEND_BYTES = 600 };
void device_table_legend(const struct results *results,
                         char out[DEVICE_TABLE_LEGEND_BYTES]);

/* Into a file of JSON; NULL: not. */
enum app_exit results_save_if_named(const struct app *app, const struct results *results,
                                    const char *save);

/* The best right row of a workload: the fastest, NULL if there is none. */
const json_t *results_best_row(const json_t *run, const char *workload);

/* The right row of `run` that learnt the same as `learnt`: network, batch and steps. It
 * may have no samples: a target that was not reached leaves none. */
const json_t *results_matching_convergence(const json_t *run, const json_t *learnt);

#endif
