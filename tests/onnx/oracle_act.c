/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's activations on weft's primitives. */
#include "onnx/oracle.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

static const char *activation(struct oracle *oracle, const struct onnx_test *test,
                              struct weft_activation how)
{
    const struct onnx_tensor *x = &test->inputs[0];
    if (x->type != ONNX_FLOAT)
        return "not of 32-bit floats, which weft's networks are made of";
    struct weft_act_args args = {
        .activation = how,
        .x = oracle_put(oracle, x),
        .y = oracle_allocate(oracle, LAB_FLOAT, x->count),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->act_forward(list, &args));
    oracle_finish(oracle);
    oracle_compare_view(oracle, test, 0, args.y);
    return NULL;
}

const char *oracle_relu(struct oracle *oracle, const struct onnx_test *test)
{
    return activation(oracle, test, (struct weft_activation){.act = WEFT_ACT_relu});
}

const char *oracle_leaky_relu(struct oracle *oracle, const struct onnx_test *test)
{
    float slope = (float)oracle_double(test, "alpha", 0.01);
    return activation(oracle, test,
                      (struct weft_activation){WEFT_ACT_leaky_relu, slope, 0});
}

const char *oracle_sigmoid(struct oracle *oracle, const struct onnx_test *test)
{
    return activation(oracle, test, (struct weft_activation){.act = WEFT_ACT_sigmoid});
}

const char *oracle_tanh(struct oracle *oracle, const struct onnx_test *test)
{
    return activation(oracle, test, (struct weft_activation){.act = WEFT_ACT_tanh});
}

const char *oracle_hard_swish(struct oracle *oracle, const struct onnx_test *test)
{
    return activation(oracle, test, (struct weft_activation){.act = WEFT_ACT_hard_swish});
}

/* The bounds are inputs since opset 11, attributes before; absent: none. */
const char *oracle_clip(struct oracle *oracle, const struct onnx_test *test)
{
    const double *low = test->inputs[1].values, *high = test->inputs[2].values;
    struct weft_activation clip = {
        .act = WEFT_ACT_clip,
        .alpha = (float)(low ? *low : oracle_double(test, "min", -(double)FLT_MAX)),
        .beta = (float)(high ? *high : oracle_double(test, "max", (double)FLT_MAX)),
    };
    if (clip.alpha >= clip.beta)
        return "bounds in the wrong order; weft's low is below its high";
    return activation(oracle, test, clip);
}

/* The slopes are broadcast to x from its last dimension on, before opset 7 to the
 * channels. weft's rows are x as stored, with a slope for each element of an image. */
const char *oracle_prelu(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0], *slope = &test->inputs[1];
    size_t channels = 1;
    for (int i = 1; i < x->rank; i++)
        channels *= (size_t)x->dims[i];
    size_t repeated[ONNX_RANK] = {0}, step = 1; /* 0: the dimension is broadcast */
    int shift = test->model->opset < 7 ? 1 : x->rank - slope->rank;
    for (int i = slope->rank - 1; i >= 0; i--) {
        if (slope->dims[i] > 1)
            repeated[shift + i] = step;
        step *= (size_t)slope->dims[i];
    }
    if (repeated[0])
        return "a slope for each image; weft has one for each channel";

    float *slopes = oracle_alloc(channels, sizeof(*slopes));
    for (size_t c = 0; c < channels; c++) {
        size_t rest = c, from = 0;
        for (int i = x->rank - 1; i > 0; rest /= (size_t)x->dims[i--])
            from += rest % (size_t)x->dims[i] * repeated[i];
        slopes[c] = (float)slope->values[from];
    }
    struct weft_prelu_args args = {
        .rows = (int)(x->count / channels),
        .channels = (int)channels,
        .x = oracle_put(oracle, x),
        .slope = oracle_upload(oracle, slopes, channels),
        .y = oracle_allocate(oracle, LAB_FLOAT, x->count),
    };
    free(slopes);
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->prelu_forward(list, &args));
    oracle_finish(oracle);
    oracle_compare_view(oracle, test, 0, args.y);
    return NULL;
}
