/* SPDX-License-Identifier: Apache-2.0 */
/* Trials: a problem set up on a device, to verify and time kernel configs on. */
#ifndef WEFT_TUNE_TRIAL_H
#define WEFT_TUNE_TRIAL_H

#include "lab/call.h"

/* Elements of an output that the reference has computed. */
struct tune_samples {
    const struct lab_tensor *tensor;
    size_t count;
    size_t *at;
    float *value;
    double *bound;
};

struct tune_trial {
    struct weft_device *device, *host; /* the host backend is the reference */
    struct lab_call call;
    struct tune_samples samples[2];
    int sample_count; /* 0: the reference has computed all of the call */
    struct weft_command_list *baseline; /* the default config */
    int repeats;                        /* replays of one timing */
};

/* Sets the problem up in memory of its own, with random data, and verifies the default.
 * WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_MISMATCH, or errors of recording and running. */
enum weft_status tune_trial_create(struct weft_device *device, const char *problem,
                                   struct tune_trial **out);
void tune_trial_destroy(struct tune_trial **trial);

/* Verifies a config: results match the reference, are finite and the same bits twice,
 * and nothing beside the outputs is written; else WEFT_ERR_MISMATCH. Then times it and
 * the default in interleaved rounds, at most `rounds`: medians. Given up early where it
 * is far behind. WEFT_ERR_BUILD, WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_DEVICE. */
enum weft_status tune_trial_run(struct tune_trial *trial, const char *config, int rounds,
                                double *seconds, double *baseline);

/* trial_reference.c. Sets up the call and computes the reference: samples of a
 * convolution, all of another call. */
enum weft_status tune_reference_compute(struct tune_trial *trial,
                                        const struct weft_primitive_call *call);
void tune_reference_free(struct tune_trial *trial);
/* Compares the device's results. WEFT_ERR_MISMATCH. */
enum weft_status tune_reference_compare(const struct tune_trial *trial);

#endif
