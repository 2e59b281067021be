/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz targets: fuzz_data.c, fuzz_models.c and fuzz_files.c, each with a table of readers
 * and its valid files. fuzz_target.c calls the readers, fuzz_replay.c is the main() of
 * the ordinary tests; fuzz.sh links libFuzzer instead. */
#ifndef WEFT_TESTS_UNIT_FUZZ_H
#define WEFT_TESTS_UNIT_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct fuzz_reader {
    const char *name; /* NULL ends the table */
    /* Reads `size` bytes, which may be any. Nothing is behind them. */
    void (*read)(const uint8_t *bytes, size_t size);
    bool decoder; /* mostly code of a library for images */
};
extern const struct fuzz_reader fuzz_readers[];

/* Readings that succeeded so far, and those that this build has no library for. */
extern int fuzz_accepted, fuzz_missing;

/* Calls fuzz_replay for each valid file of each reader. */
void fuzz_seeds(void);
/* `sealed`: no damaged form of the file may be accepted. */
void fuzz_replay(const char *reader, const char *name, bool sealed, const uint8_t *bytes,
                 size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

#endif
