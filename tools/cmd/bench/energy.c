/* SPDX-License-Identifier: Apache-2.0 */
/* Energy counters below /sys, in microjoules. */
#define _GNU_SOURCE
#include "bench/energy.h"

#include "core/paths.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RAPL zones of whole packages (no second colon in the name), and GPUs. */
static const struct {
    const char *pattern, *range; /* file with the maximum count; NULL: 64 bits */
} counters[] = {
    {"/sys/class/powercap/intel-rapl:[0-9]/energy_uj", "max_energy_range_uj"},
    {"/sys/class/drm/card[0-9]/device/hwmon/hwmon*/energy1_input", NULL},
};

/* NaN if unreadable. */
static double number_in(const char *path)
{
    size_t size;
    char *text = paths_read_file(path, 64, &size, NULL), *end = text;
    double value = text ? strtod(text, &end) : NAN;
    bool none = end == text;
    free(text);
    return none ? NAN : value;
}

static void add(struct energy_counters *e, const char *path, const char *range)
{
    char beside[PATHS_MAX];
    double now = number_in(path);
    if (!isfinite(now) || e->count == ENERGY_MAX_COUNTERS)
        return;
    e->range[e->count] = 0x1p64 * 1e-6;
    if (range) {
        snprintf(beside, sizeof(beside), "%.*s%s", (int)(paths_basename(path) - path),
                 path, range);
        double most = number_in(beside);
        if (most > 0)
            e->range[e->count] = 1e-6 * most;
    }
    e->joules[e->count++] = 1e-6 * now;
}

void energy_read(const char *root, struct energy_counters *out)
{
    *out = (struct energy_counters){0};
    for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
        char pattern[PATHS_MAX];
        glob_t found = {0};
        snprintf(pattern, sizeof(pattern), "%s%s", root, counters[i].pattern);
        if (!glob(pattern, 0, NULL, &found))
            for (size_t k = 0; k < found.gl_pathc; k++)
                add(out, found.gl_pathv[k], counters[i].range);
        globfree(&found);
    }
}

double energy_joules_between(const struct energy_counters *a,
                             const struct energy_counters *b)
{
    double sum = 0;
    if (!a->count || a->count != b->count)
        return NAN;
    for (int i = 0; i < a->count; i++) {
        double used = b->joules[i] - a->joules[i];
        sum += used < 0 ? used + a->range[i] : used;
    }
    return sum;
}
