/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of whole random networks by finite differences, in double precision.
 *
 *     test_gradients [-n NETS] [-s SEED] [--seconds N]
 *
 * The host backend is compiled with double for float (double_precision.h). Each weight
 * of each network is moved by +-1e-6; the difference of the loss must be its gradient
 * within the tolerances of torch.autograd.gradcheck. Where a kink, such as relu's, is
 * between the points, one side of it must be: the side on which the weight is.
 *
 * Then the sign of one gradient of one op is wrong: of every op and every gradient, and
 * the differences must find it. */
#include "unit/explained_gradients.h"
#include "unit/test.h"
#include "unit/random_net.h"

#include "cpu/cpu.h"
#include "net/lower.h"
#include "shared/state.h"

#include <math.h>
#include <time.h>

enum { BATCH = 3, NETS = 40, PLANTS = 4, MAX_KEYS = 256 };
static const double STEP = 1e-6, ABSOLUTE = 1e-5, RELATIVE = 1e-3;

static weft_context *ctx;
static struct weft_device *device;

/* Wrong signs. */

/* The gradients that primitives write. */
#define GRADIENTS(X)                 \
    X(conv_backward_data, dx)        \
    X(conv_backward_weights, dw)     \
    X(conv_backward_weights, dbias)  \
    X(dense_backward_data, dx)       \
    X(dense_backward_weights, dw)    \
    X(dense_backward_weights, dbias) \
    X(pool_backward, dx)             \
    X(act_backward, dx)              \
    X(add, y)                        \
    X(copy_channels, y)              \
    X(scale, y)                      \
    X(scale_gradient, dscale)        \
    X(channel_shuffle, y)            \
    X(batch_norm_backward, dx)       \
    X(batch_norm_backward, dweight)  \
    X(batch_norm_backward, dbias)    \
    X(layer_norm_backward, dx)       \
    X(layer_norm_backward, dweight)  \
    X(layer_norm_backward, dbias)    \
    X(prelu_backward, dx)            \
    X(prelu_backward, dslope)        \
    X(dropout, y)                    \
    X(loss, dlogits)

static const struct gradient {
    enum weft_primitive primitive;
    size_t offset; /* of its view in the arguments */
    const char *name;
} gradients[] = {
#define GRADIENT(primitive, view)                                                     \
    {WEFT_PRIMITIVE_##primitive, offsetof(union weft_primitive_args, primitive.view), \
     #primitive " " #view},
    GRADIENTS(GRADIENT)
#undef GRADIENT
};

/* A gradient of an op: a place where a sign can be wrong. */
static struct key {
    const struct weft_op *op;
    const struct gradient *gradient;
    int planted, found;
} keys[MAX_KEYS];
static int key_count;

static const struct weft_graph *recorded; /* of the list being recorded; NULL: no plant */
static const struct key *wrong;           /* NULL: nothing is planted */
static bool seen[MAX_KEYS];               /* by the network recorded last */

static struct key *key_of(const struct weft_op *op, const struct gradient *gradient)
{
    int i = 0;
    while (i < key_count && (keys[i].op != op || keys[i].gradient != gradient))
        i++;
    REQUIRE(i < MAX_KEYS);
    if (i == key_count)
        keys[key_count++] = (struct key){.op = op, .gradient = gradient};
    return &keys[i];
}

static void negate(const void *data, size_t item)
{
    const struct weft_view *view = data;
    double *at = (double *)cpu_floats(*view);
    (void)item;
    for (size_t i = 0; i < view->count; i++)
        at[i] = -at[i];
}

static enum weft_status plant(struct weft_command_list *list,
                              enum weft_primitive primitive, const void *args)
{
    const struct weft_list_segment *segment = &list->segments[list->segment_count - 1];
    if (!recorded || segment->phase == WEFT_PHASE_FWD)
        return WEFT_OK;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(gradients); i++) {
        const struct weft_view *view =
            (const struct weft_view *)((const char *)args + gradients[i].offset);
        if (gradients[i].primitive != primitive || !view->mem)
            continue;
        struct key *key = key_of(recorded->nodes[segment->node].op, &gradients[i]);
        seen[key - keys] = true;
        if (key == wrong)
            return cpu_append(list, 1, negate, view, sizeof(*view));
    }
    return WEFT_OK;
}

#define PRIMITIVE(name, type, output)                                             \
    static enum weft_status wrapped_##name(struct weft_command_list *list,        \
                                           const struct weft_##type##_args *args) \
    {                                                                             \
        WEFT_TRY(cpu_##name(list, args));                                         \
        return plant(list, WEFT_PRIMITIVE_##name, args);                          \
    }
#include "device/primitives.def"
#undef PRIMITIVE

static const struct weft_primitives wrapped_primitives = {
#define PRIMITIVE(name, args, output) .name = wrapped_##name,
#include "device/primitives.def"
#undef PRIMITIVE
};

/* A network, planned and recorded. */

struct network {
    weft_net *net;
    uint32_t number;
    struct weft_plan *plan;
    struct weft_buffers buffers;
    struct weft_command_list *list;
    int forward;                     /* launches up to the loss */
    double *weights, *gradients, *x; /* the first on the device */
    int32_t labels[BATCH];
};

static struct weft_mem *alloc(size_t bytes)
{
    struct weft_mem *mem = NULL;
    CHECK_OK(device->backend->alloc(device, bytes, &mem));
    REQUIRE(mem);
    return mem;
}

static double uniform(uint32_t number, uint32_t stream, size_t at)
{
    return random_net_draw(number, stream, (uint32_t)at, 1u << 24) * 0x1p-23 - 1;
}

/* Weights beside the initial ones: no bias is zero, no scale one. */
static void draw_values(struct network *n)
{
    uint32_t state[STATE_WORDS] = {[STATE_SEED_LOW] = n->number};
    size_t values = BATCH * weft_shape_count(n->net->input);
    n->x = malloc(values * sizeof(*n->x));
    REQUIRE(n->x);
    weft_graph_initialize(&n->net->graph, n->number, n->weights);
    for (size_t i = 0; i < n->net->graph.weights; i++)
        n->weights[i] += 0.2 * uniform(n->number, 2, i);
    for (size_t i = 0; i < values; i++)
        n->x[i] = 2 * uniform(n->number, 3, i);
    for (uint32_t i = 0; i < BATCH; i++)
        n->labels[i] = (int32_t)random_net_draw(n->number, 4, i, RANDOM_NET_CLASSES);
    memcpy(cpu_words((struct weft_view){.mem = n->buffers.state}), state, sizeof(state));
}

static void network_init(struct network *n, uint32_t number)
{
    *n = (struct network){.net = random_net_create(ctx, number), .number = number};
    if (!n->net)
        TEST_FAIL("network %u: %s", number, weft_error(ctx));
    REQUIRE(n->net);
    bool plain = number % 3 == 0;
    CHECK_OK(weft_plan_create(n->net, BATCH, true, plain, WEFT_FLOAT32, &n->plan));
    REQUIRE(n->plan);
    recorded = &n->plan->graph;
    size_t floats = weft_graph_floats(&n->net->graph);
    n->buffers = (struct weft_buffers){.activations = alloc(n->plan->bytes),
                                       .weights = alloc(floats * sizeof(double)),
                                       .gradients = alloc(floats * sizeof(double)),
                                       .state = alloc(STATE_WORDS * sizeof(uint32_t))};
    n->weights = cpu_floats((struct weft_view){.mem = n->buffers.weights});
    n->gradients = calloc(floats, sizeof(*n->gradients));
    REQUIRE(n->gradients);
    draw_values(n);
    memset(seen, 0, sizeof(seen));
    CHECK_OK(device->backend->list_create(device, NULL, &n->list));
    REQUIRE(n->list);
    CHECK_OK(weft_lower_forward(n->plan, &n->buffers, n->list));
    CHECK_OK(weft_lower_backward(n->plan, &n->buffers, n->list));
    CHECK_OK(device->backend->list_finalize(n->list));
    for (int i = 0; i < n->list->segment_count && !n->forward; i++)
        if (n->list->segments[i].phase == WEFT_PHASE_BWD)
            n->forward = n->list->segments[i].first;
    REQUIRE(n->forward > 0);
}

static void network_finish(struct network *n)
{
    struct weft_mem *const mems[] = {n->buffers.activations, n->buffers.weights,
                                     n->buffers.gradients, n->buffers.state};
    device->backend->list_destroy(n->list);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(mems); i++)
        device->backend->free(device, mems[i]);
    free(n->gradients);
    free(n->x);
    weft_plan_destroy(&n->plan);
    weft_net_destroy(&n->net);
}

/* The loss after the first launches of the list. The batch is written again: its memory
 * may be that of later tensors. */
static double loss_of(struct network *n, int launches)
{
    struct weft_view x = weft_plan_step_view(n->plan, &n->buffers, TENSOR_X);
    struct weft_view labels = weft_plan_step_view(n->plan, &n->buffers, TENSOR_LABELS);
    struct weft_view loss = weft_plan_step_view(n->plan, &n->buffers, TENSOR_LOSS);
    double sum = 0;
    memcpy(cpu_floats(x), n->x, x.count * sizeof(double));
    memcpy(cpu_ints(labels), n->labels, sizeof(n->labels));
    CHECK_OK(device->backend->replay_range(n->list, 0, launches));
    for (int i = 0; i < BATCH; i++)
        sum += (double)cpu_floats(loss)[i] / BATCH;
    return sum;
}

/* Differences. */

static struct total {
    long weights, kinks, left_out, wrong;
    double worst; /* difference, relative to the tolerance */
} total;

static double off(double difference, double gradient)
{
    return fabs(difference - gradient) / (ABSOLUTE + RELATIVE * fabs(gradient));
}

/* False: no difference is the gradient. Between two kinks that is not known. */
static bool check_weight(struct network *n, double loss, size_t i)
{
    double kept = n->weights[i], gradient = n->gradients[i], losses[2];
    for (int side = 0; side < 2; side++) {
        n->weights[i] = kept + (side ? STEP : -STEP);
        losses[side] = loss_of(n, n->forward);
    }
    n->weights[i] = kept;
    double below = (loss - losses[0]) / STEP, above = (losses[1] - loss) / STEP;
    double central = off((above + below) / 2, gradient);
    total.weights++;
    if (central <= 1) {
        total.worst = fmax(total.worst, central);
        return true;
    }
    if (off(above, below) <= 1)
        return false;
    total.kinks++;
    if (off(above, gradient) > 1 && off(below, gradient) > 1)
        total.left_out++;
    return true;
}

/* The number of weights whose gradient is wrong; the first is reported unless one is
 * planted. */
static long check_network(uint32_t number)
{
    struct network n;
    long found = 0;
    network_init(&n, number);
    double loss = loss_of(&n, n.list->info.launches);
    memcpy(n.gradients, cpu_floats((struct weft_view){.mem = n.buffers.gradients}),
           n.net->graph.weights * sizeof(double));
    for (int at = 0; at < n.net->graph.count; at++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *p = &n.net->graph.nodes[at].params[role];
            for (size_t i = p->at; weft_param_roles[role].trained && i < p->at + p->count;
                 i++)
                if (!check_weight(&n, loss, i) && !found++ && !wrong)
                    TEST_FAIL("network %u: %s of %s: the gradient [%zu] is %.9g, which "
                              "is not the difference of the loss:\n%s",
                              number, weft_param_roles[role].name,
                              n.net->graph.nodes[at].name, i - p->at, n.gradients[i],
                              n.net->text);
        }
    network_finish(&n);
    return found;
}

/* In each of the networks of a round the least planted of its keys has the wrong sign. */
static void check_plants(void)
{
    uint32_t number = 0;
    for (int least = 0; number < NETS || (least < PLANTS && number < 50 * NETS);
         number++) {
        struct network n;
        network_init(&n, number);
        network_finish(&n);
        struct key *next = NULL;
        for (int i = 0; i < key_count; i++)
            if (seen[i] && (!next || keys[i].planted < next->planted))
                next = &keys[i];
        if (!next || next->planted > PLANTS)
            continue;
        wrong = next;
        next->planted++;
        next->found += check_network(number) > 0;
        wrong = NULL;
        least = PLANTS;
        for (int i = 0; i < key_count; i++)
            least = keys[i].planted < least ? keys[i].planted : least;
    }
    int planted = 0, found = 0;
    for (int i = 0; i < key_count; i++) {
        test_checks++;
        planted += keys[i].planted;
        found += keys[i].found;
        if (!keys[i].found)
            TEST_FAIL("%s: a wrong sign of %s is never found in %d networks",
                      keys[i].op->name, keys[i].gradient->name, keys[i].planted);
    }
    printf("%d of %d wrong signs found, each of %d gradients of ops at least once\n",
           found, planted, key_count);
}

/* Those of explainers, and of another class, which must be found. */
static void check_explainers(void)
{
    struct explained_total right = {0}, planted = {0};
    for (uint32_t number = 0; number < NETS; number++) {
        explained_gradients_check(device, number, false, &right);
        explained_gradients_check(device, number, true, &planted);
    }
    CHECK_INT(right.wrong, 0);
    CHECK(right.left_out * 500 <= right.values);
    CHECK(right.layers > 4 * NETS);
    CHECK(planted.wrong_networks >= NETS - 2);
    printf(
        "%ld gradients at %ld outputs of layers, off by %.2g of the tolerance at most; "
        "%ld between two kinks left out\n",
        right.values, right.layers, right.worst, right.left_out);
}

/* Every op with a backward pass was in some network. */
static void check_ops(void)
{
    static const struct weft_op *const ops[] = {
#define OP(name) &weft_op_##name,
        OP(act)
#include "ops/ops.def"
#undef OP
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(ops); i++) {
        bool planted = !ops[i]->backward;
        for (int k = 0; k < key_count; k++)
            planted = planted || keys[k].op == ops[i];
        test_checks++;
        if (!planted)
            TEST_FAIL("no network has the op %s", ops[i]->name);
    }
}

int main(int argc, char **argv)
{
    struct weft_backend backend = weft_backend_cpu;
    uint32_t nets = NETS, first = 0, count = 0;
    time_t end = 0;
    int index;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "-n"))
            nets = (uint32_t)atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "-s"))
            first = 10 * (uint32_t)atoi(argv[i + 1]);
        else if (!strcmp(argv[i], "--seconds")) {
            end = time(NULL) + atoi(argv[i + 1]);
            nets = UINT32_MAX;
        }
    }
    if (weft_context_create(&ctx, weft_context_params(.no_opencl = true)))
        return 1;
    test_context = ctx;
    REQUIRE(!weft_device_find(ctx, "cpu", &index, NULL) &&
            !weft_device_open(ctx, index, NULL, &device));
    backend.primitives = &wrapped_primitives;
    device->backend = &backend;
    for (; count < nets && (!end || time(NULL) < end); count++)
        total.wrong += check_network(first + count);
    const struct total all = total; /* without the plants */
    CHECK_INT(all.wrong, 0);
    CHECK(all.left_out * 1000 <= all.weights);
    check_plants();
    recorded = NULL;
    check_explainers();
    check_ops();
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    int code = test_end();
    printf("off by %.2g of the tolerance at most; %ld weights beside a kink, %ld between "
           "two left out\n"
           "figures: networks=%u network_gradients=%ld wrong=%ld\n",
           all.worst, all.kinks, all.left_out, count, all.weights, all.wrong);
    return code;
}
