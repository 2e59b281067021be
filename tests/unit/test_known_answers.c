/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong kernels are reported before the first step and the first prediction, and audits
 * report single bits that flip. Each row of tests/fault_injection that changes a
 * network's step or its outputs is planted.
 *
 *     test_known_answers [FLIPS] */
#include "fault_injection/planted_faults.h"
#include "lab/call.h"
#include "train/trainer.h"
#include "unit/trainer_fixture.h"

/* Networks that use every primitive of a training step. */
static const char *const networks[] = {
    "conv 8 3x3 relu pad=same\n"
    "max-pool 2 as=p\n"
    "conv 16 3x2 leaky-relu pad=same groups=2 slope=0.25 as=a\n"
    "conv 16 3 pad=same bias=no\n"
    "batch-norm relu\n"
    "avg-pool 3 stride=1 pad=1\n"
    "add a leaky-relu\n"
    "channel-shuffle 4 as=s\n"
    "global-avg-pool\n"
    "dense 16 sigmoid as=e\n"
    "slice 2 9 from=s\n"
    "prelu\n"
    "concat s\n"
    "conv 16 2 gelu stride=2 dilation=1x2 as=g\n"
    "scale e\n"
    "dropout 0.25\n"
    "layer-norm silu\n"
    "conv 8 3x3 stride=2 pad=1 groups=8\n"
    "batch-norm\n"
    "tanh\n"
    "max-pool 2x1 stride=1\n"
    "flatten\n"
    "dense 24 hard-swish\n"
    "dense 4\n"
    "softmax\n"
    "loss smoothing=0.1\n"
    "optimizer adamw 5e-3 decay=0.25\n"
    "batch 16\n",
    "conv 8 3x3 relu\n"
    "max-pool 3 stride=2\n"
    "conv 8 3x3 relu6 pad=same as=a\n"
    "conv 8 1 bias=no\n"
    "batch-norm\n"
    "add a relu\n"
    "global-max-pool\n"
    "flatten\n"
    "dense 4\n"
    "softmax\n"
    "optimizer sgd 0.05 momentum=0.5 nesterov=yes decay=0.01\n"
    "batch 16\n",
    "flatten\n"
    "dense 16 clip low=-0.5 high=0.5\n"
    "dense 4\n"
    "softmax\n"
    "optimizer adam 0.01 decay=0.25\n"
    "schedule cosine\n"
    "batch 16\n",
};
enum { NETWORKS = sizeof(networks) / sizeof(*networks) };

static const struct fault *planted;
static const struct weft_backend *honest;
static weft_dataset *data;

/* ---- planted faults ---- */

static union weft_primitive_args modified(enum weft_primitive primitive, const void *args,
                                          size_t size)
{
    union weft_primitive_args copy = {0};
    memcpy(&copy, args, size);
    if (planted && planted->primitive == primitive && planted->modify)
        planted->modify(&copy);
    return copy;
}

#define PRIMITIVE(name_, type, output)                                           \
    static enum weft_status wrong_##name_(struct weft_command_list *list,        \
                                          const struct weft_##type##_args *args) \
    {                                                                            \
        union weft_primitive_args copy =                                         \
            modified(WEFT_PRIMITIVE_##name_, args, sizeof(*args));               \
        return honest->primitives->name_(list, &copy.name_);                     \
    }
#include "device/primitives.def"
#undef PRIMITIVE
static const struct weft_primitives wrong_primitives = {
#define PRIMITIVE(name_, type, output) .name_ = wrong_##name_,
#include "device/primitives.def"
#undef PRIMITIVE
};

static struct recorded_primitive records[64];

/* The call whose launches these are, if it is of the planted primitive. */
static struct recorded_primitive *record_of(struct weft_command_list *list, int first,
                                            int end)
{
    for (int i = 0; planted && i < list->call_count && i < 64; i++) {
        struct weft_recorded_call *c = &list->calls[i];
        struct lab_argument arguments[LAB_MAX_ARGUMENTS];
        if (c->first != first || c->end != end || c->call.primitive != planted->primitive)
            continue;
        int count = lab_arguments(&c->call, arguments);
        struct recorded_primitive *r = &records[i];
        if (r->list != list)
            *r = (struct recorded_primitive){
                .list = list, .args = c->call.args, .device = device};
        for (int k = 0; k < count && !r->out.mem; k++)
            if (arguments[k].written)
                r->out = *arguments[k].view;
        return r;
    }
    return NULL;
}

static enum weft_status replay_wrong(struct weft_command_list *list, int first, int end)
{
    struct recorded_primitive *r = record_of(list, first, end);
    if (r && planted->before)
        planted->before(r);
    enum weft_status status = honest->replay_range(list, first, end);
    if (r && planted->after)
        planted->after(r);
    if (r)
        r->replays++;
    return status;
}

static enum weft_status replay_calls(struct weft_command_list *list)
{
    for (int i = 0; i < list->call_count; i++)
        WEFT_TRY(device->backend->replay_range(list, list->calls[i].first,
                                               list->calls[i].end));
    return WEFT_OK;
}

static bool never_proven(const struct weft_command_list *list)
{
    (void)list;
    return false;
}

static void forget_proof(struct weft_command_list *list)
{
    (void)list;
}

/* Switches the known-answer test of new kernels. */
static void set_tested(bool tested)
{
    ((struct weft_backend *)device->backend)->is_proven = tested ? never_proven : NULL;
}

static enum weft_status create(int network, enum weft_precision precision,
                               weft_trainer **out)
{
    weft_net *net = NULL;
    memset(records, 0, sizeof(records));
    *out = NULL;
    CHECK_OK(weft_net_create(
        ctx, networks[network],
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net));
    enum weft_status status = weft_trainer_create(
        device, net, data, weft_train_params(.precision = precision, .epochs = 3), out);
    weft_net_destroy(&net);
    return status;
}

/* The weights after a few steps without a test; NULL: the faults stop them. */
static float *train(int network, enum weft_precision precision, size_t *count)
{
    weft_trainer *t = NULL;
    float *weights = NULL;
    set_tested(false);
    enum weft_status status = create(network, precision, &t);
    if (!status)
        status = weft_trainer_run(t, 3);
    if (!status) {
        *count = weft_graph_floats(&t->net->graph);
        weights = calloc(*count, sizeof(*weights));
        REQUIRE(weights);
        CHECK_OK(honest->read(device, weights, t->buffers.weights, 0,
                              *count * sizeof(*weights)));
    }
    weft_trainer_destroy(&t);
    set_tested(true);
    return weights;
}

/* Weights that differ by more than rounding moves them in three steps. */
static bool is_wrong(const float *a, const float *b, size_t count)
{
    double off = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        off += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return !(off <= size * 0x1p-36);
}

/* Plants a fault into the networks that it changes. */
static void plant(const struct fault *fault, int *wrong, int *reported)
{
    enum weft_precision precision =
        fault->half ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32;
    for (int i = 0; i < NETWORKS; i++) {
        size_t count = 0;
        weft_trainer *t = NULL;
        planted = NULL;
        float *right = train(i, precision, &count);
        planted = fault;
        float *other = train(i, precision, &count);
        bool changes = right && other && is_wrong(other, right, count);
        free(right);
        free(other);
        if (!changes)
            continue;
        ++*wrong;
        bool found = create(i, precision, &t) == WEFT_ERR_MISMATCH &&
                     strstr(weft_error(ctx), "computes wrong results");
        *reported += found;
        if (!found)
            printf("not reported: %s: %s, network %d\n", fault->op, fault->name, i);
        weft_trainer_destroy(&t);
    }
    planted = NULL;
}

enum { IMAGES = 4 };

static enum weft_status create_predictor(const weft_model *model,
                                         enum weft_precision precision,
                                         weft_predictor **out)
{
    memset(records, 0, sizeof(records));
    *out = NULL;
    return weft_predictor_create(
        device, model, weft_predictor_params(.batch = IMAGES, .precision = precision),
        out);
}

/* Probabilities without a test; false: the faults stop the predictor. */
static bool predict(const weft_model *model, enum weft_precision precision,
                    float out[IMAGES * CLASSES])
{
    weft_predictor *p = NULL;
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    set_tested(false);
    enum weft_status status = create_predictor(model, precision, &p);
    if (!status)
        status = weft_predictor_run(p, info.pixels, IMAGES, out);
    weft_predictor_destroy(&p);
    set_tested(true);
    return !status;
}

/* Plants a fault into a prediction, if it changes one. */
static void plant_prediction(const weft_model *model, const struct fault *fault,
                             int *wrong, int *reported)
{
    enum weft_precision precision =
        fault->half ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32;
    float right[IMAGES * CLASSES], other[IMAGES * CLASSES];
    weft_predictor *p = NULL;
    planted = NULL;
    CHECK(predict(model, precision, right));
    planted = fault;
    if (predict(model, precision, other) && is_wrong(other, right, IMAGES * CLASSES)) {
        bool found = create_predictor(model, precision, &p) == WEFT_ERR_MISMATCH &&
                     strstr(weft_error(ctx), "computes wrong results");
        ++*wrong;
        *reported += found;
        if (!found)
            printf("not reported: %s: %s, in a prediction\n", fault->op, fault->name);
        weft_predictor_destroy(&p);
    }
    planted = NULL;
}

static void test_predictions(void)
{
    const struct fault *const tables[] = {layer_faults, channel_faults, training_faults,
                                          half_faults};
    int wrong = 0, reported = 0;
    for (int i = 0; i < NETWORKS; i++) {
        weft_trainer *t = NULL;
        weft_model *model = NULL;
        weft_predictor *p = NULL;
        CHECK_OK(create(i, WEFT_PRECISION_FLOAT32, &t));
        CHECK_OK(weft_trainer_run(t, 3));
        CHECK_OK(weft_trainer_model(t, &model));
        weft_trainer_destroy(&t);
        CHECK_OK(create_predictor(model, WEFT_PRECISION_FLOAT32, &p));
        weft_predictor_destroy(&p);
        for (size_t k = 0; k < sizeof(tables) / sizeof(*tables); k++)
            for (const struct fault *f = tables[k]; f->name; f++)
                if (f->primitive != WEFT_PRIMITIVE_COUNT && !strstr(f->name, "writes "))
                    plant_prediction(model, f, &wrong, &reported);
        weft_model_destroy(&model);
    }
    printf("%d wrong kernels planted, %d reported before the first prediction\n", wrong,
           reported);
    CHECK(wrong >= 40 && reported * 100 >= wrong * 99);
}

static void test_faults(void)
{
    const struct fault *const tables[] = {layer_faults, channel_faults, training_faults,
                                          half_faults};
    int wrong = 0, reported = 0;
    for (size_t k = 0; k < sizeof(tables) / sizeof(*tables); k++)
        for (const struct fault *f = tables[k]; f->name; f++)
            /* Writes beyond a buffer end the process here, as on many a driver. */
            if (f->primitive != WEFT_PRIMITIVE_COUNT && !strstr(f->name, "writes "))
                plant(f, &wrong, &reported);
    printf("%d wrong kernels planted, %d reported before the first step\n", wrong,
           reported);
    CHECK(wrong >= 100 && reported * 100 >= wrong * 99);
}

static void write_behind(struct recorded_primitive *l)
{
    poke(l, l->out, l->out.count, 0x1p20f);
}

static void write_before(struct recorded_primitive *l)
{
    poke(l, (struct weft_view){.mem = l->out.mem, .offset = l->out.offset - 1}, 0,
         0x1p20f);
}

/* This network need not use the bytes there. */
static void test_margins(void)
{
    static const struct fault faults[] = {
        {"writes behind", "pool", IN(pool_forward), .after = write_behind},
        {"writes before", "pool", IN(pool_forward), .after = write_before},
    };
    for (int i = 0; i < 2; i++) {
        weft_trainer *t = NULL;
        planted = &faults[i];
        CHECK(create(0, WEFT_PRECISION_FLOAT32, &t) == WEFT_ERR_MISMATCH);
        CHECK(strstr(weft_error(ctx), i ? "bytes before its result y are overwritten"
                                        : "bytes behind its result y are overwritten"));
        weft_trainer_destroy(&t);
    }
    planted = NULL;
}

static void test_right(void)
{
    for (int i = 0; i < NETWORKS; i++)
        for (int k = 0; k < 2; k++) {
            weft_trainer *t = NULL;
            CHECK_OK(create(i, k ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32, &t));
            weft_trainer_destroy(&t);
        }
}

/* ---- audits ---- */

static int flip_at, calls_run; /* the call after which a bit flips; -1: none */
static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

static enum weft_status replay_flipping(struct weft_command_list *list, int first,
                                        int end)
{
    WEFT_TRY(honest->replay_range(list, first, end));
    if (calls_run++ != flip_at)
        return WEFT_OK;
    for (int i = 0; i < list->call_count; i++) {
        struct weft_primitive_call call = list->calls[i].call;
        struct lab_argument a[LAB_MAX_ARGUMENTS];
        int count = lab_arguments(&call, a), k = 0;
        if (list->calls[i].first != first || list->calls[i].end != end)
            continue;
        while (k < count && !a[k].written)
            k++;
        size_t size = a[k].type == LAB_BYTE ? 1 : 4;
        size_t element = random_below((uint32_t)a[k].view->count);
        const struct weft_copy_channels_args *copy = &call.args.copy_channels;
        if (call.primitive == WEFT_PRIMITIVE_copy_channels && !copy->zero_rest)
            element = element / (size_t)copy->y_channels * (size_t)copy->y_channels +
                      (size_t)copy->y_first;
        size_t at = (a[k].view->offset + element) * size;
        uint8_t byte;
        at += random_below((uint32_t)size);
        WEFT_TRY(honest->read(device, &byte, a[k].view->mem, at, 1));
        byte ^= (uint8_t)(1u << random_below(8));
        return honest->write(device, a[k].view->mem, at, &byte, 1);
    }
    return WEFT_OK;
}

/* Weights after steps, audited or not, are the same bits; each flipped bit is reported,
 * and the step can be repeated. */
static void test_audit(int flips)
{
    weft_trainer *t = NULL, *plain = NULL;
    struct weft_backend *backend = (struct weft_backend *)device->backend;
    backend->replay_range = replay_flipping;
    flip_at = -1;
    CHECK_OK(create(0, WEFT_PRECISION_FLOAT32, &t));
    CHECK_OK(create(0, WEFT_PRECISION_FLOAT32, &plain));
    t->audit = 1;
    CHECK_OK(weft_trainer_run(t, 2));
    CHECK_OK(weft_trainer_run(plain, 3));
    int calls = t->gradients->call_count + t->update->call_count, reported = 0;
    for (int i = 0; i < flips; i++) {
        flip_at = (int)random_below((uint32_t)(2 * calls));
        calls_run = 0;
        bool found = weft_trainer_run(t, 1) == WEFT_ERR_MISMATCH &&
                     strstr(weft_error(ctx), "audit: step 3, ");
        reported += found;
    }
    printf("%d bits flipped, %d reported by the audit\n", flips, reported);
    CHECK(reported == flips);
    flip_at = -1;
    CHECK_OK(weft_trainer_run(t, 1));
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    char *a = malloc(bytes), *b = malloc(bytes);
    REQUIRE(a && b);
    CHECK_OK(honest->read(device, a, t->buffers.weights, 0, bytes));
    CHECK_OK(honest->read(device, b, plain->buffers.weights, 0, bytes));
    CHECK(!memcmp(a, b, bytes));
    free(a);
    free(b);
    weft_trainer_destroy(&t);
    weft_trainer_destroy(&plain);
}

int main(int argc, char **argv)
{
    int index;
    REQUIRE(!weft_context_create(&ctx, NULL));
    test_context = ctx;
    CHECK_OK(weft_device_find(ctx, "cpu", &index, NULL));
    CHECK_OK(weft_device_open(ctx, index, NULL, &device));
    data = make_data(48);
    honest = device->backend;
    struct weft_backend wrong = *honest;
    wrong.primitives = &wrong_primitives;
    wrong.replay = replay_calls;
    wrong.replay_range = replay_wrong;
    wrong.is_proven = never_proven;
    wrong.set_proven = forget_proof;
    device->backend = &wrong;
    test_right();
    test_margins();
    test_faults();
    test_predictions();
    test_audit(argc > 1 ? atoi(argv[1]) : 100);
    device->backend = honest;
    weft_dataset_destroy(&data);
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    return test_end();
}
