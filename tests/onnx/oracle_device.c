/* SPDX-License-Identifier: Apache-2.0 */
/* The device under test: tensors, lists, and the comparison of results. */
#include "onnx/oracle.h"

#include "lab/compare.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void oracle_require_ok(struct oracle *oracle, enum weft_status status)
{
    if (!status)
        return;
    fprintf(stderr, "oracle: %s: %s\n", weft_status_name(status),
            oracle->context ? weft_error(oracle->context) : "no context");
    exit(1);
}

void *oracle_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fprintf(stderr, "oracle: out of memory\n");
        exit(1);
    }
    return memory;
}

static struct lab_tensor *add_tensor(struct oracle *oracle, const char *name,
                                     enum lab_type type, size_t count)
{
    struct lab_tensor *t = lab_add_vector(&oracle->lab, name, type, count);
    oracle_require_ok(oracle, lab_allocate(&oracle->lab, false, NULL));
    return t;
}

static void add_output(struct oracle *oracle, struct lab_tensor *t)
{
    assert(oracle->output_count < LAB_MAX_TENSORS);
    oracle->outputs[oracle->output_count++] = t;
}

struct weft_view oracle_allocate(struct oracle *oracle, enum lab_type type, size_t count)
{
    struct lab_tensor *t = add_tensor(oracle, "an output", type, count);
    add_output(oracle, t);
    return lab_view(&oracle->lab, t, LAB_DEVICE);
}

struct weft_view oracle_upload(struct oracle *oracle, const void *words, size_t count)
{
    struct lab_tensor *t = add_tensor(oracle, "an input", LAB_INT32, count);
    if (count)
        memcpy(lab_initial(&oracle->lab, t), words, 4 * count);
    return lab_view(&oracle->lab, t, LAB_DEVICE);
}

static struct lab_tensor *tensor_of(struct oracle *oracle, struct weft_view view)
{
    struct lab_case *c = &oracle->lab;
    for (int i = 0; i < c->tensor_count; i++)
        if (c->buffers[c->tensors[i].buffer].mem[LAB_DEVICE] == view.mem)
            return &c->tensors[i];
    assert(!"a view of another device");
    return NULL;
}

struct weft_view oracle_in_out(struct oracle *oracle, struct weft_view view)
{
    struct lab_tensor *t = tensor_of(oracle, view);
    t->is_in_out = true;
    add_output(oracle, t);
    return view;
}

struct weft_command_list *oracle_begin(struct oracle *oracle)
{
    oracle_require_ok(oracle, oracle->device->backend->list_create(oracle->device, NULL,
                                                                   &oracle->list));
    return oracle->list;
}

void oracle_finish(struct oracle *oracle)
{
    const struct weft_backend *backend = oracle->device->backend;
    char fault[160];
    oracle_require_ok(oracle, backend->list_finalize(oracle->list));
    oracle_require_ok(
        oracle, lab_run(&oracle->lab, LAB_DEVICE, oracle->list, oracle->outputs, 1));
    backend->list_destroy(oracle->list);
    if (lab_find_overwrite(&oracle->lab, LAB_DEVICE, oracle->outputs, fault,
                           sizeof(fault))) {
        fprintf(stderr, "oracle: %s\n", fault);
        exit(1);
    }
}

static void *read_result(struct oracle *oracle, struct weft_view view)
{
    const struct lab_tensor *t = tensor_of(oracle, view);
    void *out = oracle_alloc(lab_tensor_bytes(t), 1);
    memcpy(out, lab_result(&oracle->lab, t, LAB_DEVICE), lab_tensor_bytes(t));
    return out;
}

float *oracle_read_floats(struct oracle *oracle, struct weft_view view)
{
    return read_result(oracle, view);
}

uint8_t *oracle_read_bytes(struct oracle *oracle, struct weft_view view)
{
    return read_result(oracle, view);
}

/* Exchanges two values that differ by more than the allowed error, or changes one where
 * all are alike. */
static void swap_two_values(float *got, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        float first = got[0];
        if (fabsf(got[i] - first) > 1e-3f) {
            got[0] = got[i];
            got[i] = first;
            return;
        }
    }
    got[0] += 1;
}

void oracle_compare(struct oracle *oracle, const struct onnx_test *test, int index,
                    const double *got, size_t count)
{
    const struct onnx_tensor *want = &test->outputs[index];
    char text[200];
    if (!want->values)
        return;
    oracle->compared++;
    if (count != want->count) {
        printf("%s: output %d: %zu elements, should be %zu\n", test->name, index, count,
               want->count);
        oracle->wrong++;
        return;
    }
    float *mine = oracle_alloc(count, sizeof(*mine)), *theirs = oracle_to_float(want);
    for (size_t i = 0; i < count; i++)
        mine[i] = (float)got[i];
    if (oracle->inject_fault && count)
        swap_two_values(mine, count);
    struct lab_comparison all = {
        .got = mine, .want = theirs, .count = count, .absolute = 1e-6, .relative = 1e-5};
    bool right = lab_compare(&all);
    if (!right && !oracle->inject_fault) {
        lab_describe_mismatch(&all, "", text, sizeof(text));
        printf("%s: output %d: element %zu is %s\n", test->name, index, all.first, text);
    }
    oracle->worst = fmax(oracle->worst, all.worst);
    oracle->wrong += !right;
    free(theirs);
    free(mine);
}

float *oracle_to_float(const struct onnx_tensor *tensor)
{
    float *out = oracle_alloc(tensor->count, sizeof(*out));
    for (size_t i = 0; i < tensor->count; i++)
        out[i] = (float)tensor->values[i];
    return out;
}

int64_t oracle_int(const struct onnx_test *test, const char *name, int64_t otherwise)
{
    const struct onnx_attribute *found = onnx_attribute(&test->model->node, name);
    return found ? found->i : otherwise;
}

double oracle_double(const struct onnx_test *test, const char *name, double otherwise)
{
    const struct onnx_attribute *found = onnx_attribute(&test->model->node, name);
    return found ? found->f : otherwise;
}
