/* SPDX-License-Identifier: Apache-2.0 */
/* Runs part of a command in a child process, one per device, so that a driver that
 * crashes or hangs loses only that part. The child is this program; it writes its results
 * to a file. */
#ifndef WEFT_CMD_CORE_SUBPROCESS_H
#define WEFT_CMD_CORE_SUBPROCESS_H

#include "core/app.h"
#include "core/paths.h"

enum { SUBPROCESS_LINE = 512 };

/* This program's path, and a temporary folder, removed at exit, with the file that
 * children write. */
struct subprocess_files {
    char self[PATHS_MAX], folder[PATHS_MAX], file[PATHS_MAX];
};
enum app_exit subprocess_files_create(const struct app *app,
                                      struct subprocess_files *files);

/* While signals are caught, Ctrl-C ends the running child and sets
 * subprocess_interrupted. */
void subprocess_signals_catch(void);
void subprocess_signals_restore(void);
bool subprocess_interrupted(void);

struct subprocess {
    const char *command; /* subcommand: its last "weft COMMAND: ..." line is the error */
    const char *output;  /* file for standard output; NULL: discarded */
    double limit;        /* seconds; the child is killed after a quarter more */
    char error[SUBPROCESS_LINE]; /* out: "" on success */
};

/* Runs a command line to completion, showing `activity` and the time as progress. */
void subprocess_run(struct subprocess *child, const char *const *words,
                    const char *activity);

#endif
