/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways, timed in turns. */
#include "race.h"

#include "../util/clock.h"

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

enum weft_status weft_race(weft_race_run *run, void *const runners[2],
                           struct weft_race *out)
{
    double seconds[2][WEFT_RACE_ROUNDS], best[2] = {0, 0};
    *out = (struct weft_race){0};
    for (int round = 0; round < WEFT_RACE_ROUNDS + WEFT_RACE_WARM; round++) {
        int at = round < WEFT_RACE_WARM ? 0 : round - WEFT_RACE_WARM;
        for (int k = 0; k < 2; k++) {
            double start = weft_clock_seconds();
            WEFT_TRY(run(runners[k]));
            seconds[k][at] = weft_clock_seconds() - start;
            if (!round || seconds[k][at] < best[k])
                best[k] = seconds[k][at];
        }
        if (round > 0 && round < WEFT_RACE_WARM && best[1] > FAR_BEHIND * best[0])
            return WEFT_OK;
        out->won += round >= WEFT_RACE_WARM && seconds[1][at] < seconds[0][at];
    }
    for (int k = 0; k < 2; k++)
        qsort(seconds[k], WEFT_RACE_ROUNDS, sizeof(**seconds), by_seconds);
    out->speedup = seconds[0][WEFT_RACE_ROUNDS / 2] / seconds[1][WEFT_RACE_ROUNDS / 2];
    return WEFT_OK;
}

bool weft_race_decided(const struct weft_race *race)
{
    return race->speedup >= least_speedup && race->won >= LEAST_WON;
}
