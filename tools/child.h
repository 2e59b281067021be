/* SPDX-License-Identifier: Apache-2.0 */
/* Part of a command's work in a process of its own, one for each device: a driver that
 * crashes or hangs costs that part. The process is this program again, and leaves what it
 * found in a file. */
#ifndef WEFT_TOOLS_CHILD_H
#define WEFT_TOOLS_CHILD_H

#include "app.h"
#include "paths.h"

enum { CHILD_LINE = 512 };

/* Where this program lies, and a folder with the file that its children write. */
struct child_place {
    char self[PATHS_MAX], folder[PATHS_MAX], file[PATHS_MAX];
};
enum app_exit child_place_make(const struct app *app, struct child_place *place);
void child_place_remove(const struct child_place *place);

/* While signals are caught, Ctrl-C ends the child that is waited for, and is remembered.
 */
void child_signals_catch(void);
void child_signals_restore(void);
bool child_interrupted(void);

struct child {
    const char *command;    /* of weft: what it says as "weft COMMAND: ..." is kept */
    const char *output;     /* a file for its standard output; NULL: nobody reads that */
    double limit;           /* seconds it should take; with a quarter more it is ended */
    char fault[CHILD_LINE]; /* out: why there is less than was wanted; "": there is not */
};

/* Runs the command line to its end. `doing` and the time are shown as progress. */
void child_run(struct child *child, const char *const *words, const char *doing);

#endif
