/* SPDX-License-Identifier: Apache-2.0 */
/* Part of a command's work in a process of its own, one for each device: a driver that
 * crashes or hangs costs that part. The process is this program again, and leaves what it
 * found in a file. */
#ifndef WEFT_CMD_CORE_SUBPROCESS_H
#define WEFT_CMD_CORE_SUBPROCESS_H

#include "core/app.h"
#include "core/paths.h"

enum { SUBPROCESS_LINE = 512 };

/* Where this program lies, and a folder with the file that its children write. */
struct subprocess_files {
    char self[PATHS_MAX], folder[PATHS_MAX], file[PATHS_MAX];
};
enum app_exit subprocess_files_create(const struct app *app,
                                      struct subprocess_files *place);
void subprocess_files_remove(const struct subprocess_files *place);

/* While signals are caught, Ctrl-C ends the child that is waited for, and is remembered.
 */
void subprocess_signals_catch(void);
void subprocess_signals_restore(void);
bool subprocess_interrupted(void);

struct subprocess {
    const char *command; /* of weft: what it says as "weft COMMAND: ..." is kept */
    const char *output;  /* a file for its standard output; NULL: nobody reads that */
    double limit;        /* seconds it should take; with a quarter more it is ended */
    char fault
        [SUBPROCESS_LINE]; /* out: why there is less than was wanted; "": there is not */
};

/* Runs the command line to its end. `doing` and the time are shown as progress. */
void subprocess_run(struct subprocess *child, const char *const *words,
                    const char *doing);

#endif
