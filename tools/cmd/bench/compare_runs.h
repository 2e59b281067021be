/* SPDX-License-Identifier: Apache-2.0 */
/* Training runs side by side. */
#ifndef WEFT_CMD_BENCH_COMPARE_RUNS_H
#define WEFT_CMD_BENCH_COMPARE_RUNS_H

#include "core/app.h"

/* True for the folder of a run, or its log.jsonl. */
bool compare_is_run(const char *operand);

/* Prints the settings in which runs differ, and their last results; with `report`, a page
 * with their curves too. */
enum app_exit compare_runs(const struct app *app, int count, char **operands,
                           const char *report);

#endif
