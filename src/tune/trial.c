/* SPDX-License-Identifier: Apache-2.0 */
/* Trials: a config verified and timed, through the primitives alone. */
#include "tune/trial.h"

#include "device/tuning_table.h"
#include "lab/compare.h"
#include "lab/timing.h"
#include "verify/trace.h"

#include <math.h>
#include <stdlib.h>

/* Minimum duration of a timing, so that clock and launch overhead do not count. */
static const double least_seconds = 2e-3;
/* A config that is slower by this factor in its first timing gets no second. */
static const double give_up_ratio = 1.6;
enum { MAX_ROUNDS = 31, MAX_REPEATS = 512 };

static enum weft_status check_finite(const struct tune_trial *t)
{
    for (int i = 0; t->call.outputs[i]; i++) {
        const struct lab_tensor *x = t->call.outputs[i];
        const float *values = lab_result(&t->call.lab, x, LAB_DEVICE);
        float sum = 0;
        for (size_t k = 0; x->type == LAB_FLOAT && k < x->count; k++)
            sum += values[k] * 0;
        if (sum != 0)
            return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                             "%s has values that are not finite", x->name);
    }
    return WEFT_OK;
}

/* Multiply-adds for the samples of a result. */
static const double sample_work = 4e6;

static enum weft_status compare(struct tune_trial *t,
                                const struct weft_command_list *list)
{
    struct verify_trace trace;
    verify_trace_init(&trace, sample_work);
    enum weft_status status = verify_trace_results(&trace, &t->call, list);
    if (!status && trace.fault[0])
        status = weft_fail(t->device->context, WEFT_ERR_MISMATCH, "%s", trace.fault);
    verify_trace_finish(&trace);
    return status;
}

static enum weft_status verify(struct tune_trial *t, struct weft_command_list *list)
{
    struct lab_case *c = &t->call.lab;
    char fault[160];
    WEFT_TRY(lab_run(c, LAB_DEVICE, list, t->call.outputs, 1));
    WEFT_TRY(check_finite(t));
    WEFT_TRY(compare(t, list));
    uint64_t first = lab_hash_results(c, LAB_DEVICE);
    WEFT_TRY(lab_run(c, LAB_DEVICE, list, t->call.outputs, 1));
    if (lab_find_overwrite(c, LAB_DEVICE, t->call.outputs, fault, sizeof(fault)))
        return weft_fail(t->device->context, WEFT_ERR_MISMATCH, "%s", fault);
    if (lab_hash_results(c, LAB_DEVICE) != first)
        return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                         "the second run gave other bits than the first");
    return WEFT_OK;
}

static enum weft_status time_interleaved(struct tune_trial *t,
                                         struct weft_command_list *list, int rounds,
                                         double *seconds, double *baseline)
{
    double times[2][MAX_ROUNDS];
    struct lab_timed_range lists[2] = {
        {t->baseline, 0, t->baseline->info.launches, t->repeats},
        {list, 0, list->info.launches, t->repeats}};
    int count, most = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    const struct lab_rounds plan = {
        .min = most, .max = most, .give_up_ratio = give_up_ratio};
    WEFT_TRY(lab_time_interleaved(lab_time_range, (void *[]){&lists[0], &lists[1]}, &plan,
                                  (double *[]){times[0], times[1]}, &count));
    *baseline = lab_median(times[0], count);
    *seconds = lab_median(times[1], count);
    return WEFT_OK;
}

enum weft_status tune_trial_run(struct tune_trial *t, const char *config, int rounds,
                                double *seconds, double *baseline)
{
    struct weft_command_list *list = NULL;
    const struct weft_command_list_params params = {.config = config};
    WEFT_TRY(lab_call_record(&t->call, LAB_DEVICE, &params, &list));
    enum weft_status status = verify(t, list);
    if (!status)
        status = time_interleaved(t, list, rounds, seconds, baseline);
    t->device->backend->list_destroy(list);
    return status;
}

/* Verifies the default config, and finds the number of replays of one timing. */
static enum weft_status begin_baseline(struct tune_trial *t, const char *problem)
{
    struct weft_kernel_config configs[WEFT_MAX_CONFIGS];
    double seconds;
    if (!t->device->backend->tuner->configs(t->device, problem, NULL, configs))
        return weft_fail(t->device->context, WEFT_ERR_BUILD,
                         "no algorithm is applicable");
    const struct weft_command_list_params params = {.config = configs[0].text};
    WEFT_TRY(lab_call_record(&t->call, LAB_DEVICE, &params, &t->baseline));
    WEFT_TRY(verify(t, t->baseline));
    struct lab_timed_range timed = {t->baseline, 0, t->baseline->info.launches, 1};
    WEFT_TRY(lab_time_range(&timed, &seconds));
    while (seconds * timed.replays < least_seconds && timed.replays < MAX_REPEATS) {
        timed.replays *= 2;
        WEFT_TRY(lab_time_range(&timed, &seconds));
    }
    t->repeats = timed.replays;
    return WEFT_OK;
}

enum weft_status tune_trial_create(struct weft_device *device, const char *problem,
                                   struct tune_trial **out)
{
    struct weft_problem typed;
    if (!weft_problem_parse(problem, &typed) || typed.family != device->family)
        return weft_fail(device->context, WEFT_ERR_ARG,
                         "tuning: \"%s\" is no problem of this device", problem);
    struct tune_trial *t = calloc(1, sizeof(*t));
    if (!t)
        return weft_out_of_memory(device->context, "tuning", sizeof(*t));
    t->device = device;
    struct weft_device *const devices[LAB_SIDE_COUNT] = {device};
    enum weft_status status = lab_call_init(&t->call, &typed.call, devices);
    if (!status) {
        lab_call_fill(&t->call);
        status = begin_baseline(t, problem);
    }
    if (status)
        tune_trial_destroy(&t);
    else
        *out = t;
    return status;
}

void tune_trial_destroy(struct tune_trial **trial)
{
    struct tune_trial *t = *trial;
    if (!t)
        return;
    if (t->baseline)
        t->device->backend->list_destroy(t->baseline);
    lab_call_finish(&t->call);
    free(t);
    *trial = NULL;
}
