/* SPDX-License-Identifier: Apache-2.0 */
/* weft devices --test. */
#ifndef WEFT_CMD_DEVICES_DEVICES_H
#define WEFT_CMD_DEVICES_DEVICES_H

#include "core/app.h"

/* Tests the device of -d, or every device, each in a child process limited to
 * `time_limit` seconds (0: default). APP_VERIFICATION_FAILED if one fails, crashes or
 * hangs. */
enum app_exit devices_test(struct app *app, double time_limit);

/* The child process: writes a document of schema weft.device-test/2 to stdout. */
enum app_exit devices_test_in_process(struct app *app);

#endif
