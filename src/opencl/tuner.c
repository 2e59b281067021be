/* SPDX-License-Identifier: Apache-2.0 */
/* What the OpenCL backend offers to tuning: the choices there are, and what ships with
 * weft. */
#include "algorithm.h"
#include "curated.h"
#include "trial.h"

#include <string.h>

static const char *curated(const struct weft_device *device)
{
    return ocl_curated_of((const struct ocl_device *)device);
}

/* Appends a choice unless there is no more room or it is there already. */
static int append(struct ocl_device *device, const struct ocl_problem *problem,
                  const struct ocl_choice *choice, struct weft_choice *out, int count)
{
    struct weft_choice one;
    if (count == WEFT_MOST_CHOICES)
        return count;
    ocl_choice_text(choice, one.text);
    for (int i = 0; i < count; i++)
        if (!strcmp(out[i].text, one.text))
            return count;
    one.stamp = ocl_choice_stamp(device, problem->slot, &problem->args, choice);
    if (one.stamp)
        out[count++] = one;
    return count;
}

/* The values on both sides of the present one. */
static int neighbours(struct ocl_device *device, const struct ocl_problem *problem,
                      const struct ocl_choice *from, struct weft_choice *out)
{
    int count = 0;
    const struct ocl_algorithm *algorithm = from->algorithm;
    for (int i = 0; algorithm->tunables[i].name; i++) {
        const struct ocl_tunable *tunable = &algorithm->tunables[i];
        int now = from->values[i], below = -1, above = -1;
        for (int k = 0; k < tunable->count; k++) {
            if (tunable->values[k] < now)
                below = tunable->values[k];
            if (tunable->values[k] > now && above < 0)
                above = tunable->values[k];
        }
        const int beside[] = {above, below};
        for (size_t k = 0; k < WEFT_COUNT(beside); k++) {
            struct ocl_choice choice = *from;
            choice.values[i] = beside[k];
            if (beside[k] >= 0 &&
                algorithm->allows(device, &problem->args, choice.values))
                count = append(device, problem, &choice, out, count);
        }
    }
    return count;
}

static int choices(struct weft_device *base, const char *text, const char *near,
                   struct weft_choice out[WEFT_MOST_CHOICES])
{
    struct ocl_device *device = (struct ocl_device *)base;
    struct ocl_problem problem;
    struct ocl_choice choice;
    if (!ocl_trial_problem(device, text, &problem))
        return 0;
    if (near)
        return ocl_choice_read(device, problem.slot, &problem.args, near, &choice)
                   ? neighbours(device, &problem, &choice, out)
                   : 0;
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int many = ocl_algorithms(device, problem.slot, all), count = 0;
    choice = ocl_choose_default(device, problem.slot, &problem.args);
    if (!choice.algorithm)
        return 0;
    count = append(device, &problem, &choice, out, count);
    for (int i = 0; i < many; i++) {
        choice = (struct ocl_choice){.algorithm = all[i]};
        if (all[i]->fit(device, &problem.args, choice.values))
            count = append(device, &problem, &choice, out, count);
    }
    return count;
}

static uint64_t stamp(struct weft_device *base, const char *text, const char *choice_text)
{
    struct ocl_device *device = (struct ocl_device *)base;
    struct ocl_problem problem;
    struct ocl_choice choice;
    return ocl_trial_problem(device, text, &problem) &&
                   ocl_choice_read(device, problem.slot, &problem.args, choice_text,
                                   &choice)
               ? ocl_choice_stamp(device, problem.slot, &problem.args, &choice)
               : 0;
}

const struct weft_tuner ocl_tuner = {
    .curated = curated,
    .choices = choices,
    .stamp = stamp,
    .trial_create = ocl_trial_create,
    .trial_destroy = ocl_trial_destroy,
    .trial_run = ocl_trial_run,
};
