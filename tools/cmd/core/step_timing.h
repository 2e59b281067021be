/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a network's step on a device, and the time of each. */
#ifndef WEFT_CMD_CORE_STEP_TIMING_H
#define WEFT_CMD_CORE_STEP_TIMING_H

#include "core/app.h"

struct step_part {
    char layer[32], layer_text[160], phase[32], kernels[512]; /* as in weft_timing */
    struct weft_timing t;                                     /* its pointers dangle */
};

struct step_timing {
    struct step_part *parts; /* in execution order */
    int count;
    double seconds; /* sum of the medians; 0: nothing was timed */
    bool training;
    struct weft_step_report step;
    struct weft_roofline roofline;
};

/* Measures for `seconds` a part, and five samples at least; negative: not at all. The
 * memory is the step's own: nothing else on the device changes. `data` NULL: black
 * images, since the time of a step does not depend on pixels. Free it afterwards, also on
 * failure. */
enum weft_status step_timing_measure(const struct app *app, const weft_net *net,
                                     const weft_dataset *data,
                                     const struct weft_step_params *params,
                                     double seconds, struct step_timing *out);
/* The same within about STEP_TIMING_SECONDS and eight steps, for a page. */
#define STEP_TIMING_SECONDS 1.0
enum weft_status step_timing_measure_shortly(const struct app *app, const weft_net *net,
                                             const struct weft_step_params *params,
                                             struct step_timing *out);
void step_timing_free(struct step_timing *timing);

#endif
