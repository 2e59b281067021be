/* SPDX-License-Identifier: Apache-2.0 */
/* The learning rate of each step: a schedule's, or that of points. */
#include "train/trainer.h"
#include "util/hash.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_POINTS = 1 << 16, MAX_SCHEDULE_STEPS = 100 << 20 };

static enum weft_status check(weft_context *ctx, const struct weft_train_params *p)
{
    WEFT_REQUIRE(ctx, p->rate_count >= 1 && p->rate_count <= MAX_POINTS,
                 "rate_count must be 1 to 65536");
    WEFT_REQUIRE(ctx, !p->schedule, "rates and schedule exclude each other");
    for (int i = 0; i < p->rate_count; i++) {
        double at = p->rates[i].at;
        WEFT_REQUIRE(ctx, isfinite(at) && at >= (i ? p->rates[i - 1].at : 0),
                     "rates must be in ascending order, from 0 on");
        WEFT_REQUIRE(ctx, p->rates[i].rate >= 0 && p->rates[i].rate <= 1e6f,
                     "each rate must be 0 to 1e6");
    }
    return WEFT_OK;
}

/* The points of the params, if there are any. */
static enum weft_status copy_rates(struct weft_trainer *t,
                                   const struct weft_train_params *p)
{
    if (!p->rates)
        return WEFT_OK;
    WEFT_TRY(check(t->device->context, p));
    size_t bytes = 2 * (size_t)p->rate_count * sizeof(*t->points);
    t->points = malloc(bytes);
    if (!t->points)
        return weft_out_of_memory(t->device->context, "learning rates", bytes);
    for (int i = 0; i < p->rate_count; i++) {
        t->points[2 * i] = p->rates[i].at * (p->rates_by_step ? 1 : t->steps_per_epoch);
        t->points[2 * i + 1] = (double)p->rates[i].rate;
    }
    t->point_count = p->rate_count;
    return WEFT_OK;
}

enum weft_status weft_trainer_plan_schedule(struct weft_trainer *t,
                                            const struct weft_train_params *p)
{
    weft_context *ctx = t->device->context;
    t->averaging = t->net->averaging;
    t->schedule = t->net->schedule;
    if (p->schedule)
        WEFT_TRY(weft_schedule_read(ctx, p->schedule, &t->schedule));
    WEFT_TRY(copy_rates(t, p));
    bool constant = !t->points && weft_schedule_is_constant(&t->schedule);
    int64_t first = (int64_t)p->first_epoch * t->steps_per_epoch;
    int64_t steps = (int64_t)p->epochs * t->steps_per_epoch;
    if (first > MAX_SCHEDULE_STEPS)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "first_epoch is %d, of %d steps each: there must be at most %d "
                         "steps before it",
                         p->first_epoch, t->steps_per_epoch, MAX_SCHEDULE_STEPS);
    t->first_step = (int)first;
    if (constant && t->averaging.kind != WEFT_AVERAGING_LOOKAHEAD)
        return WEFT_OK;
    if (steps < 1 || first + steps > MAX_SCHEDULE_STEPS)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s needs the number of epochs, such "
                         "that the run has 1 to %d steps; it is %d, of %d steps each",
                         constant ? "lookahead" : "the learning-rate schedule",
                         MAX_SCHEDULE_STEPS, p->epochs, t->steps_per_epoch);
    t->steps = (int)(first + steps);
    t->rate_count = constant ? 0 : (uint32_t)t->steps;
    return WEFT_OK;
}

/* On the line between the points around a step. */
static double rate_of_points(const struct weft_trainer *t, double step)
{
    int low = 0,
        high = t->point_count; /* points up to low - 1 are at the step or before */
    while (low < high) {
        int middle = (low + high) / 2;
        if (t->points[2 * middle] <= step)
            low = middle + 1;
        else
            high = middle;
    }
    const double *after = t->points + 2 * low, *before = after - 2;
    if (low == 0)
        return after[1];
    if (low == t->point_count)
        return before[1];
    return before[1] +
           (after[1] - before[1]) * (step - before[0]) / (after[0] - before[0]);
}

float weft_trainer_learning_rate(const struct weft_trainer *t, int64_t step)
{
    double rate = (double)t->optimizer.learning_rate;
    double steps = (double)t->rate_count - t->first_step;
    if (!t->rate_count)
        return t->optimizer.learning_rate;
    double at = fmin(fmax((double)(step - t->first_step), 0), steps - 1);
    return (float)(t->points ? rate_of_points(t, at)
                             : rate * weft_schedule_factor(&t->schedule, at / steps));
}

void weft_trainer_schedule_text(const struct weft_trainer *t,
                                char out[WEFT_SCHEDULE_TEXT])
{
    if (t->points)
        snprintf(out, WEFT_SCHEDULE_TEXT, "points %016" PRIx64,
                 weft_hash64(t->points, 2 * (size_t)t->point_count * sizeof(*t->points)));
    else
        weft_schedule_write(&t->schedule, out);
}
