/* SPDX-License-Identifier: Apache-2.0 */
/* A network's step, segment by segment of its list. */
#include "bench/bench.h"
#include "dataset/dataset.h"
#include "device/process.h"

#include "shared/state.h"
#include "train/trainer.h"
#include "util/clock.h"
#include "verify/known_answers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A step on one device: a trainer, or a network planned for inference. */
struct step_run {
    struct weft_device *device;
    struct weft_trainer *trainer;
    struct weft_inference *infer;
    struct weft_mem *weights; /* for `infer` */
    const struct weft_net *net;
    const struct weft_plan *plan;
    struct weft_train_params train;
    struct weft_normalization normalization; /* of `infer` */
    struct weft_command_list *lists[2];      /* one after the other */
    int list_count;
};

static enum weft_status start_inference(struct weft_bench *b, const struct weft_net *net,
                                        const struct weft_dataset_info *info, int batch,
                                        enum weft_type type, struct step_run *s)
{
    size_t bytes = weft_graph_floats(&net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    s->normalization = weft_normalize(info->mean, info->stddev);
    if (!weights)
        return weft_out_of_memory(s->device->context, "weights", bytes);
    weft_graph_initialize(&net->graph, b->params.seed, weights);
    enum weft_status status = weft_inference_create_with_weights(
        s->device, net, weights, &s->normalization, batch, type, &s->weights, &s->infer);
    free(weights);
    WEFT_TRY(status);
    s->plan = s->infer->plan;
    s->lists[s->list_count++] = s->infer->list;
    return WEFT_OK;
}

static enum weft_type tensor_type(const struct weft_step_params *p)
{
    return p->precision == WEFT_PRECISION_FLOAT16 ? WEFT_FLOAT16 : WEFT_FLOAT32;
}

static enum weft_status start(struct weft_bench *b, struct weft_device *device,
                              const struct weft_net *net, const struct weft_dataset *data,
                              const struct weft_step_params *p, struct step_run *s)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    *s = (struct step_run){.device = device, .net = net};
    int batch = p->batch ? p->batch : net->batch ? net->batch : 128;
    batch = batch < info.count ? batch : info.count;
    if (!p->training)
        return start_inference(b, net, &info, batch, tensor_type(p), s);
    s->train = *weft_train_params(.batch = batch, .epochs = 1, .no_fusion = p->no_fusion,
                                  .seed = b->params.seed,
                                  .precision = tensor_type(p) == WEFT_FLOAT16
                                                   ? WEFT_PRECISION_FLOAT16
                                                   : WEFT_PRECISION_FLOAT32);
    WEFT_TRY(weft_trainer_create(device, net, data, &s->train, &s->trainer));
    s->plan = s->trainer->plan;
    s->lists[s->list_count++] = s->trainer->gradients;
    s->lists[s->list_count++] = s->trainer->update;
    return WEFT_OK;
}

static void stop(struct step_run *s)
{
    weft_trainer_destroy(&s->trainer);
    weft_inference_destroy(&s->infer);
    if (s->weights)
        s->device->backend->free(s->device, s->weights);
    *s = (struct step_run){0};
}

/* The step by the kernels that are measured, on few images, call by call, as at their
 * first use: the errors of a kernel do not depend on the number of images. */
static enum weft_status verify_step(const struct step_run *s,
                                    const struct weft_dataset *data,
                                    struct weft_step_report *out)
{
    double begin = weft_clock_seconds();
    struct verify_trace trace;
    struct verify_wrong_call wrong = {.call = NULL};
    verify_known_answers_init(&trace);
    trace.relative = true;
    enum weft_status status =
        s->trainer
            ? weft_trainer_trace_kernels(s->trainer, data, &s->train, &trace, &wrong)
            : weft_inference_trace_kernels(s->infer, s->net, &s->normalization, &trace,
                                           &wrong);
    if (!status && wrong.call) {
        char kernels[80];
        verify_describe_call(wrong.list, wrong.call, kernels, sizeof(kernels));
        snprintf(out->error, sizeof(out->error), "%.40s: %s is wrong: %.120s",
                 wrong.layer, kernels, wrong.fault);
    }
    out->relative_error = trace.relative_error;
    out->verify_seconds = weft_clock_seconds() - begin;
    verify_trace_finish(&trace);
    return status;
}

/* The least work and traffic of a segment. */
static void count_work(const struct step_run *s, const struct weft_list_segment *mark,
                       struct weft_timing *t)
{
    const struct weft_plan *plan = s->plan;
    double n = plan->batch, word = (double)weft_type_bytes(plan->type);
    double pixels = (double)weft_shape_count(plan->input);
    double all = (double)plan->graph.weights;
    double in = 0, out = 0, weights = 0;
    if (mark->node >= 0) {
        const struct weft_node *node = &plan->graph.nodes[mark->node];
        for (int k = 0; k < node->input_count; k++)
            in += n * word * (double)weft_shape_count(node->in[k]);
        out = n * (double)weft_shape_count(node->out) *
              (word + (plan->training && node->pool.r ? 1 : 0));
        weights = (plan->training ? 4 : word) * (double)weft_node_trained_count(node);
        t->name = node->name;
        if (mark->phase != WEFT_PHASE_LOSS)
            t->flops = n * node->op->flops(node);
    }
    bool adam = s->trainer && s->trainer->optimizer.kind != WEFT_OPTIMIZER_SGD;
    const double bytes[WEFT_PHASE_COUNT] = {
        [WEFT_PHASE_BATCH] = n * pixels * (1 + word),
        [WEFT_PHASE_FWD] = in + weights + out,
        [WEFT_PHASE_LOSS] = 2 * in,
        [WEFT_PHASE_BWD] = 2 * in + out,
        [WEFT_PHASE_BWD_WEIGHTS] = in + out + weights,
        [WEFT_PHASE_BWD_DATA] = in + out + weights,
        [WEFT_PHASE_OPTIMIZER] = 4 * (all * (adam ? 7 : 5) + n * 2),
    };
    t->bytes = bytes[mark->phase];
}

/* The text of a node's layer, and of the layers fused into it. */
static void describe_layer(const struct step_run *s, int index, char *text, size_t size)
{
    const struct weft_graph *graph = &s->plan->graph;
    text[0] = '\0';
    if (index < 0)
        return;
    weft_layer_write(s->net, graph->nodes[index].layer, false, text, size);
    for (int i = index + 1; i < graph->count; i++) {
        int at = i;
        while (at >= 0 && graph->nodes[at].fused_into_producer)
            at = graph->nodes[at].inputs[0];
        size_t used = strlen(text);
        if (at != index || at == i || graph->nodes[i].from_suffix || used + 4 > size)
            continue;
        used += (size_t)snprintf(text + used, size - used, " + ");
        weft_layer_write(s->net, graph->nodes[i].layer, false, text + used, size - used);
    }
}

static enum weft_status measure_segment(struct weft_bench *b, struct step_run *s,
                                        struct weft_command_list *list, int index,
                                        const struct weft_step_params *p,
                                        struct weft_step_report *out)
{
    const struct weft_list_segment *mark = &list->segments[index];
    int end = index + 1 < list->segment_count ? mark[1].first : list->info.launches;
    char kernels[512], text[256];
    double seconds[BENCH_MAX_SAMPLES];
    struct weft_timing t = {.name = "",
                            .layer_text = text,
                            .phase = weft_phase_names[mark->phase],
                            .relative_error = NAN};
    if (end == mark->first)
        return WEFT_OK;
    count_work(s, mark, &t);
    t.launches = end - mark->first;
    t.kernels = kernels;
    bench_describe_kernels(list, mark->first, end, kernels, sizeof(kernels));
    bench_set_roofline(b, &t);
    describe_layer(s, mark->node, text, sizeof(text));
    if (p->report && b->params.seconds >= 0 && !out->error[0])
        WEFT_TRY(bench_measure(b, list, mark->first, end, seconds, &t));
    out->flops += t.flops;
    out->bytes += t.bytes;
    out->roofline_seconds += t.roofline_seconds;
    if (p->report)
        p->report(p->priv, &t);
    return WEFT_OK;
}

static void count_memory(const struct step_run *s, struct weft_step_report *out)
{
    const struct weft_trainer *t = s->trainer;
    size_t weights = s->plan->graph.weights * sizeof(float);
    size_t image = weft_shape_count(s->plan->input);
    size_t prepared = s->plan->prepared_floats * sizeof(float);
    bool half = !t && s->plan->type == WEFT_FLOAT16;
    size_t workspace = 0, state = 0;
    if (t)
        state = 2 * weights + (STATE_WORDS + (size_t)t->rate_count) * sizeof(uint32_t) +
                (t->average ? weft_graph_floats(&s->plan->graph) * sizeof(float) : 0);
    for (int i = 0; i < s->list_count; i++)
        workspace += s->lists[i]->info.workspace_bytes;
    const size_t bytes[WEFT_ROLE_COUNT] = {
        [WEFT_ROLE_WEIGHTS] =
            half ? prepared : weft_graph_floats(&s->plan->graph) * sizeof(float),
        [WEFT_ROLE_GRADIENTS] = t ? weights : 0,
        [WEFT_ROLE_OPTIMIZER_STATE] = state,
        [WEFT_ROLE_ACTIVATIONS] = s->plan->bytes,
        [WEFT_ROLE_WORKSPACE] = workspace + (half ? 0 : prepared),
        [WEFT_ROLE_DATASET] = t ? (size_t)t->count * (image + sizeof(int32_t))
                                : (size_t)s->infer->batch * image,
    };
    memcpy(out->bytes_by_role, bytes, sizeof(bytes));
    for (int i = 0; i < WEFT_ROLE_COUNT; i++)
        out->bytes_planned += bytes[i];
}

enum weft_status(weft_bench_step)(weft_bench *b, const weft_net *net,
                                  const weft_dataset *data,
                                  const struct weft_step_params *params,
                                  struct weft_step_report *out, size_t size)
{
    struct weft_step_params own, *p = &own;
    WEFT_REQUIRE_POINTER(NULL, b, "bench");
    WEFT_REQUIRE_DEVICE(b->device);
    WEFT_REQUIRE_POINTER(b->device->context, net, "net");
    WEFT_REQUIRE_POINTER(b->device->context, data, "data");
    WEFT_REQUIRE_POINTER(b->device->context, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(b->device->context, params, p));
    struct step_run stage;
    struct weft_step_report result = {.relative_error = p->verify ? 0 : NAN,
                                      .verify_seconds = NAN};
    size_t before = b->device->allocated;
    enum weft_status status = start(b, b->device, net, data, p, &stage);
    if (!status) {
        result.batch = stage.plan->batch;
        for (int i = 0; i < stage.list_count; i++)
            result.launches += stage.lists[i]->info.launches;
        result.bytes_allocated = b->device->allocated - before;
        count_memory(&stage, &result);
        if (p->verify)
            status = verify_step(&stage, data, &result);
    }
    for (int k = 0; !status && k < stage.list_count; k++)
        for (int i = 0; !status && i < stage.lists[k]->segment_count; i++)
            status = measure_segment(b, &stage, stage.lists[k], i, p, &result);
    stop(&stage);
    if (!status)
        WEFT_WRITE_INFO(out, size, &result);
    return status;
}
