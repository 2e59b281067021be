/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules: the line `schedule` of a network (weft/net.h). */
#ifndef WEFT_NET_SCHEDULE_H
#define WEFT_NET_SCHEDULE_H

#include "util/line_parser.h"

enum weft_schedule_kind {
    WEFT_SCHEDULE_CONSTANT,
    WEFT_SCHEDULE_STEP,
    WEFT_SCHEDULE_LINEAR,
    WEFT_SCHEDULE_COSINE,
    WEFT_SCHEDULE_ONE_CYCLE,
    WEFT_SCHEDULE_EXPONENTIAL,
};

/* Fractions of the run, and factors of the optimizer's learning rate. */
struct weft_schedule {
    enum weft_schedule_kind kind;
    float warmup, start; /* rises from `start` to 1 in the first `warmup` of the run */
    float final;         /* LINEAR, COSINE, ONE_CYCLE, EXPONENTIAL */
    float factor, every; /* STEP */
};

/* Takes the words and options after `schedule`. */
enum weft_status weft_schedule_parse(struct weft_line_parser *parser,
                                     struct weft_schedule *out);

/* The same from params; WEFT_ERR_ARG. */
enum weft_status weft_schedule_read(weft_context *ctx, const char *text,
                                    struct weft_schedule *out);

enum { WEFT_SCHEDULE_TEXT = 128 };

/* The words and options after `schedule`, without defaults; "constant" for none. */
void weft_schedule_write(const struct weft_schedule *schedule,
                         char out[WEFT_SCHEDULE_TEXT]);

bool weft_schedule_is_constant(const struct weft_schedule *schedule);

/* The factor of the learning rate at `progress`, finished steps / steps of the run. */
double weft_schedule_factor(const struct weft_schedule *schedule, double progress);

#endif
