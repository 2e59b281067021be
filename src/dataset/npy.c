/* SPDX-License-Identifier: Apache-2.0 */
/* NPY, the format of NumPy (NEP 1): magic, version, a Python dictionary as text with
 * type, order and shape, then the elements. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMENSIONS = 4 };

struct header {
    char type[8]; /* "|u1" */
    uint64_t extents[MAX_DIMENSIONS];
    int dimensions;
    const uint8_t *data;
    size_t size; /* bytes of data */
};

static bool probe(const struct weft_file *file)
{
    return file->size >= 6 && !memcmp(file->bytes, "\x93NUMPY", 6);
}

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " \n");
}

/* The text after 'key': in the dictionary; NULL: no such key. */
static const char *value_of(const char *text, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof(quoted), "'%s'", key);
    const char *at = strstr(text, quoted);
    if (!at)
        return NULL;
    at = skip_spaces(at + strlen(quoted));
    return *at == ':' ? skip_spaces(at + 1) : NULL;
}

/* "(60000, 28, 28)" or "(60000,)". */
static bool parse_shape(const char *at, struct header *header)
{
    if (!at || *at++ != '(')
        return false;
    for (at = skip_spaces(at); *at != ')'; at = skip_spaces(at)) {
        uint64_t value = 0;
        if (header->dimensions == MAX_DIMENSIONS || *at < '0' || *at > '9')
            return false;
        for (; *at >= '0' && *at <= '9'; at++) {
            if (value > UINT32_MAX)
                return false;
            value = 10 * value + (uint64_t)(*at - '0');
        }
        header->extents[header->dimensions++] = value;
        at = skip_spaces(at);
        if (*at == ',')
            at++;
        else if (*at != ')')
            return false;
    }
    return header->dimensions > 0;
}

static enum weft_status parse_text(weft_context *ctx, const char *name, const char *text,
                                   struct header *header)
{
    const char *type = value_of(text, "descr"), *order = value_of(text, "fortran_order");
    if (!type || *type != '\'' || !order)
        return weft_fail(
            ctx, WEFT_ERR_FORMAT,
            "%s: damaged NPY header: 'descr' or 'fortran_order' is missing or "
            "malformed",
            name);
    size_t length = strcspn(type + 1, "'");
    if (length >= sizeof(header->type) || type[1 + length] != '\'')
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: unknown NPY element type %.20s", name,
                         type);
    memcpy(header->type, type + 1, length);
    if (!strncmp(order, "True", 4))
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: is in Fortran order; save numpy.ascontiguousarray(a)",
                         name);
    if (!parse_shape(value_of(text, "shape"), header))
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: damaged NPY header: 'shape' must be one to four numbers in "
                         "parentheses",
                         name);
    return WEFT_OK;
}

static enum weft_status read_header(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct header *header)
{
    const uint8_t *b = file->bytes;
    *header = (struct header){0};
    if (file->size < 12 || !probe(file))
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: truncated NPY header", name);
    if (b[6] < 1 || b[6] > 3)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: NPY version %u, must be 1, 2 or 3",
                         name, b[6]);
    size_t start = b[6] == 1 ? 10 : 12;
    size_t length = (size_t)b[8] | (size_t)b[9] << 8;
    if (b[6] > 1)
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (length > file->size - start)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: truncated: NPY header of %zu bytes, the file has %zu", name,
                         length, file->size - start);
    char *text = strndup((const char *)b + start, length);
    if (!text)
        return weft_out_of_memory(ctx, name, length);
    header->data = b + start + length;
    header->size = file->size - start - length;
    enum weft_status status = parse_text(ctx, name, text, header);
    free(text);
    return status;
}

static double load_f4(const uint8_t *p)
{
    uint32_t bits =
        p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)p[i] << (8 * i);
    return bits;
}

static double load_f8(const uint8_t *p)
{
    uint64_t bits = load_le64(p);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static int64_t load_u1(const uint8_t *p)
{
    return *p;
}

static int64_t load_i1(const uint8_t *p)
{
    return *p < 128 ? *p : *p - 256;
}

static int64_t load_i4(const uint8_t *p)
{
    int64_t bits = p[0] | p[1] << 8 | p[2] << 16 | (int64_t)p[3] << 24;
    return bits < INT64_C(0x80000000) ? bits : bits - INT64_C(0x100000000);
}

static int64_t load_i8(const uint8_t *p)
{
    uint64_t bits = load_le64(p);
    return bits > INT64_MAX ? -1 : (int64_t)bits; /* negative: not a label */
}

/* Pixel types; load == NULL: bytes. */
static const struct pixel_type {
    const char *name;
    size_t size;
    double (*load)(const uint8_t *p);
} pixel_types[] = {{"|u1", 1, NULL}, {"<f4", 4, load_f4}, {"<f8", 8, load_f8}};

static const struct label_type {
    const char *name;
    size_t size;
    int64_t (*load)(const uint8_t *p);
} label_types[] = {
    {"|u1", 1, load_u1}, {"|i1", 1, load_i1}, {"<i4", 4, load_i4}, {"<i8", 8, load_i8}};

/* Floats in 0..1 or 0..255 to bytes; the maximum decides between them. */
static enum weft_status convert(weft_context *ctx, const char *name,
                                const struct pixel_type *type, const uint8_t *data,
                                size_t count, uint8_t *out)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        double value = type->load(data + i * type->size);
        if (!(value >= 0 && value <= 255))
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: element %zu is %g; pixels must be 0 to 1 or 0 to 255",
                             name, i, value);
        most = value > most ? value : most;
    }
    double scale = most <= 1 ? 255 : 1;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)floor(type->load(data + i * type->size) * scale + 0.5);
    return WEFT_OK;
}

static enum weft_status read_images(weft_context *ctx, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    struct header header;
    struct weft_raw_images raw = {0};
    const struct pixel_type *type = NULL;
    WEFT_TRY(read_header(ctx, name, file, &header));
    if (header.dimensions < 3)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %d dimensions; images have three (images, rows, "
                         "columns) or four; reshape it, or is it a labels file?",
                         name, header.dimensions);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(pixel_types); i++)
        if (!strcmp(header.type, pixel_types[i].name))
            type = &pixel_types[i];
    if (!type)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: elements of type %s; pixels must be |u1, <f4 or <f8: save "
                         "a.astype('uint8')",
                         name, header.type);
    WEFT_TRY(weft_raw_images_set_shape(ctx, name, header.extents, header.dimensions,
                                       type->size, header.size, &raw));
    if (!type->load) {
        memmove(file->bytes, header.data, header.size);
        raw.pixels = file->bytes;
        *file = (struct weft_file){0};
        *out = raw;
        return WEFT_OK;
    }
    size_t count = header.size / type->size;
    raw.pixels = malloc(count);
    if (!raw.pixels)
        return weft_out_of_memory(ctx, name, count);
    enum weft_status status = convert(ctx, name, type, header.data, count, raw.pixels);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    struct header header;
    const struct label_type *type = NULL;
    WEFT_TRY(read_header(ctx, name, file, &header));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(label_types); i++)
        if (!strcmp(header.type, label_types[i].name))
            type = &label_types[i];
    if (!type)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: elements of type %s; labels must be |u1, |i1, <i4 or <i8: "
                         "save a.astype('uint8')",
                         name, header.type);
    if (header.dimensions != 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %d dimensions, but labels have one: save a.reshape(-1)",
                         name, header.dimensions);
    uint64_t count = header.extents[0];
    if (count < 1 || count > WEFT_MAX_IMAGES || count * type->size != header.size)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: its header declares %" PRIu64
                         " labels of %zu bytes, the file has %zu bytes; "
                         "download it again",
                         name, count, type->size, header.size);
    int32_t *labels = malloc(count * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, name, count * sizeof(*labels));
    for (size_t i = 0; i < count; i++) {
        int64_t label = type->load(header.data + i * type->size);
        if (label < 0 || label >= WEFT_MAX_CLASSES) {
            free(labels);
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: label %zu is %" PRId64 ", must be 0 to %d", name, i,
                             label, WEFT_MAX_CLASSES - 1);
        }
        labels[i] = (int32_t)label;
    }
    *out = (struct weft_labels){(int)count, labels};
    return WEFT_OK;
}

/* The labels of x_train.npy are in y_train.npy: the name begins with x, or has _x or
 * -x as its last word. */
static bool matches_name(const char *leaf)
{
    size_t length = strlen(leaf);
    if (length <= 4 || strcmp(leaf + length - 4, ".npy") || strstr(leaf, "label"))
        return false;
    return strncmp(leaf, "y_", 2) && strncmp(leaf, "y-", 2) && !strstr(leaf, "_y.") &&
           !strstr(leaf, "-y.");
}

static const struct weft_labels_name_rule labels_beside[] = {
    {"images", "labels"},
    {"x_", "y_"},
    {"X_", "y_"},
    {"x-", "y-"},
    {"X-", "y-"},
    {"_x", "_y"},
    {"_X", "_y"},
    {"-x", "-y"},
    {"x.", "y."},
    {"X.", "y."},
    {".npy", "-labels.npy"},
    {NULL, NULL},
};

const struct weft_format weft_format_npy = {
    .name = "NPY",
    .probe = probe,
    .read = read_images,
    .read_labels = read_labels,
    .matches_name = matches_name,
    .names = "a .npy with train or test in its name",
    .labels_beside = labels_beside,
};
