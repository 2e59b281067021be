/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle's hands: memory and lists of the device under test, and the comparison. */
#include "onnx/oracle.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Allowed error: both sides are made of 32-bit floats summed in orders of their own. */
static const double absolute = 1e-6, relative = 1e-5;

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

struct weft_view oracle_allocate(struct oracle *oracle, size_t count)
{
    assert(oracle->memory_count < (int)WEFT_ARRAY_SIZE(oracle->memory));
    struct weft_mem **mem = &oracle->memory[oracle->memory_count];
    oracle_require_ok(oracle, oracle->device->backend->alloc(oracle->device,
                                                             4 * (count + !count), mem));
    oracle->memory_count++;
    return (struct weft_view){.mem = *mem, .count = count};
}

struct weft_view oracle_upload(struct oracle *oracle, const void *words, size_t count)
{
    struct weft_view view = oracle_allocate(oracle, count);
    if (count)
        oracle_require_ok(oracle, oracle->device->backend->write(oracle->device, view.mem,
                                                                 0, words, 4 * count));
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
    oracle_require_ok(oracle, backend->list_finalize(oracle->list));
    oracle_require_ok(oracle, backend->replay(oracle->list));
    oracle_require_ok(oracle, backend->wait(oracle->device));
    backend->list_destroy(oracle->list);
}

float *oracle_read_floats(struct oracle *oracle, struct weft_view view)
{
    float *out = oracle_alloc(view.count, sizeof(*out));
    oracle_require_ok(oracle,
                      oracle->device->backend->read(oracle->device, out, view.mem,
                                                    4 * view.offset, 4 * view.count));
    return out;
}

uint8_t *oracle_read_bytes(struct oracle *oracle, struct weft_view view, size_t count)
{
    uint8_t *out = oracle_alloc(count, 1);
    oracle_require_ok(oracle, oracle->device->backend->read(oracle->device, out, view.mem,
                                                            view.offset, count));
    return out;
}

/* Two numbers that differ by more than is allowed change places; where there are none,
 * one changes. */
static void swap_two_values(double *got, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double first = got[0];
        if (fabs(got[i] - first) > 1e-3) {
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
    if (!want->values)
        return;
    double *mine = oracle_alloc(count, sizeof(*mine));
    memcpy(mine, got, count * sizeof(*mine));
    if (oracle->inject_fault && count)
        swap_two_values(mine, count);

    oracle->compared++;
    bool wrong = count != want->count;
    if (wrong)
        printf("%s: output %d: %zu numbers, %zu wanted\n", test->name, index, count,
               want->count);
    for (size_t i = 0; i < count && !wrong; i++) {
        double error = fabs(mine[i] - want->values[i]) /
                       (absolute + relative * fabs(want->values[i]));
        wrong = !(error <= 1);
        if (wrong && !oracle->inject_fault)
            printf("%s: output %d: number %zu is %.9g, %.9g wanted\n", test->name, index,
                   i, mine[i], want->values[i]);
        oracle->worst = fmax(oracle->worst, error);
    }
    oracle->wrong += wrong;
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
