/* SPDX-License-Identifier: Apache-2.0 */
/* Timings of check_op. */
#ifndef WEFT_TESTS_OPS_CHECK_BENCH_H
#define WEFT_TESTS_OPS_CHECK_BENCH_H

#include <weft/device.h>

/* Times `op` at its usual shapes, or "OP/SHAPE" at one (weft/bench.h), and prints a line
 * for each direction; false if one failed or there is none. */
bool print_op_timings(weft_context *context, weft_device *device, const char *op);

#endif
