/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the ONNX oracle share: a device to run primitives on, one test of the
 * package, and the comparison. */
#ifndef WEFT_TESTS_ONNX_ORACLE_H
#define WEFT_TESTS_ONNX_ORACLE_H

#include "onnx/onnx.h"

#include "device/backend.h"
#include "shared/state.h"

/* One test at a time runs here. Whatever fails below the seam ends the program with the
 * library's sentence: the drivers are not on trial, the numbers are. */
struct oracle {
    weft_context *context;
    weft_device *device;
    bool inject_fault; /* swap two numbers of each result before it is compared */
    struct weft_command_list *list; /* under way */
    struct weft_mem *memory[24];
    int memory_count;
    int compared, wrong; /* outputs of this test */
    double worst;        /* error over what is allowed, of this test */
};

/* Inputs and outputs in the order of the node's; `values` NULL: absent. */
struct onnx_test {
    const char *name;
    const struct onnx_model *model;
    struct onnx_tensor inputs[ONNX_PORTS], outputs[ONNX_PORTS];
};

/* Runs a test and compares its outputs; or says why weft cannot. */
typedef const char *oracle_run(struct oracle *oracle, const struct onnx_test *test);

oracle_run oracle_batch_norm;
oracle_run oracle_conv, oracle_max_pool, oracle_gemm, oracle_softmax, oracle_flatten;
oracle_run oracle_average_pool, oracle_global_max_pool, oracle_global_average_pool;
oracle_run oracle_add, oracle_relu, oracle_leaky_relu, oracle_sigmoid, oracle_tanh;
oracle_run oracle_dropout, oracle_loss, oracle_adam, oracle_momentum;

/* Device memory with `count` words, or room for as many; freed after the test. */
struct weft_view oracle_upload(struct oracle *oracle, const void *words, size_t count);
struct weft_view oracle_allocate(struct oracle *oracle, size_t count);

/* Checks what a call of the seam returned. */
void oracle_require_ok(struct oracle *oracle, enum weft_status status);

/* Begins a list; seals, replays and waits for it. */
struct weft_command_list *oracle_begin(struct oracle *oracle);
void oracle_finish(struct oracle *oracle);

/* Memory that ends the program where there is none. */
void *oracle_alloc(size_t count, size_t size);

/* Reads `count` elements of 4 bytes, or of 1; to be freed. */
float *oracle_read_floats(struct oracle *oracle, struct weft_view view);
uint8_t *oracle_read_bytes(struct oracle *oracle, struct weft_view view, size_t count);

/* Compares with output `index` of the test, which may be absent. */
void oracle_compare(struct oracle *oracle, const struct onnx_test *test, int index,
                    const double *got, size_t count);

/* The numbers of a tensor, rounded to float; to be freed. */
float *oracle_to_float(const struct onnx_tensor *tensor);

/* Attributes by name, with what stands where there is none. */
int64_t oracle_int(const struct onnx_test *test, const char *name, int64_t otherwise);
double oracle_double(const struct onnx_test *test, const char *name, double otherwise);

#endif
