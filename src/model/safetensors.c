/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing safetensors files. */
#include "model/safetensors.h"

#include "model/checksum.h"
#include "model/metadata.h"
#include "os/read_json.h"
#include "util/file.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, HEADER_ALIGN = 64, HEADER_LIMIT = 1 << 24 };
/* 16 GiB, and less where addresses have 32 bits. */
#define SIXTEEN_GIB ((uint64_t)16 << 30)
static const size_t file_limit =
    SIXTEEN_GIB < PTRDIFF_MAX ? (size_t)SIXTEEN_GIB : (size_t)PTRDIFF_MAX;

static json_t *describe(const struct weft_tensor *t, size_t at)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer(t->extent[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                     "data_offsets", (json_int_t)at,
                     (json_int_t)(at + t->count * sizeof(float)));
}

/* The header as text, owned by the caller, and the size of the data; NULL: out of
 * memory. Adds the checksum to the metadata. */
static char *header_text(json_t *metadata, const struct weft_tensor *tensors, int count,
                         size_t *data)
{
    char sum[2 * WEFT_SHA256_BYTES + 1];
    struct weft_checksum checksum;
    json_t *header = json_object();
    bool complete = !json_object_set(header, "__metadata__", metadata);
    *data = 0;
    weft_checksum_init(&checksum);
    for (int i = 0; i < count; i++) {
        json_t *entry = describe(&tensors[i], *data);
        size_t bytes = tensors[i].count * sizeof(float);
        weft_checksum_add(&checksum, tensors[i].name, entry, tensors[i].values, bytes);
        complete = !json_object_set_new(header, tensors[i].name, entry) && complete;
        *data += bytes;
    }
    complete = weft_checksum_finish(&checksum, metadata, sum) && complete &&
               !json_object_set_new(metadata, META_CHECKSUM, json_string(sum));
    char *text = complete ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

enum weft_status weft_safetensors_write(weft_context *ctx, const char *path,
                                        json_t *metadata,
                                        const struct weft_tensor *tensors, int count)
{
    size_t data;
    char *text = header_text(metadata, tensors, count, &data);
    if (!text)
        return weft_out_of_memory(ctx, path, HEADER_LIMIT);
    size_t length = strlen(text);
    size_t padded =
        (LENGTH_BYTES + length + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN -
        LENGTH_BYTES;
    size_t size = LENGTH_BYTES + padded + data;
    uint8_t *bytes = padded > HEADER_LIMIT ? NULL : malloc(size);
    if (!bytes) {
        free(text);
        return padded > HEADER_LIMIT
                   ? weft_fail(ctx, WEFT_ERR_ARG, "%s: the metadata exceeds %d bytes",
                               path, HEADER_LIMIT)
                   : weft_out_of_memory(ctx, path, size);
    }
    for (int i = 0; i < LENGTH_BYTES; i++)
        bytes[i] = (uint8_t)(padded >> 8 * i);
    memcpy(bytes + LENGTH_BYTES, text, length);
    memset(bytes + LENGTH_BYTES + length, ' ', padded - length);
    uint8_t *at = bytes + LENGTH_BYTES + padded;
    for (int i = 0; i < count; i++) {
        memcpy(at, tensors[i].values, tensors[i].count * sizeof(float));
        at += tensors[i].count * sizeof(float);
    }
    enum weft_status status = weft_file_write(ctx, path, bytes, size);
    free(bytes);
    free(text);
    return status;
}

static enum weft_status fail_invalid(const struct weft_safetensors *file,
                                     const char *reason)
{
    return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                     "%s: %s: not a valid safetensors file; get another copy", file->path,
                     reason);
}

/* Element size of a type of the format; 0: unknown, as those of newer versions. A tensor
 * of such a type is skipped unless the network needs it. */
static size_t type_bytes(const char *type)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},
                 {"U16", 2}, {"U8", 1},  {"BOOL", 1}};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(types); i++)
        if (!strcmp(type, types[i].name))
            return types[i].bytes;
    return 0;
}

/* Offsets of a tensor entry; false: not a tensor. */
static bool entry_range(json_t *entry, size_t *begin, size_t *end)
{
    const char *type = NULL;
    json_t *shape = NULL;
    json_int_t from = 0, to = 0;
    if (json_unpack(entry, "{s:s, s:o, s:[I, I!]}", "dtype", &type, "shape", &shape,
                    "data_offsets", &from, &to) ||
        !json_is_array(shape) || from < 0 || to < from)
        return false;
    size_t bytes = type_bytes(type), i;
    json_t *extent;
    json_array_foreach(shape, i, extent)
    {
        json_int_t n = json_integer_value(extent);
        if (!json_is_integer(extent) || n < 0 ||
            !weft_checked_mul(bytes, (size_t)n, &bytes))
            return false;
    }
    *begin = (size_t)from;
    *end = (size_t)to;
    return !type_bytes(type) || bytes == *end - *begin;
}

struct range {
    size_t begin, end;
};

static int by_begin(const void *left, const void *right)
{
    const struct range *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

/* Checks that all entries are valid and cover 0 to *size without gaps. */
static enum weft_status check_entries(const struct weft_safetensors *file, size_t *size)
{
    size_t count = 0, at = 0;
    struct range *ranges = calloc(json_object_size(file->header) + 1, sizeof(*ranges));
    if (!ranges)
        return weft_out_of_memory(file->ctx, file->path, sizeof(*ranges));
    const char *name, *reason = NULL;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (!strcmp(name, "__metadata__"))
            continue;
        if (!entry_range(entry, &ranges[count].begin, &ranges[count].end))
            reason = "an entry of the header is not valid";
        count++;
    }
    qsort(ranges, count, sizeof(*ranges), by_begin);
    for (size_t i = 0; i < count && !reason; i++) {
        if (ranges[i].begin != at)
            reason = "the tensors are not contiguous within the file";
        at = ranges[i].end;
    }
    free(ranges);
    *size = at;
    return reason ? fail_invalid(file, reason) : WEFT_OK;
}

static enum weft_status check_metadata(const struct weft_safetensors *file)
{
    const char *name;
    json_t *value, *metadata = json_object_get(file->header, "__metadata__");
    if (metadata && !json_is_object(metadata))
        return fail_invalid(file, "the metadata is not an object");
    json_object_foreach(metadata, name, value)
    {
        if (!json_is_string(value))
            return fail_invalid(file, "a metadata value is not text");
    }
    return WEFT_OK;
}

/* Checks the header before the numbers are read. `size`: SIZE_MAX for a pipe. */
static enum weft_status read_header(void *priv, const struct weft_file *head, size_t size,
                                    size_t *limit)
{
    struct weft_safetensors *file = priv;
    if (head->size < LENGTH_BYTES)
        return fail_invalid(file, "it is shorter than 8 bytes");
    uint64_t length = 0;
    for (int i = LENGTH_BYTES; i-- > 0;)
        length = length << 8 | head->bytes[i];
    if (length > HEADER_LIMIT || length > head->size - LENGTH_BYTES)
        return fail_invalid(file, "the header is longer than the file or 16 MiB");
    json_error_t error;
    bool no_memory;
    file->header = weft_read_json((const char *)head->bytes + LENGTH_BYTES,
                                  (size_t)length, &error, &no_memory);
    if (!json_is_object(file->header))
        return no_memory ? weft_out_of_memory(file->ctx, file->path, (size_t)length)
                         : fail_invalid(file, "the header is not a JSON object");
    file->data = LENGTH_BYTES + (size_t)length;
    WEFT_TRY(check_metadata(file));
    size_t data = 0;
    WEFT_TRY(check_entries(file, &data));
    if (size < SIZE_MAX ? file->data + data != size : data > *limit - file->data)
        return fail_invalid(file, "the tensors do not end at the end of the file");
    *limit = file->end = file->data + data;
    return WEFT_OK;
}

/* True if the contents have the checksum of the metadata; true too for files of other
 * programs, which have none. */
static enum weft_status is_intact(const struct weft_safetensors *file, bool *intact)
{
    char sum[2 * WEFT_SHA256_BYTES + 1];
    const char *name, *saved = weft_safetensors_metadata(file, META_CHECKSUM);
    const char *format = weft_safetensors_metadata(file, META_FORMAT);
    struct weft_checksum checksum;
    json_t *entry;
    *intact = !format || !strcmp(format, META_FORMAT_UNCHECKED);
    if (!saved)
        return WEFT_OK;
    weft_checksum_init(&checksum);
    json_object_foreach(file->header, name, entry)
    {
        size_t begin, end;
        if (strcmp(name, "__metadata__") != 0 && entry_range(entry, &begin, &end))
            weft_checksum_add(&checksum, name, entry, file->bytes + file->data + begin,
                              end - begin);
    }
    if (!weft_checksum_finish(&checksum, json_object_get(file->header, "__metadata__"),
                              sum))
        return weft_out_of_memory(file->ctx, file->path, sizeof(sum));
    *intact = !strcmp(sum, saved);
    return WEFT_OK;
}

static enum weft_status check_intact(const struct weft_safetensors *file)
{
    bool intact;
    WEFT_TRY(is_intact(file, &intact));
    if (intact)
        return WEFT_OK;
    static const char fault[] = "damaged: its contents do not have the checksum that it "
                                "was written with";
    if (!file->ctx->accept_damaged)
        return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                         "%s: %s; get another copy, or load it in spite of that with "
                         "--force (accept_damaged)",
                         file->path, fault);
    weft_log_message(file->ctx, WEFT_LOG_WARN, "%s: %s", file->path, fault);
    return WEFT_OK;
}

enum weft_status weft_safetensors_open(weft_context *ctx, const char *path,
                                       struct weft_safetensors *out)
{
    struct weft_file raw = {0};
    *out = (struct weft_safetensors){.ctx = ctx, .path = strdup(path)};
    struct weft_file_limits limits = {.limit = file_limit,
                                      .head_size = LENGTH_BYTES + HEADER_LIMIT,
                                      .check = read_header,
                                      .priv = out};
    enum weft_status status = out->path ? weft_file_read_within(ctx, path, &limits, &raw)
                                        : weft_out_of_memory(ctx, path, strlen(path));
    out->bytes = raw.bytes;
    if (!status && raw.size != out->end)
        status = fail_invalid(out, "the tensors do not end at the end of the file");
    if (!status)
        status = check_intact(out);
    if (status)
        weft_safetensors_free(out);
    return status;
}

void weft_safetensors_free(struct weft_safetensors *file)
{
    json_decref(file->header);
    free(file->bytes);
    free(file->path);
    *file = (struct weft_safetensors){0};
}

const char *weft_safetensors_metadata(const struct weft_safetensors *file,
                                      const char *name)
{
    return json_string_value(
        json_object_get(json_object_get(file->header, "__metadata__"), name));
}

bool weft_safetensors_numbers(const struct weft_safetensors *file, const char *name,
                              double *out, int count)
{
    const char *text = weft_safetensors_metadata(file, name);
    for (int i = 0; i < count; i++) {
        char *end = NULL;
        out[i] = text ? weft_number_read(text, &end) : 0;
        if (end == text)
            return false;
        text = end;
    }
    return true;
}

enum weft_status weft_safetensors_find(const struct weft_safetensors *file,
                                       const char *name, int rank, const int *extent,
                                       const uint8_t **out)
{
    json_t *entry = json_object_get(file->header, name);
    json_t *shape = json_object_get(entry, "shape");
    if (!entry)
        return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                         "%s: has no tensor \"%s\", which its network needs", file->path,
                         name);
    bool fits = !strcmp(json_string_value(json_object_get(entry, "dtype")), "F32") &&
                json_array_size(shape) == (size_t)rank;
    for (int i = 0; fits && i < rank; i++)
        fits = json_integer_value(json_array_get(shape, (size_t)i)) == extent[i];
    if (!fits)
        return weft_fail(file->ctx, WEFT_ERR_FORMAT,
                         "%s: tensor \"%s\" does not have the type F32 and the shape "
                         "that its network needs",
                         file->path, name);
    json_t *offsets = json_object_get(entry, "data_offsets");
    *out =
        file->bytes + file->data + (size_t)json_integer_value(json_array_get(offsets, 0));
    return WEFT_OK;
}
