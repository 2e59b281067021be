/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways, timed in turns. */
#include "lab/ab_timing.h"

#include "util/clock.h"

#include <stdlib.h>

enum { FAR_BEHIND = 4 };

/* Two that are alike would win 20 rounds of 25 once in 500 times. */
static const double least_speedup = 1.03;
enum { LEAST_WON = 20 };

static int by_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum weft_status weft_ab_compare(weft_ab_run_fn *run, void *const runners[2],
                                 struct weft_ab_result *out)
{
    double seconds[2][WEFT_AB_ROUNDS], best[2] = {0, 0};
    *out = (struct weft_ab_result){0};
    for (int round = 0; round < WEFT_AB_ROUNDS + WEFT_AB_WARMUP_ROUNDS; round++) {
        int at = round < WEFT_AB_WARMUP_ROUNDS ? 0 : round - WEFT_AB_WARMUP_ROUNDS;
        for (int k = 0; k < 2; k++) {
            double start = weft_clock_seconds();
            WEFT_TRY(run(runners[k]));
            seconds[k][at] = weft_clock_seconds() - start;
            if (!round || seconds[k][at] < best[k])
                best[k] = seconds[k][at];
        }
        if (round > 0 && round < WEFT_AB_WARMUP_ROUNDS && best[1] > FAR_BEHIND * best[0])
            return WEFT_OK;
        out->won += round >= WEFT_AB_WARMUP_ROUNDS && seconds[1][at] < seconds[0][at];
    }
    for (int k = 0; k < 2; k++)
        qsort(seconds[k], WEFT_AB_ROUNDS, sizeof(**seconds), by_seconds);
    out->speedup = seconds[0][WEFT_AB_ROUNDS / 2] / seconds[1][WEFT_AB_ROUNDS / 2];
    return WEFT_OK;
}

bool weft_ab_significant(const struct weft_ab_result *ab_result)
{
    return ab_result->speedup >= least_speedup && ab_result->won >= LEAST_WON;
}
