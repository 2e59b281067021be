/* SPDX-License-Identifier: Apache-2.0 */
/* Who lives when, and where: places in the activation buffer. */
#include "plan.h"

#include <limits.h>
#include <stdlib.h>

enum { STATISTICS = 3 }; /* of a batch-norm */

static size_t aligned(size_t bytes)
{
    return (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
}

/* Whether `a`, placed, is in the way of `b`: alive at the same time and overlapping. */
static bool collide(const struct weft_span *a, const struct weft_span *b)
{
    return a->first <= b->last && b->first <= a->last &&
           a->at < b->at + aligned(b->bytes) && b->at < a->at + aligned(a->bytes);
}

/* The lowest place for `span` among the first `placed` of `order`. */
static void place_span(struct weft_span *const *order, int placed, struct weft_span *span)
{
    span->at = 0;
    for (int i = 0; i < placed; i++)
        if (collide(order[i], span)) {
            span->at = order[i]->at + aligned(order[i]->bytes);
            i = -1;
        }
}

static int larger_first(const void *left, const void *right)
{
    const struct weft_span *a = *(struct weft_span *const *)left;
    const struct weft_span *b = *(struct weft_span *const *)right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a < b ? -1 : a > b;
}

enum weft_status weft_spans_place(weft_context *ctx, struct weft_span *spans, int count,
                                  size_t *peak)
{
    struct weft_span **order = malloc((size_t)count * sizeof(*order));
    if (!order)
        return weft_out_of_memory(ctx, "plan", (size_t)count * sizeof(*order));
    for (int i = 0; i < count; i++)
        order[i] = &spans[i];
    qsort(order, (size_t)count, sizeof(*order), larger_first);
    *peak = 0;
    for (int i = 0; i < count && order[i]->bytes; i++) {
        place_span(order, i, order[i]);
        size_t end = order[i]->at + aligned(order[i]->bytes);
        *peak = end > *peak ? end : *peak;
    }
    free(order);
    return WEFT_OK;
}

/* Time is counted in nodes: forward at their index, then the loss, then backward in
 * reverse. */
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

static struct weft_span *node_span(const struct weft_plan *plan, int node,
                                   enum weft_node_span which)
{
    return &plan->spans[SPAN_STEP_COUNT + node * SPAN_NODE_COUNT + (int)which];
}

/* The span holds something at this time. */
static void touch(struct weft_span *span, int time, size_t bytes)
{
    if (!span->bytes || time < span->first)
        span->first = time;
    if (!span->bytes || time > span->last)
        span->last = time;
    span->bytes = bytes;
}

/* Of the output of a node, or of WEFT_BATCH. What leaves the network is float32, and so
 * is what its last layer makes it of. */
static enum weft_type type_of(const struct weft_plan *plan, int node)
{
    int last = plan->graph.count - 1;
    return node == last || node == weft_graph_source(&plan->graph, last, 0, false)
               ? WEFT_FLOAT32
               : plan->type;
}

/* Of an output. */
static size_t count_of(const struct weft_plan *plan, int node)
{
    const struct weft_shape *out = node < 0 ? &plan->input : &plan->graph.nodes[node].out;
    return weft_shape_count(*out) * (size_t)plan->batch;
}

static size_t bytes_of(const struct weft_plan *plan, int node)
{
    return count_of(plan, node) * weft_type_bytes(type_of(plan, node));
}

/* Input `which` of a node: in training what is read must live until the way back. */
static void span_input(const struct weft_plan *plan, int index, int which)
{
    int source = weft_graph_source(&plan->graph, index, which, plan->training);
    struct weft_span *read =
        source < 0 ? &plan->spans[SPAN_X] : node_span(plan, source, SPAN_Y);
    touch(read, index, read->bytes);
    if (plan->training)
        touch(read, backward_time(plan, source < 0 ? index : source), read->bytes);
}

static void span_node(const struct weft_plan *plan, int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    if (weft_node_idle(node, plan->training))
        return;
    if (!(plan->training && node->op->last))
        touch(node_span(plan, index, SPAN_Y), index, bytes_of(plan, index));
    if (!plan->training && node->op->last)
        touch(node_span(plan, index, SPAN_Y), end_time(plan), bytes_of(plan, index));
    if (plan->training && node->pool.r && node->pool.kind == WEFT_POOL_MAX) {
        size_t bytes = weft_shape_count(node->out) * (size_t)plan->batch *
                       weft_pool_place_bytes(&node->pool);
        touch(node_span(plan, index, SPAN_ARGMAX), index, bytes);
        touch(node_span(plan, index, SPAN_ARGMAX), backward_time(plan, index), bytes);
    }
    if (plan->training && node->mean.count) {
        size_t bytes = STATISTICS * aligned((size_t)node->in.c * sizeof(float));
        touch(node_span(plan, index, SPAN_STATISTICS), index, bytes);
        touch(node_span(plan, index, SPAN_STATISTICS), backward_time(plan, index), bytes);
    }
    for (int k = 0; k < weft_node_inputs(node); k++)
        span_input(plan, index, k);
}

/* A gradient of `count` values is of the type of the node whose place it has. */
static void touch_place(const struct weft_plan *plan, struct weft_place place, int time,
                        size_t count)
{
    if (place.node != WEFT_NO_NODE)
        touch(node_span(plan, place.node, place.which), time,
              count * weft_type_bytes(type_of(plan, place.node)));
}

/* The gradients that the way back through a node reads and writes. */
static void span_gradients(const struct weft_plan *plan, int index)
{
    const struct weft_node *node = &plan->graph.nodes[index];
    const struct weft_flow *flow = &plan->flows[index];
    int time = node->op->last ? loss_time(plan) : backward_time(plan, index);
    if (weft_node_idle(node, true) || !flow->learns)
        return;
    if (!node->op->last)
        touch_place(plan, (struct weft_place){flow->gradient, SPAN_DY}, time,
                    count_of(plan, index));
    for (int k = 0; k < WEFT_MAX_INPUTS; k++) {
        const struct weft_part *part = &flow->parts[k];
        if (part->to == WEFT_NO_NODE)
            continue;
        size_t count = count_of(plan, part->to);
        touch_place(plan, part->at, time, count);
        touch_place(plan, part->before, time, count);
        touch_place(plan, part->into, time, count);
    }
}

static void span_step(const struct weft_plan *plan)
{
    size_t rows = (size_t)plan->batch * sizeof(float);
    plan->spans[SPAN_X].first = -1;
    plan->spans[SPAN_X].bytes = bytes_of(plan, WEFT_BATCH);
    if (!plan->training)
        return;
    plan->spans[SPAN_LABELS] = (struct weft_span){-1, loss_time(plan), rows, 0};
    plan->spans[SPAN_LOSS] = (struct weft_span){loss_time(plan), end_time(plan), rows, 0};
    plan->spans[SPAN_HIT] = (struct weft_span){loss_time(plan), end_time(plan), rows, 0};
}

static enum weft_status check_sizes(const struct weft_net *net, int batch)
{
    size_t largest = weft_shape_count(net->input);
    for (int i = 0; i < net->graph.count; i++) {
        size_t count = weft_shape_count(net->graph.nodes[i].out);
        largest = count > largest ? count : largest;
    }
    if (batch > INT_MAX / (int)largest)
        return weft_fail(
            net->ctx, WEFT_ERR_ARG,
            "%s: a batch of %d is too large, a layer would have more than %d "
            "values; the largest batch is %d",
            net->name, batch, INT_MAX, INT_MAX / (int)largest);
    return WEFT_OK;
}

/* So that the loss's gradient at a logit is below 2^HEADROOM: the sum over the batch
 * rather than its mean, and some more, puts gradients into the middle of what float16
 * holds, 2^-24 to 2^16. In the first step of `seed`, `accurate` and `resnet9` all from
 * 2^-4 to 2^12 are equally good; later in training gradients are smaller. */
static int exponent_of(int batch)
{
    enum { HEADROOM = 6 };
    int exponent = HEADROOM;
    for (long n = 1; n < batch; n *= 2)
        exponent++;
    return exponent;
}

enum weft_status weft_plan_create(const struct weft_net *net, int batch, bool training,
                                  bool plain, enum weft_type type, struct weft_plan **out)
{
    WEFT_TRY(check_sizes(net, batch));
    struct weft_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return weft_out_of_memory(net->ctx, "plan", sizeof(*plan));
    plan->ctx = net->ctx;
    plan->input = net->input;
    plan->batch = batch;
    plan->training = training;
    plan->smoothing = net->smoothing;
    plan->type = type;
    plan->exponent = training && type == WEFT_FLOAT16 ? exponent_of(batch) : 0;
    int spans = SPAN_STEP_COUNT + SPAN_NODE_COUNT * net->graph.count;
    enum weft_status status = weft_graph_copy(net->ctx, &net->graph, &plan->graph);
    if (status)
        goto fail;
    plan->spans = calloc((size_t)spans, sizeof(*plan->spans));
    plan->flows = calloc((size_t)net->graph.count, sizeof(*plan->flows));
    if (!plan->spans || !plan->flows) {
        status =
            weft_out_of_memory(net->ctx, "plan", (size_t)spans * sizeof(*plan->spans));
        goto fail;
    }
    if (!plain)
        weft_graph_fuse(&plan->graph, training);
    if (!training)
        weft_graph_prepare(&plan->graph, type);
    span_step(plan);
    for (int i = 0; i < plan->graph.count; i++)
        span_node(plan, i);
    if (training) {
        weft_flows_find(&plan->graph, plan->flows);
        for (int i = 0; i < plan->graph.count; i++)
            span_gradients(plan, i);
    }
    if ((status = weft_spans_place(net->ctx, plan->spans, spans, &plan->bytes)))
        goto fail;
    *out = plan;
    return WEFT_OK;

fail:
    weft_plan_destroy(&plan);
    return status;
}

void weft_plan_destroy(struct weft_plan **plan)
{
    if (!*plan)
        return;
    weft_graph_finish(&(*plan)->graph);
    free((*plan)->flows);
    free((*plan)->spans);
    free(*plan);
    *plan = NULL;
}

int weft_plan_fit(const struct weft_net *net, int batch, bool training,
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

static struct weft_view floats(const struct weft_roles *roles,
                               const struct weft_span *span, enum weft_type type)
{
    size_t element = weft_type_bytes(type);
    if (!span->bytes)
        return (struct weft_view){0};
    return (struct weft_view){.mem = roles->activations,
                              .offset = span->at / element,
                              .count = span->bytes / element,
                              .type = type};
}

struct weft_view weft_plan_node_view(const struct weft_plan *plan,
                                     const struct weft_roles *roles, int node,
                                     enum weft_node_span which)
{
    const struct weft_span *span = node_span(plan, node, which);
    if (which != SPAN_ARGMAX || !span->bytes)
        return floats(roles, span,
                      which == SPAN_STATISTICS ? WEFT_FLOAT32 : type_of(plan, node));
    size_t place = weft_pool_place_bytes(&plan->graph.nodes[node].pool);
    return (struct weft_view){roles->activations, span->at / place, span->bytes / place};
}

struct weft_view weft_plan_place_view(const struct weft_plan *plan,
                                      const struct weft_roles *roles,
                                      struct weft_place place)
{
    return place.node == WEFT_NO_NODE
               ? (struct weft_view){0}
               : weft_plan_node_view(plan, roles, place.node, place.which);
}

struct weft_view weft_plan_step_view(const struct weft_plan *plan,
                                     const struct weft_roles *roles,
                                     enum weft_step_span which)
{
    return floats(roles, &plan->spans[which],
                  which == SPAN_X ? type_of(plan, WEFT_BATCH) : WEFT_FLOAT32);
}

struct weft_view weft_plan_output(const struct weft_plan *plan,
                                  const struct weft_roles *roles)
{
    int last = plan->graph.count - 1;
    if (plan->training)
        last = weft_graph_source(&plan->graph, last, 0, true);
    return weft_plan_node_view(plan, roles, last, SPAN_Y);
}
