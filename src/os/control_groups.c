/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of control groups (Linux: Documentation/admin-guide/cgroup-v2.rst, "cpu.max",
 * "memory.max"). */
#define _GNU_SOURCE
#include "os/control_groups.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* The files of versions 2 and 1. A limit is one number, or a quota and its period, in one
 * file or two. */
static const struct resource {
    const char *controller, *mounts[2]; /* of version 1 */
    struct limit_file {
        const char *name, *period;
    } files[2];
    int numbers;
} resources[] = {
    [WEFT_GROUP_PROCESSORS] = {"cpu",
                               {"/cpu", "/cpu,cpuacct"},
                               {{"cpu.max", NULL},
                                {"cpu.cfs_quota_us", "cpu.cfs_period_us"}},
                               2},
    [WEFT_GROUP_MEMORY] = {"memory",
                           {"/memory", "/memory"},
                           {{"memory.max", NULL}, {"memory.limit_in_bytes", NULL}},
                           1},
};

/* Reads up to two numbers. */
static int read_numbers(const char *folder, const char *name, double *first,
                        double *second)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    int found = file ? fscanf(file, "%lf %lf", first, second) : 0;
    if (file)
        fclose(file);
    return found;
}

/* The limit of a group; false: it has none. */
static bool read_limit(const struct resource *r, const char *folder, double *limit)
{
    for (int i = 0; i < 2; i++) {
        double quota = 0, period = 1, unused;
        int found = read_numbers(folder, r->files[i].name, &quota, &period);
        if (found == 1 && r->files[i].period)
            found += read_numbers(folder, r->files[i].period, &period, &unused) == 1;
        if (found == r->numbers && quota > 0 && period > 0) {
            *limit = quota / period;
            return true;
        }
    }
    return false;
}

/* The smallest limit of a group and those that contain it: every folder from
 * `mount`/`group` up to `mount`. */
static double smallest_limit(const struct resource *r, const char *mount,
                             const char *group, double least)
{
    char folder[PATH_BYTES];
    size_t root = strlen(mount);
    if (snprintf(folder, sizeof(folder), "%s%s", mount, group) >= (int)sizeof(folder))
        return least;
    for (;;) {
        double limit;
        if (read_limit(r, folder, &limit) && limit < least)
            least = limit;
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= root || !slash)
            return least;
        *slash = '\0';
    }
}

/* True if `word` is in the comma-separated list of `length` bytes. */
static bool has_word(const char *list, size_t length, const char *word)
{
    for (const char *end = list + length; list < end;) {
        size_t n = strcspn(list, ",:");
        if (n == strlen(word) && !strncmp(list, word, n))
            return true;
        list += n + 1;
    }
    return false;
}

/* Lines of /proc/self/cgroup: "0::/group", or "4:cpu,cpuacct:/group" of version 1. In a
 * container the group may be that of the host, while its files are at the mount. */
double weft_group_limit(const char *root, enum weft_group_resource resource)
{
    const struct resource *r = &resources[resource];
    double least = INFINITY;
    char path[PATH_BYTES], line[PATH_BYTES], mount[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;
        if (!group)
            continue;
        size_t length = (size_t)(group - list - 1);
        if (length && !has_word(list + 1, length, r->controller))
            continue;
        static const char *const unified[] = {"", "/unified"};
        for (int i = 0; i < 2; i++) {
            snprintf(mount, sizeof(mount), "%.2000s/sys/fs/cgroup%s", root,
                     length ? r->mounts[i] : unified[i]);
            least = smallest_limit(r, mount, group + 1, least);
        }
    }
    if (file)
        fclose(file);
    return least;
}
