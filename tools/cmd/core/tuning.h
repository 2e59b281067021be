/* SPDX-License-Identifier: Apache-2.0 */
/* Tunes a network on the open device: progress, Ctrl-C, and the worker process. */
#ifndef WEFT_CMD_CORE_TUNING_H
#define WEFT_CMD_CORE_TUNING_H

#include "core/app.h"

/* The default batch of evaluation. */
enum { TUNING_EVAL_BATCH = 256 };

/* Runs weft_tune with params->worker, report and priv filled in. *interrupted: Ctrl-C
 * ended it; finished results are saved. */
enum app_exit tuning_run(struct app *app, const weft_net *net,
                         struct weft_tune_params *params, struct weft_tune_result *result,
                         bool *interrupted);

/* With --tuning quick, tunes for at most 20 s a training step and inference at these
 * batches (0: the network's, negative: none). Ctrl-C ends only the tuning. */
enum app_exit tuning_quick(struct app *app, const weft_net *net, int training,
                           int inference);

/* Prints one line of results. */
void tuning_print_summary(const struct weft_tune_result *result);

#endif
