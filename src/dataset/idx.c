/* SPDX-License-Identifier: Apache-2.0 */
/* IDX, the format of MNIST (os/idx_header.h). */
#include "dataset/format.h"

#include "os/idx_header.h"

#include <stdlib.h>
#include <string.h>

static bool probe(const struct weft_file *file)
{
    return file->size >= 2 && file->bytes[0] == 0 && file->bytes[1] == 0;
}

static enum weft_status read_header(weft_context *ctx, const char *name,
                                    const struct weft_file *file,
                                    struct weft_idx_header *header)
{
    uint8_t bytes[WEFT_IDX_HEADER];
    char reason[WEFT_IDX_REASON];
    size_t size = file->size < sizeof(bytes) ? file->size : sizeof(bytes);
    WEFT_TRY(weft_file_copy(ctx, file, 0, bytes, size));
    const char *why = weft_idx_parse(bytes, size, header, reason);
    return why ? weft_fail(ctx, WEFT_ERR_FORMAT, "%s: %s", name, why) : WEFT_OK;
}

static enum weft_status read_images(struct weft_reading *reading, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    weft_context *ctx = reading->ctx;
    struct weft_raw_images raw = {0};
    struct weft_idx_header header;
    WEFT_TRY(read_header(ctx, name, file, &header));
    if (header.dimensions == 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: contains labels, not images; give the images file "
                         "(images-idx3 in its name)",
                         name);
    const uint64_t extents[4] = {header.extents[0], header.extents[1], header.extents[2],
                                 header.extents[3]};
    WEFT_TRY(weft_raw_images_set_shape(ctx, name, extents, header.dimensions, 1,
                                       file->size - header.size, &raw));
    weft_raw_images_take(&raw, file, header.size);
    *out = raw;
    return WEFT_OK;
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    struct weft_idx_header header;
    WEFT_TRY(read_header(ctx, name, file, &header));
    if (header.dimensions != 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %d dimensions, but labels have one; is it a "
                         "labels file?",
                         name, header.dimensions);
    size_t count = file->size - header.size;
    if (header.extents[0] < 1 || header.extents[0] > WEFT_MAX_IMAGES ||
        header.extents[0] != count)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: its header declares %u labels, the file has %zu; "
                         "download it again",
                         name, (unsigned)header.extents[0], count);
    int32_t *labels = malloc(count * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, name, count * sizeof(*labels));
    for (size_t i = 0; i < count; i++)
        labels[i] = file->bytes[header.size + i];
    *out = (struct weft_labels){(int)count, labels};
    return WEFT_OK;
}

/* The whole ending: train-images-idx3-ubyte.md5 and .part have no images. */
static bool matches_name(const char *leaf)
{
    size_t length = strlen(leaf), end = strlen("idx3-ubyte");
    return length >= end && (!strcmp(leaf + length - end, "idx3-ubyte") ||
                             !strcmp(leaf + length - end, "idx4-ubyte"));
}

static const struct weft_labels_name_rule labels_beside[] = {
    {"images-idx3-ubyte", "labels-idx1-ubyte"},
    {"images.idx3-ubyte", "labels.idx1-ubyte"},
    {"images-idx4-ubyte", "labels-idx1-ubyte"},
    {"images", "labels"},
    {"idx3-ubyte", "idx1-ubyte"},
    {NULL, NULL},
};

const struct weft_format weft_format_idx = {
    .name = "IDX",
    .may_stay = true,
    .probe = probe,
    .read = read_images,
    .read_labels = read_labels,
    .matches_name = matches_name,
    .names = "train-images-idx3-ubyte and t10k-images-idx3-ubyte, plain or .gz",
    .labels_beside = labels_beside,
};
