/* SPDX-License-Identifier: Apache-2.0 */
/* Timing: medians, and two alternatives measured in interleaved rounds, so that both meet
 * the same state of the machine. */
#ifndef WEFT_LAB_TIMING_H
#define WEFT_LAB_TIMING_H

#include "device/backend.h"

/* Sorts the values. */
double lab_median(double *values, int count);

/* Seconds of one of `replays` replays of the launches from `first` up to, not with,
 * `end`. */
enum weft_status lab_time_replays(struct weft_command_list *list, int first, int end,
                                  int replays, double *seconds);

/* Seconds of one run of a runner. */
typedef enum weft_status lab_time_fn(void *runner, double *seconds);

/* A runner for these: lab_time_replays of part of a list. */
struct lab_timed_range {
    struct weft_command_list *list;
    int first, end, replays;
};
lab_time_fn lab_time_range;

/* When to stop. The ratio ends the rounds early: where the second, at its best, takes
 * more than this many times the first's time, in the warm-up after its first round, or
 * without a warm-up after the first round. */
struct lab_rounds {
    int warmup;           /* rounds that are not kept */
    int min, max;         /* rounds that are */
    double time_limit;    /* seconds, once `min` rounds are kept; 0: none */
    double give_up_ratio; /* 0: none */
};

/* Times both runners in each round; *count samples of each, 0 where the warm-up ended it.
 * */
enum weft_status lab_time_interleaved(lab_time_fn *sample, void *const runners[2],
                                      const struct lab_rounds *rounds,
                                      double *const seconds[2], int *count);

/* An A/B test: whether the second of two alternatives is faster. */
enum { LAB_AB_ROUNDS = 25, LAB_AB_WARMUP_ROUNDS = 4 };

typedef enum weft_status lab_ab_run_fn(void *runner); /* to its end */

struct lab_ab_result {
    double speedup; /* of the second, by medians; 0: given up early */
    int won;        /* rounds in which the second was faster */
};

enum weft_status lab_ab_compare(lab_ab_run_fn *run, void *const runners[2],
                                struct lab_ab_result *out);

/* True: the second is faster by more than some percent and more than chance. */
bool lab_ab_significant(const struct lab_ab_result *result);

#endif
