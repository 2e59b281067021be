/* SPDX-License-Identifier: Apache-2.0 */
/* Energy counters of processor packages (RAPL, /sys/class/powercap) and GPUs (hwmon's
 * energy1_input). */
#ifndef WEFT_CMD_BENCH_ENERGY_H
#define WEFT_CMD_BENCH_ENERGY_H

enum { ENERGY_MAX_COUNTERS = 16 };

/* Counter values at one time. */
struct energy_counters {
    int count; /* of readable counters */
    double joules[ENERGY_MAX_COUNTERS], range[ENERGY_MAX_COUNTERS];
};

/* Reads the counters below `root`, "" for the system's. Most systems allow only root to
 * read them. */
void energy_read(const char *root, struct energy_counters *out);

/* Joules of the whole machine from `a` to `b`, NaN without counters. Handles one
 * wrap-around of a counter. */
double energy_joules_between(const struct energy_counters *a,
                             const struct energy_counters *b);

#endif
