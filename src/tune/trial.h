/* SPDX-License-Identifier: Apache-2.0 */
/* Trials: a problem set up on a device, to verify and time kernel configs on. */
#ifndef WEFT_TUNE_TRIAL_H
#define WEFT_TUNE_TRIAL_H

#include "lab/call.h"

struct tune_trial {
    struct weft_device *device;
    struct lab_call call;
    struct weft_command_list *baseline; /* the default config */
    int repeats;                        /* replays of one timing */
};

/* Sets the problem up in memory of its own, with random data, and verifies the default.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_MISMATCH, or errors of recording and running. */
enum weft_status tune_trial_create(struct weft_device *device, const char *problem,
                                   struct tune_trial **out);
void tune_trial_destroy(struct tune_trial **trial);

/* Verifies a config: results are within the bounds of rounding, finite and the same bits
 * twice, and nothing beside the outputs is written; else WEFT_ERR_MISMATCH. Then times it
 * and the default in interleaved rounds, at most `rounds`: medians. Given up early where
 * it is far behind. WEFT_ERR_BUILD, WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
enum weft_status tune_trial_run(struct tune_trial *trial, const char *config, int rounds,
                                double *seconds, double *baseline);

#endif
