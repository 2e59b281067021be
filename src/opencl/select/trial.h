/* SPDX-License-Identifier: Apache-2.0 */
/* A problem set up to try configs on: memory with guard zones, samples of the reference,
 * and the default to time_interleaved against. */
#ifndef WEFT_OPENCL_SELECT_TRIAL_H
#define WEFT_OPENCL_SELECT_TRIAL_H

#include "device/tuning_table.h"
#include "opencl/select/dispatch.h"

/* Before and behind every tensor. */
enum { TRIAL_GUARD = WEFT_BUFFER_PADDING, TRIAL_MAX_TENSORS = 6 };

struct trial_tensor {
    struct weft_view *view; /* into the problem's arguments */
    size_t count, element;  /* elements, and bytes of one */
    bool output;
    unsigned char *host; /* the data without guards: of an output, what came out */
    struct weft_mem *mem;
};

/* Elements of an output that the reference knows. */
struct trial_samples {
    int tensor;
    size_t count, room;
    size_t *at;
    float *value, *bound;
};

struct trial_problem {
    enum ocl_conv_pass pass;
    struct weft_conv_args args;
    bool bias, argmax;
};

struct weft_trial {
    struct weft_device *device;
    struct weft_problem typed;
    struct trial_problem problem;
    struct trial_tensor tensors[TRIAL_MAX_TENSORS];
    int tensor_count;
    struct trial_samples samples[2]; /* of the floats that come out */
    int sample_count;
    struct weft_command_list *baseline; /* the default */
    int repeats;                        /* replays of one timing */
};

/* The tuner's passes (struct weft_tuner). */
enum weft_status ocl_trial_create(struct weft_device *device, const char *text,
                                  struct weft_trial **out);
void ocl_trial_destroy(struct weft_trial **trial);
enum weft_status ocl_trial_run(struct weft_trial *trial, const char *config, int rounds,
                               double *seconds, double *baseline);

/* trial_check.c. Runs samples of the problem on the built-in backend. */
enum weft_status ocl_trial_compute_reference(struct weft_trial *trial);
void ocl_trial_samples_free(struct weft_trial *trial);
/* Holds what came out against the samples. WEFT_ERR_MISMATCH. */
enum weft_status ocl_trial_compare_reference(const struct weft_trial *trial);

#endif
