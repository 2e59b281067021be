/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel configs as text, and their fingerprints. */
#include "opencl/select/config.h"

#include "opencl/runtime/enumerate.h"
#include "opencl/runtime/program.h"
#include "util/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of other revisions are hints only. To be raised when texts, measurements or proofs
 * change their meaning. */
#define TUNER_REVISION "3"

void ocl_config_format(const struct ocl_kernel_config *config, char out[OCL_CONFIG_TEXT])
{
    const struct ocl_tunable *tunable = config->algorithm->tunables;
    size_t used = (size_t)snprintf(out, OCL_CONFIG_TEXT, "%s", config->algorithm->name);
    for (int i = 0; tunable[i].name && used < OCL_CONFIG_TEXT; i++)
        used += (size_t)snprintf(out + used, OCL_CONFIG_TEXT - used, " %s=%d",
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

bool ocl_config_parse(const struct ocl_device *device, const struct weft_problem *problem,
                      const char *text, struct ocl_kernel_config *out)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_list_algorithms(device, problem->call.primitive, all);
    size_t length = strcspn(text, " ");
    for (int i = 0; i < count; i++) {
        *out = (struct ocl_kernel_config){.algorithm = all[i]};
        if (strlen(all[i]->name) != length || strncmp(text, all[i]->name, length) ||
            !all[i]->applicability(device, problem, out->values))
            continue;
        return read_values(all[i], text + length, out->values) &&
               all[i]->validate_config(device, problem, out->values);
    }
    return false;
}

uint64_t ocl_device_fingerprint(const struct ocl_device *d)
{
    char text[32];
    uint64_t hash = weft_hash_add(0, TUNER_REVISION);
    for (int i = 0; i < OCL_IDENTITY_TEXTS; i++)
        if (i != OCL_DEVICE_VENDOR)
            hash = weft_hash_add(hash, d->identity.texts[i]);
    snprintf(text, sizeof(text), "%u units", d->compute_units);
    return weft_hash_add(hash, text);
}

uint64_t ocl_config_fingerprint(const struct ocl_device *device,
                                const struct ocl_kernel_config *config)
{
    uint64_t hash = device->fingerprint;
    for (const char *const *name = config->algorithm->sources; *name; name++)
        hash = weft_hash_add(hash ^ ocl_source_hash(*name), *name);
    return hash;
}
