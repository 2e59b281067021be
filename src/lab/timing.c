/* SPDX-License-Identifier: Apache-2.0 */
/* Medians and interleaved rounds. */
#include "lab/timing.h"

#include "util/clock.h"

#include <math.h>
#include <stdlib.h>

/* Two equal alternatives would win 20 rounds of 25 once in 500 times. */
static const double least_speedup = 1.03;
enum { LEAST_WON = 20 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double lab_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

enum weft_status lab_time_replays(struct weft_command_list *list, int first, int end,
                                  int replays, double *seconds)
{
    struct weft_device *device = list->device;
    double begin = weft_clock_seconds();
    for (int i = 0; i < replays; i++)
        WEFT_TRY(device->backend->replay_range(list, first, end));
    WEFT_TRY(device->backend->wait(device));
    *seconds = (weft_clock_seconds() - begin) / replays;
    return WEFT_OK;
}

enum weft_status lab_time_range(void *runner, double *seconds)
{
    const struct lab_timed_range *r = runner;
    return lab_time_replays(r->list, r->first, r->end, r->replays, seconds);
}

/* After round `round` of all, the warm-up included. */
static bool should_give_up(const struct lab_rounds *r, int round, const double best[2])
{
    bool early = r->warmup ? round > 0 && round < r->warmup : round == 0;
    return early && r->give_up_ratio > 0 && best[1] > r->give_up_ratio * best[0];
}

enum weft_status lab_time_interleaved(lab_time_fn *sample, void *const runners[2],
                                      const struct lab_rounds *r,
                                      double *const seconds[2], int *count)
{
    double best[2] = {INFINITY, INFINITY}, begin = weft_clock_seconds();
    *count = 0;
    for (int round = 0; *count < r->max; round++) {
        if (*count >= r->min && r->time_limit > 0 &&
            weft_clock_seconds() - begin >= r->time_limit)
            break;
        for (int k = 0; k < 2; k++) {
            WEFT_TRY(sample(runners[k], &seconds[k][*count]));
            best[k] = fmin(best[k], seconds[k][*count]);
        }
        *count += round >= r->warmup;
        if (should_give_up(r, round, best))
            break;
    }
    return WEFT_OK;
}

struct ab_runner {
    lab_ab_run_fn *run;
    void *runner;
};

static enum weft_status time_ab_run(void *priv, double *seconds)
{
    const struct ab_runner *r = priv;
    double start = weft_clock_seconds();
    WEFT_TRY(r->run(r->runner));
    *seconds = weft_clock_seconds() - start;
    return WEFT_OK;
}

enum weft_status lab_ab_compare(lab_ab_run_fn *run, void *const runners[2],
                                struct lab_ab_result *out)
{
    static const struct lab_rounds rounds = {.warmup = LAB_AB_WARMUP_ROUNDS,
                                             .min = LAB_AB_ROUNDS,
                                             .max = LAB_AB_ROUNDS,
                                             .give_up_ratio = 4};
    struct ab_runner both[2] = {{run, runners[0]}, {run, runners[1]}};
    double seconds[2][LAB_AB_ROUNDS];
    int count;
    *out = (struct lab_ab_result){0};
    WEFT_TRY(lab_time_interleaved(time_ab_run, (void *[]){&both[0], &both[1]}, &rounds,
                                  (double *[]){seconds[0], seconds[1]}, &count));
    for (int i = 0; i < count; i++)
        out->won += seconds[1][i] < seconds[0][i];
    if (count)
        out->speedup = lab_median(seconds[0], count) / lab_median(seconds[1], count);
    return WEFT_OK;
}

bool lab_ab_significant(const struct lab_ab_result *result)
{
    return result->speedup >= least_speedup && result->won >= LEAST_WON;
}
