/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: a subcommand's tables of options yield its parser and its help. */
#ifndef WEFT_CMD_CORE_ARGS_H
#define WEFT_CMD_CORE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The kind of an option's value, and the type of the field that receives it. */
enum args_kind {
    ARGS_FLAG,             /* bool; takes no value */
    ARGS_TEXT,             /* const char * */
    ARGS_INT,              /* int */
    ARGS_SEED,             /* uint64_t */
    ARGS_DOUBLE,           /* double */
    ARGS_FRACTION,         /* double in 0..1: "0.9", "90" or "90%" */
    ARGS_DURATION,         /* double, seconds: "90", "90s", "5m", "1.5h" */
    ARGS_COUNT_OR_PERCENT, /* struct args_count_or_percent: "5000" or "10%" */
    ARGS_CHOICE,           /* int: index of the word in `value`, "native|clblast" */
    ARGS_KIND_COUNT
};

#define ARGS_SEED_UNSET UINT64_MAX /* a default that no value on the command line has */

struct args_count_or_percent {
    double value;
    bool percent;
};

/* An option. `min` and `max` bound numbers unless both are zero. */
struct args_option {
    const char *name;
    char letter; /* 0: none */
    enum args_kind kind;
    size_t offset;     /* of the field in the subcommand's options */
    const char *value; /* its name in the help */
    const char *help;  /* NULL: internal, absent from the help */
    double min, max;
};

/* A subcommand as the user sees it. A table of options ends with name NULL. */
struct args_command {
    const char *name;
    const char *operands; /* "MODEL FILE..." */
    const char *summary;  /* half a sentence */
    const char *examples; /* lines; may be NULL */
    const char *about;    /* a paragraph */
    const struct args_option *options;
    const struct args_option *const *shared; /* more tables; NULL after the last */
    int operands_min, operands_max;          /* 0 and 0: none; max -1: unlimited */
};

enum args_result { ARGS_OK, ARGS_HELP_SHOWN, ARGS_INVALID };

/* Parses argv[1..]; argv[0] is ignored. Values are stored in `fields` at each option's
 * offset; fields of absent options keep their value. *first is the index of the first
 * operand: argv is permuted so that operands come last. ARGS_HELP_SHOWN: the help was
 * requested and written to stdout. ARGS_INVALID: the error was written to stderr. */
enum args_result args_parse(const struct args_command *command, int argc, char **argv,
                            void *fields, int *first);

/* Stores the value `text` of the option `name` in `fields`. NULL, or a description of
 * what is accepted. */
const char *args_store(const struct args_command *command, const char *name,
                       const char *text, void *fields);

void args_help(FILE *out, const struct args_command *command);

#endif
