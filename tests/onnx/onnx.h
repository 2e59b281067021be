/* SPDX-License-Identifier: Apache-2.0 */
/* Enough of ONNX to read the tests that come with it: models of one node, and tensors.
 * The fields are those of onnx.proto (ONNX 1.12), the encoding is protobuf's. */
#ifndef WEFT_TESTS_ONNX_ONNX_H
#define WEFT_TESTS_ONNX_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ONNX_NAME = 96,       /* longest name, with its zero */
    ONNX_RANK = 8,        /* dimensions of a tensor */
    ONNX_PORTS = 16,      /* inputs or outputs of a node */
    ONNX_ATTRIBUTES = 16, /* of a node */
    ONNX_INTS = 32        /* of an attribute */
};

enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_DOUBLE = 11
};

/* Any of the types above, its values as doubles. Other types: `values` is NULL. */
struct onnx_tensor {
    char name[ONNX_NAME];
    int type, rank;
    int64_t dims[ONNX_RANK];
    size_t count;
    double *values;
};

struct onnx_attribute {
    char name[ONNX_NAME];
    double f;
    int64_t i;
    char s[ONNX_NAME];
    int int_count;
    int64_t ints[ONNX_INTS];
};

struct onnx_node {
    char op[ONNX_NAME];
    int input_count, output_count, attribute_count;
    char inputs[ONNX_PORTS][ONNX_NAME], outputs[ONNX_PORTS][ONNX_NAME]; /* "": absent */
    struct onnx_attribute attributes[ONNX_ATTRIBUTES];
};

struct onnx_model {
    int64_t opset; /* of the default domain */
    int node_count;
    struct onnx_node node; /* the first */
    int initializer_count;
    struct onnx_tensor initializers[ONNX_PORTS];
    int input_count, output_count;
    char inputs[ONNX_PORTS][ONNX_NAME], outputs[ONNX_PORTS][ONNX_NAME];
};

/* Reads a file. False: there is no such file, or `*why` says what is wrong with it. */
bool onnx_read_model(const char *path, struct onnx_model *out, const char **why);
bool onnx_read_tensor(const char *path, struct onnx_tensor *out, const char **why);
void onnx_model_finish(struct onnx_model *model);
void onnx_tensor_finish(struct onnx_tensor *tensor);

/* The attribute called `name`, or NULL. */
const struct onnx_attribute *onnx_attribute(const struct onnx_node *node,
                                            const char *name);

#endif
