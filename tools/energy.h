/* SPDX-License-Identifier: Apache-2.0 */
/* Energy, where the system counts it: the packages of processors (RAPL, by
 * /sys/class/powercap) and GPUs that count (hwmon's energy1_input). */
#ifndef WEFT_TOOLS_ENERGY_H
#define WEFT_TOOLS_ENERGY_H

enum { ENERGY_MOST = 16 };

/* What the counters said at a moment. */
struct energy {
    int count; /* of counters that could be read */
    double joules[ENERGY_MOST], range[ENERGY_MOST];
};

/* Below `root`, "" for the system's own. None may be readable: most systems let root
 * alone. */
void energy_read(const char *root, struct energy *out);

/* Joules of the whole machine from `a` to `b`, NaN where nothing counts. A counter that
 * is at its end begins anew; it must not do so twice. */
double energy_between(const struct energy *a, const struct energy *b);

#endif
