/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules: text and factors. */
#include "net/schedule.h"

#include "util/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* The kinds with their defaults, in the order of the enumeration. */
static const struct {
    const char *name;
    struct weft_schedule initial;
} kinds[] = {
    {"constant", {.kind = WEFT_SCHEDULE_CONSTANT}},
    {"step", {.kind = WEFT_SCHEDULE_STEP, .factor = 0.1f, .every = 0.3f}},
    {"linear", {.kind = WEFT_SCHEDULE_LINEAR}},
    {"cosine", {.kind = WEFT_SCHEDULE_COSINE}},
    {"one-cycle",
     {.kind = WEFT_SCHEDULE_ONE_CYCLE, .warmup = 0.3f, .start = 0.04f, .final = 4e-6f}},
    {"exponential", {.kind = WEFT_SCHEDULE_EXPONENTIAL, .final = 0.01f}},
};

enum {
    OF_ANY = 63,
    OF_STEP = 1 << WEFT_SCHEDULE_STEP,
    OF_FALL = 1 << WEFT_SCHEDULE_LINEAR | 1 << WEFT_SCHEDULE_COSINE |
              1 << WEFT_SCHEDULE_ONE_CYCLE,
    OF_EXPONENTIAL = 1 << WEFT_SCHEDULE_EXPONENTIAL
};

/* The options, and the kinds that have them. */
static const struct {
    const char *name;
    size_t offset;
    float min, max;
    int kinds;
} fields[] = {
    {"warmup", offsetof(struct weft_schedule, warmup), 0, 1, OF_ANY},
    {"start", offsetof(struct weft_schedule, start), 0, 1, OF_ANY},
    {"final", offsetof(struct weft_schedule, final), 0, 1, OF_FALL},
    {"final", offsetof(struct weft_schedule, final), 1e-9f, 1e9f, OF_EXPONENTIAL},
    {"factor", offsetof(struct weft_schedule, factor), 0, 1, OF_STEP},
    {"every", offsetof(struct weft_schedule, every), 1e-4f, 1, OF_STEP},
};

enum weft_status weft_schedule_parse(struct weft_line_parser *parser,
                                     struct weft_schedule *out)
{
    int k = 0;
    WEFT_TRY(weft_line_parser_row(parser, "schedule", kinds, sizeof(*kinds),
                                  WEFT_ARRAY_SIZE(kinds), &k));
    *out = kinds[k].initial;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(fields); i++)
        if (fields[i].kinds >> out->kind & 1)
            WEFT_TRY(weft_line_parser_option_float(
                parser, fields[i].name, fields[i].min, fields[i].max,
                (float *)((char *)out + fields[i].offset)));
    return WEFT_OK;
}

enum weft_status weft_schedule_read(weft_context *ctx, const char *text,
                                    struct weft_schedule *out)
{
    struct weft_line_parser parser = {.ctx = ctx, .where = "schedule"};
    enum weft_status status = weft_line_parser_split(&parser, text, strlen(text));
    if (!status)
        status = weft_schedule_parse(&parser, out);
    if (!status)
        status = weft_line_parser_check_all_used(&parser);
    return status == WEFT_ERR_FORMAT ? WEFT_ERR_ARG : status;
}

void weft_schedule_write(const struct weft_schedule *schedule,
                         char out[WEFT_SCHEDULE_TEXT])
{
    const struct weft_schedule *initial = &kinds[schedule->kind].initial;
    int used = snprintf(out, WEFT_SCHEDULE_TEXT, "%s", kinds[schedule->kind].name);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(fields); i++) {
        float value, standard;
        char number[32];
        memcpy(&value, (const char *)schedule + fields[i].offset, sizeof(value));
        memcpy(&standard, (const char *)initial + fields[i].offset, sizeof(standard));
        if (value == standard || !(fields[i].kinds >> schedule->kind & 1))
            continue;
        weft_float_write(number, sizeof(number), value);
        used += snprintf(out + used, WEFT_SCHEDULE_TEXT - (size_t)used, " %s=%s",
                         fields[i].name, number);
    }
}

bool weft_schedule_is_constant(const struct weft_schedule *schedule)
{
    return schedule->kind == WEFT_SCHEDULE_CONSTANT && schedule->warmup <= 0;
}

/* From `from` to `to` as t goes from 0 to 1. */
static double linear(double from, double to, double t)
{
    return from + (to - from) * t;
}

static double cosine(double from, double to, double t)
{
    return to + (from - to) * (1 + cos(pi * t)) / 2;
}

double weft_schedule_factor(const struct weft_schedule *schedule, double progress)
{
    double warmup = (double)schedule->warmup, start = (double)schedule->start;
    double final = (double)schedule->final;
    if (progress < warmup)
        return schedule->kind == WEFT_SCHEDULE_ONE_CYCLE
                   ? cosine(start, 1, progress / warmup)
                   : linear(start, 1, progress / warmup);
    double t = warmup < 1 ? fmin(1, (progress - warmup) / (1 - warmup)) : 1;
    switch (schedule->kind) {
    case WEFT_SCHEDULE_CONSTANT:
        break;
    case WEFT_SCHEDULE_STEP:
        return pow((double)schedule->factor,
                   floor(progress / (double)schedule->every * (1 + 1e-6)));
    case WEFT_SCHEDULE_LINEAR:
        return linear(1, final, t);
    case WEFT_SCHEDULE_COSINE:
    case WEFT_SCHEDULE_ONE_CYCLE:
        return cosine(1, final, t);
    case WEFT_SCHEDULE_EXPONENTIAL:
        return pow(final, t);
    }
    return 1;
}
