/* SPDX-License-Identifier: Apache-2.0 */
/* NPY, the format of NumPy (NEP 1): magic, version, a Python dictionary as text with
 * type, order and shape, then the elements. */
#define _POSIX_C_SOURCE 200809L
#include "dataset/format.h"

#include "util/half.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMENSIONS = 4, MAX_TEXT = 1 << 20, BLOCK = 1 << 13 };

struct header {
    char type[8]; /* "|u1" */
    uint64_t extents[MAX_DIMENSIONS];
    int dimensions;
    size_t at, size; /* the elements: their place in the file, and their bytes */
};

static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

static bool probe(const struct weft_file *file)
{
    return file->size >= sizeof(magic) && !memcmp(file->bytes, magic, sizeof(magic));
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
    uint8_t b[12];
    *header = (struct header){0};
    if (file->size >= sizeof(b))
        WEFT_TRY(weft_file_copy(ctx, file, 0, b, sizeof(b)));
    if (file->size < sizeof(b) || memcmp(b, magic, sizeof(magic)) != 0)
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
    if (length > MAX_TEXT)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: damaged: NPY header of %zu bytes, must be at most %d", name,
                         length, MAX_TEXT);
    char *text = calloc(1, length + 1);
    if (!text)
        return weft_out_of_memory(ctx, name, length);
    header->at = start + length;
    header->size = file->size - header->at;
    enum weft_status status = weft_file_copy(ctx, file, start, text, length);
    if (!status)
        status = parse_text(ctx, name, text, header);
    free(text);
    return status;
}

/* Element types: kind and size, read in either byte order. Integers of 8 bytes beyond
 * 2^53 are rounded, which no pixel or label reaches. */
struct element {
    char kind; /* NumPy's: b bool, u unsigned, i signed, f float */
    size_t size;
    bool big_endian;
};

static bool find_element(const char *type, struct element *out)
{
    static const char *const known[] = {"b1", "u1", "u2", "u4", "u8", "i1",
                                        "i2", "i4", "i8", "f2", "f4", "f8"};
    bool ordered = *type == '<' || *type == '>' || *type == '|' || *type == '=';
    for (size_t i = 0; ordered && i < WEFT_ARRAY_SIZE(known); i++)
        if (!strcmp(type + 1, known[i])) {
            *out =
                (struct element){known[i][0], (size_t)(known[i][1] - '0'), *type == '>'};
            return true;
        }
    return false;
}

static double load_element(const struct element *e, const uint8_t *p)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < e->size; i++)
        bits |= (uint64_t)p[e->big_endian ? e->size - 1 - i : i] << (8 * i);
    if (e->kind == 'f' && e->size == 2)
        return (double)weft_fp16_to_fp32((uint16_t)bits);
    if (e->kind == 'f' && e->size == 4) {
        float value;
        uint32_t low = (uint32_t)bits;
        memcpy(&value, &low, sizeof(value));
        return value;
    }
    if (e->kind == 'f') {
        double value;
        memcpy(&value, &bits, sizeof(value));
        return value;
    }
    uint64_t sign = UINT64_C(1) << (8 * e->size - 1);
    if (e->kind == 'i' && bits & sign)
        return -(double)((sign - 1 - (bits & (sign - 1))) + 1);
    return (double)bits;
}

static enum weft_status fail_value(weft_context *ctx, const char *name, size_t at,
                                   double value)
{
    return weft_fail(
        ctx, WEFT_ERR_FORMAT,
        "%s: element %zu is %g; pixels must be 0 to 1 or 0 to 255%s", name, at, value,
        value >= 0 || value < -FLT_MAX ? ""
        : value >= -1 ? ": save (a + 1) / 2 if they are -1 to 1, else (a - low) / "
                        "(high - low) with a.min() and a.max() of the training images"
                      : ": save (a - low) / (high - low) with a.min() and a.max() of "
                        "the training images");
}

/* Elements of a file, some at a time. */
struct elements {
    weft_context *ctx;
    const struct weft_file *file;
    const struct header *header;
    const struct element *type;
    size_t count;
    uint8_t bytes[BLOCK * sizeof(double)];
};

/* Loads up to BLOCK of them from `first` on; `*n` of them are in `bytes`. */
static enum weft_status load_block(struct elements *e, size_t first, size_t *n)
{
    size_t each = e->type->size;
    *n = e->count - first < BLOCK ? e->count - first : BLOCK;
    return weft_file_copy(e->ctx, e->file, e->header->at + first * each, e->bytes,
                          *n * each);
}

static double element_of(const struct elements *e, size_t i)
{
    return load_element(e->type, e->bytes + i * e->type->size);
}

/* All of them decide the scale. */
static enum weft_status find_scale(struct weft_reading *reading, const char *name,
                                   struct elements *e)
{
    struct weft_pixel_range range = {0};
    for (size_t first = 0, n; first < e->count; first += n) {
        WEFT_TRY(load_block(e, first, &n));
        for (size_t i = 0; i < n; i++) {
            double value = element_of(e, i);
            if (!(value >= 0 && value <= FLT_MAX))
                return fail_value(reading->ctx, name, first + i, value);
            weft_pixel_range_add(&range, value);
        }
    }
    if (e->type->kind == 'u' && e->type->size == 2 && range.most > 255)
        return weft_fail(reading->ctx, WEFT_ERR_FORMAT,
                         "%s: pixels of 16 bits, at most %g; pixels must be 0 to 1 or 0 "
                         "to 255: save (a / 65535).astype('float32')",
                         name, range.most);
    return weft_pixel_scale(reading, name, &range);
}

/* Pixels to bytes at the scale. */
static enum weft_status convert(struct weft_reading *reading, const char *name,
                                struct elements *e, uint8_t *out)
{
    WEFT_TRY(find_scale(reading, name, e));
    for (size_t first = 0, n; first < e->count; first += n) {
        WEFT_TRY(load_block(e, first, &n));
        for (size_t i = 0; i < n; i++)
            out[first + i] = weft_pixel_round(element_of(e, i), reading->scale);
    }
    return WEFT_OK;
}

static enum weft_status read_images(struct weft_reading *reading, const char *name,
                                    struct weft_file *file, struct weft_raw_images *out)
{
    weft_context *ctx = reading->ctx;
    struct header header;
    struct element element;
    struct weft_raw_images raw = {0};
    WEFT_TRY(read_header(ctx, name, file, &header));
    if (header.dimensions < 3)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has %d dimensions; images have three (images, rows, "
                         "columns) or four; reshape it, or is it a labels file?",
                         name, header.dimensions);
    if (!find_element(header.type, &element))
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: elements of type %s; pixels must be integers or floats of "
                         "1 to 8 bytes in 0 to 1 or 0 to 255",
                         name, header.type);
    WEFT_TRY(weft_raw_images_set_shape(ctx, name, header.extents, header.dimensions,
                                       element.size, header.size, &raw));
    if (element.kind == 'u' && element.size == 1) {
        weft_raw_images_take(&raw, file, header.at);
        *out = raw;
        return WEFT_OK;
    }
    size_t count = header.size / element.size;
    struct elements *elements = malloc(sizeof(*elements));
    raw.pixels = malloc(count);
    if (!raw.pixels || !elements) {
        free(elements);
        weft_raw_images_free(&raw);
        return weft_out_of_memory(ctx, name, count);
    }
    *elements = (struct elements){
        .ctx = ctx, .file = file, .header = &header, .type = &element, .count = count};
    enum weft_status status = convert(reading, name, elements, raw.pixels);
    free(elements);
    if (status)
        weft_raw_images_free(&raw);
    else
        *out = raw;
    return status;
}

/* One label for each image: (n,) or (n,1). */
static enum weft_status check_label_shape(weft_context *ctx, const char *name,
                                          const struct header *header)
{
    const uint64_t *extents = header->extents;
    if (header->dimensions == 1 || (header->dimensions == 2 && extents[1] == 1))
        return WEFT_OK;
    if (header->dimensions == 2 && extents[0] > 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: has 2 dimensions, but labels have one; if its %" PRIu64
                         " columns are one-hot, save a.argmax(1)",
                         name, extents[1]);
    return weft_fail(ctx, WEFT_ERR_FORMAT,
                     "%s: has %d dimensions, but labels have one: save a.reshape(-1)",
                     name, header->dimensions);
}

static enum weft_status read_labels(weft_context *ctx, const char *name,
                                    const struct weft_file *file, struct weft_labels *out)
{
    struct header header;
    struct element element;
    WEFT_TRY(read_header(ctx, name, file, &header));
    if (!find_element(header.type, &element))
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: elements of type %s; labels must be integers from 0: for "
                         "texts save numpy.unique(a, return_inverse=True)[1], and the "
                         "names in classes.txt",
                         name, header.type);
    WEFT_TRY(check_label_shape(ctx, name, &header));
    uint64_t count = header.extents[0];
    if (count < 1 || count > WEFT_MAX_IMAGES || count * element.size != header.size)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: its header declares %" PRIu64
                         " labels of %zu bytes, the file has %zu bytes; "
                         "download it again",
                         name, count, element.size, header.size);
    int32_t *labels = malloc(count * sizeof(*labels));
    if (!labels)
        return weft_out_of_memory(ctx, name, count * sizeof(*labels));
    for (size_t i = 0; i < count; i++) {
        double label = load_element(&element, file->bytes + header.at + i * element.size);
        if (!(label >= 0 && label < WEFT_MAX_CLASSES && label == floor(label))) {
            free(labels);
            return weft_fail(ctx, WEFT_ERR_FORMAT,
                             "%s: label %zu is %.15g, must be an integer from 0 to %d",
                             name, i, label, WEFT_MAX_CLASSES - 1);
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
    {"x-", "y-"},
    {"_x", "_y"},
    {"-x", "-y"},
    {"x.", "y."},
    {"xtrain", "ytrain"},
    {"xtest", "ytest"},
    {".npy", "-labels.npy"},
    {".npy", "_labels.npy"},
    {NULL, NULL},
};

const struct weft_format weft_format_npy = {
    .name = "NPY",
    .may_stay = true,
    .probe = probe,
    .read = read_images,
    .read_labels = read_labels,
    .matches_name = matches_name,
    .names = "a .npy with train or test in its name",
    .labels_beside = labels_beside,
};
