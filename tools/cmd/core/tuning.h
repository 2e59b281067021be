/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning a network on the open device: progress, Ctrl-C, and the process that tries
 * kernels. */
#ifndef WEFT_CMD_CORE_TUNING_H
#define WEFT_CMD_CORE_TUNING_H

#include "core/app.h"

/* The batch that evaluation takes. */
enum { TUNING_EVAL_BATCH = 256 };

/* Runs weft_tune with params->worker, report and priv filled in. `interrupted`: by
 * Ctrl-C, after which what was found is kept. */
enum app_exit tuning_run(struct app *app, const weft_net *net,
                         struct weft_tune_params *params, struct weft_tune_result *result,
                         bool *interrupted);

/* What --tuning quick asks for before other work: at most 20 s, for a training step and
 * for inference at these batches; 0: as the network says, negative: none. Nothing where
 * the option says otherwise. Ctrl-C ends the tuning alone. */
enum app_exit tuning_quick(struct app *app, const weft_net *net, int training,
                           int inference);

/* The line that tells how it went. */
void tuning_print_summary(const struct weft_tune_result *result);

#endif
