/* SPDX-License-Identifier: Apache-2.0 */
/* Which algorithm does a problem. */
#include "algorithm.h"

#include "../../cl/random.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const ocl_slot_names[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = "forward",
    [OCL_BACKWARD_DATA] = "backward-data",
    [OCL_BACKWARD_WEIGHTS] = "backward-weights",
};

static const struct ocl_family *const families[] = {
    [WEFT_FAMILY_VEC] = &ocl_family_vec,
    [WEFT_FAMILY_TILE] = &ocl_family_tile,
    [WEFT_FAMILY_SG] = &ocl_family_sg,
};

int ocl_algorithms(const struct ocl_device *device, enum ocl_slot slot,
                   const struct ocl_algorithm *out[OCL_MAX_ALGORITHMS])
{
    const struct ocl_algorithm *const *own =
        families[device->base.family]->algorithms[slot];
    int count = 0;
    out[count++] = &ocl_clblast[slot];
    while (*own && count < OCL_MAX_ALGORITHMS)
        out[count++] = *own++;
    return count;
}

static void add(char out[OCL_PROBLEM_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char out[OCL_PROBLEM_BYTES], const char *format, ...)
{
    size_t used = strlen(out);
    va_list list;
    va_start(list, format);
    vsnprintf(out + used, OCL_PROBLEM_BYTES - used, format, list);
    va_end(list);
}

void ocl_problem_text(enum ocl_slot slot, const struct weft_conv_args *args,
                      char out[OCL_PROBLEM_BYTES])
{
    const struct weft_conv *c = &args->conv;
    const struct weft_pool *p = &args->pool;
    out[0] = 0;
    add(out, "%s n=%d in=%dx%dx%d out=%dx%dx%d window=%dx%d", ocl_slot_names[slot], c->n,
        c->h, c->w, c->c, c->out_h, c->out_w, c->k, c->r, c->s);
    if (c->stride_y != 1 || c->stride_x != 1)
        add(out, " stride=%dx%d", c->stride_y, c->stride_x);
    if (c->dilation_y != 1 || c->dilation_x != 1)
        add(out, " dilation=%dx%d", c->dilation_y, c->dilation_x);
    if (c->pad_top || c->pad_left || c->pad_bottom || c->pad_right)
        add(out, " pad=%d,%d,%d,%d", c->pad_top, c->pad_left, c->pad_bottom,
            c->pad_right);
    if (c->groups != 1)
        add(out, " groups=%d", c->groups);
    if (p->r)
        add(out, " pool=%dx%d,%dx%d,%d,%d", p->r, p->s, p->stride_y, p->stride_x,
            p->pad_top, p->pad_left);
    bool bias = slot == OCL_FORWARD ? args->bias.mem != NULL
                                    : slot == OCL_BACKWARD_WEIGHTS && args->dbias.mem;
    if (bias)
        add(out, " bias");
    enum weft_act act = slot == OCL_FORWARD         ? args->activation.act
                        : slot == OCL_BACKWARD_DATA ? args->gate.activation.act
                                                    : WEFT_ACT_identity;
    if (act != WEFT_ACT_identity)
        add(out, " %s", weft_act_names[act]);
}

void ocl_choice_text(const struct ocl_choice *choice, char out[OCL_PROBLEM_BYTES])
{
    const struct ocl_tunable *tunable = choice->algorithm->tunables;
    snprintf(out, OCL_PROBLEM_BYTES, "%s", choice->algorithm->name);
    for (int i = 0; tunable[i].name; i++)
        add(out, " %s=%d", tunable[i].name, choice->values[i]);
}

/* Random words of a problem, for checks. */
struct draw {
    uint32_t seed, problem, count;
};

static uint32_t draw_below(struct draw *d, uint32_t limit)
{
    struct weft_random r =
        weft_philox(d->seed, 0, d->problem, d->count++, 0, RANDOM_CHECK);
    return r.v[0] % limit;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

/* One of all that can do the problem, with tunables among their values; where 30 draws
 * bring none that are allowed together, with its defaults. */
static void draw_choice(const struct ocl_device *device, enum ocl_slot slot,
                        const struct weft_conv_args *args, struct ocl_choice *choice)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_algorithms(device, slot, all), possible = 0;
    char text[OCL_PROBLEM_BYTES];
    ocl_problem_text(slot, args, text);
    struct draw d = {device->base.draw, hash_text(text), 0};
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES];
        if (!all[i]->fit(device, args, values))
            continue;
        if (draw_below(&d, (uint32_t)++possible) == 0) {
            choice->algorithm = all[i];
            memcpy(choice->values, values, sizeof(values));
        }
    }
    for (int tries = 0; choice->algorithm && tries < 30; tries++) {
        const struct ocl_tunable *tunable = choice->algorithm->tunables;
        int values[OCL_MAX_TUNABLES];
        for (int i = 0; tunable[i].name; i++)
            values[i] = tunable[i].values[draw_below(&d, (uint32_t)tunable[i].count)];
        if (choice->algorithm->allows(device, args, values)) {
            memcpy(choice->values, values, sizeof(values));
            return;
        }
    }
}

struct ocl_choice ocl_choose(const struct ocl_device *device, enum ocl_slot slot,
                             const struct weft_conv_args *args)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_algorithms(device, slot, all);
    enum ocl_fit best = OCL_FIT_NONE;
    struct ocl_choice choice = {NULL, {0}};
    if (device->base.draw) {
        draw_choice(device, slot, args, &choice);
        return choice;
    }
    for (int i = 0; i < count; i++) {
        int values[OCL_MAX_TUNABLES] = {0};
        enum ocl_fit fit = all[i]->fit(device, args, values);
        if (fit <= best)
            continue;
        best = fit;
        choice.algorithm = all[i];
        memcpy(choice.values, values, sizeof(values));
    }
    return choice;
}

enum weft_status ocl_record(struct weft_list *list, enum ocl_slot slot,
                            const struct weft_conv_args *args)
{
    struct ocl_choice choice = ocl_choose(ocl_of(list), slot, args);
    char problem[OCL_PROBLEM_BYTES], text[OCL_PROBLEM_BYTES];
    ocl_problem_text(slot, args, problem);
    if (!choice.algorithm)
        return weft_fail(list->device->context, WEFT_ERR_BUILD,
                         "opencl: %s has no kernel for %s", list->device->info.name,
                         problem);
    ocl_choice_text(&choice, text);
    weft_say(list->device->context, WEFT_LOG_DEBUG, "opencl: %s: %s", problem, text);
    ocl_begin_choice(list, text);
    return choice.algorithm->record(list, args, choice.values);
}
