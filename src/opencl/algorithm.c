/* SPDX-License-Identifier: Apache-2.0 */
/* Which algorithm does a problem. */
#include "algorithm.h"

#include "../../cl/random.h"
#include "../util/hash.h"

#include <stddef.h>
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
    [WEFT_FAMILY_MMA] = &ocl_family_mma,
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
    ocl_problem_text(device, slot, args, text);
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
    struct ocl_choice choice = {NULL, {0}};
    if (device->base.draw) {
        draw_choice(device, slot, args, &choice);
        return choice;
    }
    if (ocl_choose_tuned(device, slot, args, &choice))
        return choice;
    return ocl_choose_default(device, slot, args);
}

struct ocl_choice ocl_choose_default(const struct ocl_device *device, enum ocl_slot slot,
                                     const struct weft_conv_args *args)
{
    const struct ocl_algorithm *all[OCL_MAX_ALGORITHMS];
    int count = ocl_algorithms(device, slot, all);
    enum ocl_fit best = OCL_FIT_NONE;
    struct ocl_choice choice = {NULL, {0}};
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

/* Multiply-adds. */
static double work_of(const struct weft_conv *c)
{
    return (double)c->n * c->out_h * c->out_w * c->k * c->r * c->s * (c->c / c->groups);
}

/* What a slot reads and writes that may be float16; 0 after the last. */
#define ARG(name) offsetof(struct weft_conv_args, name)
static const struct {
    size_t reads[4], writes;
} slots[OCL_SLOT_COUNT] = {
    [OCL_FORWARD] = {{ARG(x), ARG(w)}, ARG(y)},
    [OCL_BACKWARD_DATA] = {{ARG(dy), ARG(w), ARG(gate.output)}, ARG(dx)},
    [OCL_BACKWARD_WEIGHTS] = {{ARG(x), ARG(dy)}, ARG(dw)},
};

static struct weft_view *arg_at(struct weft_conv_args *args, size_t offset)
{
    return (struct weft_view *)(void *)((char *)args + offset);
}

/* On copies in float32. */
static enum weft_status record_copies(struct weft_list *list, enum ocl_slot slot,
                                      struct weft_conv_args *args,
                                      const struct ocl_choice *choice, const char *text)
{
    struct weft_view *to = arg_at(args, slots[slot].writes), written = *to;
    ocl_begin(list);
    for (const size_t *at = slots[slot].reads; *at; at++)
        WEFT_TRY(ocl_widen(list, arg_at(args, *at), *at == ARG(w)));
    *to = ocl_place(list, written);
    ocl_begin_choice(list, text);
    WEFT_TRY(choice->algorithm->record(list, args, choice->values));
    return ocl_narrow(list, *to, written);
}

enum weft_status ocl_record(struct weft_list *list, enum ocl_slot slot,
                            const struct weft_conv_args *given)
{
    struct weft_conv_args with_list = *given;
    const struct weft_conv_args *args = &with_list;
    with_list.frozen = list->frozen;
    const struct ocl_device *device = ocl_of(list);
    weft_context *ctx = list->device->context;
    char problem[OCL_PROBLEM_BYTES], text[OCL_PROBLEM_BYTES];
    struct ocl_choice choice;
    ocl_problem_text(device, slot, args, problem);
    if (list->problems)
        return weft_problems_add(ctx, list->problems, problem, work_of(&args->conv));
    if (!list->choice)
        choice = ocl_choose(device, slot, args);
    else if (!ocl_choice_read(device, slot, args, list->choice, &choice))
        return weft_fail(ctx, WEFT_ERR_BUILD, "opencl: %s cannot be done by %s", problem,
                         list->choice);
    if (!choice.algorithm)
        return weft_fail(ctx, WEFT_ERR_BUILD, "opencl: %s has no kernel for %s",
                         list->device->info.name, problem);
    ocl_choice_text(&choice, text);
    weft_say(ctx, WEFT_LOG_DEBUG, "opencl: %s: %s", problem, text);
    list->choices = weft_hash_add(list->choices, text);
    if (choice.algorithm->float32)
        return record_copies(list, slot, &with_list, &choice, text);
    ocl_begin(list);
    ocl_begin_choice(list, text);
    return choice.algorithm->record(list, args, choice.values);
}
