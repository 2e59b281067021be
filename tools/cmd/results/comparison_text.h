/* SPDX-License-Identifier: Apache-2.0 */
/* Runs against each other, in words. */
#ifndef WEFT_CMD_RESULTS_COMPARISON_TEXT_H
#define WEFT_CMD_RESULTS_COMPARISON_TEXT_H

#include "results/results.h"
#include "core/statistics.h"

enum { COMPARISON_SENTENCE_BYTES = 1200 };

/* How many times faster `to` is in what both rows measured. */
struct statistics_ratio comparison_speedup(const json_t *from, const json_t *to);

/* "4.5 +- 0.1", the ratio with its error in as many digits as that allows. */
void comparison_format_ratio(const struct statistics_ratio *ratio, char out[64]);

/* "A trained seed (batch 128) 4.5 +- 0.1 times faster than B", for training or else
 * inference. False: the two have nothing in common. */
bool comparison_sentence(const struct results *results, int a, int b,
                         char out[COMPARISON_SENTENCE_BYTES]);

/* On stdout, a sentence for the fastest run against each of the others. */
void comparison_print(const struct results *results);

/* The run that trains, or else infers, fastest; -1: none does. */
int comparison_fastest_run(const struct results *results);

#endif
