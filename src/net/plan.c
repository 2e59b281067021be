/* SPDX-License-Identifier: Apache-2.0 */
/* Liveness analysis and static memory planning. */
#include "net/fuse.h"
#include "net/plan.h"

#include <stdlib.h>

static size_t aligned(size_t bytes)
{
    return (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
}

/* True if the ranges overlap, both in time and in the buffer. */
static bool collide(const struct weft_live_range *a, const struct weft_live_range *b)
{
    return a->first <= b->last && b->first <= a->last &&
           a->offset < b->offset + aligned(b->bytes) &&
           b->offset < a->offset + aligned(a->bytes);
}

/* The lowest free offset for `range` among the first `placed` of `order`. */
static void assign_range(struct weft_live_range *const *order, int placed,
                         struct weft_live_range *range)
{
    range->offset = 0;
    for (int i = 0; i < placed; i++)
        if (collide(order[i], range)) {
            range->offset = order[i]->offset + aligned(order[i]->bytes);
            i = -1;
        }
}

static int larger_first(const void *left, const void *right)
{
    const struct weft_live_range *a = *(struct weft_live_range *const *)left;
    const struct weft_live_range *b = *(struct weft_live_range *const *)right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a < b ? -1 : a > b;
}

enum weft_status weft_arena_assign(weft_context *ctx, struct weft_live_range *live_ranges,
                                   int count, size_t *peak)
{
    struct weft_live_range **order = malloc((size_t)count * sizeof(*order));
    if (!order)
        return weft_out_of_memory(ctx, "plan", (size_t)count * sizeof(*order));
    for (int i = 0; i < count; i++)
        order[i] = &live_ranges[i];
    qsort(order, (size_t)count, sizeof(*order), larger_first);
    *peak = 0;
    for (int i = 0; i < count && order[i]->bytes; i++) {
        assign_range(order, i, order[i]);
        size_t size = aligned(order[i]->bytes), end = order[i]->offset + size;
        if (end < size) {
            free(order);
            return weft_out_of_memory(ctx, "plan", SIZE_MAX);
        }
        *peak = end > *peak ? end : *peak;
    }
    free(order);
    return WEFT_OK;
}

/* Time is counted in nodes: forward at their index, then the loss, then backward in
 * reverse order. */
static int loss_time(const struct weft_plan *plan)
{
    return plan->graph.count;
}

static int backward_time(const struct weft_plan *plan, int node)
{
    return 2 * plan->graph.count - node;
}

static int end_time(const struct weft_plan *plan)
{
    return 2 * plan->graph.count + 1;
}

static struct weft_live_range *node_range(const struct weft_plan *plan, int node,
                                          enum weft_node_tensor_id which)
{
    return &plan->live_ranges[TENSOR_STEP_COUNT + node * TENSOR_NODE_COUNT + (int)which];
}

/* The range is in use at this time. */
static void touch(struct weft_live_range *range, int time, size_t bytes)
{
    if (!range->bytes || time < range->first)
        range->first = time;
    if (!range->bytes || time > range->last)
        range->last = time;
    range->bytes = bytes;
}

/* The type of the output of a node, or of WEFT_BATCH. Outputs of the network are float32,
 * and so are logits. */
static enum weft_type type_of(const struct weft_plan *plan, int node)
{
    for (int k = 0; k < plan->graph.output_count; k++) {
        int output = weft_graph_source(&plan->graph, plan->graph.outputs[k], false);
        if (node == output ||
            (output >= 0 && plan->graph.nodes[output].op->is_loss &&
             node == weft_graph_producer(&plan->graph, output, 0, false)))
            return WEFT_FLOAT32;
    }
    return plan->type;
}

/* The number of values of an output. */
static size_t count_of(const struct weft_plan *plan, int node)
{
    const struct weft_shape *out = node < 0 ? &plan->input : &plan->graph.nodes[node].out;
    return weft_shape_count(*out) * (size_t)plan->batch;
}

static size_t bytes_of(const struct weft_plan *plan, int node)
{
    return count_of(plan, node) * weft_type_bytes(type_of(plan, node));
}

/* Input `which` of a node: in training it must live until the backward pass. */
static void live_input(const struct weft_plan *plan, int index, int which)
{
    int source = weft_graph_producer(&plan->graph, index, which, plan->training);
    struct weft_live_range *read =
        source < 0 ? &plan->live_ranges[TENSOR_X] : node_range(plan, source, TENSOR_Y);
    touch(read, index, read->bytes);
    if (plan->training)
        touch(read, backward_time(plan, source < 0 ? index : source), read->bytes);
}

/* At inference the logits outlive the list of launches: evaluation reads them. */
static void live_logits(const struct weft_plan *plan)
{
    int node = weft_graph_source(&plan->graph, plan->graph.outputs[0], false);
    if (plan->training || node < 0 || !plan->graph.nodes[node].op->is_loss)
        return;
    int source = weft_graph_producer(&plan->graph, node, 0, false);
    struct weft_live_range *logits =
        source < 0 ? &plan->live_ranges[TENSOR_X] : node_range(plan, source, TENSOR_Y);
    touch(logits, end_time(plan), logits->bytes);
}

static void live_node(const struct weft_plan *plan, int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    if (weft_node_is_noop(node, plan->training))
        return;
    if (!(plan->training && node->op->is_loss))
        touch(node_range(plan, index, TENSOR_Y), index, bytes_of(plan, index));
    for (int k = 0; k < plan->graph.output_count && !plan->training; k++)
        if (weft_graph_source(&plan->graph, plan->graph.outputs[k], false) == index)
            touch(node_range(plan, index, TENSOR_Y), end_time(plan),
                  bytes_of(plan, index));
    if (plan->training && node->pool.r && node->pool.kind == WEFT_POOL_MAX) {
        size_t bytes = weft_shape_count(node->out) * (size_t)plan->batch *
                       weft_pool_argmax_bytes(&node->pool);
        touch(node_range(plan, index, TENSOR_ARGMAX), index, bytes);
        touch(node_range(plan, index, TENSOR_ARGMAX), backward_time(plan, index), bytes);
    }
    if (plan->training && node->op->saved) {
        size_t bytes = node->op->saved(node, plan->batch) * sizeof(float);
        touch(node_range(plan, index, TENSOR_SAVED), index, bytes);
        touch(node_range(plan, index, TENSOR_SAVED), backward_time(plan, index), bytes);
    }
    for (int k = 0; k < node->input_count; k++)
        live_input(plan, index, k);
}

/* A gradient of `count` values has the type of the node whose tensor holds it. */
static void touch_ref(const struct weft_plan *plan, struct weft_tensor_ref ref, int time,
                      size_t count)
{
    if (ref.node != WEFT_NO_NODE)
        touch(node_range(plan, ref.node, ref.which), time,
              count * weft_type_bytes(type_of(plan, ref.node)));
}

/* The gradients that the backward pass of a node reads and writes. */
static void live_gradients(const struct weft_plan *plan, int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    const struct weft_grad_plan *grad_plan = &plan->grad_plans[index];
    int time = node->op->is_loss ? loss_time(plan) : backward_time(plan, index);
    if (weft_node_is_noop(node, true) || !grad_plan->needs_grad)
        return;
    if (!node->op->is_loss)
        touch_ref(plan, (struct weft_tensor_ref){grad_plan->gradient, TENSOR_DY}, time,
                  count_of(plan, index));
    for (int k = 0; k < WEFT_MAX_INPUTS; k++) {
        const struct weft_grad_term *term = &grad_plan->terms[k];
        if (term->to == WEFT_NO_NODE)
            continue;
        size_t count = count_of(plan, term->to);
        touch_ref(plan, term->src, time, count);
        touch_ref(plan, term->acc, time, count);
        touch_ref(plan, term->dst, time, count);
    }
}

/* The output of a node, and the gradient at it, are read after the lists. */
static void live_explained(const struct weft_plan *plan, int index)
{
    const struct weft_tensor_ref gradient = {plan->grad_plans[index].gradient, TENSOR_DY};
    struct weft_live_range *y = node_range(plan, index, TENSOR_Y);
    if (weft_node_is_noop(&plan->graph.nodes[index], true) ||
        plan->graph.nodes[index].op->is_loss)
        return;
    touch(y, end_time(plan), y->bytes);
    touch_ref(plan, gradient, end_time(plan), count_of(plan, index));
}

static void live_step(const struct weft_plan *plan)
{
    size_t rows = (size_t)plan->batch * sizeof(float);
    plan->live_ranges[TENSOR_X].first = -1;
    plan->live_ranges[TENSOR_X].bytes = bytes_of(plan, WEFT_BATCH);
    if (!plan->training)
        return;
    plan->live_ranges[TENSOR_LABELS] =
        (struct weft_live_range){-1, loss_time(plan), rows, 0};
    plan->live_ranges[TENSOR_LOSS] =
        (struct weft_live_range){loss_time(plan), end_time(plan), rows, 0};
    plan->live_ranges[TENSOR_CORRECT] =
        (struct weft_live_range){loss_time(plan), end_time(plan), rows, 0};
}

static enum weft_status check_sizes(const struct weft_net *net, int batch)
{
    size_t largest = weft_shape_count(net->input);
    for (int i = 0; i < net->graph.count; i++) {
        size_t count = weft_shape_count(net->graph.nodes[i].out);
        largest = count > largest ? count : largest;
    }
    if (batch > WEFT_MAX_VALUES / (int)largest)
        return weft_fail(
            net->ctx, WEFT_ERR_ARG,
            "%s: a batch of %d is too large, a layer would have more than %d "
            "values; the largest batch is %d",
            net->name, batch, WEFT_MAX_VALUES, WEFT_MAX_VALUES / (int)largest);
    return WEFT_OK;
}

/* Training starts from the loss of the last layer. */
static enum weft_status check_loss(const struct weft_net *net)
{
    const struct weft_graph *graph = &net->graph;
    const struct weft_node *last = &graph->nodes[graph->count - 1];
    if (graph->output_count != 1 || graph->outputs[0] != last->index ||
        !last->op->is_loss)
        return weft_fail(net->ctx, WEFT_ERR_ARG,
                         "%s: can be used for inference only: for training the last "
                         "layer must be softmax, and the only output",
                         net->name);
    return WEFT_OK;
}

/* Static loss scale, which keeps the gradient at a logit below 2^HEADROOM: the sum over
 * the batch rather than its mean, and some more, puts gradients into the middle of the
 * range of float16, 2^-24 to 2^16. In the first step of `small`, `medium` and `resnet9`
 * all from 2^-4 to 2^12 are equally good; later in training gradients are smaller. */
static int loss_scale_log2_of(int batch)
{
    enum { HEADROOM = 6 };
    int loss_scale_log2 = HEADROOM;
    for (long n = 1; n < batch; n *= 2)
        loss_scale_log2++;
    return loss_scale_log2;
}

void weft_plan_set_parts(struct weft_plan *plan, int parts)
{
    bool scaled = plan->training && plan->type == WEFT_FLOAT16;
    plan->parts = parts;
    plan->loss_scale_log2 = scaled ? loss_scale_log2_of(plan->batch * parts) : 0;
}

/* `mode` has the batch, the type, and what the plan is for. */
static enum weft_status create(const struct weft_net *net, const struct weft_plan *mode,
                               bool plain, struct weft_plan **out)
{
    bool training = mode->training;
    WEFT_TRY(check_sizes(net, mode->batch));
    if (training)
        WEFT_TRY(check_loss(net));
    struct weft_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return weft_out_of_memory(net->ctx, "plan", sizeof(*plan));
    *plan = *mode;
    plan->ctx = net->ctx;
    plan->input = net->input;
    plan->label_smoothing = net->label_smoothing;
    weft_plan_set_parts(plan, 1);
    int live_ranges = TENSOR_STEP_COUNT + TENSOR_NODE_COUNT * net->graph.count;
    enum weft_status status = weft_graph_copy(net->ctx, &net->graph, &plan->graph);
    if (status)
        goto fail;
    plan->live_ranges = calloc((size_t)live_ranges, sizeof(*plan->live_ranges));
    plan->grad_plans = calloc((size_t)net->graph.count, sizeof(*plan->grad_plans));
    plan->prepared = calloc((size_t)net->graph.count, sizeof(*plan->prepared));
    if (!plan->live_ranges || !plan->grad_plans || !plan->prepared) {
        status = weft_out_of_memory(net->ctx, "plan",
                                    (size_t)live_ranges * sizeof(*plan->live_ranges));
        goto fail;
    }
    if (!plain)
        weft_fuse(&plan->graph, training);
    if (!training)
        weft_prepared_reserve(&plan->graph, plan->type, plan->prepared,
                              &plan->prepared_floats);
    live_step(plan);
    for (int i = 0; i < plan->graph.count; i++)
        live_node(plan, i);
    live_logits(plan);
    if (training) {
        weft_grad_plans_build(&plan->graph, plan->explains, plan->grad_plans);
        for (int i = 0; i < plan->graph.count; i++)
            live_gradients(plan, i);
    }
    for (int i = 0; i < plan->graph.count && plan->explains; i++)
        live_explained(plan, i);
    if ((status =
             weft_arena_assign(net->ctx, plan->live_ranges, live_ranges, &plan->bytes)))
        goto fail;
    *out = plan;
    return WEFT_OK;

fail:
    weft_plan_destroy(&plan);
    return status;
}

enum weft_status weft_plan_create(const struct weft_net *net, int batch, bool training,
                                  bool plain, enum weft_type type, struct weft_plan **out)
{
    const struct weft_plan mode = {.batch = batch, .training = training, .type = type};
    return create(net, &mode, plain, out);
}

enum weft_status weft_plan_create_explaining(const struct weft_net *net, int batch,
                                             struct weft_plan **out)
{
    const struct weft_plan mode = {
        .batch = batch, .training = true, .explains = true, .type = WEFT_FLOAT32};
    return create(net, &mode, true, out);
}

void weft_plan_destroy(struct weft_plan **plan)
{
    if (!*plan)
        return;
    weft_graph_free(&(*plan)->graph);
    free((*plan)->grad_plans);
    free((*plan)->prepared);
    free((*plan)->live_ranges);
    free(*plan);
    *plan = NULL;
}

int weft_plan_largest_batch(const struct weft_net *net, int batch, bool training,
                            enum weft_type type, size_t limit)
{
    int low = 0, high = batch;
    while (low < high) {
        int middle = low + (high - low + 1) / 2;
        struct weft_plan *plan = NULL;
        bool fits = !weft_plan_create(net, middle, training, false, type, &plan) &&
                    plan->bytes <= limit;
        weft_plan_destroy(&plan);
        if (fits)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static struct weft_view view_of(const struct weft_buffers *buffers,
                                const struct weft_live_range *range, enum weft_type type)
{
    size_t element = weft_type_bytes(type);
    if (!range->bytes)
        return (struct weft_view){0};
    return (struct weft_view){.mem = buffers->activations,
                              .offset = range->offset / element,
                              .count = range->bytes / element,
                              .type = type};
}

struct weft_view weft_plan_node_view(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers, int node,
                                     enum weft_node_tensor_id which)
{
    const struct weft_live_range *range = node_range(plan, node, which);
    const struct weft_pool *pool = &plan->graph.nodes[node].pool;
    if (which == TENSOR_ARGMAX)
        return view_of(buffers, range,
                       weft_pool_argmax_bytes(pool) == 1 ? WEFT_UINT8 : WEFT_INT32);
    return view_of(buffers, range,
                   which == TENSOR_SAVED ? WEFT_FLOAT32 : type_of(plan, node));
}

struct weft_view weft_plan_ref_view(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers,
                                    struct weft_tensor_ref ref)
{
    return ref.node == WEFT_NO_NODE
               ? (struct weft_view){0}
               : weft_plan_node_view(plan, buffers, ref.node, ref.which);
}

struct weft_view weft_plan_step_view(const struct weft_plan *plan,
                                     const struct weft_buffers *buffers,
                                     enum weft_step_tensor_id which)
{
    bool words = which == TENSOR_LABELS || which == TENSOR_CORRECT;
    enum weft_type type = which == TENSOR_X ? type_of(plan, WEFT_BATCH)
                          : words           ? WEFT_INT32
                                            : WEFT_FLOAT32;
    struct weft_mem *given = which == TENSOR_X        ? buffers->x
                             : which == TENSOR_LABELS ? buffers->labels
                                                      : NULL;
    struct weft_view view = view_of(buffers, &plan->live_ranges[which], type);
    if (given) {
        view.mem = given;
        view.offset = 0;
    }
    return view;
}

static struct weft_view mixing_view(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers, int part)
{
    size_t batch = (size_t)plan->batch;
    return buffers->mixing
               ? (struct weft_view){buffers->mixing, (size_t)part * batch, batch}
               : (struct weft_view){0};
}

struct weft_view weft_plan_partner_labels(const struct weft_plan *plan,
                                          const struct weft_buffers *buffers)
{
    return mixing_view(plan, buffers, 0);
}

struct weft_view weft_plan_shares(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers)
{
    return mixing_view(plan, buffers, 1);
}

struct weft_view weft_plan_value(const struct weft_plan *plan,
                                 const struct weft_buffers *buffers, int node)
{
    node = weft_graph_source(&plan->graph, node, plan->training);
    return node < 0 ? weft_plan_step_view(plan, buffers, TENSOR_X)
                    : weft_plan_node_view(plan, buffers, node, TENSOR_Y);
}

struct weft_view weft_plan_gradient(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers, int node)
{
    node = weft_graph_source(&plan->graph, node, plan->training);
    const struct weft_tensor_ref ref = {
        node < 0 ? WEFT_NO_NODE : plan->grad_plans[node].gradient, TENSOR_DY};
    return weft_plan_ref_view(plan, buffers, ref);
}

static struct weft_view output_view(const struct weft_plan *plan,
                                    const struct weft_buffers *buffers, int index,
                                    bool logits)
{
    const struct weft_graph *graph = &plan->graph;
    int node = weft_graph_source(graph, graph->outputs[index], plan->training);
    if (logits)
        node = weft_graph_producer(graph, node, 0, plan->training);
    return weft_plan_value(plan, buffers, node);
}

struct weft_view weft_plan_output(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers, int index)
{
    return output_view(plan, buffers, index, plan->training);
}

struct weft_view weft_plan_logits(const struct weft_plan *plan,
                                  const struct weft_buffers *buffers)
{
    return output_view(plan, buffers, 0, true);
}
