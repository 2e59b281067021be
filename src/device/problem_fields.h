/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments that make a problem, by primitive. */
#ifndef WEFT_DEVICE_PROBLEM_FIELDS_H
#define WEFT_DEVICE_PROBLEM_FIELDS_H

#include "device/backend.h"

enum { FIELD_MAX_NUMBERS = 8, FIELD_REQUIRED = -1 };

enum problem_field_kind {
    FIELD_NUMBERS, /* ints: "window=3x3" */
    FIELD_NAME,    /* an enum by its names: "relu" */
    FIELD_FLAG,    /* a bool: "nesterov" */
    FIELD_VIEW     /* whether a view is present: "bias" */
};

struct problem_field {
    const char *name; /* NULL behind the last field */
    enum problem_field_kind kind;
    int count;
    size_t at[FIELD_MAX_NUMBERS]; /* offsets in the arguments */
    /* The value that the text leaves out where all have it; FIELD_REQUIRED: none. */
    int usual;
    const char *const *names;
    int name_count;
};

struct problem_kind {
    const struct problem_field *fields; /* the batch first; NULL: cannot be tuned */
    /* Fills in what follows from the fields, views included. False: no network has such
     * a problem. */
    bool (*complete)(union weft_primitive_args *args);
    double (*work)(const union weft_primitive_args *args);
};

const struct problem_kind *problem_kind_of(enum weft_primitive primitive);

#endif
