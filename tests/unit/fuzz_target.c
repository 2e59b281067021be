/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points of libFuzzer: every reader of a target, or with --reader=NAME that
 * one. */
#include <string.h>

#include "unit/fuzz.h"

int fuzz_accepted, fuzz_missing;

static const char *only;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char flag[] = "--reader=";
    for (int i = 1; i < *argc; i++)
        if (!strncmp((*argv)[i], flag, sizeof(flag) - 1))
            only = (*argv)[i] + sizeof(flag) - 1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    /* A copy of exactly this size, so that reading past it is seen. */
    uint8_t *copy = malloc(size ? size : 1);
    MUST(copy);
    if (size)
        memcpy(copy, bytes, size);
    for (const struct fuzz_reader *r = fuzz_readers; r->name; r++)
        if (!only || !strcmp(only, r->name))
            r->read(copy, size);
    free(copy);
    return 0;
}
