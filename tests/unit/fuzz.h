/* SPDX-License-Identifier: Apache-2.0 */
/* Between the targets fuzz_data.c and fuzz_models.c, their seeds, and fuzz_replay.c. */
#ifndef WEFT_TESTS_UNIT_FUZZ_H
#define WEFT_TESTS_UNIT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Readings that succeeded so far, and those that this build has no library for. */
extern int fuzz_accepted, fuzz_missing;

/* Calls fuzz_replay for each valid file of the target. */
void fuzz_seeds(void);
void fuzz_replay(const char *name, const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
