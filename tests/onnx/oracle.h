/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the ONNX oracle: a device to run primitives on, one test of the package,
 * and the comparison. */
#ifndef WEFT_TESTS_ONNX_ORACLE_H
#define WEFT_TESTS_ONNX_ORACLE_H

#include "onnx/onnx.h"

#include "lab/tensors.h"
#include "shared/state.h"

/* One test at a time. A failure of the backend ends the program with the library's
 * message: the numbers are under test, not the drivers. */
struct oracle {
    weft_context *context;
    weft_device *device;
    bool inject_fault; /* swap two numbers of each result before it is compared */
    struct weft_command_list *list; /* under way */
    struct lab_case lab;            /* the test's tensors */
    struct lab_tensor *outputs[LAB_MAX_TENSORS + 1];
    int output_count;
    double *bounds[LAB_MAX_TENSORS]; /* of outputs; NULL: none */
    int compared, wrong;             /* outputs of this test */
    double worst;                    /* error over what is allowed, of this test */
};

/* Numbers of the device, and how far rounding may have moved each. */
struct oracle_result {
    size_t count;
    double *value, *bound;
};

/* Inputs and outputs in the order of the node's; `values` NULL: absent. */
struct onnx_test {
    const char *name;
    const struct onnx_model *model;
    struct onnx_tensor inputs[ONNX_PORTS], outputs[ONNX_PORTS];
};

/* Runs a test and compares its outputs; or returns the reason why weft cannot. */
typedef const char *oracle_run(struct oracle *oracle, const struct onnx_test *test);

oracle_run oracle_batch_norm;
oracle_run oracle_conv, oracle_max_pool, oracle_gemm, oracle_softmax, oracle_flatten;
oracle_run oracle_average_pool, oracle_global_max_pool, oracle_global_average_pool;
oracle_run oracle_add, oracle_relu, oracle_leaky_relu, oracle_sigmoid, oracle_tanh;
oracle_run oracle_hard_swish, oracle_clip, oracle_prelu;
oracle_run oracle_concat, oracle_slice, oracle_layer_norm;
oracle_run oracle_dropout, oracle_loss, oracle_adam, oracle_momentum;

/* Test tensors between guard zones: one of `count` words that the primitives read, and
 * one that they write; freed after the test. */
struct weft_view oracle_upload(struct oracle *oracle, const void *words, size_t count);
struct weft_view oracle_allocate(struct oracle *oracle, enum lab_type type, size_t count);
/* Declares an uploaded tensor as one that is written too. */
struct weft_view oracle_in_out(struct oracle *oracle, struct weft_view view);

/* Ends the program unless the status is WEFT_OK. */
void oracle_require_ok(struct oracle *oracle, enum weft_status status);

/* Begins a list; finalizes and runs it, checks the guard zones, and bounds the errors of
 * its results. */
struct weft_command_list *oracle_begin(struct oracle *oracle);
void oracle_finish(struct oracle *oracle);
/* After each test. */
void oracle_free_tensors(struct oracle *oracle);

/* Zeroed memory; ends the program where there is none. */
void *oracle_alloc(size_t count, size_t size);

/* Results of the last run: floats, or bytes that have no bound; to be freed. */
struct oracle_result oracle_read(struct oracle *oracle, struct weft_view view);
struct oracle_result oracle_zeros(size_t count);
void oracle_result_free(struct oracle_result *result);

/* Compares with output `index` of the test, which may be absent, and frees the result.
 * ONNX's numbers are floats too, so that they may be as far from the right ones as ours.
 */
void oracle_compare(struct oracle *oracle, const struct onnx_test *test, int index,
                    struct oracle_result got);

/* The same of a result as it is. */
void oracle_compare_view(struct oracle *oracle, const struct onnx_test *test, int index,
                         struct weft_view view);

/* Uploads a tensor as it is. */
struct weft_view oracle_put(struct oracle *oracle, const struct onnx_tensor *from);

/* The values of a tensor as floats; to be freed. */
float *oracle_to_float(const struct onnx_tensor *tensor);

/* Attributes by name; `otherwise` where there is none. */
int64_t oracle_int(const struct onnx_test *test, const char *name, int64_t otherwise);
double oracle_double(const struct onnx_test *test, const char *name, double otherwise);

#endif
