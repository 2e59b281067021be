/* SPDX-License-Identifier: Apache-2.0 */
/* IDX, the format of MNIST: two zero bytes, the type (8: unsigned bytes), the number
 * of dimensions, an extent of four bytes for each, most significant byte first, then
 * the elements. */
#include "dataset/format.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_BYTES = 8 };

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool probe(const struct weft_file *file)
{
    return file->size >= 2 && file->bytes[0] == 0 && file->bytes[1] == 0;
}

/* Reads the header; `extents` has four elements. */
static enum weft_status read_header(weft_context *ctx, const char *name,
                                    const struct weft_file *file, uint64_t *extents,
                                    int *dimensions, size_t *header)
{
    if (file->size < 4 || !probe(file))
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: not an IDX file: it must begin with two zero bytes", name);
    if (file->bytes[2] != TYPE_BYTES)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has elements of IDX type 0x%02x, must be unsigned bytes "
                         "(0x08)",
                         name, file->bytes[2]);
    int count = file->bytes[3];
    if (count < 1 || count > 4)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: has %d dimensions, must be 1 to 4",
                         name, count);
    *header = 4 + 4 * (size_t)count;
    if (file->size < *header)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: truncated header: %zu of %zu bytes; download it again",
                         name, file->size, *header);
    for (int i = 0; i < count; i++)
        extents[i] = load_be32(file->bytes + 4 + 4 * i);
    *dimensions = count;
    return WEFT_OK;
}

static enum weft_status read_images(struct weft_reading *reading, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    weft_context *ctx = reading->ctx;
    struct weft_raw_images raw = {0};
    uint64_t extents[4];
    size_t header;
    int dimensions;
    WEFT_TRY(read_header(ctx, name, file, extents, &dimensions, &header));
    if (dimensions == 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: contains labels, not images; give the images file "
                         "(images-idx3 in its name)",
                         name);
    WEFT_TRY(weft_raw_images_set_shape(ctx, name, extents, dimensions, 1,
                                       file->size - header, &raw));
    weft_raw_images_take(&raw, file, header);
    *out = raw;
    return WEFT_OK;
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    uint64_t extents[4];
    size_t header;
    int dimensions;
    WEFT_TRY(read_header(ctx, name, file, extents, &dimensions, &header));
    if (dimensions != 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %d dimensions, but labels have one; is it a "
                         "labels file?",
                         name, dimensions);
    if (extents[0] < 1 || extents[0] > WEFT_MAX_IMAGES ||
        extents[0] != file->size - header)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: its header declares %u labels, the file has %zu; "
                         "download it again",
                         name, (unsigned)extents[0], file->size - header);
    size_t count = file->size - header;
    int32_t *labels = malloc(count * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, name, count * sizeof(*labels));
    for (size_t i = 0; i < count; i++)
        labels[i] = file->bytes[header + i];
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
