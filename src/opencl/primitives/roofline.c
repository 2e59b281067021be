/* SPDX-License-Identifier: Apache-2.0 */
/* Roofline probes: several shapes of the kernels in cl/primitives/roofline.cl. */
#include "opencl/runtime/primitives.h"

/* Shapes for CPUs have work-groups of one and wide vectors, the others many work-items
 * with short vectors. vector_width 0: the device's. */
struct probe_variant {
    int vector_width, accumulators;
    size_t local, items; /* items: for each compute unit */
};

static const struct probe_variant multiply[] = {
    {0, 10, 1, 16},   {0, 12, 1, 16},    {0, 16, 1, 16},    {0, 24, 1, 16},
    {1, 8, 64, 2048}, {1, 8, 256, 2048}, {1, 16, 64, 2048}, {4, 4, 64, 2048},
};
static const struct probe_variant memory[] = {
    {0, 8, 1, 1},
    {4, 4, 64, 1024},
    {1, 8, 64, 1024},
    {4, 1, 256, 1024},
};
static const struct probe_variant nothing[] = {{1, 1, 1, 1}};

static const struct {
    const char *kernel;
    const struct probe_variant *shapes;
    size_t count;
} kinds[] = {
    [WEFT_PROBE_FMA] = {"probe_fma", multiply, WEFT_ARRAY_SIZE(multiply)},
    [WEFT_PROBE_READ] = {"probe_read", memory, WEFT_ARRAY_SIZE(memory)},
    [WEFT_PROBE_COPY] = {"probe_copy", memory, WEFT_ARRAY_SIZE(memory)},
    [WEFT_PROBE_EMPTY] = {"probe_empty", nothing, WEFT_ARRAY_SIZE(nothing)},
};

/* The largest number of work-items, at most `wanted`, that divides the elements evenly;
 * whole work-groups. */
static size_t items_for(size_t elements, size_t wanted, size_t local)
{
    size_t items = wanted - wanted % local;
    while (items > local && elements % items)
        items -= local;
    return items;
}

enum weft_status ocl_roofline_probe(struct weft_command_list *list,
                                    const struct weft_roofline_probe_args *args)
{
    const struct ocl_device *d = ocl_device_of(list);
    bool streams = args->kind == WEFT_PROBE_READ || args->kind == WEFT_PROBE_COPY;
    *args->work = 0;
    if ((size_t)args->shape >= kinds[args->kind].count)
        return WEFT_OK;
    struct probe_variant shape = kinds[args->kind].shapes[args->shape];
    if (args->kind != WEFT_PROBE_EMPTY && (shape.local == 1) != d->is_cpu)
        return WEFT_OK;
    if (shape.local > d->max_work_group_size)
        return WEFT_OK;
    shape.vector_width = shape.vector_width ? shape.vector_width : d->vector_width;
    size_t items = shape.items * d->compute_units;
    if (streams)
        items =
            items_for(args->x.count / (size_t)(shape.vector_width * shape.accumulators),
                      items, shape.local);
    items = args->kind == WEFT_PROBE_EMPTY ? 1 : items;
    struct ocl_options options = {""};
    ocl_define(&options, "VW", shape.vector_width);
    ocl_define(&options, "ACCUMULATORS", shape.accumulators);
    ocl_define(&options, "STRIDED", shape.local > 1);
    struct ocl_launch launch = {
        .source = "roofline.cl",
        .kernel = kinds[args->kind].kernel,
        .global = {items},
        .local = {shape.local},
    };
    if (streams)
        launch.args[launch.arg_count++] = (struct ocl_arg)OCL_VIEW(args->x);
    launch.args[launch.arg_count++] = (struct ocl_arg)OCL_VIEW(args->y);
    if (streams)
        launch.args[launch.arg_count++] = (struct ocl_arg)OCL_INT(args->x.count);
    if (args->kind != WEFT_PROBE_EMPTY)
        launch.args[launch.arg_count++] = (struct ocl_arg)OCL_INT(args->rounds);
    if (args->kind == WEFT_PROBE_FMA)
        launch.args[launch.arg_count++] = (struct ocl_arg)OCL_FLOAT(0.5f);
    const double work[] = {
        [WEFT_PROBE_FMA] = 2.0 * (double)items * shape.vector_width * shape.accumulators,
        [WEFT_PROBE_READ] = sizeof(float) * (double)args->x.count,
        [WEFT_PROBE_COPY] = 2.0 * sizeof(float) * (double)args->x.count,
        [WEFT_PROBE_EMPTY] = 1,
    };
    *args->work = work[args->kind] * args->rounds;
    ocl_begin_primitive(list);
    return ocl_launch(list, options.text, &launch);
}
