/* SPDX-License-Identifier: Apache-2.0 */
/* A bounds-checked reader of protobuf's wire format, and the messages of ONNX on top.
 *
 * A message is a sequence of fields: a varint key (number << 3 | kind), then a varint
 * (kind 0), 8 bytes (1), a length and that many bytes (2), or 4 bytes (5). Repeated
 * numbers are one per field, or packed into the bytes of one field. */
#include "onnx/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The unread bytes. After a failure `why` is set, and every read fails. */
struct wire {
    const uint8_t *at, *end;
    const char *why;
};

struct field {
    unsigned number, kind;
    uint64_t value;    /* kinds 0, 1 and 5 */
    struct wire bytes; /* kind 2 */
};

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bool broken(struct wire *in, const char *why)
{
    if (!in->why)
        in->why = why;
    in->at = in->end;
    return false;
}

static uint64_t read_varint(struct wire *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end)
            return broken(in, "a number ends with the file");
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    return broken(in, "a number of more than 64 bits");
}

static uint64_t read_fixed(struct wire *in, size_t size)
{
    if ((size_t)(in->end - in->at) < size)
        return broken(in, "a number ends with the file");
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)in->at[i] << 8 * i;
    in->at += size;
    return value;
}

/* False at the end, and when the reader failed. */
static bool next_field(struct wire *in, struct field *out)
{
    if (in->at == in->end)
        return false;
    uint64_t key = read_varint(in);
    *out = (struct field){.number = (unsigned)(key >> 3), .kind = key & 7};
    if (out->kind == VARINT) {
        out->value = read_varint(in);
    } else if (out->kind == FIXED64 || out->kind == FIXED32) {
        out->value = read_fixed(in, out->kind == FIXED64 ? 8 : 4);
    } else if (out->kind == BYTES) {
        uint64_t size = read_varint(in);
        if (size > (uint64_t)(in->end - in->at))
            return broken(in, "a length exceeds the data");
        out->bytes = (struct wire){in->at, in->at + size, NULL};
        in->at += size;
    } else {
        return broken(in, "a field of unknown kind");
    }
    return !in->why;
}

static double float_of(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof(value));
    return value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void take_name(struct wire *in, const struct field *field, char *out)
{
    size_t size = (size_t)(field->bytes.end - field->bytes.at);
    if (field->kind != BYTES || size >= ONNX_NAME) {
        broken(in, "a name that is too long");
        return;
    }
    if (size)
        memcpy(out, field->bytes.at, size);
    out[size] = 0;
}

/* Appends the integer, or the packed integers, of `field`. */
static void take_ints(struct wire *in, struct field *field, int64_t *out, int *count,
                      int room)
{
    struct wire one = {NULL, NULL, NULL};
    struct wire *from = field->kind == BYTES ? &field->bytes : &one;
    do {
        if (*count == room) {
            broken(in, "too many numbers");
            return;
        }
        if (field->kind == BYTES && from->at == from->end)
            return;
        out[(*count)++] =
            (int64_t)(field->kind == BYTES ? read_varint(from) : field->value);
    } while (from->at != from->end);
    if (from->why)
        broken(in, from->why);
}

/* The encodings of a tensor's values: raw bytes of `size` each, or a typed field. */
static const struct encoding {
    int type;
    size_t size;     /* of a raw element */
    unsigned number; /* of the typed field */
    unsigned kind;   /* of an element there */
    bool real;
} encodings[] = {
    {ONNX_FLOAT, 4, 4, FIXED32, true}, {ONNX_UINT8, 1, 5, VARINT, false},
    {ONNX_INT32, 4, 5, VARINT, false}, {ONNX_INT64, 8, 7, VARINT, false},
    {ONNX_BOOL, 1, 5, VARINT, false},  {ONNX_DOUBLE, 8, 10, FIXED64, true},
};

static double number_of(const struct encoding *as, uint64_t bits)
{
    if (as->real)
        return as->size == 4 ? float_of(bits) : double_of(bits);
    if (as->type == ONNX_INT32)
        return (int32_t)(uint32_t)bits;
    return (double)(int64_t)bits;
}

/* Reads the numbers of a tensor whose shape is known. */
static void take_values(struct wire *in, struct wire message, struct onnx_tensor *out)
{
    const struct encoding *as = NULL;
    for (size_t i = 0; i < sizeof(encodings) / sizeof(*encodings); i++)
        if (encodings[i].type == out->type)
            as = &encodings[i];
    if (!as)
        return;
    if (!(out->values = malloc(out->count * sizeof(double) + 1))) {
        broken(in, "out of memory");
        return;
    }

    size_t count = 0;
    struct field field;
    while (next_field(&message, &field)) {
        bool raw = field.number == 9;
        if (!raw && field.number != as->number)
            continue;
        if (!raw && field.kind != BYTES) {
            if (count < out->count)
                out->values[count] = number_of(as, field.value);
            count++;
            continue;
        }
        struct wire *from = &field.bytes;
        while (from->at != from->end) {
            uint64_t bits = raw                  ? read_fixed(from, as->size)
                            : as->kind == VARINT ? read_varint(from)
                                                 : read_fixed(from, as->size);
            if (count < out->count)
                out->values[count] = number_of(as, bits);
            count++;
        }
        if (from->why)
            broken(in, from->why);
    }
    if (count != out->count)
        broken(in, "a tensor has not as many numbers as its shape says");
}

static void take_tensor(struct wire *in, struct wire message, struct onnx_tensor *out)
{
    struct wire again = message;
    struct field field;
    *out = (struct onnx_tensor){.count = 1};
    while (next_field(&message, &field)) {
        if (field.number == 1)
            take_ints(&message, &field, out->dims, &out->rank, ONNX_RANK);
        else if (field.number == 2)
            out->type = (int)field.value;
        else if (field.number == 8)
            take_name(&message, &field, out->name);
    }
    for (int i = 0; i < out->rank; i++)
        if (out->dims[i] < 0 ||
            __builtin_mul_overflow(out->count, (size_t)out->dims[i], &out->count) ||
            out->count > (size_t)1 << 28)
            broken(&message, "a tensor of impossible size");
    if (!message.why)
        take_values(&message, again, out);
    if (message.why)
        broken(in, message.why);
}

static void take_attribute(struct wire *in, struct wire message,
                           struct onnx_attribute *out)
{
    struct field field;
    *out = (struct onnx_attribute){.f = 0};
    while (next_field(&message, &field)) {
        if (field.number == 1)
            take_name(&message, &field, out->name);
        else if (field.number == 2)
            out->f = float_of(field.value);
        else if (field.number == 3)
            out->i = (int64_t)field.value;
        else if (field.number == 4)
            take_name(&message, &field, out->s);
        else if (field.number == 8)
            take_ints(&message, &field, out->ints, &out->int_count, ONNX_INTS);
    }
    if (message.why)
        broken(in, message.why);
}

static void take_port(struct wire *in, const struct field *field, char names[][ONNX_NAME],
                      int *count)
{
    if (*count == ONNX_PORTS)
        broken(in, "too many inputs or outputs");
    else
        take_name(in, field, names[(*count)++]);
}

/* Inputs and outputs of a graph come with their types; the name is enough. */
static void take_value_name(struct wire *in, struct wire message, char names[][ONNX_NAME],
                            int *count)
{
    struct field field;
    while (next_field(&message, &field))
        if (field.number == 1)
            take_port(&message, &field, names, count);
    if (message.why)
        broken(in, message.why);
}

static void take_node(struct wire *in, struct wire message, struct onnx_node *out)
{
    struct field field;
    while (next_field(&message, &field)) {
        if (field.number == 1)
            take_port(&message, &field, out->inputs, &out->input_count);
        else if (field.number == 2)
            take_port(&message, &field, out->outputs, &out->output_count);
        else if (field.number == 4)
            take_name(&message, &field, out->op);
        else if (field.number == 5 && out->attribute_count == ONNX_ATTRIBUTES)
            broken(&message, "too many attributes");
        else if (field.number == 5)
            take_attribute(&message, field.bytes,
                           &out->attributes[out->attribute_count++]);
    }
    if (message.why)
        broken(in, message.why);
}

/* A graph of more than one node is only counted. */
static void take_graph(struct wire *in, struct wire message, struct onnx_model *out)
{
    struct wire again = message;
    struct field field;
    while (next_field(&message, &field))
        out->node_count += field.number == 1;
    if (out->node_count != 1)
        return;

    message = again;
    while (next_field(&message, &field)) {
        if (field.number == 1)
            take_node(&message, field.bytes, &out->node);
        else if (field.number == 5 && out->initializer_count == ONNX_PORTS)
            broken(&message, "too many initializers");
        else if (field.number == 5)
            take_tensor(&message, field.bytes,
                        &out->initializers[out->initializer_count++]);
        else if (field.number == 11)
            take_value_name(&message, field.bytes, out->inputs, &out->input_count);
        else if (field.number == 12)
            take_value_name(&message, field.bytes, out->outputs, &out->output_count);
    }
    if (message.why)
        broken(in, message.why);
}

static void take_opset(struct wire message, int64_t *opset)
{
    struct field field;
    int64_t version = 0;
    bool is_default = true;
    while (next_field(&message, &field)) {
        if (field.number == 1)
            is_default = field.bytes.at == field.bytes.end;
        else if (field.number == 2)
            version = (int64_t)field.value;
    }
    if (is_default)
        *opset = version;
}

static uint8_t *read_file(const char *path, struct wire *in)
{
    *in = (struct wire){NULL, NULL, NULL};
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    uint8_t *bytes = NULL;
    long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
    if (size >= 0 && !fseek(file, 0, SEEK_SET) && (bytes = malloc((size_t)size + 1)) &&
        fread(bytes, 1, (size_t)size, file) == (size_t)size)
        *in = (struct wire){bytes, bytes + size, NULL};
    else
        in->why = "it cannot be read";
    fclose(file);
    return bytes;
}

bool onnx_read_model(const char *path, struct onnx_model *out, const char **why)
{
    struct wire in;
    struct field field;
    uint8_t *bytes = read_file(path, &in);
    *out = (struct onnx_model){.opset = 0};
    while (next_field(&in, &field)) {
        if (field.number == 7)
            take_graph(&in, field.bytes, out);
        else if (field.number == 8)
            take_opset(field.bytes, &out->opset);
    }
    *why = in.why;
    bool read = bytes && !in.why;
    free(bytes);
    return read;
}

bool onnx_read_tensor(const char *path, struct onnx_tensor *out, const char **why)
{
    struct wire in;
    uint8_t *bytes = read_file(path, &in);
    *out = (struct onnx_tensor){.count = 0};
    if (bytes && !in.why)
        take_tensor(&in, in, out);
    *why = in.why;
    bool read = bytes && !in.why;
    free(bytes);
    return read;
}

void onnx_tensor_finish(struct onnx_tensor *tensor)
{
    free(tensor->values);
    tensor->values = NULL;
}

void onnx_model_finish(struct onnx_model *model)
{
    for (int i = 0; i < model->initializer_count; i++)
        onnx_tensor_finish(&model->initializers[i]);
    model->initializer_count = 0;
}

const struct onnx_attribute *onnx_attribute(const struct onnx_node *node,
                                            const char *name)
{
    for (int i = 0; i < node->attribute_count; i++)
        if (!strcmp(node->attributes[i].name, name))
            return &node->attributes[i];
    return NULL;
}
