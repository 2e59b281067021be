/* SPDX-License-Identifier: Apache-2.0 */
/* Peak performance of plain C, compiled as the rest of this backend. */
#include "cpu/cpu.h"

#include <string.h>

/* Independent accumulators, enough to hide the latency of an addition. */
enum { ACCUMULATORS = 32 };

static void fma_probe(const void *data, size_t item)
{
    const struct weft_roofline_probe_args *a = data;
    float sums[ACCUMULATORS], *y = cpu_floats(a->y);
    for (int i = 0; i < ACCUMULATORS; i++)
        sums[i] = (float)i;
    float factor = 0.5f + y[0]; /* 0, unknown to the compiler */
    for (int round = 0; round < a->rounds; round++)
        for (int i = 0; i < ACCUMULATORS; i++)
            sums[i] = sums[i] * factor + 0.25f;
    float sum = 0;
    for (int i = 0; i < ACCUMULATORS; i++)
        sum += sums[i];
    if (sum < 0)
        y[item] = sum;
}

/* Each item has `length` elements of x. */
struct part {
    struct weft_roofline_probe_args args;
    size_t length;
};

static void read_part(const void *data, size_t item)
{
    const struct part *p = data;
    const float *x = cpu_floats(p->args.x) + item * p->length;
    float sums[ACCUMULATORS] = {0}, sum = 0;
    for (int round = 0; round < p->args.rounds; round++)
        for (size_t at = 0; at + ACCUMULATORS <= p->length; at += ACCUMULATORS)
            for (int i = 0; i < ACCUMULATORS; i++)
                sums[i] += x[at + (size_t)i];
    for (int i = 0; i < ACCUMULATORS; i++)
        sum += sums[i];
    cpu_floats(p->args.y)[item] = sum;
}

static void copy_part(const void *data, size_t item)
{
    const struct part *p = data;
    const float *x = cpu_floats(p->args.x) + item * p->length;
    float *y = cpu_floats(p->args.y) + item * p->length;
    for (int round = 0; round < p->args.rounds; round++)
        memmove(y, x, p->length * sizeof(*y));
}

static void empty_probe(const void *data, size_t item)
{
    (void)data;
    (void)item;
}

static const struct {
    cpu_work *work;
    double items, elements; /* work of an item, and of an element of x */
} kinds[] = {
    [WEFT_PROBE_FMA] = {fma_probe, 2.0 * ACCUMULATORS, 0},
    [WEFT_PROBE_READ] = {read_part, 0, sizeof(float)},
    [WEFT_PROBE_COPY] = {copy_part, 0, 2 * sizeof(float)},
    [WEFT_PROBE_EMPTY] = {empty_probe, 1, 0},
};

enum weft_status cpu_roofline_probe(struct weft_command_list *list,
                                    const struct weft_roofline_probe_args *args)
{
    struct cpu_threads *threads = ((struct cpu_device *)list->device)->threads;
    size_t items = (size_t)cpu_threads_count(threads);
    struct part part = {*args, args->x.count / items};
    *args->work =
        args->shape
            ? 0
            : args->rounds * (kinds[args->kind].items * (double)items +
                              kinds[args->kind].elements * (double)(part.length * items));
    return args->shape
               ? WEFT_OK
               : cpu_append(list, items, kinds[args->kind].work, &part, sizeof(part));
}
