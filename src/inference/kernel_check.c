/* SPDX-License-Identifier: Apache-2.0 */
/* The known-answer test of an inference's kernels, at their first use on a driver. */
#include "inference/inference.h"
#include "lab/random.h"
#include "verify/known_answers.h"

#include <stdlib.h>

static bool is_proven(const struct weft_inference *t, bool remember)
{
    struct weft_command_list *const lists[] = {t->prepare, t->list};
    return verify_is_proven(lists, WEFT_ARRAY_SIZE(lists), remember);
}

static int images_to_check(const struct weft_inference *t)
{
    double flops = 0;
    for (int i = 0; i < t->plan->graph.count; i++)
        flops += t->plan->graph.nodes[i].op->flops(&t->plan->graph.nodes[i]);
    return verify_known_answers_batch(flops, 1, t->batch);
}

static enum weft_status write_noise(const struct weft_inference *t)
{
    size_t bytes = (size_t)t->batch * t->image_bytes;
    uint8_t *pixels = malloc(bytes);
    struct lab_random random = lab_random_begin(2, 0, 0);
    if (!pixels)
        return weft_out_of_memory(t->device->context, "predictor", bytes);
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)lab_random_bits(&random);
    enum weft_status status =
        t->device->backend->write(t->device, t->pixels, 0, pixels, bytes);
    free(pixels);
    return status;
}

/* One test. *again: an algorithm was replaced. */
static enum weft_status check_once(struct weft_inference *t, const struct weft_net *net,
                                   const struct weft_normalization *normalization,
                                   bool *again)
{
    struct weft_inference *small = NULL, *checked = t;
    struct verify_trace trace;
    int batch = images_to_check(t);
    if (batch < t->batch) {
        WEFT_TRY(weft_inference_create(t->device, net, t->buffers.weights, normalization,
                                       batch, t->plan->type, t, &small));
        checked = small;
    }
    struct weft_command_list *const lists[] = {checked->prepare, checked->list};
    struct weft_command_list *const own[] = {t->prepare, t->list};
    verify_known_answers_init(&trace);
    enum weft_status status = write_noise(checked);
    int wrong = 0;
    for (int i = 0; i < 2 && !status && !trace.wrong; i++) {
        wrong = i;
        if (lists[i])
            status = verify_trace_run(&trace, lists[i]);
    }
    *again = !status && trace.wrong;
    if (*again) {
        int node = trace.wrong->node;
        status = verify_reject(&trace, lists[wrong], own[wrong],
                               node >= 0 ? t->plan->graph.nodes[node].name
                                         : "input and weights");
    }
    if (*again && !status)
        status = weft_inference_record(t, net, normalization, NULL);
    verify_trace_finish(&trace);
    weft_inference_destroy(&small);
    return status;
}

enum weft_status
weft_inference_check_kernels(struct weft_inference *t, const struct weft_net *net,
                             const struct weft_normalization *normalization)
{
    bool again = true;
    while (again && !is_proven(t, false))
        WEFT_TRY(check_once(t, net, normalization, &again));
    if (!again)
        is_proven(t, true);
    return WEFT_OK;
}
