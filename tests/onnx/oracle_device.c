/* SPDX-License-Identifier: Apache-2.0 */
/* The device under test: tensors, lists, and the comparison of results. */
#include "onnx/oracle.h"

#include "lab/compare.h"
#include "verify/expect.h"

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

/* True: a call before this one has made the tensor. */
static bool is_made(struct oracle *oracle, int call, const struct lab_tensor *t)
{
    for (int i = 0; i < call; i++) {
        struct lab_argument arguments[LAB_MAX_ARGUMENTS];
        int count = lab_arguments(&oracle->list->calls[i].call, arguments);
        for (int k = 0; k < count; k++)
            if (arguments[k].written && tensor_of(oracle, *arguments[k].view) == t)
                return true;
    }
    return false;
}

/* Bounds of the rounding in the results of a call, from its own inputs. */
static void bound_call(struct oracle *oracle, int call)
{
    const struct weft_recorded_call *recorded = &oracle->list->calls[call];
    struct verify_call v = {.device = oracle->device,
                            .call = recorded->call,
                            .winograd = recorded->winograd,
                            .tf32x3 = recorded->tf32x3};
    v.argument_count = lab_arguments(&v.call, v.arguments);
    for (int i = 0; i < v.argument_count; i++) {
        struct lab_tensor *t = tensor_of(oracle, *v.arguments[i].view);
        v.arrays[i].after = lab_result(&oracle->lab, t, LAB_DEVICE);
        v.arrays[i].before =
            is_made(oracle, call, t) ? v.arrays[i].after : lab_initial(&oracle->lab, t);
    }
    for (int i = 0; i < v.argument_count; i++) {
        const struct lab_argument *a = &v.arguments[i];
        int tensor = (int)(tensor_of(oracle, *a->view) - oracle->lab.tensors);
        const float *after = v.arrays[i].after;
        if (!a->written || a->type != LAB_FLOAT)
            continue;
        double *bounds = oracle_alloc(a->view->count, sizeof(*bounds));
        for (size_t k = 0; k < a->view->count; k++) {
            struct verify_point p = {.at = k, .got = (double)after[k]};
            verify_expectations[v.call.primitive].expect(&v, i, &p);
            bounds[k] = p.bound;
        }
        free(oracle->bounds[tensor]);
        oracle->bounds[tensor] = bounds;
    }
    free(v.image);
}

void oracle_finish(struct oracle *oracle)
{
    const struct weft_backend *backend = oracle->device->backend;
    char fault[160];
    oracle_require_ok(oracle, backend->list_finalize(oracle->list));
    oracle_require_ok(
        oracle, lab_run(&oracle->lab, LAB_DEVICE, oracle->list, oracle->outputs, 1));
    for (int i = 0; i < oracle->list->call_count; i++)
        bound_call(oracle, i);
    backend->list_destroy(oracle->list);
    if (lab_find_overwrite(&oracle->lab, LAB_DEVICE, oracle->outputs, fault,
                           sizeof(fault))) {
        fprintf(stderr, "oracle: %s\n", fault);
        exit(1);
    }
}

void oracle_free_tensors(struct oracle *oracle)
{
    lab_finish(&oracle->lab);
    for (int i = 0; i < LAB_MAX_TENSORS; i++)
        free(oracle->bounds[i]);
    memset(oracle->bounds, 0, sizeof(oracle->bounds));
    memset(oracle->outputs, 0, sizeof(oracle->outputs));
    oracle->output_count = 0;
}

struct oracle_result oracle_zeros(size_t count)
{
    return (struct oracle_result){count, oracle_alloc(count, sizeof(double)),
                                  oracle_alloc(count, sizeof(double))};
}

void oracle_result_free(struct oracle_result *result)
{
    free(result->value);
    free(result->bound);
}

struct oracle_result oracle_read(struct oracle *oracle, struct weft_view view)
{
    const struct lab_tensor *t = tensor_of(oracle, view);
    const double *bounds = oracle->bounds[t - oracle->lab.tensors];
    const void *values = lab_result(&oracle->lab, t, LAB_DEVICE);
    struct oracle_result r = oracle_zeros(view.count);
    for (size_t i = 0; i < view.count; i++) {
        r.value[i] = t->type == LAB_BYTE ? ((const uint8_t *)values)[i]
                                         : (double)((const float *)values)[i];
        r.bound[i] = bounds ? bounds[i] : 0;
    }
    return r;
}

/* Exchanges two values that differ by more than the allowed error, or changes one where
 * all are alike. */
static void swap_two_values(float *got, const double *allowed, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        float first = got[0];
        if (fabs((double)got[i] - (double)first) > 4 * allowed[0]) {
            got[0] = got[i];
            got[i] = first;
            return;
        }
    }
    got[0] += (float)(1 + 4 * allowed[0]);
}

void oracle_compare(struct oracle *oracle, const struct onnx_test *test, int index,
                    struct oracle_result got)
{
    const struct onnx_tensor *want = &test->outputs[index];
    size_t count = want->values ? want->count : 0;
    char text[200];
    if (want->values)
        oracle->compared++;
    if (want->values && count != got.count) {
        printf("%s: output %d: %zu elements, should be %zu\n", test->name, index,
               got.count, count);
        oracle->wrong++;
        count = 0;
    }
    float *mine = oracle_alloc(count, sizeof(*mine)), *theirs = oracle_to_float(want);
    for (size_t i = 0; i < count; i++) {
        mine[i] = (float)got.value[i];
        if (got.bound[i] > 0)
            got.bound[i] = 2 * (got.bound[i] + FP32_UNIT_ROUNDOFF * fabs(got.value[i]));
    }
    if (oracle->inject_fault && count)
        swap_two_values(mine, got.bound, count);
    struct lab_comparison all = {
        .got = mine, .want = theirs, .count = count, .bound = got.bound};
    bool right = lab_compare(&all);
    if (!right && !oracle->inject_fault) {
        lab_describe_mismatch(&all, "", text, sizeof(text));
        printf("%s: output %d: element %zu is %s\n", test->name, index, all.first, text);
    }
    oracle->worst = fmax(oracle->worst, all.worst);
    oracle->wrong += !right;
    oracle_result_free(&got);
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
