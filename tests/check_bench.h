/* SPDX-License-Identifier: Apache-2.0 */
/* Timings of check_op. */
#ifndef WEFT_CHECK_BENCH_H
#define WEFT_CHECK_BENCH_H

#include <weft/device.h>

/* Times the table's rows of `op` and prints a line for each; false if one failed or there
 * is none. */
bool check_bench(weft_device *device, const char *op);

#endif
