/* SPDX-License-Identifier: Apache-2.0 */
/* Energy, where the system counts it: the packages of processors (RAPL, by
 * /sys/class/powercap) and GPUs that count (hwmon's energy1_input). */
#ifndef WEFT_CMD_BENCH_ENERGY_H
#define WEFT_CMD_BENCH_ENERGY_H

enum { ENERGY_MAX_COUNTERS = 16 };

/* What the counters said at a moment. */
struct energy_counters {
    int count; /* of counters that could be read */
    double joules[ENERGY_MAX_COUNTERS], range[ENERGY_MAX_COUNTERS];
};

/* Below `root`, "" for the system's own. None may be readable: most systems let root
 * alone. */
void energy_read(const char *root, struct energy_counters *out);

/* Joules of the whole machine from `a` to `b`, NaN where nothing counts. A counter that
 * is at its end begins anew; it must not do so twice. */
double energy_joules_between(const struct energy_counters *a,
                             const struct energy_counters *b);

#endif
