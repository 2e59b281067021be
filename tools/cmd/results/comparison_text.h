/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons of runs as text. */
#ifndef WEFT_CMD_RESULTS_COMPARISON_TEXT_H
#define WEFT_CMD_RESULTS_COMPARISON_TEXT_H

#include "results/results.h"
#include "core/statistics.h"
#include "core/table.h"

enum { COMPARISON_SENTENCE_BYTES = 1200 };

/* Speedup of row `to` over row `from`. */
struct statistics_ratio comparison_speedup(const json_t *from, const json_t *to);

/* "4.5 [4.3 - 4.7]": the ratio and its interval, rounded to the digits of its error. */
void comparison_format_ratio(const struct statistics_ratio *ratio, char out[64]);

/* The speed of run `a` relative to `b` in training, else in inference, at the batch at
 * which `a` is fastest. False: no common workload. */
struct comparison_pair {
    const json_t *row; /* of `a` */
    const char *verb;  /* "trained" */
    struct statistics_ratio ratio;
    bool significant, same_build; /* comparison_same_build */
};
bool comparison_of(const struct results *results, int a, int b,
                   struct comparison_pair *out);

/* The same: "A trained small (batch 128) 4.5 [4.3 - 4.7] times faster than B." */
bool comparison_sentence(const struct results *results, int a, int b,
                         char out[COMPARISON_SENTENCE_BYTES]);

/* True if both runs are of one device, driver, commit and tuning: what differs between
 * them is noise. */
bool comparison_same_build(const json_t *a, const json_t *b);

/* The sentence that belongs to every comparison. */
#define COMPARISON_NOISE                                                                \
    "Intervals are those of the samples within each run, of 95 %. Other load on the "   \
    "machine, clocks and temperature differ between runs, which no interval includes: " \
    "repeat a measurement before relying on a small difference."

/* Prints the fastest run against each other run on stdout. */
void comparison_print(const struct results *results, enum table_format format);

/* The run with the fastest training, else inference; -1: none. */
int comparison_fastest_run(const struct results *results);

#endif
