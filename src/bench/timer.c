/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a device's own timer can be believed. */
#include "bench.h"

#include <math.h>
#include <stdio.h>

/* Replays of a probe that takes about 2 ms. What lies between the launches is not theirs,
 * so a right timer tells less than the wall clock, but not by much. */
enum { REPLAYS = 10, TRIES = 3 };
static const double least_share = 0.5, most_share = 1.1;

static void judge(struct weft_bench_timer *t)
{
    double share = t->device / t->wall;
    t->fault[0] = '\0';
    if (isnan(t->device))
        snprintf(t->fault, sizeof(t->fault), "is not given by the driver");
    else if (t->device == 0)
        snprintf(t->fault, sizeof(t->fault), "reads 0");
    else if (t->device < 0)
        snprintf(t->fault, sizeof(t->fault), "ends before it starts");
    else if (share < least_share || share > most_share)
        snprintf(t->fault, sizeof(t->fault), "tells %.3g times the wall clock's time",
                 share);
}

enum weft_status weft_bench_timer(weft_bench *b, struct weft_bench_timer *out)
{
    const struct weft_backend *backend = b->device->backend;
    *out = (struct weft_bench_timer){.device = NAN, .wall = NAN};
    if (!b->multiply.list)
        return weft_fail(b->device->context, WEFT_ERR_ARG,
                         "bench: the timer is looked at where times are measured: let "
                         "`seconds` be 0 or more");
    if (!backend->timer)
        return WEFT_OK;
    for (int i = 0; i < TRIES; i++) { /* other work disturbs now and then */
        WEFT_TRY(backend->timer(b->multiply.list, REPLAYS, &out->device, &out->wall));
        judge(out);
        if (!out->fault[0])
            break;
    }
    return WEFT_OK;
}
