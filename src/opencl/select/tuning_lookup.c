/* SPDX-License-Identifier: Apache-2.0 */
/* Choices as text, and what the device's tuning says. */
#include "opencl/select/algorithm.h"
#include "opencl/runtime/runtime.h"

#include "util/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of older tuners than this are hints. To be raised when what a trial measures or
 * proves changes. */
#define TUNER_REVISION "2"

/* How far from a measured batch its winner is still taken. */
enum { MAX_BATCH_RATIO = 4 };

void ocl_config_format(const struct ocl_kernel_config *config,
                       char out[OCL_PROBLEM_KEY_BYTES])
{
    const struct ocl_tunable *tunable = config->algorithm->tunables;
    size_t used =
        (size_t)snprintf(out, OCL_PROBLEM_KEY_BYTES, "%s", config->algorithm->name);
    for (int i = 0; tunable[i].name && used < OCL_PROBLEM_KEY_BYTES; i++)
        used += (size_t)snprintf(out + used, OCL_PROBLEM_KEY_BYTES - used, " %s=%d",
                                 tunable[i].name, config->values[i]);
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

bool ocl_config_parse(const struct ocl_device *device, enum ocl_conv_pass pass,
                      const struct weft_conv_args *args, const char *text,
                      struct ocl_kernel_config *out)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_list_algorithms(device, pass, all);
    size_t length = strcspn(text, " ");
    for (int i = 0; i < count; i++) {
        *out = (struct ocl_kernel_config){.algorithm = all[i]};
        if (strlen(all[i]->name) != length || strncmp(text, all[i]->name, length) ||
            !all[i]->applicability(device, args, out->values))
            continue;
        return read_values(all[i], text + length, out->values) &&
               all[i]->validate_config(device, args, out->values);
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
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(texts); i++) {
        ocl_device_text(d->id, texts[i], text, sizeof(text));
        hash = weft_hash_add(hash, text);
    }
    snprintf(text, sizeof(text), "%u units", d->compute_units);
    return weft_hash_add(hash, text);
}

uint64_t ocl_config_fingerprint(struct ocl_device *device, enum ocl_conv_pass pass,
                                const struct weft_conv_args *args,
                                const struct ocl_kernel_config *config)
{
    struct weft_command_list *list;
    uint64_t fingerprint = 0;
    (void)pass;
    if (ocl_list_create(&device->base, NULL, &list))
        return 0;
    ocl_list_set_dry_run(list);
    ocl_begin_primitive(list);
    if (!config->algorithm->record(list, args, config->values))
        fingerprint = device_hash(device) ^ ocl_list_source_hash(list);
    ocl_list_destroy(list);
    return fingerprint;
}

/* How far the batches of two texts lie apart, as a ratio of 1 or more, if they say the
 * same otherwise; 0: they do not. */
static double batch_size_ratio(const char *a, const char *b)
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

/* Whether the row's config can be used now, for this problem. */
static bool is_usable(const struct ocl_device *device, enum ocl_conv_pass pass,
                      const struct weft_conv_args *args,
                      const struct weft_tuning_entry *row, struct ocl_kernel_config *out)
{
    const struct weft_tuning *tuning = device->base.tuning;
    char problem[OCL_PROBLEM_KEY_BYTES];
    if (!ocl_config_parse(device, pass, args, row->config, out))
        return false;
    uint64_t fingerprint =
        ocl_config_fingerprint((struct ocl_device *)device, pass, args, out);
    ocl_problem_key_format(device, pass, args, problem);
    return fingerprint &&
           (row->state == WEFT_TUNING_BUNDLED || row->fingerprint == fingerprint) &&
           !weft_tuning_rejects(tuning, problem, row->config, fingerprint);
}

bool ocl_select_tuned_config(const struct ocl_device *device, enum ocl_conv_pass pass,
                             const struct weft_conv_args *args,
                             struct ocl_kernel_config *out)
{
    const struct weft_tuning *tuning = device->base.tuning;
    char problem[OCL_PROBLEM_KEY_BYTES];
    double nearest = 0;
    bool found = false;
    if (!tuning || device->base.gemm != WEFT_GEMM_NATIVE)
        return false;
    ocl_problem_key_format(device, pass, args, problem);
    /* Measured rows stand behind the shipped ones, and win over them at any distance. */
    for (int tier = 0; tier < 2 && !found; tier++) {
        int from = tier ? 0 : tuning->bundled,
            to = tier ? tuning->bundled : tuning->count;
        for (int i = from; i < to; i++) {
            const struct weft_tuning_entry *row = &tuning->rows[i];
            struct ocl_kernel_config config;
            double ratio = weft_tuning_entry_rejected(row)
                               ? 0
                               : batch_size_ratio(problem, row->problem);
            if (ratio < 1 || ratio > MAX_BATCH_RATIO || (found && ratio >= nearest) ||
                !is_usable(device, pass, args, row, &config))
                continue;
            found = true;
            nearest = ratio;
            *out = config;
        }
    }
    return found;
}
