/* SPDX-License-Identifier: Apache-2.0 */
/* A layer between ocl-icd and a driver that is right, for tests alone: it makes another
 * device of the one that is there, plants faults into the driver's answers, or into the
 * kernels' sources. The loader takes it from OPENCL_LAYERS; what it does is told by
 *
 *     WEFT_LAYER_FAKE=NAME           a row of layer_fakes.c
 *     WEFT_LAYER_FAULT=NAME          a row of layer_faults.c
 *     WEFT_LAYER_FAULT=CALL:CODE:N   CALL returns CODE from the Nth time on, counted from
 *                                    0; CODE "null": success, and NULL for a handle
 *     WEFT_LAYER_MUTANT=FILE:LINE:TEXT   the line of a file of cl/ becomes TEXT
 *
 * "list" for a NAME prints all there are. It and a word that is not known end the
 * process: no test may pass by a misspelt name. */
#ifndef WEFT_TESTS_OPENCL_LAYER_LAYER_H
#define WEFT_TESTS_OPENCL_LAYER_LAYER_H

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS
#include <CL/cl_ext.h>
#include <CL/cl_layer.h>

#include <stdbool.h>
#include <stddef.h>

#define LAYER_COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* What is answered instead of the driver to a question about the platform or the device;
 * `bytes` 0: the question is refused. */
struct layer_answer {
    cl_uint what;
    size_t bytes;
    const void *data;
};
#define LAYER_NUMBER(what, type, number)  \
    {                                     \
        what, sizeof(type), &(const type) \
        {                                 \
            number                        \
        }                                 \
    }
#define LAYER_TEXT(what, text)   \
    {                            \
        what, sizeof(text), text \
    }

enum { LAYER_MAX_ANSWERS = 16 };

/* A device that no one here owns. What it says is enforced too: layer_limits.c. */
struct layer_fake {
    const char *name;
    struct layer_answer answers[LAYER_MAX_ANSWERS + 1]; /* `what` 0 after the last */
};

/* A name of NULL ends the table. */
extern const struct layer_fake layer_fakes[];

/* A driver that misbehaves: the calls that are not its own any more. What `text` and
 * `number` mean is the calls' affair. */
struct layer_fault {
    const char *name;
    cl_icd_dispatch calls; /* NULL: the driver's */
    const char *text;
    cl_ulong number;
};

/* Each ends in a name of NULL. */
extern const struct layer_fault layer_answer_faults[]; /* what it tells of itself */
extern const struct layer_fault layer_build_faults[];  /* its compiler */
extern const struct layer_fault layer_run_faults[];    /* memory, launches, timers */
/* The fault that is planted, and the calls below it. */
extern const struct layer_fault *layer_active_fault;
extern cl_icd_dispatch layer_next;

/* layer_errors.c: CALL:CODE:N. False: the word is none of these. */
bool layer_error(cl_icd_dispatch *table, const char *word);

/* Says once that what was planted has come to pass: a plant that never does proves
 * nothing. */
void layer_report_triggered(void);

/* Does not return: as a driver that crashes, and one that hangs. */
void layer_crash(void) __attribute__((noreturn));
void layer_hang(void) __attribute__((noreturn));

/* Each puts itself between the application and what `table` holds so far. */
void layer_fake(cl_icd_dispatch *table, const char *word);
void layer_fault(cl_icd_dispatch *table, const char *word);
void layer_mutant(cl_icd_dispatch *table, const char *word);

/* Gives `bytes` of data as OpenCL's queries do. */
cl_int layer_return_query(const void *data, size_t bytes, size_t size, void *value,
                          size_t *told);

/* Ends the process. */
void layer_exit_with_error(const char *why, const char *word) __attribute__((noreturn));

#endif
