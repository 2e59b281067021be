/* SPDX-License-Identifier: Apache-2.0 */
/* The third implementation of struct weft_primitives: it collects problems. */
#include "tune/tune.h"

#include <stdlib.h>
#include <string.h>

static enum weft_status count_problem(weft_context *ctx, struct tune_problems *p,
                                      const struct weft_problem *problem)
{
    for (int i = 0; i < p->count; i++)
        if (weft_problem_batch_ratio(&p->items[i].typed, problem) == 1) {
            p->items[i].count++;
            return WEFT_OK;
        }
    if (p->count == p->room) {
        int room = p->room ? 2 * p->room : 32;
        struct tune_problem *items = realloc(p->items, (size_t)room * sizeof(*items));
        if (!items)
            return weft_out_of_memory(ctx, "tuning", (size_t)room * sizeof(*items));
        p->items = items;
        p->room = room;
    }
    struct tune_problem *item = &p->items[p->count++];
    *item = (struct tune_problem){
        .typed = *problem, .count = 1, .work = weft_problem_work(problem)};
    weft_problem_format(problem, item->text);
    return WEFT_OK;
}

void tune_problems_free(struct tune_problems *p)
{
    free(p->items);
    *p = (struct tune_problems){0};
}

static enum weft_status collect(struct weft_command_list *list,
                                const struct weft_primitive_call *call)
{
    struct tune_collector *collector = (struct tune_collector *)list;
    struct weft_problem problem;
    if (!weft_problem_of(list->device, call, &problem))
        return WEFT_OK;
    return count_problem(list->device->context, collector->problems, &problem);
}

#define PRIMITIVE(name_, args_, output)                                               \
    static enum weft_status name_(struct weft_command_list *list,                     \
                                  const struct weft_##args_##_args *args)             \
    {                                                                                 \
        const struct weft_primitive_call call = {.primitive = WEFT_PRIMITIVE_##name_, \
                                                 .args.name_ = *args};                \
        return collect(list, &call);                                                  \
    }
#include "device/primitives.def"
#undef PRIMITIVE

static const struct weft_primitives primitives = {
#define PRIMITIVE(name_, args, output) .name_ = name_,
#include "device/primitives.def"
#undef PRIMITIVE
};

void tune_collector_init(struct tune_collector *collector, struct weft_device *device,
                         struct tune_problems *problems)
{
    weft_command_list_init(&collector->list, device, &primitives, NULL);
    collector->problems = problems;
}
