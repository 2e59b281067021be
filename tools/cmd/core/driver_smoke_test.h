/* SPDX-License-Identifier: Apache-2.0 */
/* The first touch of the OpenCL drivers, in child processes: one that crashes or hangs is
 * left out instead of taking the program with it. */
#ifndef WEFT_CMD_CORE_DRIVER_SMOKE_TEST_H
#define WEFT_CMD_CORE_DRIVER_SMOKE_TEST_H

#include <stdbool.h>

/* $WEFT_PROBE_SECONDS is how long a driver may take; 20 where it is not set.
 *
 * To be called before the first OpenCL use and before any thread exists. Points
 * OCL_ICD_VENDORS away from guilty drivers and warns about each. With `again`, what an
 * earlier probe found is not believed. Returns the folder of the drivers that are in
 * use, for diagnosis; NULL if all of them are left out. */
const char *smoke_test_drivers(bool again);

/* Where .icd files are looked for, as people know it: a folder, or one file. */
const char *smoke_test_icd_location(void);

/* Why the driver of this .icd file is left out ("crashes when ..."); NULL: it is not. */
const char *smoke_test_exclusion_reason(const char *icd);
int smoke_test_excluded_count(void);

/* The variable of the environment that keeps the loader from every driver, since it
 * names a place without any; NULL: none does. */
const char *smoke_test_misleading_variable(void);

/* Writes a note of the library for people: with the folder that they know, not that of
 * the copies. */
enum { SMOKE_TEST_MESSAGE_BYTES = 4096 };
void smoke_test_format_diagnostic(const char *note, char out[SMOKE_TEST_MESSAGE_BYTES]);

#endif
