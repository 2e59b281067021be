/* SPDX-License-Identifier: Apache-2.0 */
/* The first step of a training and the first prediction, by kernels that may be wrong:
 * is it reported before they are used, and are they wrong?
 *
 *     first_step NETWORK FAMILY float16|float32 SEED FILE [untested]
 *
 * NETWORK is a row of the table below, SEED of a random choice among all algorithms; 0:
 * the usual ones. Lines "train ..." and "predict ...": what the known-answer test reports
 * ("error: SENTENCE" or "nothing"), and then, without the test, how the results differ
 * from those in FILE-train and FILE-predict ("same", "rounding", "wrong" or "fails";
 * "reported": a wrong number is known already, so that it did not run). If there are no
 * such files they are written, by kernels that should be right. "untested": the control,
 * without the test at both times.
 *
 * Nothing replaces a wrong algorithm here, as that would compile others. */
#include "device/backend.h"
#include "opencl/runtime/test_results.h"
#include "shared/state.h"
#include "train/trainer.h"
#include "unit/trainer_fixture.h"
#include "util/hash.h"

#include <math.h>

#define END      \
    "flatten\n"  \
    "dense 4\n"  \
    "softmax\n"  \
    "batch 75\n" \
    "optimizer adam 0.01 decay=0.25\n"

static const struct {
    const char *name, *text;
} networks[] = {
    {"conv", "conv 8 3x3 relu\nmax-pool 2\nconv 12 3x3 leaky-relu pad=same groups=2\n"
             "conv 20 2x3 stride=2x1 pad=1\n" END},
    {"dilated", "conv 6 3x3 relu pad=same\nconv 9 3x2 dilation=2x1 stride=1x2\n"
                "max-pool 2x1\n" END},
    {"depthwise", "conv 12 3x3 relu pad=same\nconv 12 3x3 relu pad=same groups=12\n"
                  "conv 12 3 stride=2 pad=1 groups=12\n" END},
    {"wide", "conv 16 3x3 relu pad=same\nconv 24 3x3 relu pad=same\n"
             "conv 24 3x3 pad=1 relu\nmax-pool 2\n" END},
    {"pointwise", "conv 10 3x3 relu\nconv 24 1 relu\nconv 7 1 bias=no\n" END},
    {"dense", "flatten\ndense 40 relu\ndense 21 sigmoid\n" END},
    {"norms", "conv 12 3 bias=no\nbatch-norm relu\nlayer-norm silu\nprelu\nconv 9 2\n"
              "batch-norm\n" END},
    {"pools",
     "conv 6 3x3 relu\nmax-pool 3 stride=2 pad=1 as=a\navg-pool 3 stride=1 pad=1\n"
     "add a\nmax-pool 2x1 stride=1\navg-pool 2\n" END},
    {"channels", "conv 8 3x3 relu as=a\nslice 2 5\nconcat a\nchannel-shuffle 13 as=b\n"
                 "global-avg-pool\ndense 13 sigmoid as=c\nscale c from=b\n" END},
    {"acts", "conv 9 3x3 gelu\ntanh\ndropout 0.25\nconv 7 1\nhard-swish\nflatten\n"
             "dense 24 clip low=-0.5 high=0.5\ndense 4\nsoftmax\nloss smoothing=0.1\n"
             "optimizer adamw 5e-3 decay=0.25\nbatch 75\n"},
    {"sgd", "flatten\ndense 23 leaky-relu\ndense 4\nsoftmax\nbatch 75\n"
            "optimizer sgd 0.05 momentum=0.5 nesterov=yes decay=0.01\n"},
};
enum { NETWORKS = sizeof(networks) / sizeof(*networks), STEPS = 3, IMAGES = 5 };

static const struct weft_backend *own;
static struct weft_backend changed;
static uint32_t config_seed;
static weft_dataset *data;
static weft_net *net;
static enum weft_precision precision;

/* Results of steps or of a prediction. */
struct results {
    uint64_t bits; /* of everything that the device wrote */
    size_t parts, count[5];
    float *values[5];
};

static enum weft_status create_list(struct weft_device *on,
                                    const struct weft_command_list_params *params,
                                    struct weft_command_list **out)
{
    const struct weft_command_list_params none = {0};
    const struct weft_command_list_params given = params ? *params : none;
    struct weft_command_list_params random = {.constant_weights = given.constant_weights,
                                              .defer_weight_grad_reduction =
                                                  given.defer_weight_grad_reduction,
                                              .gradients = given.gradients,
                                              .config = given.config,
                                              .like = given.like,
                                              .random_config_seed = config_seed};
    return own->list_create(on, &random, out);
}

static bool is_tested(const struct weft_command_list *list)
{
    return own->is_proven(list);
}

static void set_tested(bool tested)
{
    changed.is_proven = tested ? is_tested : NULL;
}

static enum weft_status create(weft_trainer **out)
{
    *out = NULL;
    return weft_trainer_create(device, net, data,
                               weft_train_params(.precision = precision, .seed = 7), out);
}

static enum weft_status create_predictor(const weft_model *model, weft_predictor **out)
{
    *out = NULL;
    return weft_predictor_create(
        device, model, weft_predictor_params(.batch = IMAGES, .precision = precision),
        out);
}

static void print_line(const char *start, const char *what, const char *message)
{
    printf("%s %s%.*s\n", start, what, (int)strcspn(message, "\n"), message);
    fflush(stdout);
}

/* True: a wrong number is known. */
static bool print_report(const char *start, enum weft_status status)
{
    print_line(start, status ? "error: " : "nothing", status ? weft_error(ctx) : "");
    return status == WEFT_ERR_MISMATCH &&
           strstr(weft_error(ctx), "computes wrong results") != NULL;
}

/* A model whose weights no kernel has made. */
static weft_model *make_model(void)
{
    weft_trainer *t = NULL;
    weft_model *model = NULL;
    set_tested(false);
    if (!create(&t) &&
        !weft_write_test_weights(device, &t->net->graph, NULL, t->buffers.weights))
        CHECK_OK(weft_trainer_model(t, &model));
    weft_trainer_destroy(&t);
    return model;
}

static void add_values(struct results *r, const void *values, size_t count)
{
    float *copy = malloc((count + 1) * sizeof(*copy));
    REQUIRE(copy);
    memcpy(copy, values, count * sizeof(*copy));
    r->bits = r->bits * 31 + weft_hash64(copy, count * sizeof(*copy));
    r->count[r->parts] = count;
    r->values[r->parts++] = copy;
}

static enum weft_status add_memory(struct results *r, struct weft_mem *mem, size_t count)
{
    float *values = malloc((count + 1) * sizeof(*values));
    REQUIRE(values);
    enum weft_status status = own->read(device, values, mem, 0, count * sizeof(*values));
    if (!status)
        add_values(r, values, count);
    free(values);
    return status;
}

/* Weights, moments, losses and hits. */
static enum weft_status gather(struct results *r, const weft_trainer *t)
{
    uint32_t state[STATE_WORDS];
    float losses[STEPS], correct[STEPS];
    size_t bytes = t->plan->bytes;
    void *activations = malloc(bytes + 1);
    REQUIRE(activations);
    enum weft_status status =
        own->read(device, activations, t->buffers.activations, 0, bytes);
    r->bits = weft_hash64(activations, bytes);
    free(activations);
    WEFT_TRY(status);
    WEFT_TRY(add_memory(r, t->buffers.weights, weft_graph_floats(&t->net->graph)));
    WEFT_TRY(add_memory(r, t->moment1, t->net->graph.weights));
    if (t->moment2)
        WEFT_TRY(add_memory(r, t->moment2, t->net->graph.weights));
    WEFT_TRY(own->read(device, state, t->buffers.state, 0, sizeof(state)));
    r->bits = r->bits * 31 + weft_hash64(state, sizeof(state));
    for (int i = 0; i < STEPS; i++) {
        memcpy(&losses[i], &state[STATE_METRICS_RING + 2 * i], sizeof(float));
        correct[i] = (float)state[STATE_METRICS_RING + 2 * i + 1];
    }
    add_values(r, losses, STEPS);
    add_values(r, correct, STEPS);
    return WEFT_OK;
}

static enum weft_status train(struct results *r)
{
    weft_trainer *t = NULL;
    enum weft_status status = create(&t);
    if (!status)
        status = weft_trainer_run(t, STEPS);
    if (!status)
        status = gather(r, t);
    weft_trainer_destroy(&t);
    return status;
}

static enum weft_status predict(struct results *r, const weft_model *model)
{
    weft_predictor *p = NULL;
    struct weft_dataset_info info;
    float out[IMAGES * CLASSES];
    weft_dataset_info(data, &info);
    enum weft_status status = create_predictor(model, &p);
    if (!status)
        status = weft_predictor_run(p, info.pixels, IMAGES, out);
    if (!status)
        add_values(r, out, IMAGES * CLASSES);
    weft_predictor_destroy(&p);
    return status;
}

/* True if values differ by more than rounding moves them in a few steps. */
static bool is_wrong(const float *a, const float *b, size_t count)
{
    double off = 0, size = 0;
    double limit = precision == WEFT_PRECISION_FLOAT16 ? 0x1p-16 : 0x1p-36;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        off += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return !(off <= size * limit);
}

static const char *difference(const struct results *got, const struct results *want)
{
    if (got->bits == want->bits)
        return "same";
    for (size_t i = 0; i < want->parts; i++)
        if (is_wrong(got->values[i], want->values[i], want->count[i]))
            return "wrong";
    return "rounding";
}

static void write_results(FILE *file, const struct results *r)
{
    fwrite(&r->bits, sizeof(r->bits), 1, file);
    for (size_t i = 0; i < r->parts; i++)
        fwrite(r->values[i], sizeof(float), r->count[i], file);
}

/* For the same network. */
static void read_results(FILE *file, const struct results *like, struct results *out)
{
    *out = *like;
    REQUIRE(fread(&out->bits, sizeof(out->bits), 1, file) == 1);
    for (size_t i = 0; i < like->parts; i++) {
        out->values[i] = malloc((like->count[i] + 1) * sizeof(float));
        REQUIRE(out->values[i] && fread(out->values[i], sizeof(float), like->count[i],
                                        file) == like->count[i]);
    }
}

static void release(struct results *r)
{
    for (size_t i = 0; i < r->parts; i++)
        free(r->values[i]);
}

static const char *const starts[] = {"train", "predict"};

/* The results of both starts without a test, and how they differ. */
static void run_untested(const weft_model *model, const bool reported[2],
                         const char *path)
{
    for (int i = 0; i < 2; i++) {
        struct results got = {0}, want = {0};
        char name[400];
        if (reported[i]) {
            print_line(starts[i], "reported", "");
            continue;
        }
        enum weft_status status = i ? predict(&got, model) : train(&got);
        if (status) {
            print_line(starts[i], "fails: ", weft_error(ctx));
            release(&got);
            break;
        }
        snprintf(name, sizeof(name), "%s-%s", path, starts[i]);
        FILE *file = fopen(name, "rb");
        bool is_new = !file;
        if (is_new)
            file = fopen(name, "wb");
        REQUIRE(file);
        if (is_new)
            write_results(file, &got);
        else
            read_results(file, &got, &want);
        fclose(file);
        print_line(starts[i], is_new ? "same" : difference(&got, &want), "");
        release(&got);
        release(&want);
    }
}

static void run_tested(const weft_model *model, bool tested, bool reported[2])
{
    weft_trainer *t = NULL;
    weft_predictor *p = NULL;
    set_tested(tested);
    reported[0] = print_report(starts[0], create(&t));
    weft_trainer_destroy(&t);
    if (model)
        reported[1] = print_report(starts[1], create_predictor(model, &p));
    weft_predictor_destroy(&p);
    set_tested(false);
}

/* False: a wrong probe of the family has refused the device. */
static bool open_pocl(const char *family)
{
    static const struct {
        const char *name;
        enum weft_kernel_family family;
    } families[] = {{"vec", WEFT_FAMILY_VEC},
                    {"tile", WEFT_FAMILY_TILE},
                    {"sg", WEFT_FAMILY_SUBGROUP},
                    {"mma", WEFT_FAMILY_MMA}};
    enum weft_kernel_family chosen = WEFT_FAMILY_AUTO;
    int index;
    for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
        if (!strcmp(families[i].name, family))
            chosen = families[i].family;
    CHECK_OK(weft_context_create(&ctx, NULL));
    test_context = ctx;
    if (weft_device_find(ctx, "portable", &index, NULL))
        test_skip(weft_error(ctx));
    if (weft_device_open(ctx, index, weft_device_params(.family = chosen), &device)) {
        for (int i = 0; i < 2; i++) {
            print_line(starts[i], "error: ", weft_error(ctx));
            print_line(starts[i], "reported", "");
        }
        return false;
    }
    own = device->backend;
    changed = *own;
    changed.list_create = create_list;
    changed.reject = NULL;
    device->backend = &changed;
    return true;
}

int main(int argc, char **argv)
{
    int network = 0;
    bool reported[2] = {false, false};
    while (argc > 5 && network < NETWORKS && strcmp(networks[network].name, argv[1]) != 0)
        network++;
    if (argc < 6 || network == NETWORKS) {
        fprintf(stderr, "first_step NETWORK FAMILY PRECISION SEED FILE [untested]\n");
        return 2;
    }
    if (!open_pocl(argv[2])) {
        weft_context_destroy(&ctx);
        return 0;
    }
    precision =
        !strcmp(argv[3], "float16") ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32;
    config_seed = (uint32_t)atoi(argv[4]);
    data = make_data(150);
    net = make_net(networks[network].text);
    weft_model *model = make_model();
    run_tested(model, argc < 7, reported);
    /* Without what the tests have found, all algorithms are chosen as before. */
    ocl_test_results_close((struct ocl_device *)device);
    if (model)
        run_untested(model, reported, argv[5]);
    device->backend = own;
    weft_model_destroy(&model);
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    return test_failures ? 1 : 0;
}
