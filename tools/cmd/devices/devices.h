/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `weft devices` that are more than a list. */
#ifndef WEFT_CMD_DEVICES_DEVICES_H
#define WEFT_CMD_DEVICES_DEVICES_H

#include "core/app.h"

/* --test: the device of -d, or each, in a process of its own, which has `limit` seconds;
 * 0: the usual. APP_VERIFICATION_FAILED if one is wrong, crashes or hangs. */
enum app_exit devices_test(struct app *app, double limit);

/* What that process does: a document of schema weft.device-test/1 on stdout. */
enum app_exit devices_test_in_process(struct app *app);

#endif
