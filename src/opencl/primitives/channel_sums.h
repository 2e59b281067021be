/* SPDX-License-Identifier: Apache-2.0 */
/* Launches over rows of channels, and sums of each channel over all rows in a fixed order
 * (cl/lib/channel_sums.h). */
#ifndef WEFT_OPENCL_PRIMITIVES_CHANNEL_SUMS_H
#define WEFT_OPENCL_PRIMITIVES_CHANNEL_SUMS_H

#include "opencl/primitives/algorithms.h"
#include "opencl/runtime/primitives.h"

/* The tunables in the order of their tables; LANES not in family `vec`. */
enum { SPLIT_VECTOR_WIDTH, SPLIT_WORK_GROUP, SPLIT_CHUNK_ROWS, SPLIT_LANES };
extern const struct ocl_tunable channel_split_tunables[], channel_split_tree_tunables[];

struct channel_split {
    const char *source;
    int rows, channels, sums;
    int vector_width, work_group;
    int chunk_rows, chunks;
    int lanes; /* work-items that sum together, a power of two; 1 in family `vec` */
};

void channel_split_defaults(const struct ocl_device *device, int rows, int channels,
                            int *values);
bool channel_split_valid(const struct ocl_device *device, int rows, const int *values);
struct channel_split channel_split_of(const struct ocl_device *device, const char *source,
                                      int rows, int channels, int sums,
                                      const int *values);
/* The vectors of a row; the last may have fewer channels. */
size_t channel_split_blocks(const struct channel_split *split);
void channel_split_define(const struct channel_split *split, struct ocl_options *options);

/* Records `partials`, whose argument `partials_index` becomes the workspace, and the
 * merge into `first` and, with two sums, `second`. */
enum weft_status channel_sums_record(struct weft_command_list *list,
                                     const struct channel_split *split,
                                     const struct ocl_options *options,
                                     struct ocl_launch *partials, int partials_index,
                                     struct weft_view first, struct weft_view second);

#endif
