/* SPDX-License-Identifier: Apache-2.0 */
/* The known-answer tests of the kernels of inferences and explainers, at their first use
 * on a driver. */
#include "inference/explainer.h"
#include "lab/random.h"
#include "util/large_block.h"
#include "verify/known_answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_proven(const struct weft_inference *t)
{
    struct weft_command_list *const lists[] = {t->prepare, t->list};
    return verify_is_proven(lists, WEFT_ARRAY_SIZE(lists));
}

static void set_proven(const struct weft_inference *t)
{
    struct weft_command_list *const lists[] = {t->prepare, t->list};
    verify_set_proven(lists, WEFT_ARRAY_SIZE(lists));
}

static int images_to_check(const struct weft_inference *t)
{
    double flops = 0;
    for (int i = 0; i < t->plan->graph.count; i++)
        flops += t->plan->graph.nodes[i].op->flops(&t->plan->graph.nodes[i]);
    return verify_known_answers_batch(flops, 1, t->batch);
}

/* Bytes of images; of floats numbers from -1 to 1. */
static enum weft_status write_noise(const struct weft_inference *t)
{
    size_t bytes = (size_t)t->batch * t->image_bytes;
    uint8_t *pixels = malloc(bytes);
    struct lab_random random = lab_random_begin(2, 0, 0);
    if (!pixels)
        return weft_out_of_memory(t->device->context, "predictor", bytes);
    float *values = (float *)(void *)pixels;
    for (size_t i = 0; t->buffers.x && i < bytes / sizeof(*values); i++)
        values[i] = lab_random_float(&random, -1, 1);
    for (size_t i = 0; !t->buffers.x && i < bytes; i++)
        pixels[i] = (uint8_t)lab_random_bits(&random);
    enum weft_status status =
        t->device->backend->write(t->device, t->pixels, 0, pixels, bytes);
    free(pixels);
    return status;
}

/* As large as He's, and cheaper: uniform numbers, a function of the place. Constants are
 * as a training begins with them. */
static void make_weights(const struct weft_graph *graph, float *weights)
{
    memset(weights, 0, weft_graph_floats(graph) * sizeof(*weights));
    for (int i = 0; i < graph->count; i++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *p = &graph->nodes[i].params[role];
            bool constant = p->init == WEFT_INIT_CONSTANT;
            size_t fan_in = p->rank > 1 ? p->count / (size_t)p->extent[0] : 6;
            float limit = (float)sqrt(6 / (double)fan_in) * 0x1p-31f;
            for (size_t k = p->at; k < p->at + p->count; k++)
                weights[k] = constant
                                 ? p->value
                                 : limit * (float)(int32_t)weft_hash_u32((uint32_t)k);
        }
}

/* Every other one. */
static void shrink_channels(const struct weft_graph *graph, float *weights)
{
    for (int i = 0; i < graph->count; i++) {
        const struct weft_param *p = &graph->nodes[i].params[WEFT_PARAM_WEIGHT];
        size_t channels = (size_t)p->extent[0];
        for (size_t row = 0; p->rank > 1 && row < p->count; row += channels)
            for (size_t k = 1; k < channels; k += 2)
                weights[p->at + row + k] *= 0x1p-6f;
    }
}

enum weft_status weft_write_test_weights(struct weft_device *device,
                                         const struct weft_graph *graph,
                                         struct weft_mem *initial,
                                         struct weft_mem *weights)
{
    size_t count = weft_graph_floats(graph), bytes = count * sizeof(float);
    float *values = weft_large_block(bytes);
    struct lab_random random = lab_random_begin(0, 0, 0);
    enum weft_status status = WEFT_OK;
    if (!values)
        return weft_out_of_memory(device->context, "weights", bytes);
    if (initial)
        status = device->backend->read(device, values, initial, 0, bytes);
    else
        make_weights(graph, values);
    for (size_t i = 0; i < count; i++)
        if (values[i] == 0 || values[i] == 1)
            values[i] += lab_random_float(&random, -0.25f, 0.25f);
    shrink_channels(graph, values);
    if (!status)
        status = device->backend->write(device, weights, 0, values, bytes);
    free(values);
    return status;
}

/* The same network for few images and with test weights. */
static enum weft_status create_checked(const struct weft_inference *t,
                                       const struct weft_net *net,
                                       const struct weft_normalization *normalization,
                                       struct weft_mem **weights,
                                       struct weft_inference **out)
{
    size_t bytes = weft_graph_floats(&net->graph) * sizeof(float);
    WEFT_TRY(t->device->backend->alloc(t->device, bytes, weights));
    WEFT_TRY(weft_write_test_weights(t->device, &net->graph, NULL, *weights));
    WEFT_TRY(weft_inference_create(t->device, net, *weights, normalization,
                                   images_to_check(t), t->plan->type, t, out));
    return write_noise(*out);
}

enum weft_status
weft_inference_trace_kernels(struct weft_inference *t, const struct weft_net *net,
                             const struct weft_normalization *normalization,
                             struct verify_trace *trace, struct verify_wrong_call *wrong)
{
    struct weft_inference *checked = NULL;
    struct weft_mem *weights = NULL;
    enum weft_status status = create_checked(t, net, normalization, &weights, &checked);
    struct weft_command_list *const own[] = {t->prepare, t->list};
    for (int i = 0; i < 2 && !status && !trace->wrong; i++) {
        struct weft_command_list *list = i ? checked->list : checked->prepare;
        if (list)
            status = verify_trace_run(trace, list);
    }
    if (!status)
        verify_find_wrong(trace,
                          (struct weft_command_list *[]){checked->prepare, checked->list},
                          own, WEFT_ARRAY_SIZE(own), wrong);
    if (!status && wrong->call)
        wrong->layer = wrong->call->node < 0
                           ? "input and weights"
                           : t->plan->graph.nodes[wrong->call->node].name;
    weft_inference_destroy(&checked);
    if (weights)
        t->device->backend->free(t->device, weights);
    return status;
}

/* One test. *again: an algorithm was replaced. */
static enum weft_status check_once(struct weft_inference *t, const struct weft_net *net,
                                   const struct weft_normalization *normalization,
                                   bool *again)
{
    struct verify_wrong_call wrong;
    struct verify_trace trace;
    verify_known_answers_init(&trace);
    enum weft_status status =
        weft_inference_trace_kernels(t, net, normalization, &trace, &wrong);
    *again = !status && wrong.call;
    if (*again)
        status = verify_reject(&wrong);
    if (*again && !status)
        status = weft_inference_record(t, net, normalization, NULL);
    verify_trace_finish(&trace);
    return status;
}

enum weft_status
weft_inference_check_kernels(struct weft_inference *t, const struct weft_net *net,
                             const struct weft_normalization *normalization)
{
    bool again = true;
    while (again && !is_proven(t)) {
        WEFT_TRY(check_once(t, net, normalization, &again));
        if (!again)
            set_proven(t);
    }
    return WEFT_OK;
}

/* ---- explainers ---- */

static enum weft_status write_random(struct weft_device *device, struct weft_view view,
                                     struct lab_random *random)
{
    size_t bytes = view.count * sizeof(float);
    float *values = malloc(bytes);
    if (!values)
        return weft_out_of_memory(device->context, "explainer", bytes);
    for (size_t i = 0; i < view.count; i++)
        values[i] = lab_random_float(random, -1, 1);
    enum weft_status status = device->backend->write(
        device, view.mem, view.offset * sizeof(float), values, bytes);
    free(values);
    return status;
}

/* Both passes of a network for few images, with test weights. */
static enum weft_status trace_explainer(const struct weft_explainer *e,
                                        struct weft_explainer *few,
                                        struct verify_trace *trace,
                                        struct verify_wrong_call *wrong)
{
    struct weft_command_list *const lists[] = {few->forward, few->backward};
    struct weft_command_list *const own[] = {e->forward, e->backward};
    struct lab_random random = lab_random_begin(2, 0, 0);
    WEFT_TRY(weft_write_test_weights(e->device, &few->plan->graph, NULL,
                                     few->buffers.weights));
    WEFT_TRY(write_random(
        e->device, weft_plan_step_view(few->plan, &few->buffers, TENSOR_X), &random));
    WEFT_TRY(write_random(e->device, weft_explainer_logit_gradient(few), &random));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(lists) && !trace->wrong; i++)
        WEFT_TRY(verify_trace_run(trace, lists[i]));
    verify_find_wrong(trace, lists, own, WEFT_ARRAY_SIZE(own), wrong);
    if (wrong->call)
        wrong->layer = e->plan->graph.nodes[wrong->call->node].name;
    return WEFT_OK;
}

/* One test. *again: an algorithm was replaced. */
static enum weft_status check_explainer(struct weft_explainer *e, bool *again)
{
    struct weft_explainer *few = NULL;
    struct verify_wrong_call wrong = {.call = NULL};
    struct verify_trace trace;
    double flops = 0;
    for (int i = 0; i < e->plan->graph.count; i++)
        flops += 2 * e->plan->graph.nodes[i].op->flops(&e->plan->graph.nodes[i]);
    WEFT_TRY(weft_explainer_create_unchecked(
        e->device, e->net, verify_known_answers_batch(flops, 1, e->batch), e, &few));
    verify_known_answers_init(&trace);
    enum weft_status status = trace_explainer(e, few, &trace, &wrong);
    *again = !status && wrong.call;
    if (*again)
        status = verify_reject(&wrong);
    if (*again && !status)
        status = weft_explainer_record(e, NULL);
    verify_trace_finish(&trace);
    weft_explainer_destroy(&few);
    return status;
}

enum weft_status weft_explainer_check_kernels(struct weft_explainer *e)
{
    bool again = true;
    while (again) {
        if (verify_is_proven((struct weft_command_list *[]){e->forward, e->backward}, 2))
            return WEFT_OK;
        WEFT_TRY(check_explainer(e, &again));
    }
    verify_set_proven((struct weft_command_list *[]){e->forward, e->backward}, 2);
    return WEFT_OK;
}
