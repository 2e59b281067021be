/* SPDX-License-Identifier: Apache-2.0 */
/* Affinity, and the quotas of control groups, versions 1 and 2 (Linux: cgroups(7),
 * Documentation/admin-guide/cgroup-v2.rst, "cpu.max"). */
#define _GNU_SOURCE
#include "os/processors.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MAX_PROCESSORS = 1 << 16 };

static int affinity_count(void)
{
    int count = 0;
    /* The kernel's mask may be longer than cpu_set_t. */
    for (int size = 1024; !count && size <= MAX_PROCESSORS; size *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)size);
        if (set && !sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)size), set))
            count = CPU_COUNT_S(CPU_ALLOC_SIZE((size_t)size), set);
        CPU_FREE(set);
    }
    return count;
}

/* The two numbers of "quota period" or of two files; false: no quota. */
static bool read_quota(const char *folder, double *processors)
{
    char path[PATH_BYTES + 32];
    double quota = 0, period = 0;
    static const char *const files[][2] = {{"cpu.max", NULL},
                                           {"cpu.cfs_quota_us", "cpu.cfs_period_us"}};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i][0]);
        FILE *file = fopen(path, "re");
        int found = file ? fscanf(file, "%lf %lf", &quota, &period) : 0;
        if (file)
            fclose(file);
        if (found == 1 && files[i][1]) {
            snprintf(path, sizeof(path), "%s/%s", folder, files[i][1]);
            file = fopen(path, "re");
            found += file ? fscanf(file, "%lf", &period) == 1 : 0;
            if (file)
                fclose(file);
        }
        if (found == 2 && quota > 0 && period > 0) {
            *processors = quota / period;
            return true;
        }
    }
    return false;
}

/* The smallest quota of a group and those that contain it: every folder from
 * `mount`/`group` up to `mount`. */
static double smallest_quota(const char *mount, const char *group, double least)
{
    char folder[PATH_BYTES];
    size_t root = strlen(mount);
    if (snprintf(folder, sizeof(folder), "%s%s", mount, group) >= (int)sizeof(folder))
        return least;
    for (;;) {
        double quota;
        if (read_quota(folder, &quota) && quota < least)
            least = quota;
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
static double group_quota(const char *root)
{
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
        if (length && !has_word(list + 1, length, "cpu"))
            continue;
        static const char *const mounts[] = {"", "/unified", "/cpu", "/cpu,cpuacct"};
        for (size_t i = length ? 2 : 0; i < (length ? 4u : 2u); i++) {
            snprintf(mount, sizeof(mount), "%.2000s/sys/fs/cgroup%s", root, mounts[i]);
            least = smallest_quota(mount, group + 1, least);
        }
    }
    if (file)
        fclose(file);
    return least;
}

int weft_processor_count(const char *root)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double count = online > 0 ? (double)online : 1, quota = ceil(group_quota(root));
    int allowed = affinity_count();
    count = allowed > 0 && allowed < count ? allowed : count;
    count = quota < count ? quota : count;
    return count >= 1 ? (int)count : 1;
}
