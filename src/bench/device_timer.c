/* SPDX-License-Identifier: Apache-2.0 */
/* A check of the device's own timer. */
#include "bench/bench.h"
#include "device/process.h"

#include <math.h>
#include <stdio.h>

/* Replays of a probe that takes about 2 ms. The time between launches does not count, so
 * a correct timer reports a little less than the wall clock. */
enum { REPLAYS = 10, REPEATS = 3 };
static const double least_share = 0.5, most_share = 1.1;

static void classify_timer(struct weft_bench_timer *t)
{
    double share = t->device / t->wall;
    t->error[0] = '\0';
    if (isnan(t->device))
        snprintf(t->error, sizeof(t->error), "is not given by the driver");
    else if (t->device == 0)
        snprintf(t->error, sizeof(t->error), "reads 0");
    else if (t->device < 0)
        snprintf(t->error, sizeof(t->error), "ends before it starts");
    else if (share < least_share || share > most_share)
        snprintf(t->error, sizeof(t->error), "reports %.3g times the wall clock's time",
                 share);
}

enum weft_status(weft_bench_timer)(weft_bench *b, struct weft_bench_timer *out,
                                   size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, b, "bench");
    WEFT_REQUIRE_DEVICE(b->device);
    WEFT_REQUIRE_POINTER(b->device->context, out, "out");
    const struct weft_backend *backend = b->device->backend;
    struct weft_bench_timer timer = {.device = NAN, .wall = NAN};
    if (!b->multiply.list)
        return weft_fail(b->device->context, WEFT_ERR_ARG,
                         "bench: the timer is checked only where times are measured: let "
                         "`seconds` be 0 or more");
    for (int i = 0; backend->time_replays && i < REPEATS; i++) { /* other load disturbs */
        WEFT_TRY(
            backend->time_replays(b->multiply.list, REPLAYS, &timer.device, &timer.wall));
        classify_timer(&timer);
        if (!timer.error[0])
            break;
    }
    WEFT_WRITE_INFO(out, size, &timer);
    return WEFT_OK;
}
