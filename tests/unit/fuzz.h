/* SPDX-License-Identifier: Apache-2.0 */
/* Between fuzz_data.c and what drives it. */
#ifndef WEFT_TESTS_UNIT_FUZZ_H
#define WEFT_TESTS_UNIT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Readings that succeeded so far, and those that this build has no library for. */
extern int fuzz_accepted, fuzz_missing;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
