/* SPDX-License-Identifier: Apache-2.0 */
/* Which of two ways to do the same is faster. */
#ifndef WEFT_LAB_AB_TIMING_H
#define WEFT_LAB_AB_TIMING_H

#include "base/context.h"

enum { WEFT_AB_ROUNDS = 25, WEFT_AB_WARMUP_ROUNDS = 4 };

/* Runs one of the two to its end, so that its time can be taken. */
typedef enum weft_status weft_ab_run_fn(void *runner);

/* What came of a ab_result: how many times as fast the second is as the first, by
 * medians, 0 where it was not run to its end; and in how many rounds it was faster. */
struct weft_ab_result {
    double speedup;
    int won;
};

/* In turns, so that both meet the same machine, WARM rounds and ROUNDS that count. A
 * rival that is far behind in the first rounds, even at its best, is not waited for. */
enum weft_status weft_ab_compare(weft_ab_run_fn *run, void *const runners[2],
                                 struct weft_ab_result *out);

/* Whether the second is faster by some percent, and not by chance. */
bool weft_ab_significant(const struct weft_ab_result *ab_result);

#endif
