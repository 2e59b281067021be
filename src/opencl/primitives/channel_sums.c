/* SPDX-License-Identifier: Apache-2.0 */
/* The launches of cl/lib/channel_sums.h. */
#include "opencl/primitives/channel_sums.h"

#include "shared/workspace_layout.h"

enum { MAX_LANES = 64, MAX_CHUNKS = 512 };

#define SPLIT_TUNABLES                                         \
    OCL_TUNABLE("vector-width", 1, 2, 4, 8, 16),               \
        OCL_TUNABLE("work-group", 1, 8, 16, 32, 64, 128, 256), \
        OCL_TUNABLE("chunk-rows", 8, 16, 32, 64, 128, 256, 512)
const struct ocl_tunable channel_split_tunables[] = {SPLIT_TUNABLES, {0}};
const struct ocl_tunable channel_split_tree_tunables[] = {
    SPLIT_TUNABLES, OCL_TUNABLE("lanes", 1, 4, 16, 32, 64), {0}};

void channel_split_defaults(const struct ocl_device *device, int rows, int channels,
                            int *values)
{
    values[SPLIT_VECTOR_WIDTH] = ocl_channel_vector_width(device, channels, channels);
    values[SPLIT_WORK_GROUP] = (int)ocl_default_work_group(device);
    /* On a CPU a chunk, which is read in columns, fits the first-level cache. */
    int chunk = device->is_cpu ? 6144 / channels : 16, least = rows / MAX_CHUNKS + 1;
    chunk = chunk < 8 ? 8 : chunk;
    values[SPLIT_CHUNK_ROWS] = chunk < least ? least : chunk;
    values[SPLIT_LANES] = 1;
    if (device->base.family != WEFT_FAMILY_VEC)
        while (values[SPLIT_LANES] < MAX_LANES &&
               2 * (size_t)values[SPLIT_LANES] <= device->max_work_group_size)
            values[SPLIT_LANES] *= 2;
}

bool channel_split_valid(const struct ocl_device *device, int rows, const int *values)
{
    int lanes = values[SPLIT_LANES];
    return ocl_vector_width_valid(device, values[SPLIT_VECTOR_WIDTH]) &&
           ocl_work_group_valid(device, values[SPLIT_WORK_GROUP]) &&
           values[SPLIT_CHUNK_ROWS] > rows / MAX_CHUNKS &&
           values[SPLIT_CHUNK_ROWS] <= 1 << 16 &&
           (device->base.family == WEFT_FAMILY_VEC ||
            (ocl_work_group_valid(device, lanes) && lanes <= MAX_LANES &&
             !(lanes & (lanes - 1))));
}

struct channel_split channel_split_of(const struct ocl_device *device, const char *source,
                                      int rows, int channels, int sums, const int *values)
{
    bool is_vec = device->base.family == WEFT_FAMILY_VEC;
    struct channel_split split = {.source = source,
                                  .rows = rows,
                                  .channels = channels,
                                  .sums = sums,
                                  .vector_width = values[SPLIT_VECTOR_WIDTH],
                                  .work_group = values[SPLIT_WORK_GROUP],
                                  .chunk_rows = values[SPLIT_CHUNK_ROWS],
                                  .lanes = is_vec ? 1 : values[SPLIT_LANES]};
    split.chunks = (int)ocl_vector_count((size_t)rows, split.chunk_rows);
    return split;
}

size_t channel_split_blocks(const struct channel_split *split)
{
    return ocl_vector_count((size_t)split->channels, split->vector_width);
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
    size_t blocks = channel_split_blocks(split);
    size_t group = ocl_default_work_group(ocl_device_of(list)), across = 1;
    /* The last vector may be loaded beyond the last channel. */
    size_t floats = (size_t)split->chunks *
                        (size_t)CHANNEL_SUMS_PARTIAL(split->sums, split->channels) +
                    (size_t)split->vector_width;
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
