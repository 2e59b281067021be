/* SPDX-License-Identifier: Apache-2.0 */
/* Other labels for the images of a dataset. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/dataset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Mean and stddev are those of the pixels, and stay. */
static enum weft_status measure_again(weft_dataset *data)
{
    const struct weft_dataset_info before = data->info;
    enum weft_status status =
        weft_dataset_measure(data, data->keys ? &(uint32_t){0} : NULL, 0);
    memcpy(data->info.mean, before.mean, sizeof(before.mean));
    memcpy(data->info.stddev, before.stddev, sizeof(before.stddev));
    return status;
}

enum weft_status weft_dataset_relabel(weft_dataset *data, const int32_t *labels,
                                      int count)
{
    WEFT_REQUIRE_POINTER(NULL, data, "data");
    weft_context *ctx = data->context;
    WEFT_REQUIRE_POINTER(ctx, labels, "labels");
    WEFT_REQUIRE(ctx, count == data->info.count, "count must be that of the images");
    WEFT_REQUIRE(ctx, data->users == 1, "the dataset must not be in use");
    for (int i = 0; i < count; i++)
        if (labels[i] < 0 || labels[i] >= data->info.classes)
            return weft_fail(ctx, WEFT_ERR_ARG,
                             "weft_dataset_relabel: label %d is %" PRId32
                             ", must be 0 to %d",
                             i, labels[i], data->info.classes - 1);
    size_t bytes = (size_t)count * sizeof(*labels);
    if (!memcmp(data->labels, labels, bytes))
        return WEFT_OK;
    char *unknown = strdup("");
    if (!unknown)
        return weft_out_of_memory(ctx, "labels", 1);
    memcpy(data->labels, labels, bytes);
    free((char *)(uintptr_t)data->info.known_as);
    data->info.known_as = unknown;
    return measure_again(data);
}
