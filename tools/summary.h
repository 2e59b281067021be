/* SPDX-License-Identifier: Apache-2.0 */
/* Runs against each other, in words. */
#ifndef WEFT_TOOLS_SUMMARY_H
#define WEFT_TOOLS_SUMMARY_H

#include "results.h"
#include "statistics.h"

enum { SUMMARY_SENTENCE = 1200 };

/* How many times faster `to` is in what both rows measured. */
struct statistics_ratio summary_faster(const json_t *from, const json_t *to);

/* "4.5 +- 0.1", the ratio with its error in as many digits as that allows. */
void summary_ratio(const struct statistics_ratio *ratio, char out[64]);

/* "A trained seed (batch 128) 4.5 +- 0.1 times faster than B", for training or else
 * inference. False: the two have nothing in common. */
bool summary_sentence(const struct results *results, int a, int b,
                      char out[SUMMARY_SENTENCE]);

/* On stdout, a sentence for the fastest run against each of the others. */
void summary_tell(const struct results *results);

/* The run that trains, or else infers, fastest; -1: none does. */
int summary_fastest(const struct results *results);

#endif
