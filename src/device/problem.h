/* SPDX-License-Identifier: Apache-2.0 */
/* Problems: calls of the primitives that can be tuned, up to the memory they work on.
 *
 * A problem is typed; its text is for files, other processes and people only:
 *
 *     vec conv_forward n=64 in=14x14x32 out=14x14x64 window=3x3 pad=1,1,1,1 bias relu
 *
 * Whatever changes neither the speed nor the result of a kernel is no part of it. */
#ifndef WEFT_DEVICE_PROBLEM_H
#define WEFT_DEVICE_PROBLEM_H

#include "device/backend.h"

enum { WEFT_PROBLEM_TEXT = 256 };

struct weft_problem {
    enum weft_kernel_family family;
    struct weft_primitive_call call; /* of a dense layer: the convolution that it is */
    bool constant_weights;           /* of the list; no part of the problem's identity */
};

/* "conv_forward" */
extern const char *const weft_primitive_names[WEFT_PRIMITIVE_COUNT];

/* False: this primitive cannot be tuned. */
bool weft_problem_of(const struct weft_device *device,
                     const struct weft_primitive_call *call, struct weft_problem *out);

/* The ratio of the batches, 1 or more, of problems that are equal otherwise; 0: they are
 * not. Exactly 1: the problems are equal. */
double weft_problem_batch_ratio(const struct weft_problem *a,
                                const struct weft_problem *b);

/* Equal problems have equal hashes. */
uint32_t weft_problem_hash(const struct weft_problem *problem);

/* Multiply-adds, or what takes about as long. */
double weft_problem_work(const struct weft_problem *problem);

void weft_problem_format(const struct weft_problem *problem, char out[WEFT_PROBLEM_TEXT]);

/* A view of the problem is present with its count, and memory that must not be used.
 * False: the text is no problem that a network could have. */
bool weft_problem_parse(const char *text, struct weft_problem *out);

#endif
