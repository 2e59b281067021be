/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's Concat, Slice and LayerNormalization on weft's primitives. A tensor that is cut
 * at an axis is rows of channels: all dimensions from the axis on are weft's channels. */
#include "onnx/oracle.h"

#include <stdlib.h>
#include <string.h>

/* The channels behind one step of `axis`, and the rows in front of it. */
struct rows {
    int count, inner;
};

static struct rows rows_at(const struct onnx_tensor *x, int axis)
{
    struct rows r = {1, 1};
    for (int i = 0; i < axis; i++)
        r.count *= (int)x->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        r.inner *= (int)x->dims[i];
    return r;
}

static int axis_of(const struct onnx_tensor *x, int64_t axis)
{
    return (int)(axis < 0 ? axis + x->rank : axis);
}

static const char not_floats[] =
    "not of 32-bit floats, which weft's networks are made of";

const char *oracle_concat(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = test->inputs;
    int axis = axis_of(x, oracle_int(test, "axis", 1)), count = 0;
    struct rows rows = rows_at(x, axis);
    struct weft_view in[ONNX_PORTS];
    for (int i = 0; i < test->model->node.input_count; i++) {
        if (x[i].type != ONNX_FLOAT)
            return not_floats;
        in[i] = oracle_put(oracle, &x[i]);
        count += (int)x[i].dims[axis] * rows.inner;
    }
    struct weft_copy_channels_args args = {
        .rows = rows.count,
        .y_channels = count,
        .y = oracle_allocate(oracle, LAB_FLOAT, (size_t)(rows.count * count)),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    for (int i = 0; i < test->model->node.input_count; i++) {
        args.x = in[i];
        args.count = args.x_channels = (int)x[i].dims[axis] * rows.inner;
        oracle_require_ok(oracle, list->primitives->copy_channels(list, &args));
        args.y_first += args.count;
    }
    oracle_finish(oracle);
    oracle_compare_view(oracle, test, 0, args.y);
    return NULL;
}

/* A bound of a slice: from the end where negative, cut to the dimension. */
static int bound(double value, int64_t extent)
{
    value += value < 0 ? (double)extent : 0;
    return (int)(value < 0 ? 0 : value > (double)extent ? (double)extent : value);
}

/* Inputs: starts, ends and, optional, axes and steps. */
const char *oracle_slice(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0], *starts = &test->inputs[1];
    const double *axes = test->inputs[3].values, *steps = test->inputs[4].values;
    int cut = 0, first = 0, end = (int)x->dims[0], cuts = 0;
    if (x->type != ONNX_FLOAT)
        return not_floats;
    if (!starts->values)
        return "bounds as attributes, of opsets before 10";
    for (size_t i = 0; i < starts->count; i++) {
        int axis = axes ? axis_of(x, (int64_t)axes[i]) : (int)i;
        if (steps && steps[i] != 1)
            return "steps; weft's slices are of adjacent channels";
        int low = bound(starts->values[i], x->dims[axis]);
        int high = bound(test->inputs[2].values[i], x->dims[axis]);
        if (low == 0 && high == x->dims[axis])
            continue;
        cut = axis;
        first = low;
        end = high;
        cuts++;
    }
    if (cuts > 1 || end <= first)
        return "more than one axis is cut, or nothing remains";
    struct rows rows = rows_at(x, cut);
    struct weft_copy_channels_args args = {
        .rows = rows.count,
        .count = (end - first) * rows.inner,
        .x_channels = (int)x->dims[cut] * rows.inner,
        .x_first = first * rows.inner,
        .y_channels = (end - first) * rows.inner,
        .x = oracle_put(oracle, x),
        .y = oracle_allocate(oracle, LAB_FLOAT,
                             (size_t)(rows.count * (end - first) * rows.inner)),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->copy_channels(list, &args));
    oracle_finish(oracle);
    oracle_compare_view(oracle, test, 0, args.y);
    return NULL;
}

const char *oracle_layer_norm(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0];
    int axis = axis_of(x, oracle_int(test, "axis", -1));
    struct rows rows = rows_at(x, axis);
    size_t channels = (size_t)x->dims[axis] * (size_t)rows.inner;
    float *zeros = oracle_alloc(channels, sizeof(*zeros));
    struct weft_layer_norm_args args = {
        .rows = rows.count,
        .channels = (int)channels,
        .epsilon = (float)oracle_double(test, "epsilon", 1e-5),
        .x = oracle_put(oracle, x),
        .weight = oracle_put(oracle, &test->inputs[1]),
        .bias = test->inputs[2].values ? oracle_put(oracle, &test->inputs[2])
                                       : oracle_upload(oracle, zeros, channels),
        .mean = oracle_allocate(oracle, LAB_FLOAT, (size_t)rows.count),
        .inverse = oracle_allocate(oracle, LAB_FLOAT, (size_t)rows.count),
        .y = oracle_allocate(oracle, LAB_FLOAT, x->count),
    };
    free(zeros);
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->layer_norm_forward(list, &args));
    oracle_finish(oracle);
    oracle_compare_view(oracle, test, 0, args.y);
    oracle_compare_view(oracle, test, 1, args.mean);
    oracle_compare_view(oracle, test, 2, args.inverse);
    return NULL;
}
