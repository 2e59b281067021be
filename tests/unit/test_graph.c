/* SPDX-License-Identifier: Apache-2.0 */
/* Branches: gradients of random networks.
 *
 * Each network is planned in several ways. The plan with separate memory for every tensor
 * must agree bit by bit with the usual one (no tensor is overwritten before its last
 * use), the plan without fusion up to the moves of its gradients with its weights, and
 * each call within its bound.
 * Differences of the loss are compared in double precision (test_gradients.c). */
#include "unit/test.h"

#include "net/lower.h"
#include "shared/random.h"
#include "shared/state.h"
#include "unit/moved_weights.h"
#include "unit/random_net.h"
#include "verify/trace.h"

#include <math.h>

enum { SIDE = 6, CHANNELS = 4, CLASSES = 3, BATCH = 5, NETS = 150, FEW_NETS = 4 };

static weft_context *ctx;
static struct weft_device *device;
static uint32_t drawn, number;

static uint32_t draw(uint32_t below)
{
    struct weft_random r = weft_philox(1, 2, drawn++, number, 0, RANDOM_VERIFY);
    return (uint32_t)((uint64_t)r.v[0] * below >> 32);
}

/* Layers that keep the shape: $ is the number of the input, @ of another line, % of this
 * one. A line without names gets them. */
static const char *const layers[] = {
    "conv 4 3 pad=same",
    "conv 4 1 tanh",
    "conv 4 3 sigmoid pad=same",
    "tanh",
    "conv 4 3 gelu pad=1",
    "dropout 0.25",
    "silu",
    "conv 4 1",
    "avg-pool 3 stride=1 pad=1",
    "batch-norm",
    "batch-norm gelu",
    "add n@ tanh",
    "add n@",
    "add n@",
    "add n@ silu",
    "concat n@ from=n$\nslice 1 5\nconv 4 1 tanh as=n%",
    "concat n@ n$ from=n$\nchannel-shuffle 3\nslice 3 4 as=n%",
    "channel-shuffle 2",
    "slice 1 2 from=n$\nconcat n$ n@\nconv 4 1 as=n%",
    "global-avg-pool from=n$\ndense 4 sigmoid as=s%\nscale s% from=n$ as=n%",
};

/* Writes the lines of a layer; the text's new length. */
static size_t write_layer(char *text, size_t size, size_t used, const char *layer,
                          const int names[3])
{
    static const char marks[] = "$@%";
    for (; *layer; layer++) {
        const char *mark = strchr(marks, *layer);
        used +=
            mark ? (size_t)snprintf(text + used, size - used, "%d", names[mark - marks])
                 : (size_t)snprintf(text + used, size - used, "%c", *layer);
    }
    return used;
}

/* Line i is called n<i>. Lines read any line before; unread outputs are added at the
 * end. */
static void draw_text(char *text, size_t size)
{
    bool read[16] = {false};
    int lines = 2 + (int)draw(8), last = 0;
    size_t used = (size_t)snprintf(text, size, "conv %d 1%s as=n0\n", CHANNELS,
                                   draw(2) ? " tanh" : "");
    for (int i = 1; i <= lines; i++) {
        const char *layer = layers[draw(WEFT_ARRAY_SIZE(layers))];
        int from = draw(2) ? i - 1 : (int)draw((uint32_t)i),
            other = (int)draw((uint32_t)i);
        const int names[] = {from, other, i};
        read[from] = true;
        read[other] = read[other] || strchr(layer, '@');
        used = write_layer(text, size, used, layer, names);
        used = write_layer(text, size, used,
                           strchr(layer, '%') ? "\n" : " from=n$ as=n%\n", names);
        last = i;
    }
    for (int i = 0; i < last; i++)
        if (!read[i])
            used += (size_t)snprintf(text + used, size - used, "add n%d%s\n", i,
                                     draw(2) ? " tanh" : "");
    snprintf(text + used, size - used, "add n%d\n%s\ndense %d%s\nsoftmax\n", last,
             draw(2) ? "flatten" : "global-avg-pool", CLASSES, draw(3) ? "" : " tanh");
}

/* SHORT frees gradients too early, which must be detected. JOIN1 and JOIN3 give every sum
 * a backward with a gradient for each input. It applies the derivative of an activation
 * fused into the producer of input 0, or of both inputs. */
enum way { USUAL, PLAIN, LOOSE, SHORT, JOIN1, JOIN3, WAYS };
static int forgotten;

static enum weft_status join_backward(struct weft_command_list *list,
                                      const struct weft_node *node,
                                      const struct weft_node_tensors *tensors)
{
    for (int k = 0; k < node->input_count; k++) {
        const struct weft_act_grad *grad = &tensors->act_grad[k];
        if (tensors->dx[k].mem && grad->activation.act)
            WEFT_TRY(list->primitives->act_backward(
                list, &(struct weft_act_args){.activation = grad->activation,
                                              .y = grad->output,
                                              .dy = tensors->dy,
                                              .dx = tensors->dx[k]}));
        else if (tensors->dx[k].mem)
            WEFT_TRY(list->primitives->cast(
                list, &(struct weft_cast_args){.x = tensors->dy, .y = tensors->dx[k]}));
    }
    return WEFT_OK;
}

/* Makes `to` the op of all nodes that have `from`. */
static void replace_op(const weft_net *net, const struct weft_op *from,
                       const struct weft_op *to)
{
    for (int i = 0; i < net->graph.count; i++)
        if (net->graph.nodes[i].op == from)
            net->graph.nodes[i].op = to;
}

/* One network planned, recorded, and run. */
struct graph_fixture {
    struct weft_plan *plan;
    struct weft_buffers buffers;
    struct weft_command_list *list;
    size_t weights, floats; /* trained; with the statistics behind them */
};

static struct weft_mem *alloc(size_t bytes)
{
    struct weft_mem *mem = NULL;
    CHECK_OK(device->backend->alloc(device, bytes, &mem));
    REQUIRE(mem);
    return mem;
}

static void write_floats(struct weft_view view, uint32_t stream, float low, float high)
{
    float *host = malloc(view.count * sizeof(*host));
    REQUIRE(host);
    for (size_t i = 0; i < view.count; i++) {
        struct weft_random r =
            weft_philox(3, stream, (uint32_t)i, number, 0, RANDOM_VERIFY);
        host[i] = low + (high - low) * weft_uniform(r.v[0]);
    }
    CHECK_OK(device->backend->write(device, view.mem, view.offset * sizeof(float), host,
                                    view.count * sizeof(float)));
    free(host);
}

static void place_otherwise(struct weft_plan *plan, enum way way)
{
    int count = TENSOR_STEP_COUNT + TENSOR_NODE_COUNT * plan->graph.count;
    for (int i = 0; i < count; i++) {
        struct weft_live_range *range = &plan->live_ranges[i];
        bool gradient = i >= TENSOR_STEP_COUNT &&
                        (i - TENSOR_STEP_COUNT) % TENSOR_NODE_COUNT == TENSOR_DY;
        if (way == LOOSE)
            *range = (struct weft_live_range){-1, 10000, range->bytes, 0};
        else if (gradient && range->last > range->first)
            range->last--;
    }
    CHECK_OK(weft_arena_assign(ctx, plan->live_ranges, count, &plan->bytes));
}

static void graph_fixture_init(struct graph_fixture *rig, const weft_net *net,
                               enum way way)
{
    *rig = (struct graph_fixture){.weights = net->graph.weights,
                                  .floats = weft_graph_floats(&net->graph)};
    static struct weft_op joins[WAYS]; /* lives as long as the plan */
    struct weft_op *join = &joins[way];
    *join = weft_op_add;
    join->backward = join_backward;
    join->fuses_act_grad = way == JOIN1 ? 1 : 3;
    if (way == JOIN1 || way == JOIN3)
        replace_op(net, &weft_op_add, join);
    CHECK_OK(weft_plan_create(net, BATCH, true, way == PLAIN, WEFT_FLOAT32, &rig->plan));
    REQUIRE(rig->plan);
    if (way == LOOSE || way == SHORT)
        place_otherwise(rig->plan, way);
    size_t bytes = rig->floats * sizeof(float);
    rig->buffers = (struct weft_buffers){.activations = alloc(rig->plan->bytes),
                                         .weights = alloc(bytes),
                                         .gradients = alloc(bytes),
                                         .state = alloc(STATE_WORDS * sizeof(uint32_t))};
    CHECK_OK(device->backend->list_create(device, NULL, &rig->list));
    REQUIRE(rig->list);
    CHECK_OK(weft_lower_forward(rig->plan, &rig->buffers, rig->list));
    CHECK_OK(weft_lower_backward(rig->plan, &rig->buffers, rig->list));
    CHECK_OK(device->backend->list_finalize(rig->list));
    replace_op(net, join, &weft_op_add);
}

static void graph_fixture_free(struct graph_fixture *rig)
{
    struct weft_mem *const mems[] = {rig->buffers.activations, rig->buffers.weights,
                                     rig->buffers.gradients, rig->buffers.state};
    device->backend->list_destroy(rig->list);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(mems); i++)
        device->backend->free(device, mems[i]);
    weft_plan_destroy(&rig->plan);
}

/* The batch and the weights. */
static void graph_fixture_write(struct graph_fixture *rig, const float *weights)
{
    const struct weft_backend *backend = device->backend;
    int32_t labels[BATCH];
    for (int i = 0; i < BATCH; i++)
        labels[i] = i % CLASSES;
    write_floats(weft_plan_step_view(rig->plan, &rig->buffers, TENSOR_X), 7, -1, 1);
    struct weft_view to = weft_plan_step_view(rig->plan, &rig->buffers, TENSOR_LABELS);
    CHECK_OK(backend->write(device, to.mem, to.offset * 4, labels, sizeof(labels)));
    CHECK_OK(backend->write(device, rig->buffers.weights, 0, weights,
                            rig->floats * sizeof(float)));
}

/* The loss at these weights; the gradient unless `gradient` is NULL. */
static double graph_fixture_run(struct graph_fixture *rig, const float *weights,
                                float *gradient)
{
    const struct weft_backend *backend = device->backend;
    float losses[BATCH];
    struct weft_view loss = weft_plan_step_view(rig->plan, &rig->buffers, TENSOR_LOSS);
    graph_fixture_write(rig, weights);
    CHECK_OK(backend->replay(rig->list));
    CHECK_OK(backend->read(device, losses, loss.mem, loss.offset * 4, sizeof(losses)));
    if (gradient)
        CHECK_OK(backend->read(device, gradient, rig->buffers.gradients, 0,
                               rig->weights * sizeof(float)));
    double sum = 0;
    for (int i = 0; i < BATCH; i++)
        sum += (double)losses[i] / BATCH;
    return sum;
}

static struct {
    int calls;
    size_t results;
    double worst; /* error over bound */
    double share; /* of fused gradients: distance over that of moved weights */
} totals;

/* The gradients of the plans with fusion. */
static void check_fused(const struct weft_graph *graph, struct graph_fixture *plain,
                        float *weights, float *const gradients[WAYS], const char *text)
{
    static const enum way fused[] = {USUAL, JOIN1, JOIN3};
    float *moved[MOVED_RUNS];
    size_t bytes = weft_graph_floats(graph) * sizeof(float);
    float *kept = malloc(bytes);
    REQUIRE(kept);
    memcpy(kept, weights, bytes);
    for (int k = 0; k < MOVED_RUNS; k++) {
        moved[k] = calloc(bytes, 1);
        REQUIRE(moved[k]);
        move_weights(graph, weights, k + 1);
        graph_fixture_run(plain, weights, moved[k]);
        memcpy(weights, kept, bytes);
    }
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(fused); i++) {
        double share =
            largest_moved_share(graph, gradients[fused[i]], gradients[PLAIN], moved);
        totals.share = fmax(totals.share, share);
        test_checks++;
        if (!(share <= 1))
            TEST_FAIL("net %u: fused differs from plain by %g of what it may:\n%s",
                      number, share, text);
    }
    for (int k = 0; k < MOVED_RUNS; k++)
        free(moved[k]);
    free(kept);
}

/* Forward and backward call by call: each result from what the device itself had. */
static void check_calls(struct graph_fixture *rig, const float *weights, const char *text)
{
    struct verify_trace trace;
    verify_trace_init(&trace, 1e4);
    graph_fixture_write(rig, weights);
    CHECK_OK(verify_trace_run(&trace, rig->list));
    test_checks++;
    if (trace.wrong)
        TEST_FAIL("net %u: %s:\n%s", number, trace.fault, text);
    totals.calls += trace.calls;
    totals.results += trace.elements;
    totals.worst = fmax(totals.worst, trace.worst);
    verify_trace_finish(&trace);
}

static void check_net(void)
{
    char text[2048];
    weft_net *net = NULL;
    draw_text(text, sizeof(text));
    CHECK_OK(weft_net_create(
        ctx, text, weft_net_params(.height = SIDE, .width = SIDE, .channels = 2), &net));
    REQUIRE(net);
    struct graph_fixture rigs[WAYS];
    float *weights = calloc(weft_graph_floats(&net->graph), sizeof(float)),
          *gradients[WAYS];
    REQUIRE(weights);
    weft_graph_initialize(&net->graph, number, weights);
    for (int i = 0; i < WAYS; i++) {
        graph_fixture_init(&rigs[i], net, (enum way)i);
        gradients[i] = calloc(weft_graph_floats(&net->graph), sizeof(float));
        REQUIRE(gradients[i]);
        graph_fixture_run(&rigs[i], weights, gradients[i]);
    }
    size_t bytes = net->graph.weights * sizeof(float);
    forgotten += memcmp(gradients[USUAL], gradients[SHORT], bytes) != 0;
    test_checks++;
    if (memcmp(gradients[USUAL], gradients[LOOSE], bytes) != 0)
        TEST_FAIL("net %u: something was overwritten too early:\n%s", number, text);
    check_fused(&net->graph, &rigs[PLAIN], weights, gradients, text);
    check_calls(&rigs[USUAL], weights, text);
    for (int i = 0; i < WAYS; i++) {
        graph_fixture_free(&rigs[i]);
        free(gradients[i]);
    }
    free(weights);
    weft_net_destroy(&net);
}

/* A network of every op. */
static void check_random_net(void)
{
    struct graph_fixture rig;
    struct weft_net_info info;
    weft_net *net = random_net_create(ctx, number);
    REQUIRE(net);
    float *weights = calloc(weft_graph_floats(&net->graph), sizeof(float));
    REQUIRE(weights);
    weft_graph_initialize(&net->graph, number, weights);
    weft_net_info(net, &info);
    graph_fixture_init(&rig, net, USUAL);
    check_calls(&rig, weights, info.text);
    graph_fixture_free(&rig);
    free(weights);
    weft_net_destroy(&net);
}

/* -d DEVICE [-f FAMILY]: fewer networks where each must be compiled. */
int main(int argc, char **argv)
{
    const char *selector = argc > 2 ? argv[2] : "cpu", *family = argc > 4 ? argv[4] : "";
    bool cpu = !strcmp(selector, "cpu");
    bool tile = !strcmp(family, "tile");
    uint32_t nets = cpu ? NETS : tile ? FEW_NETS / 2 : FEW_NETS;
    int index;
    if (weft_context_create(&ctx, weft_context_params(.no_opencl = cpu)))
        return 1;
    test_context = ctx;
    if (weft_device_find(ctx, selector, &index, NULL))
        test_skip(weft_error(ctx));
    CHECK_OK(weft_device_open(
        ctx, index,
        weft_device_params(.family = tile ? WEFT_FAMILY_TILE : WEFT_FAMILY_AUTO),
        &device));
    REQUIRE(device);
    for (number = 0; number < nets; number++) {
        drawn = 0;
        check_net();
    }
    CHECK((uint32_t)forgotten > nets / 3);
    for (number = 0; number < nets; number++)
        check_random_net();
    CHECK(totals.worst > 0 && totals.worst <= 1);
    printf(
        "%d calls, %zu results, error at most %.2g of the bound; fused gradients at most "
        "%.2g of what they may differ by\n",
        totals.calls, totals.results, totals.worst, totals.share);
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    return test_end();
}
