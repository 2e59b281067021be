/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's BatchNormalization on weft's primitives: inference with the given mean and
 * variance, training with those of the batch. ONNX's momentum is the weight of the old
 * value, and its running variance is not corrected for the number of rows. */
#include "onnx/oracle.h"

#include <math.h>
#include <stdlib.h>

enum { X, SCALE, BIAS, MEAN, VARIANCE };

static struct weft_view put(struct oracle *oracle, const struct onnx_tensor *from)
{
    float *rounded = oracle_to_float(from);
    struct weft_view view = oracle_upload(oracle, rounded, from->count);
    free(rounded);
    return view;
}

/* The index in rows of channels of element `i` of [n][c][area]. */
static size_t place_of(size_t i, size_t channels, size_t area)
{
    return (i / area / channels * area + i % area) * channels + i / area % channels;
}

/* `scale`: the device's, if it has its own error; or NULL. */
static void compare_output(struct oracle *oracle, const struct onnx_test *test,
                           struct weft_view view, const struct oracle_result *scale,
                           size_t channels, size_t area)
{
    struct oracle_result y = oracle_read(oracle, view), got = oracle_zeros(y.count);
    for (size_t i = 0; i < y.count; i++) {
        size_t at = place_of(i, channels, area), k = at % channels;
        got.value[i] = y.value[at];
        got.bound[i] = y.bound[at];
        if (scale && scale->value[k] != 0)
            got.bound[i] += scale->bound[k] / fabs(scale->value[k]) *
                            fabs(y.value[at] - test->inputs[BIAS].values[k]);
    }
    oracle_result_free(&y);
    oracle_compare(oracle, test, 0, got);
}

/* The running mean and variance, the latter without the correction. */
static void compare_running(struct oracle *oracle, const struct onnx_test *test,
                            const struct weft_batch_norm_args *a)
{
    size_t channels = (size_t)a->channels;
    struct oracle_result variance = oracle_read(oracle, a->running_variance);
    oracle_compare_view(oracle, test, 1, a->running_mean);
    for (size_t i = 0; i < channels; i++) {
        double stays = (1 - (double)a->momentum) * test->inputs[VARIANCE].values[i];
        variance.value[i] = stays + (variance.value[i] - stays) * (a->rows - 1) / a->rows;
    }
    oracle_compare(oracle, test, 2, variance);
}

static void run_training(struct oracle *oracle, const struct onnx_test *test,
                         struct weft_batch_norm_args *a, size_t area)
{
    size_t channels = (size_t)a->channels;
    a->running_mean = oracle_in_out(oracle, put(oracle, &test->inputs[MEAN]));
    a->running_variance = oracle_in_out(oracle, put(oracle, &test->inputs[VARIANCE]));
    a->mean = oracle_allocate(oracle, LAB_FLOAT, channels);
    a->inverse = oracle_allocate(oracle, LAB_FLOAT, channels);
    a->scale = oracle_allocate(oracle, LAB_FLOAT, channels);
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->batch_norm_forward(list, a));
    oracle_finish(oracle);
    compare_output(oracle, test, a->y, NULL, channels, area);
    compare_running(oracle, test, a);
}

/* As in a network: the scale is computed beforehand. */
static void run_inference(struct oracle *oracle, const struct onnx_test *test,
                          struct weft_batch_norm_args *a, size_t area)
{
    a->mean = put(oracle, &test->inputs[MEAN]);
    a->scale = oracle_allocate(oracle, LAB_FLOAT, (size_t)a->channels);
    const struct weft_fold_batch_norm_args fold = {
        .rows = 1,
        .channels = a->channels,
        .epsilon = a->epsilon,
        .weight = a->weight,
        .shift = a->bias,
        .mean = a->mean,
        .variance = put(oracle, &test->inputs[VARIANCE]),
        .out_w = a->scale,
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->fold_batch_norm(list, &fold));
    oracle_require_ok(oracle, list->primitives->batch_norm_inference(list, a));
    oracle_finish(oracle);
    struct oracle_result scale = oracle_read(oracle, a->scale);
    compare_output(oracle, test, a->y, &scale, (size_t)a->channels, area);
    oracle_result_free(&scale);
}

const char *oracle_batch_norm(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[X];
    size_t channels = (size_t)x->dims[1], images = (size_t)x->dims[0];
    size_t area = x->count / channels / images;
    float *turned = oracle_alloc(x->count, sizeof(*turned));
    for (size_t i = 0; i < x->count; i++)
        turned[place_of(i, channels, area)] = (float)x->values[i];
    struct weft_batch_norm_args args = {
        .rows = (int)(images * area),
        .channels = (int)channels,
        .momentum = 1 - (float)oracle_double(test, "momentum", 0.9),
        .epsilon = (float)oracle_double(test, "epsilon", 1e-5),
        .x = oracle_upload(oracle, turned, x->count),
        .weight = put(oracle, &test->inputs[SCALE]),
        .bias = put(oracle, &test->inputs[BIAS]),
        .y = oracle_allocate(oracle, LAB_FLOAT, x->count),
    };
    free(turned);
    if (oracle_int(test, "training_mode", 0))
        run_training(oracle, test, &args, area);
    else
        run_inference(oracle, test, &args, area);
    return NULL;
}
