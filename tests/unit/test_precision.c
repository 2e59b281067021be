/* SPDX-License-Identifier: Apache-2.0 */
/* Predictors and training in float16: their answers beside those of float32, what they
 * take of memory, and when `auto` must not choose them.
 *
 * usage: test_precision [-d SELECTOR] [-f vec|tile] */
#include "unit/test.h"

#include "inference/inference.h"
#include "model/model.h"
#include "train/trainer.h"
#include "unit/moved_weights.h"
#include "util/half.h"

#include <weft/weft.h>

#include <math.h>
#include <unistd.h>

enum { COUNT = 60, SIDE = 12, CLASSES = 4, BATCH = 16 };

static weft_context *ctx;
static weft_device *device;
static char folder[] = "/tmp/weft-test-precision-XXXXXX";

/* Every op of inference; batch-norms that are folded, with and without weights of their
 * own, and one that is not; a tensor that the last layer reads. */
static const char every_op[] = "conv 8 3x3 bias=no\n"
                               "batch-norm relu\n"
                               "max-pool 2\n"
                               "conv 16 3 pad=same as=a\n"
                               "batch-norm\n"
                               "add a leaky-relu\n"
                               "conv 12 1 gelu\n"
                               "batch-norm silu\n"
                               "avg-pool 3 stride=1 pad=1\n"
                               "tanh\n"
                               "dropout 0.1\n"
                               "flatten\n"
                               "dense 24 sigmoid\n"
                               "dense 4\n"
                               "softmax\n"
                               "batch 20\n";

/* Training where every kernel must be compiled; the ops' tests have the others. */
static const char few_ops[] = "conv 8 3x3 bias=no\n"
                              "batch-norm relu\n"
                              "max-pool 2\n"
                              "conv 8 3 pad=same as=a\n"
                              "batch-norm\n"
                              "add a gelu\n"
                              "flatten\n"
                              "dense 4\n"
                              "softmax\n"
                              "batch 20\n";
static const char *trained;

/* Without biases, so that a factor may wander from layer to layer. */
static const char scalable[] = "conv 8 3x3 relu bias=no\n"
                               "conv 8 3x3 relu bias=no\n"
                               "flatten\n"
                               "dense 4 bias=no\n"
                               "softmax\n"
                               "batch 20\n";

/* A class is a quarter that is light. */
static weft_dataset *make_data(void)
{
    static uint8_t pixels[COUNT * SIDE * SIDE];
    static int32_t labels[COUNT];
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                             .classes = CLASSES, .source = "quarters", .pixels = pixels,
                             .labels = labels);
    uint32_t noise = 1;
    for (int i = 0; i < COUNT; i++) {
        labels[i] = i % CLASSES;
        for (int at = 0; at < SIDE * SIDE; at++) {
            int quarter = at / SIDE / (SIDE / 2) * 2 + at % SIDE / (SIDE / 2);
            noise = noise * 1664525u + 1013904223u;
            pixels[i * SIDE * SIDE + at] =
                (uint8_t)((noise >> 25) + (quarter == labels[i] ? 120 : 0));
        }
    }
    weft_dataset *data = NULL;
    CHECK_OK(weft_dataset_from_memory(ctx, &shape, &data));
    REQUIRE(data);
    return data;
}

/* A few steps by the reference, so that all devices are given the same weights. */
static weft_model *make_model(const char *text, const weft_dataset *data)
{
    weft_device *builtin = NULL;
    weft_net *net = NULL;
    weft_trainer *trainer = NULL;
    weft_model *model = NULL;
    char path[300];
    snprintf(path, sizeof(path), "%s/model", folder);
    CHECK_OK(weft_device_open(ctx, WEFT_HOST_DEVICE, NULL, &builtin));
    CHECK_OK(weft_net_create(
        ctx, text,
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1, .classes = CLASSES),
        &net));
    CHECK_OK(
        weft_trainer_create(builtin, net, data, weft_train_params(.seed = 1), &trainer));
    REQUIRE(trainer);
    CHECK_OK(weft_trainer_run(trainer, 60));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
    CHECK_OK(weft_model_load(ctx, path, &model));
    REQUIRE(model);
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    weft_device_close(&builtin);
    return model;
}

static weft_predictor *make(const weft_model *model, enum weft_precision precision,
                            const weft_dataset *data)
{
    weft_predictor *predictor = NULL;
    CHECK_OK(weft_predictor_create(
        device, model,
        weft_predictor_params(.batch = BATCH, .precision = precision,
                              .pixels = data ? test_pixels(data) : NULL,
                              .pixel_count = COUNT),
        &predictor));
    REQUIRE(predictor);
    return predictor;
}

/* The largest change of a probability by a level of each pixel. */
static double change_by_level(weft_predictor *p, const weft_dataset *data,
                              const float *probabilities)
{
    static uint8_t pixels[COUNT * SIDE * SIDE];
    static float moved[COUNT * CLASSES];
    for (int i = 0; i < COUNT * SIDE * SIDE; i++)
        pixels[i] = test_pixels(data)[i] ^ 1;
    CHECK_OK(weft_predictor_run(p, pixels, COUNT, moved));
    return weft_probabilities_distance(moved, probabilities, COUNT * CLASSES);
}

/* The difference of the probabilities in float16 and float32, over all images. */
static void check_answers(const weft_model *model, const weft_dataset *data)
{
    static float full[COUNT * CLASSES], half[COUNT * CLASSES];
    weft_predictor *a = make(model, WEFT_PRECISION_FLOAT32, NULL);
    weft_predictor *b = make(model, WEFT_PRECISION_FLOAT16, NULL);
    struct weft_predictor_info of_a, of_b;
    CHECK_OK(weft_predictor_run(a, test_pixels(data), COUNT, full));
    CHECK_OK(weft_predictor_run(b, test_pixels(data), COUNT, half));
    double difference = weft_probabilities_distance(half, full, COUNT * CLASSES);
    CHECK(difference > 0); /* else it is no float16 */
    CHECK(difference <= change_by_level(a, data, full));
    weft_predictor_info(a, &of_a);
    weft_predictor_info(b, &of_b);
    CHECK_INT(of_a.precision, WEFT_PRECISION_FLOAT32);
    CHECK_INT(of_b.precision, WEFT_PRECISION_FLOAT16);
    CHECK(of_b.weight_bytes < of_a.weight_bytes);
    CHECK(of_b.activation_bytes < of_a.activation_bytes * 5 / 8);
    /* The same again, and in pieces of any size. */
    CHECK_OK(weft_predictor_run(b, test_pixels(data), COUNT, full));
    CHECK(!memcmp(full, half, sizeof(full)));
    weft_predictor_destroy(&a);
    weft_predictor_destroy(&b);
}

/* The result that `auto` reports is consistent with its choice. */
static void check_auto(const weft_model *model, const weft_dataset *data)
{
    for (int noise = 0; noise < 2; noise++) {
        weft_predictor *p = make(model, WEFT_PRECISION_AUTO, noise ? NULL : data);
        struct weft_predictor_info info;
        weft_predictor_info(p, &info);
        CHECK(info.difference > 0 && info.difference <= info.noise);
        CHECK(info.precision == WEFT_PRECISION_FLOAT32 ||
              (info.precision == WEFT_PRECISION_FLOAT16 && info.speedup >= 1.03));
        weft_predictor_destroy(&p);
    }
}

/* The same function in float32, but with numbers between that float16 does not have. */
static void check_overflow(const weft_dataset *data)
{
    weft_model *model = make_model(scalable, data);
    const struct weft_node *nodes = model->net->graph.nodes;
    for (size_t i = 0; i < nodes[0].params[WEFT_PARAM_WEIGHT].count; i++)
        model->weights[nodes[0].params[WEFT_PARAM_WEIGHT].at + i] *= 0x1p17f;
    for (size_t i = 0; i < nodes[1].params[WEFT_PARAM_WEIGHT].count; i++)
        model->weights[nodes[1].params[WEFT_PARAM_WEIGHT].at + i] *= 0x1p-17f;
    weft_predictor *p = make(model, WEFT_PRECISION_AUTO, data);
    struct weft_predictor_info info;
    weft_predictor_info(p, &info);
    CHECK_INT(info.precision, WEFT_PRECISION_FLOAT32);
    CHECK(isinf(info.difference));
    CHECK(!(info.speedup > 0));
    weft_predictor_destroy(&p);
    weft_model_destroy(&model);
}

enum { STEPS = 60, HALF_WAY = 25 };

static weft_trainer *train(const char *text, const weft_dataset *data,
                           enum weft_precision precision, float rate)
{
    weft_net *net = NULL;
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_net_create(
        ctx, text,
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1, .classes = CLASSES),
        &net));
    CHECK_OK(weft_trainer_create(
        device, net, data,
        weft_train_params(.seed = 1, .precision = precision, .learning_rate = rate),
        &trainer));
    REQUIRE(trainer);
    weft_net_destroy(&net);
    return trainer;
}

static struct weft_progress progress_of(weft_trainer *trainer)
{
    struct weft_progress at;
    CHECK_OK(weft_trainer_progress(trainer, &at));
    return at;
}

static char *path_of(const char *name)
{
    static char path[300];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void save(weft_trainer *trainer, const char *name)
{
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of(name), NULL));
}

/* The largest move of the loss of a training whose weights are moved by the two
 * roundings to float16 of a product's factors, each run in its own way. */
static double float16_move(const weft_dataset *data, double loss)
{
    double off = 0;
    for (int way = 1; way <= MOVED_RUNS; way++) {
        weft_trainer *t = train(trained, data, WEFT_PRECISION_FLOAT32, 0);
        CHECK_OK(move_trainer_weights_by(t, way, 2 * WEFT_FP16_UNIT_ROUNDOFF));
        CHECK_OK(weft_trainer_run(t, STEPS));
        off = fmax(off, fabs(progress_of(t).loss - loss));
        weft_trainer_destroy(&t);
    }
    return off;
}

/* It learns as float32 does, in less memory. */
static void check_learning(const weft_dataset *data)
{
    weft_trainer *full = train(trained, data, WEFT_PRECISION_FLOAT32, 0);
    weft_trainer *half = train(trained, data, WEFT_PRECISION_FLOAT16, 0);
    CHECK_OK(weft_trainer_run(full, STEPS));
    CHECK_OK(weft_trainer_run(half, STEPS));
    struct weft_progress a = progress_of(full), b = progress_of(half);
    struct weft_trainer_info info;
    CHECK(a.loss < 0.5 && b.loss < 0.5);
    CHECK_NEAR(b.loss, a.loss, float16_move(data, a.loss));
    CHECK(b.loss != a.loss); /* else it is no float16 */
    CHECK(full->plan->bytes * 5 / 8 > half->plan->bytes);
    weft_trainer_info(full, &info);
    CHECK_INT(info.precision, WEFT_PRECISION_FLOAT32);
    weft_trainer_info(half, &info);
    CHECK_INT(info.precision, WEFT_PRECISION_FLOAT16);
    CHECK(info.speedup == 0 && info.difference == 0);
    weft_trainer_destroy(&full);
    weft_trainer_destroy(&half);
}

/* A resumed run is bit-identical, and keeps its precision. */
static void check_resumed(const weft_dataset *data)
{
    weft_trainer *a = train(trained, data, WEFT_PRECISION_FLOAT16, 0);
    weft_trainer *b = train(trained, data, WEFT_PRECISION_FLOAT16, 0);
    weft_trainer *full = train(trained, data, WEFT_PRECISION_FLOAT32, 0);
    CHECK_OK(weft_trainer_run(a, HALF_WAY));
    save(a, "half-way");
    CHECK_OK(weft_trainer_run(a, STEPS - HALF_WAY));
    save(a, "whole");
    CHECK_OK(weft_trainer_load_checkpoint(b, path_of("half-way")));
    CHECK_OK(weft_trainer_run(b, STEPS - HALF_WAY));
    save(b, "resumed");
    char compare[700];
    snprintf(compare, sizeof(compare), "cmp '%s/whole' '%s/resumed'", folder, folder);
    CHECK(!system(compare));
    CHECK_FAILS(weft_trainer_load_checkpoint(full, path_of("whole")), WEFT_ERR_FORMAT,
                "train.precision (float16): continue in the same precision");
    save(full, "full");
    CHECK_FAILS(weft_trainer_load_checkpoint(b, path_of("full")), WEFT_ERR_FORMAT,
                "train.precision (float32): continue in the same precision");
    weft_trainer_destroy(&a);
    weft_trainer_destroy(&b);
    weft_trainer_destroy(&full);
}

/* Trains both a little, to the same bits. Destroys them. */
static void check_same_training(weft_trainer *a, weft_trainer *b)
{
    char compare[700];
    snprintf(compare, sizeof(compare), "cmp '%s/auto' '%s/explicit'", folder, folder);
    CHECK_OK(weft_trainer_run(a, HALF_WAY));
    CHECK_OK(weft_trainer_run(b, HALF_WAY));
    save(a, "auto");
    save(b, "explicit");
    CHECK(!system(compare));
    weft_trainer_destroy(&a);
    weft_trainer_destroy(&b);
}

/* `auto` reports consistent results and starts training at step 0; a learning rate whose
 * numbers overflow in float16, but not in float32, selects float32. */
static void check_auto_training(const weft_dataset *data)
{
    weft_trainer *t = train(trained, data, WEFT_PRECISION_AUTO, 0);
    struct weft_trainer_info info;
    weft_trainer_info(t, &info);
    CHECK(info.difference > 0 && info.difference <= info.noise && info.noise < 1);
    CHECK(info.precision == WEFT_PRECISION_FLOAT32 ||
          (info.precision == WEFT_PRECISION_FLOAT16 && info.speedup >= 1.03));
    CHECK_INT(progress_of(t).step, 0);
    check_same_training(t, train(trained, data, info.precision, 0));
    t = train(scalable, data, WEFT_PRECISION_AUTO, 1000);
    weft_trainer_info(t, &info);
    CHECK_INT(info.precision, WEFT_PRECISION_FLOAT32);
    CHECK(isinf(info.difference));
    check_same_training(t, train(scalable, data, WEFT_PRECISION_FLOAT32, 1000));
}

static void check_distance(void)
{
    const float full[] = {0.5f, 0.25f, 0.25f}, off[] = {0.5f, 0.125f, 0.375f},
                none[] = {NAN, 0.5f, 0.5f};
    CHECK(weft_probabilities_distance(full, full, 3) == 0);
    CHECK(weft_probabilities_distance(off, full, 3) == 0.125);
    CHECK(isinf(weft_probabilities_distance(none, full, 3)));
    CHECK(isinf(weft_probabilities_distance(full, none, 3)));
}

static void open_device(const char *selector, const char *family)
{
    int index;
    if (weft_device_find(ctx, selector, &index, NULL))
        test_skip(weft_error(ctx));
    CHECK_OK(weft_device_open(ctx, index,
                              weft_device_params(.family = !strcmp(family, "tile")
                                                               ? WEFT_FAMILY_TILE
                                                               : WEFT_FAMILY_AUTO),
                              &device));
    REQUIRE(device);
}

int main(int argc, char **argv)
{
    const char *selector = argc > 2 ? argv[2] : "cpu", *family = argc > 4 ? argv[4] : "";
    bool host = !strcmp(selector, "cpu");
    if (weft_context_create(&ctx, weft_context_params(.no_opencl = host)))
        return 1;
    trained = host ? every_op : few_ops;
    test_context = ctx;
    REQUIRE(mkdtemp(folder));
    open_device(selector, family);
    weft_dataset *data = make_data();
    weft_model *model = make_model(every_op, data);
    size_t before = device->allocated;
    check_answers(model, data);
    check_learning(data);
    if (strcmp(family, "tile") != 0) { /* whose networks take seconds to compile */
        check_auto(model, data);
        check_overflow(data);
        check_resumed(data);
        check_auto_training(data);
    }
    check_distance();
    CHECK_INT(device->allocated, before);
    weft_model_destroy(&model);
    weft_dataset_destroy(&data);
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    char remove[300];
    snprintf(remove, sizeof(remove), "rm -r '%s'", folder);
    CHECK(!system(remove));
    return test_end();
}
