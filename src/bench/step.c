/* SPDX-License-Identifier: Apache-2.0 */
/* A network's step, part by part: the marks of its list say where a part begins. */
#include "bench.h"

#include "../net/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How far gradients may be from the reference's, as a share of a layer's: a rounding
 * error may move a maximum to its neighbour, a wrong kernel does worse. */
static const double most_off = 0x1p-9;

/* A step on one device: a trainer, or a network planned for inference. */
struct stage {
    struct weft_device *device;
    struct weft_trainer *trainer;
    struct weft_infer *infer;
    struct weft_mem *weights; /* for `infer` */
    const struct weft_plan *plan;
    struct weft_list *list;
};

static enum weft_status start_infer(struct weft_bench *b, const struct weft_net *net,
                                    const struct weft_data_info *info, int batch,
                                    enum weft_type type, struct stage *s)
{
    size_t bytes = weft_graph_floats(&net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    struct weft_normalization normalization = weft_normalize(info->mean, info->deviation);
    if (!weights)
        return weft_out_of_memory(s->device->context, "weights", bytes);
    weft_graph_initialize(&net->graph, b->params.seed, weights);
    enum weft_status status = weft_infer_place(s->device, net, weights, &normalization,
                                               batch, type, &s->weights, &s->infer);
    free(weights);
    WEFT_TRY(status);
    s->plan = s->infer->plan;
    s->list = s->infer->list;
    return WEFT_OK;
}

static enum weft_type type_of(const struct weft_step_params *p)
{
    return p->precision == WEFT_PRECISION_FLOAT16 ? WEFT_FLOAT16 : WEFT_FLOAT32;
}

static enum weft_status start(struct weft_bench *b, struct weft_device *device,
                              const struct weft_net *net, const struct weft_data *data,
                              const struct weft_step_params *p, struct stage *s)
{
    struct weft_data_info info;
    weft_data_info(data, &info);
    *s = (struct stage){.device = device};
    int batch = p->batch ? p->batch : net->batch ? net->batch : 128;
    batch = batch < info.count ? batch : info.count;
    if (!p->training)
        return start_infer(b, net, &info, batch, type_of(p), s);
    WEFT_TRY(weft_trainer_create(
        device, net, data,
        weft_train_params(.batch = batch, .plain = p->plain, .seed = b->params.seed,
                          .precision = type_of(p) == WEFT_FLOAT16
                                           ? WEFT_PRECISION_FLOAT16
                                           : WEFT_PRECISION_FLOAT32),
        &s->trainer));
    s->plan = s->trainer->plan;
    s->list = s->trainer->list;
    return WEFT_OK;
}

static void stop(struct stage *s)
{
    weft_trainer_destroy(&s->trainer);
    weft_infer_destroy(&s->infer);
    if (s->weights)
        s->device->backend->free(s->device, s->weights);
    *s = (struct stage){0};
}

/* The first moments after one step are the gradients, but for a factor. */
static enum weft_status read_gradients(struct stage *s, float *out)
{
    WEFT_TRY(weft_trainer_run(s->trainer, 1));
    return s->device->backend->read(s->device, out, s->trainer->moment1, 0,
                                    s->trainer->net->graph.weights * sizeof(float));
}

/* The Euclidean distance of a part of two arrays, and the length of it in the second. */
static void distance(const float *a, const float *b, size_t at, size_t count, double *off,
                     double *length)
{
    for (size_t i = at; i < at + count; i++) {
        double d = (double)a[i] - (double)b[i];
        *off += d * d;
        *length += (double)b[i] * (double)b[i];
    }
}

/* A gradient that should be nothing, as of a bias before a normalization, is measured
 * against a hundredth of the usual size. */
static void compare_gradients(const struct weft_plan *plan, const float *got,
                              const float *want, struct weft_step *out)
{
    const struct weft_graph *graph = &plan->graph;
    double all_off = 0, all = 0,
           most = plan->type == WEFT_FLOAT16 ? WEFT_HALF_MOST_OFF : most_off;
    distance(got, want, 0, graph->weights, &all_off, &all);
    for (int i = 0; i < graph->count; i++) {
        const struct weft_node *node = &graph->nodes[i];
        double off = 0, length = 0;
        size_t count = node->weight.count + node->bias.count;
        if (!count)
            continue;
        distance(got, want, node->weight.at, node->weight.count, &off, &length);
        distance(got, want, node->bias.at, node->bias.count, &off, &length);
        double usual = all * (double)count / (double)graph->weights;
        double share = sqrt(off / fmax(fmax(length, 1e-4 * usual), 1e-30));
        if (!(share <= out->error)) /* NaN too */
            out->error = isfinite(share) ? share : INFINITY;
        if (!(share <= most) && !out->fault[0])
            snprintf(out->fault, sizeof(out->fault),
                     "the gradients of %s are wrong: they differ from the reference's by "
                     "%.3g of their size, at most %.3g is right",
                     node->name, share, most);
    }
}

static enum weft_status check_training(struct stage *device, struct stage *reference,
                                       struct weft_step *out)
{
    const struct weft_graph *graph = &device->trainer->net->graph;
    float *got = malloc(graph->weights * sizeof(*got));
    float *want = malloc(graph->weights * sizeof(*want));
    enum weft_status status = WEFT_OK;
    if (!got || !want)
        status = weft_out_of_memory(device->device->context, "bench",
                                    2 * graph->weights * sizeof(*got));
    else if (!(status = read_gradients(device, got)) &&
             !(status = read_gradients(reference, want)))
        compare_gradients(device->trainer->plan, got, want, out);
    free(got);
    free(want);
    return status;
}

static enum weft_status check_infer(struct stage *device, struct stage *reference,
                                    const struct weft_data *data, struct weft_step *out)
{
    const struct weft_infer *infer = device->infer;
    size_t count = (size_t)infer->batch * (size_t)infer->classes;
    float *got = malloc(count * sizeof(*got)), *want = malloc(count * sizeof(*want));
    const uint8_t *pixels = weft_data_pixels(data);
    enum weft_status status = WEFT_OK;
    if (!got || !want)
        status = weft_out_of_memory(device->device->context, "bench",
                                    2 * count * sizeof(*got));
    else if (!(status = weft_infer_run(device->infer, pixels, infer->batch, got)) &&
             !(status = weft_infer_run(reference->infer, pixels, infer->batch, want)) &&
             !(infer->plan->type == WEFT_FLOAT16
                   ? weft_infer_agrees(got, want, infer->batch, infer->classes,
                                       &out->error)
                   : bench_compare(got, want, count, BENCH_FLOAT, &out->error)))
        snprintf(out->fault, sizeof(out->fault),
                 "the probabilities are wrong: they differ from the reference's by up to "
                 "%.3g",
                 out->error);
    free(got);
    free(want);
    return status;
}

static enum weft_status check(struct weft_bench *b, struct stage *device,
                              const struct weft_net *net, const struct weft_data *data,
                              const struct weft_step_params *p, struct weft_step *out)
{
    struct stage reference;
    struct weft_step_params full = *p;
    full.precision = WEFT_PRECISION_FLOAT32;
    enum weft_status status = start(b, b->reference, net, data, &full, &reference);
    if (!status)
        status = p->training ? check_training(device, &reference, out)
                             : check_infer(device, &reference, data, out);
    stop(&reference);
    return status;
}

/* What a part must compute and move at least. */
static void count_work(const struct stage *s, const struct weft_mark *mark,
                       struct weft_timing *t)
{
    const struct weft_plan *plan = s->plan;
    double n = plan->batch, word = (double)weft_type_bytes(plan->type);
    double pixels = (double)weft_shape_count(plan->input);
    double all = (double)plan->graph.weights;
    double in = 0, out = 0, weights = 0;
    if (mark->node >= 0) {
        const struct weft_node *node = &plan->graph.nodes[mark->node];
        in = n * word * (double)weft_shape_count(node->in) * weft_node_inputs(node);
        out = n * (double)weft_shape_count(node->out) *
              (word + (plan->training && node->pool.r ? 1 : 0));
        weights =
            (plan->training ? 4 : word) * (double)(node->weight.count + node->bias.count);
        t->name = node->name;
        if (mark->phase != WEFT_PHASE_LOSS)
            t->flops = n * node->op->flops(node);
    }
    bool adam = s->trainer && s->trainer->optimizer.kind != WEFT_OPTIMIZER_SGD;
    const double bytes[WEFT_PHASE_COUNT] = {
        [WEFT_PHASE_INPUT] = n * pixels * (1 + word),
        [WEFT_PHASE_FORWARD] = in + weights + out,
        [WEFT_PHASE_LOSS] = 2 * in,
        [WEFT_PHASE_BACKWARD] = 2 * in + out,
        [WEFT_PHASE_WEIGHTS] = in + out + weights,
        [WEFT_PHASE_DATA] = in + out + weights,
        [WEFT_PHASE_UPDATE] = 4 * (all * (adam ? 7 : 5) + n * 2),
    };
    t->bytes = bytes[mark->phase];
}

/* A node's line, and those of the layers that were fused into it. */
static void tell_layer(const struct weft_graph *graph, int index, char *text, size_t size)
{
    text[0] = '\0';
    if (index < 0)
        return;
    snprintf(text, size, "%s", graph->nodes[index].text);
    for (int i = index + 1; i < graph->count; i++) {
        int at = i;
        while (at >= 0 && graph->nodes[at].absorbed)
            at = graph->nodes[at].inputs[0];
        size_t used = strlen(text);
        if (at == index && at != i && !graph->nodes[i].implied)
            snprintf(text + used, size - used, " + %s", graph->nodes[i].text);
    }
}

static enum weft_status measure_part(struct weft_bench *b, struct stage *s, int index,
                                     weft_timing_fn report, void *priv,
                                     struct weft_step *out)
{
    const struct weft_mark *mark = &s->list->marks[index];
    int end = index + 1 < s->list->mark_count ? mark[1].first : s->list->launches;
    char kernels[512], text[256];
    double seconds[BENCH_MAX_SAMPLES];
    struct weft_timing t = {
        .name = "", .text = text, .what = weft_phase_names[mark->phase], .error = NAN};
    if (end == mark->first)
        return WEFT_OK;
    count_work(s, mark, &t);
    t.launches = end - mark->first;
    t.kernels = kernels;
    bench_tell_kernels(s->list, mark->first, end, kernels, sizeof(kernels));
    bench_roof(b, &t);
    tell_layer(&s->plan->graph, mark->node, text, sizeof(text));
    if (report && b->params.seconds >= 0 && !out->fault[0])
        WEFT_TRY(bench_time(b, s->list, mark->first, end, seconds, &t));
    out->flops += t.flops;
    out->bytes += t.bytes;
    out->roof += t.roof;
    if (report)
        report(priv, &t);
    return WEFT_OK;
}

static void count_memory(const struct stage *s, struct weft_step *out)
{
    const struct weft_trainer *t = s->trainer;
    size_t weights = s->plan->graph.weights * sizeof(float);
    size_t picture = weft_shape_count(s->plan->input);
    size_t prepared = s->plan->graph.prepared * sizeof(float);
    bool half = !t && s->plan->type == WEFT_FLOAT16;
    const size_t bytes[WEFT_ROLE_COUNT] = {
        [WEFT_ROLE_WEIGHTS] =
            half ? prepared : weft_graph_floats(&s->plan->graph) * sizeof(float),
        [WEFT_ROLE_GRADIENTS] = t ? weights : 0,
        [WEFT_ROLE_MOMENTS] = t ? 2 * weights : 0,
        [WEFT_ROLE_ACTIVATIONS] = s->plan->bytes,
        [WEFT_ROLE_SCRATCH] = s->list->scratch_bytes + (half ? 0 : prepared),
        [WEFT_ROLE_PICTURES] = t ? (size_t)t->count * (picture + sizeof(int32_t))
                                 : (size_t)s->infer->batch * picture,
    };
    memcpy(out->bytes_by_role, bytes, sizeof(bytes));
    for (int i = 0; i < WEFT_ROLE_COUNT; i++)
        out->bytes_planned += bytes[i];
}

enum weft_status weft_bench_step(weft_bench *b, const weft_net *net,
                                 const weft_data *data,
                                 const struct weft_step_params *params,
                                 weft_timing_fn report, void *priv, struct weft_step *out)
{
    static const struct weft_step_params none = {0};
    const struct weft_step_params *p = params ? params : &none;
    struct stage stage;
    size_t before = b->device->allocated;
    *out = (struct weft_step){.error = p->check ? 0 : NAN};
    enum weft_status status = start(b, b->device, net, data, p, &stage);
    if (!status) {
        out->batch = stage.plan->batch;
        out->launches = stage.list->launches;
        out->bytes_taken = b->device->allocated - before;
        count_memory(&stage, out);
        if (p->check)
            status = check(b, &stage, net, data, p, out);
    }
    for (int i = 0; !status && i < stage.list->mark_count; i++)
        status = measure_part(b, &stage, i, report, priv, out);
    stop(&stage);
    return status;
}
