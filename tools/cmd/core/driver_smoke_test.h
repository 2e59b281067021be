/* SPDX-License-Identifier: Apache-2.0 */
/* Smoke test of the OpenCL drivers in child processes: a driver that crashes or hangs is
 * excluded. */
#ifndef WEFT_CMD_CORE_DRIVER_SMOKE_TEST_H
#define WEFT_CMD_CORE_DRIVER_SMOKE_TEST_H

#include <stdbool.h>

/* Tests all drivers; $WEFT_DRIVER_TIMEOUT is the limit of one in seconds, default 20.
 *
 * Must precede the first OpenCL call and the first thread. Sets OCL_ICD_VENDORS so that
 * failing drivers are excluded, and warns about each. `fresh` repeats cached failures.
 * Returns the folder of the drivers in use, for diagnosis; NULL if all are excluded. */
const char *smoke_test_drivers(bool fresh);

/* The original location of .icd files: a folder or one file. */
const char *smoke_test_icd_location(void);

/* Why the driver of this .icd file is excluded ("crashes when ..."), or NULL. */
const char *smoke_test_exclusion_reason(const char *icd);
int smoke_test_excluded_count(void);

/* The environment variable that points the loader to a place without drivers, or NULL. */
const char *smoke_test_misleading_variable(void);

/* Replaces the folder of copied .icd files in a diagnostic by the original one. */
enum { SMOKE_TEST_MESSAGE_BYTES = 4096 };
void smoke_test_format_diagnostic(const char *diagnostic,
                                  char out[SMOKE_TEST_MESSAGE_BYTES]);

#endif
