/* SPDX-License-Identifier: Apache-2.0 */
/* The launches of cl/lib/channel_sums.h. */
#include "opencl/primitives/channel_sums.h"

#include "shared/workspace_layout.h"

enum { MAX_LANES = 64, MAX_CHUNKS = 512 };

struct channel_split channel_split_of(const struct ocl_device *device, const char *source,
                                      int rows, int channels, int sums)
{
    struct channel_split split = {.source = source,
                                  .rows = rows,
                                  .channels = channels,
                                  .sums = sums,
                                  .vector_width = 1,
                                  .lanes = 1};
    int widest = device->is_cpu ? device->vector_width : 4;
    while (split.vector_width < widest && channels % (2 * split.vector_width) == 0)
        split.vector_width *= 2;
    /* On a CPU a chunk, which is read in columns, fits the first-level cache. */
    int chunk = device->is_cpu ? 6144 / channels : 16, least = rows / MAX_CHUNKS + 1;
    chunk = chunk < 8 ? 8 : chunk;
    split.chunk_rows = chunk < least ? least : chunk;
    split.chunks = (int)ocl_vector_count((size_t)rows, split.chunk_rows);
    if (device->base.family != WEFT_FAMILY_VEC)
        while (split.lanes < MAX_LANES &&
               2 * (size_t)split.lanes <= device->max_work_group_size)
            split.lanes *= 2;
    return split;
}

void channel_split_define(const struct channel_split *split, struct ocl_options *options)
{
    ocl_define(options, "C", split->channels);
    ocl_define(options, "VW", split->vector_width);
    ocl_define(options, "ROWS", split->chunk_rows);
    ocl_define(options, "LANES", split->lanes);
}

enum weft_status channel_sums_record(struct weft_command_list *list,
                                     const struct channel_split *split,
                                     const struct ocl_options *options,
                                     struct ocl_launch *partials, int partials_index,
                                     struct weft_view first, struct weft_view second)
{
    size_t blocks = (size_t)(split->channels / split->vector_width);
    size_t group = ocl_default_work_group(ocl_device_of(list)), across = 1;
    size_t floats = (size_t)split->chunks *
                    (size_t)CHANNEL_SUMS_PARTIAL(split->sums, split->channels);
    struct ocl_arg sums =
        (struct ocl_arg)OCL_WORKSPACE(ocl_workspace(list, floats * sizeof(float)));
    while (2 * across <= group && across < blocks)
        across *= 2;
    partials->source = split->source;
    partials->args[partials_index] = sums;
    partials->global[0] = blocks;
    partials->global[1] = (size_t)split->chunks;
    partials->local[0] = across;
    partials->local[1] = ocl_device_of(list)->is_cpu ? 1 : group / across;
    WEFT_TRY(ocl_launch(list, options->text, partials));
    return ocl_launch(
        list, options->text,
        &(struct ocl_launch){
            .source = split->source,
            .kernel = "merge_channel_sums",
            .global = {blocks * (size_t)split->lanes},
            .local = {(size_t)split->lanes},
            .arg_count = 4,
            .args = {sums, OCL_VIEW(first), OCL_VIEW(second), OCL_INT(split->chunks)},
        });
}
