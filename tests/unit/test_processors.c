/* SPDX-License-Identifier: Apache-2.0 */
/* Processors that a process may use: affinity and quotas of control groups. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/memory.h"
#include "os/processors.h"
#include "unit/test.h"

static char root[] = "/tmp/weft-test-XXXXXX";

/* Writes a file below the root, and its folders. */
static void write_text(const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof(whole), "%s/%s", root, path);
    for (char *s = whole + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
        *s = 0;
        mkdir(whole, 0700);
    }
    FILE *file = fopen(whole, "w");
    REQUIRE(file);
    fputs(text, file);
    fclose(file);
}

static void clear(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s/*", root);
    CHECK_INT(system(command), 0);
}

int main(void)
{
    int all = (int)sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t before, one;
    REQUIRE(mkdtemp(root));
    REQUIRE(!sched_getaffinity(0, sizeof(before), &before));
    int allowed = CPU_COUNT(&before) < all ? CPU_COUNT(&before) : all;
    CHECK_INT(weft_processor_count(root), allowed);

    /* Version 2: of the group itself, of one above it, in a container. */
    write_text("proc/self/cgroup", "0::/a/b\n");
    write_text("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    CHECK_INT(weft_processor_count(root), allowed);
    write_text("sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    CHECK_INT(weft_processor_count(root), 1);
    write_text("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
    CHECK_INT(weft_processor_count(root), allowed < 2 ? allowed : 2);
    write_text("sys/fs/cgroup/a/cpu.max", "100000 100000\n");
    CHECK_INT(weft_processor_count(root), 1);
    clear();
    write_text("proc/self/cgroup", "0::/\n");
    write_text("sys/fs/cgroup/cpu.max", "10000 100000\n");
    CHECK_INT(weft_processor_count(root), 1);
    clear();

    /* Version 1: -1 is no quota; other controllers have none. */
    write_text("proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/docker/1\n0::/\n");
    write_text("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "-1\n");
    write_text("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
    CHECK_INT(weft_processor_count(root), allowed);
    write_text("sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "100000\n");
    CHECK_INT(weft_processor_count(root), 1);
    clear();

    /* Memory, of both versions; one that is larger than the machine's is none. */
    uint64_t memory = weft_memory_bytes(root);
    CHECK(memory > 1 << 20);
    write_text("proc/self/cgroup", "5:memory:/docker/1\n0::/a\n");
    write_text("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
               "9223372036854771712\n");
    CHECK(weft_memory_bytes(root) == memory);
    write_text("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "1048576\n");
    CHECK_INT(weft_memory_bytes(root), 1 << 20);
    write_text("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "-1\n");
    write_text("sys/fs/cgroup/a/memory.max", "max\n");
    CHECK(weft_memory_bytes(root) == memory);
    write_text("sys/fs/cgroup/a/memory.max", "524288\n");
    CHECK_INT(weft_memory_bytes(root), 1 << 19);
    clear();

    /* A damaged file is no quota. */
    write_text("proc/self/cgroup", "0::/\nx\n1:\n");
    write_text("sys/fs/cgroup/cpu.max", "nonsense");
    CHECK_INT(weft_processor_count(root), allowed);
    clear();

    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    REQUIRE(!sched_setaffinity(0, sizeof(one), &one));
    CHECK_INT(weft_processor_count(""), 1);
    rmdir(root);
    return test_end();
}
