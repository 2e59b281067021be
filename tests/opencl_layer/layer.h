/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenCL layer between ocl-icd and a correct driver, for tests: it emulates another
 * device, plants faults into the driver's answers, or into the sources of kernels. The
 * loader takes it from OPENCL_LAYERS; its function is selected by
 *
 *     WEFT_LAYER_FAKE=NAME           a row of layer_fakes.c
 *     WEFT_LAYER_FAULT=NAME          a row of layer_faults.c
 *     WEFT_LAYER_FAULT=CALL:CODE:N   CALL returns CODE from the Nth time on, counted from
 *                                    0; CODE "null": success, and NULL for a handle;
 *                                    CALL "any": every one of them
 *     WEFT_LAYER_FAULT=CALL:CODE:N:once   the Nth time alone
 *     WEFT_LAYER_FAULT=CALL:CODE:N@KEY    from the Nth time of a call site on; also :once
 *     WEFT_LAYER_MUTANT=FILE:LINE:TEXT   the line of a file of cl/ becomes TEXT
 *     WEFT_LAYER_DELAY=CALLS:MS   "writes", "copies" or "both" of buffers, or
 *                                 "launches" take MS milliseconds
 *     WEFT_LAYER_DELAY=launches:MS:N   from launch N on for ever
 *
 * "list" for a NAME prints all names. It and an unknown word end the process: no test may
 * pass by a misspelt name. */
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

/* An answer to a query about the platform or the device that replaces the driver's;
 * `bytes` 0: the query fails. */
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

/* An emulated device. Its limits are enforced: layer_limits.c. */
struct layer_fake {
    const char *name;
    struct layer_answer answers[LAYER_MAX_ANSWERS + 1]; /* `what` 0 after the last */
};

/* A name of NULL ends the table. */
extern const struct layer_fake layer_fakes[];

/* A driver with a fault: the calls that are replaced. They define the meaning of `text`
 * and `number`. */
struct layer_fault {
    const char *name;
    cl_icd_dispatch calls; /* NULL: the driver's */
    const char *text;
    cl_ulong number;
};

/* Each ends in a name of NULL. */
extern const struct layer_fault layer_answer_faults[]; /* answers to queries */
extern const struct layer_fault layer_build_faults[];  /* its compiler */
extern const struct layer_fault layer_run_faults[];    /* memory, launches, timers */
extern const struct layer_fault layer_queue_faults[];  /* what it can hold, and ends */
/* The fault that is planted, and the calls below it. */
extern const struct layer_fault *layer_active_fault;
extern cl_icd_dispatch layer_next;

/* layer_errors.c: CALL:CODE:N. False: the word is none of these. */
bool layer_error(cl_icd_dispatch *table, const char *word);

/* Reports once that the planted fault has been triggered: one that never is proves
 * nothing. */
void layer_report_triggered(void);

/* Does not return: as a driver that crashes, and one that hangs. */
void layer_crash(void) __attribute__((noreturn));
void layer_hang(void) __attribute__((noreturn));

/* Each puts itself between the application and what `table` holds so far. */
void layer_fake(cl_icd_dispatch *table, const char *word);
void layer_fault(cl_icd_dispatch *table, const char *word);
void layer_mutant(cl_icd_dispatch *table, const char *word);
void layer_delay(cl_icd_dispatch *table, const char *word);

/* Returns `bytes` of data as OpenCL's queries do. */
cl_int layer_return_query(const void *data, size_t bytes, size_t size, void *value,
                          size_t *size_ret);

/* Ends the process. */
void layer_exit_with_error(const char *why, const char *word) __attribute__((noreturn));

#endif
