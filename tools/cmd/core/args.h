/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one table of options a subcommand makes its parser and its help. */
#ifndef WEFT_CMD_CORE_ARGS_H
#define WEFT_CMD_CORE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What an option's value is, and the type of the field that receives it. */
enum args_kind {
    ARGS_FLAG,             /* bool; takes no value */
    ARGS_TEXT,             /* const char * */
    ARGS_INT,              /* int */
    ARGS_SEED,             /* uint64_t */
    ARGS_DOUBLE,           /* double */
    ARGS_FRACTION,         /* double in 0..1: "0.9", "90" or "90%" */
    ARGS_DURATION,         /* double, seconds: "90", "90s", "5m", "1.5h" */
    ARGS_COUNT_OR_PERCENT, /* struct args_count_or_percent: "5000" or "10%" */
    ARGS_CHOICE,           /* int: the place of the word in `value`, "own|clblast" */
    ARGS_KIND_COUNT
};

#define ARGS_SEED_UNSET UINT64_MAX /* what no one can give: a default that tells */

struct args_count_or_percent {
    double value;
    bool percent;
};

/* An option. `min` and `max` hold for numbers, where they are not both zero. */
struct args_option {
    const char *name;
    char letter; /* 0: none */
    enum args_kind kind;
    size_t offset;     /* of the field in the subcommand's options */
    const char *value; /* its name in the help */
    const char *help;  /* NULL: not told, of what the command gives itself */
    double min, max;
};

/* A subcommand as the user sees it. */
struct args_command {
    const char *name;
    const char *operands;              /* "MODEL FILE..." */
    const char *summary;               /* half a sentence */
    const char *examples;              /* lines; may be NULL */
    const char *about;                 /* a paragraph */
    const struct args_option *options; /* name NULL after the last */
    int operands_min, operands_max;    /* max 0 with min 0: none; max -1: any number */
};

enum args_result { ARGS_OK, ARGS_HELP_SHOWN, ARGS_INVALID };

/* Parses argv[1..]; argv[0] is not looked at. Values go into `fields` at each option's
 * offset; fields that are not named keep what they hold. *first is the index of the
 * first operand: argv is permuted so that operands come last. ARGS_HELP_SHOWN: the help
 * was asked for and written to stdout. ARGS_INVALID: what is wrong was written to stderr.
 * */
enum args_result args_parse(const struct args_command *command, int argc, char **argv,
                            void *fields, int *first);

void args_help(FILE *out, const struct args_command *command);

/* Of `count` names, the one that `word` was probably meant to be, or NULL. */
const char *args_suggest(const char *word, const char *const *names, int count);

#endif
