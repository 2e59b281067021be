/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's training operators on weft's primitives: dropout, the loss, and the optimizers
 * of the training preview (ai.onnx.preview.training). */
#include "onnx/oracle.h"
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct weft_view put_state(struct oracle *oracle, float rate, float beta1_power,
                                  float beta2_power)
{
    uint32_t words[STATE_WORDS] = {0};
    memcpy(&words[STATE_LEARNING_RATE], &rate, sizeof(rate));
    memcpy(&words[STATE_BETA1_POWER], &beta1_power, sizeof(beta1_power));
    memcpy(&words[STATE_BETA2_POWER], &beta2_power, sizeof(beta2_power));
    return oracle_upload(oracle, words, STATE_WORDS);
}

const char *oracle_dropout(struct oracle *oracle, const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0], *ratio = &test->inputs[1];
    const struct onnx_tensor *training = &test->inputs[2];
    bool drops = training->values && training->values[0] != 0 &&
                 !(ratio->values && ratio->values[0] == 0);
    if (drops)
        return "drops by ONNX's own random numbers";

    float *rounded = oracle_to_float(x);
    struct weft_dropout_args args = {
        .rate = 0,
        .state = put_state(oracle, 0, 0, 0),
        .x = oracle_upload(oracle, rounded, x->count),
        .y = oracle_allocate(oracle, LAB_FLOAT, x->count),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->dropout(list, &args));
    oracle_finish(oracle);

    oracle_compare_view(oracle, test, 0, args.y);
    free(rounded);
    return NULL;
}

/* The scores are [n][class][d1][d2]...: every position of every image is a row. Class
 * weights and ignored labels are applied here to weft's loss of a row. */
struct loss {
    size_t rows, classes, inner;
    float *scores;  /* rows x classes */
    int32_t *label; /* 0 where it is ignored */
    double *weight; /* 0 where it is ignored */
};

static struct loss read_loss(const struct onnx_test *test)
{
    const struct onnx_tensor *x = &test->inputs[0], *labels = &test->inputs[1];
    const struct onnx_tensor *weights = &test->inputs[2];
    const struct onnx_attribute *ignored =
        onnx_attribute(&test->model->node, "ignore_index");
    struct loss out = {.classes = (size_t)x->dims[1], .rows = labels->count};
    out.inner = out.rows / (size_t)x->dims[0];
    out.scores = oracle_alloc(x->count, sizeof(*out.scores));
    out.label = oracle_alloc(out.rows, sizeof(*out.label));
    out.weight = oracle_alloc(out.rows, sizeof(*out.weight));
    for (size_t row = 0; row < out.rows; row++) {
        int64_t label = (int64_t)labels->values[row];
        size_t n = row / out.inner, place = row % out.inner;
        for (size_t c = 0; c < out.classes; c++)
            out.scores[row * out.classes + c] =
                (float)x->values[(n * out.classes + c) * out.inner + place];
        if (ignored && label == ignored->i)
            continue;
        out.label[row] = (int32_t)label;
        out.weight[row] = weights->values ? weights->values[label] : 1;
    }
    return out;
}

/* Applies `reduction` to the losses. */
static void reduce(const struct onnx_test *test, const struct loss *loss,
                   struct oracle_result *r)
{
    const struct onnx_attribute *how = onnx_attribute(&test->model->node, "reduction");
    double sum = 0, bound = 0, size = 0, weight = 0;
    for (size_t i = 0; i < loss->rows; i++) {
        r->value[i] *= loss->weight[i];
        r->bound[i] *= fabs(loss->weight[i]);
        sum += r->value[i];
        size += fabs(r->value[i]);
        bound += r->bound[i];
        weight += loss->weight[i];
    }
    if (how && !strcmp(how->s, "none"))
        return;
    double divisor = how && !strcmp(how->s, "sum") ? 1 : weight;
    r->count = 1;
    r->value[0] = sum / divisor;
    r->bound[0] = (bound + gamma_bound((double)loss->rows + 2) * size) / fabs(divisor);
}

/* Optional output 1: the logarithm of the softmax, in the order of the scores. */
static void compare_log_prob(struct oracle *oracle, const struct onnx_test *test,
                             const struct loss *loss, struct weft_view y)
{
    struct oracle_result p = oracle_read(oracle, y), got = oracle_zeros(p.count);
    for (size_t i = 0; i < p.count; i++) {
        size_t place = i % loss->inner, c = i / loss->inner % loss->classes;
        size_t n = i / loss->inner / loss->classes;
        size_t at = (n * loss->inner + place) * loss->classes + c;
        got.value[i] = log(p.value[at]);
        got.bound[i] = p.bound[at] / (p.value[at] - p.bound[at]);
    }
    oracle_result_free(&p);
    oracle_compare(oracle, test, 1, got);
}

const char *oracle_loss(struct oracle *oracle, const struct onnx_test *test)
{
    struct loss loss = read_loss(test);
    size_t count = loss.rows * loss.classes;
    int n = (int)loss.rows, classes = (int)loss.classes;
    struct weft_loss_args args = {
        .n = n,
        .global_batch = n,
        .classes = classes,
        .logits = oracle_upload(oracle, loss.scores, count),
        .labels = oracle_upload(oracle, loss.label, loss.rows),
        .loss = oracle_allocate(oracle, LAB_FLOAT, loss.rows),
        .correct = oracle_allocate(oracle, LAB_INT32, loss.rows),
    };
    struct weft_softmax_args softmax = {n, classes, args.logits,
                                        oracle_allocate(oracle, LAB_FLOAT, count)};
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->loss(list, &args));
    oracle_require_ok(oracle, list->primitives->softmax(list, &softmax));
    oracle_finish(oracle);

    struct oracle_result rows = oracle_read(oracle, args.loss);
    reduce(test, &loss, &rows);
    oracle_compare(oracle, test, 0, rows);
    compare_log_prob(oracle, test, &loss, softmax.y);
    free(loss.weight);
    free(loss.label);
    free(loss.scores);
    return NULL;
}

/* The inputs are the rate, the step, then X of all tensors, G of all, V of all, and so
 * on; weft updates all tensors in one launch, one after the other in memory. */
static struct weft_view put_joined(struct oracle *oracle, const struct onnx_test *test,
                                   int first, int tensors)
{
    size_t count = 0, at = 0;
    for (int t = 0; t < tensors; t++)
        count += test->inputs[first + t].count;
    float *joined = oracle_alloc(count, sizeof(*joined));
    for (int t = 0; t < tensors; t++)
        for (size_t i = 0; i < test->inputs[first + t].count; i++)
            joined[at++] = (float)test->inputs[first + t].values[i];
    struct weft_view view = oracle_upload(oracle, joined, count);
    free(joined);
    return view;
}

static void compare_joined(struct oracle *oracle, const struct onnx_test *test, int first,
                           int tensors, struct weft_view view)
{
    struct oracle_result all = oracle_read(oracle, view);
    size_t at = 0;
    for (int t = 0; t < tensors; t++) {
        struct oracle_result got = oracle_zeros(test->outputs[first + t].count);
        for (size_t i = 0; i < got.count && at < view.count; i++, at++) {
            got.value[i] = all.value[at];
            got.bound[i] = all.bound[at];
        }
        oracle_compare(oracle, test, first + t, got);
    }
    oracle_result_free(&all);
}

/* ONNX adds epsilon to the root of the uncorrected second moment and corrects the rate
 * instead, by sqrt(1 - beta^t) / (1 - alpha^t) where t > 0: the same as ours with epsilon
 * divided by sqrt(1 - beta^t). Powers of 0 correct nothing. */
const char *oracle_adam(struct oracle *oracle, const struct onnx_test *test)
{
    int tensors = (test->model->node.input_count - 2) / 4;
    double t = test->inputs[1].values[0];
    double alpha = oracle_double(test, "alpha", 0.9),
           beta = oracle_double(test, "beta", 0.999);
    double alpha_power = t > 0 ? pow(alpha, t) : 0, beta_power = t > 0 ? pow(beta, t) : 0;
    /* This model lacks the epsilon that its results were computed with (ONNX 1.12,
     * backend/test/case/node/adam.py). */
    double epsilon = oracle_double(
        test, "epsilon", strcmp(test->name, "test_adam_multiple") ? 1e-6 : 1e-2);
    if (oracle_double(test, "norm_coefficient_post", 0) != 0)
        return "decays the weights after the step; weft's Adam has no such";

    struct weft_optimizer_step_args args = {
        .optimizer = {.kind = WEFT_OPTIMIZER_ADAM,
                      .beta1 = (float)alpha,
                      .beta2 = (float)beta,
                      .epsilon = (float)(epsilon / sqrt(1 - beta_power)),
                      .weight_decay = (float)oracle_double(test, "norm_coefficient", 0)},
        .state = put_state(oracle, (float)test->inputs[0].values[0], (float)alpha_power,
                           (float)beta_power),
        .w = oracle_in_out(oracle, put_joined(oracle, test, 2, tensors)),
        .g = put_joined(oracle, test, 2 + tensors, tensors),
        .m = oracle_in_out(oracle, put_joined(oracle, test, 2 + 2 * tensors, tensors)),
        .v = oracle_in_out(oracle, put_joined(oracle, test, 2 + 3 * tensors, tensors)),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->optimizer_step(list, &args));
    oracle_finish(oracle);
    compare_joined(oracle, test, 0, tensors, args.w);
    compare_joined(oracle, test, tensors, tensors, args.m);
    compare_joined(oracle, test, 2 * tensors, tensors, args.v);
    return NULL;
}

const char *oracle_momentum(struct oracle *oracle, const struct onnx_test *test)
{
    int tensors = (test->model->node.input_count - 2) / 3;
    const struct onnx_attribute *mode = onnx_attribute(&test->model->node, "mode");
    if (test->inputs[1].values[0] > 0 && oracle_double(test, "beta", 1) != 1)
        return "dampens the gradient, which weft's SGD does not";

    struct weft_optimizer_step_args args = {
        .optimizer = {.kind = WEFT_OPTIMIZER_SGD,
                      .momentum = (float)oracle_double(test, "alpha", 0),
                      .weight_decay = (float)oracle_double(test, "norm_coefficient", 0),
                      .nesterov = mode && !strcmp(mode->s, "nesterov")},
        .state = put_state(oracle, (float)test->inputs[0].values[0], 0, 0),
        .w = oracle_in_out(oracle, put_joined(oracle, test, 2, tensors)),
        .g = put_joined(oracle, test, 2 + tensors, tensors),
        .m = oracle_in_out(oracle, put_joined(oracle, test, 2 + 2 * tensors, tensors)),
    };
    struct weft_command_list *list = oracle_begin(oracle);
    oracle_require_ok(oracle, list->primitives->optimizer_step(list, &args));
    oracle_finish(oracle);
    compare_joined(oracle, test, 0, tensors, args.w);
    compare_joined(oracle, test, tensors, tensors, args.m);
    return NULL;
}
