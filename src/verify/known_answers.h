/* SPDX-License-Identifier: Apache-2.0 */
/* The known-answer test of a network's kernels at their first use on a driver: what those
 * of training and of inference share. */
#ifndef WEFT_VERIFY_KNOWN_ANSWERS_H
#define WEFT_VERIFY_KNOWN_ANSWERS_H

#include "verify/trace.h"

void verify_known_answers_init(struct verify_trace *trace);

/* Images of a test, `least` to `most`, where one takes `flops`. */
int verify_known_answers_batch(double flops, int least, int most);

/* True if all lists that are not NULL have passed their test; they have now. */
bool verify_is_proven(struct weft_command_list *const *lists, int count);
void verify_set_proven(struct weft_command_list *const *lists, int count);

/* The first wrong call that a test has found. */
struct verify_wrong_call {
    struct weft_command_list *list;
    const struct weft_recorded_call *call; /* of the list; NULL: all are right */
    const char *layer;
    char fault[160];
};

/* The wrong call of a trace of `lists`, at the same place in `own`; `layer` is left to
 * the caller. */
void verify_find_wrong(const struct verify_trace *trace,
                       struct weft_command_list *const *lists,
                       struct weft_command_list *const *own, int count,
                       struct verify_wrong_call *out);

/* Excludes the algorithm of a wrong call from lists that are recorded from now on, with a
 * warning. WEFT_ERR_MISMATCH: there is no other, so that tests repeated after each
 * replacement come to an end. */
enum weft_status verify_reject(const struct verify_wrong_call *wrong);

/* "conv_forward (direct tile=6: conv_forward)" */
void verify_describe_call(const struct weft_command_list *list,
                          const struct weft_recorded_call *call, char *text, size_t size);

#endif
