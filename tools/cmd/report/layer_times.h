/* SPDX-License-Identifier: Apache-2.0 */
/* The section of a page on the time that each layer takes. */
#ifndef WEFT_CMD_REPORT_LAYER_TIMES_H
#define WEFT_CMD_REPORT_LAYER_TIMES_H

#include "core/step_timing.h"

struct report_layer_times {
    const struct step_timing *timing;
    const struct weft_device_info *device;
};

/* Nothing if nothing was timed. */
void report_write_layer_times(FILE *out, const struct report_layer_times *times);

#endif
