/* SPDX-License-Identifier: Apache-2.0 */
/* Choices as text, and what the device's tuning says. */
#include "algorithm.h"
#include "runtime.h"

#include "../util/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of older tuners than this are hints. To be raised when what a trial measures or
 * proves changes. */
#define TUNER_REVISION "1"

/* How far from a measured batch its winner is still taken. */
enum { MOST_BATCH_RATIO = 4 };

void ocl_choice_text(const struct ocl_choice *choice, char out[OCL_PROBLEM_BYTES])
{
    const struct ocl_tunable *tunable = choice->algorithm->tunables;
    size_t used = (size_t)snprintf(out, OCL_PROBLEM_BYTES, "%s", choice->algorithm->name);
    for (int i = 0; tunable[i].name && used < OCL_PROBLEM_BYTES; i++)
        used += (size_t)snprintf(out + used, OCL_PROBLEM_BYTES - used, " %s=%d",
                                 tunable[i].name, choice->values[i]);
}

/* The words after the algorithm's name. */
static bool read_values(const struct ocl_algorithm *algorithm, const char *text,
                        int *values)
{
    while (*text) {
        int i = 0;
        size_t length = strcspn(++text, "= ");
        for (; algorithm->tunables[i].name; i++)
            if (strlen(algorithm->tunables[i].name) == length &&
                !strncmp(text, algorithm->tunables[i].name, length))
                break;
        char *end;
        if (!algorithm->tunables[i].name || text[length] != '=')
            return false;
        text += length + 1;
        long value = strtol(text, &end, 10);
        if (end == text || (*end && *end != ' ') || value < 0 || value > 1 << 24)
            return false;
        values[i] = (int)value;
        text = end;
    }
    return true;
}

bool ocl_choice_read(const struct ocl_device *device, enum ocl_slot slot,
                     const struct weft_conv_args *args, const char *text,
                     struct ocl_choice *out)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_algorithms(device, slot, all);
    size_t length = strcspn(text, " ");
    for (int i = 0; i < count; i++) {
        *out = (struct ocl_choice){.algorithm = all[i]};
        if (strlen(all[i]->name) != length || strncmp(text, all[i]->name, length) ||
            !all[i]->fit(device, args, out->values))
            continue;
        return read_values(all[i], text + length, out->values) &&
               all[i]->allows(device, args, out->values);
    }
    return false;
}

static uint64_t device_hash(const struct ocl_device *d)
{
    static const cl_device_info texts[] = {CL_DEVICE_NAME, CL_DRIVER_VERSION,
                                           CL_DEVICE_VERSION};
    cl_platform_id platform = NULL;
    char text[512];
    uint64_t hash = weft_hash_add(0, TUNER_REVISION);
    clGetDeviceInfo(d->id, CL_DEVICE_PLATFORM, sizeof(platform), &platform, NULL);
    ocl_platform_text(platform, CL_PLATFORM_NAME, text, sizeof(text));
    hash = weft_hash_add(hash, text);
    ocl_platform_text(platform, CL_PLATFORM_VERSION, text, sizeof(text));
    hash = weft_hash_add(hash, text);
    for (size_t i = 0; i < WEFT_COUNT(texts); i++) {
        ocl_device_text(d->id, texts[i], text, sizeof(text));
        hash = weft_hash_add(hash, text);
    }
    snprintf(text, sizeof(text), "%u units", d->units);
    return weft_hash_add(hash, text);
}

uint64_t ocl_choice_stamp(struct ocl_device *device, enum ocl_slot slot,
                          const struct weft_conv_args *args,
                          const struct ocl_choice *choice)
{
    struct weft_list *list;
    uint64_t stamp = 0;
    (void)slot;
    if (ocl_list_create(&device->base, &list))
        return 0;
    ocl_list_dry(list);
    ocl_begin(list);
    if (!choice->algorithm->record(list, args, choice->values))
        stamp = device_hash(device) ^ ocl_list_sources(list);
    ocl_list_destroy(list);
    return stamp;
}

/* How far the batches of two texts lie apart, as a ratio of 1 or more, if they say the
 * same otherwise; 0: they do not. */
static double batch_ratio(const char *a, const char *b)
{
    const char *n = strstr(a, " n="), *m = strstr(b, " n=");
    if (!n || !m || n - a != m - b || strncmp(a, b, (size_t)(n - a)))
        return 0;
    char *after_n, *after_m;
    double x = (double)strtol(n + 3, &after_n, 10),
           y = (double)strtol(m + 3, &after_m, 10);
    if (strcmp(after_n, after_m) || x < 1 || y < 1)
        return 0;
    return x > y ? x / y : y / x;
}

/* Whether the row's choice can be used now, for this problem. */
static bool usable(const struct ocl_device *device, enum ocl_slot slot,
                   const struct weft_conv_args *args, const struct weft_row *row,
                   struct ocl_choice *out)
{
    const struct weft_tuning *tuning = device->base.tuning;
    char problem[OCL_PROBLEM_BYTES];
    if (!ocl_choice_read(device, slot, args, row->choice, out))
        return false;
    uint64_t stamp = ocl_choice_stamp((struct ocl_device *)device, slot, args, out);
    ocl_problem_text(device, slot, args, problem);
    return stamp && (row->state == WEFT_ROW_CURATED || row->stamp == stamp) &&
           !weft_tuning_denies(tuning, problem, row->choice, stamp);
}

bool ocl_choose_tuned(const struct ocl_device *device, enum ocl_slot slot,
                      const struct weft_conv_args *args, struct ocl_choice *out)
{
    const struct weft_tuning *tuning = device->base.tuning;
    char problem[OCL_PROBLEM_BYTES];
    double nearest = 0;
    bool found = false;
    if (!tuning || device->base.gemm != WEFT_GEMM_OWN)
        return false;
    ocl_problem_text(device, slot, args, problem);
    /* Measured rows stand behind the shipped ones, and win over them at any distance. */
    for (int pass = 0; pass < 2 && !found; pass++) {
        int from = pass ? 0 : tuning->curated,
            to = pass ? tuning->curated : tuning->count;
        for (int i = from; i < to; i++) {
            const struct weft_row *row = &tuning->rows[i];
            struct ocl_choice choice;
            double ratio = weft_row_denied(row) ? 0 : batch_ratio(problem, row->problem);
            if (ratio < 1 || ratio > MOST_BATCH_RATIO || (found && ratio >= nearest) ||
                !usable(device, slot, args, row, &choice))
                continue;
            found = true;
            nearest = ratio;
            *out = choice;
        }
    }
    return found;
}
