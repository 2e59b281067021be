/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by fuzz_files.c and its valid files. */
#ifndef WEFT_TESTS_UNIT_FUZZ_FILES_H
#define WEFT_TESTS_UNIT_FUZZ_FILES_H

#include "unit/fuzz.h"

#ifdef FUZZ_OPENCL
#include "opencl/runtime/program.h"

/* A cache of compiled kernels, and the path of the entry of its one key. */
extern const uint8_t fuzz_cache_key[OCL_KEY_BYTES];
extern char fuzz_cache_folder[];
const char *fuzz_cache_entry(void);
#endif

#endif
