/* SPDX-License-Identifier: Apache-2.0 */
/* Batches in parts: one step against that of the whole batch, on both backends; bits of
 * repeated, resumed and streamed runs.
 *
 * usage: test_accumulate [-d SELECTOR] [-f vec|tile] */
#include "unit/trainer_fixture.h"

#include "train/trainer.h"

#include <float.h>
#include <math.h>

enum { COUNT = 200, BATCH = 128, FILLED = SIDE * SIDE };

static const char dense[] = "flatten\ndense 4 init=uniform\nsoftmax\n"
                            "optimizer sgd 1 momentum=0\n";
static const char every[] = "conv 4 3x3 relu\nbatch-norm\ndropout 0.2\nflatten\n"
                            "dense 4\nsoftmax\noptimizer adam 1e-2 clip=0.5\n"
                            "average ema 0.9\naugment flip shift=1 mixup=0.4\n";

static weft_trainer *start(weft_device *on, const char *text, const weft_dataset *data,
                           const struct weft_train_params *params)
{
    weft_net *net = make_net(text);
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_trainer_create(on, net, data, params, &trainer));
    weft_net_destroy(&net);
    REQUIRE(trainer);
    return trainer;
}

/* Weights after one step of the rate 1, without decay: the first ones minus the
 * gradient. */
static struct weft_progress step_once(weft_device *on, const weft_dataset *data,
                                      const float *class_weights, int parts,
                                      float *weights)
{
    struct weft_progress p;
    weft_trainer *t =
        start(on, dense, data,
              weft_train_params(.batch = BATCH, .seed = 5, .accumulate = parts,
                                .class_weights = class_weights));
    CHECK_OK(weft_trainer_run(t, 1));
    CHECK_OK(weft_trainer_progress(t, &p));
    CHECK_OK(on->backend->read(on, weights, t->buffers.weights, 0,
                               t->net->graph.weights * sizeof(float)));
    weft_trainer_destroy(&t);
    return p;
}

/* The gradient of a weight is a sum over the rows of x d, with |d| <= weight / BATCH: its
 * rounding is at most that of BATCH additions, and of what d is made of, of |x| times the
 * largest weight; |x| <= 4 for normalized pixels. The weights themselves are below 1. */
static void check_step(const weft_dataset *data)
{
    static const float class_weights[CLASSES] = {0.25f, 2, 1, 0.5f};
    const double bound = 2 * (BATCH + 64) * (double)FLT_EPSILON * 4 * 2;
    float *one = malloc(2 * (FILLED + 8) * CLASSES * sizeof(float));
    REQUIRE(one);
    float *many = one + (FILLED + 8) * CLASSES;
    weft_device *host = NULL;
    int index = 0;
    CHECK_OK(weft_device_find(ctx, "cpu", &index, NULL));
    CHECK_OK(weft_device_open(ctx, index, NULL, &host));
    REQUIRE(host);
    for (int k = 0; k < 2; k++) {
        const float *weights = k ? class_weights : NULL;
        struct weft_progress want = step_once(host, data, weights, 0, one);
        for (int i = 0; i < 4; i++) {
            struct weft_progress got =
                step_once(i < 2 ? device : host, data, weights, i % 2 ? 4 : 32, many);
            double off = 0;
            for (int w = 0; w < FILLED * CLASSES; w++)
                off = fmax(off, fabs((double)one[w] - (double)many[w]));
            CHECK_NEAR(off, 0, bound);
            CHECK_NEAR(got.loss, want.loss, bound);
            CHECK(got.samples == BATCH && got.correct == want.correct);
            CHECK(got.steps_per_epoch == 1 && got.batch == BATCH);
        }
    }
    weft_device_close(&host);
    free(one);
}

/* Bits of a run as it is, resumed, and with its images sent batch by batch. */
static void check_bits(void)
{
    for (int way = 0; way < 3; way++) {
        struct weft_train_params params =
            *weft_train_params(.batch = 24, .seed = 7, .accumulate = 3,
                               .stream = way == 1, .audit = 2 * way);
        weft_dataset *data = make_data(COUNT);
        weft_trainer *t = start(device, every, data, &params);
        check_run_bits(t, way);
        weft_trainer_destroy(&t);
        weft_dataset_destroy(&data);
    }
}

/* A checkpoint of other parts. */
static void check_refused(const weft_dataset *data)
{
    const char *half = path_of("half");
    weft_trainer *t =
        start(device, dense, data, weft_train_params(.batch = BATCH, .accumulate = 4));
    CHECK_OK(weft_trainer_save_checkpoint(t, half, NULL));
    weft_trainer_destroy(&t);
    for (int parts = 0; parts <= 32; parts += 32) {
        t = start(device, dense, data,
                  weft_train_params(.batch = BATCH, .accumulate = parts));
        CHECK_FAILS(weft_trainer_load_checkpoint(t, half), WEFT_ERR_FORMAT,
                    "a batch in as many parts");
        weft_trainer_destroy(&t);
    }
}

/* Less memory; a batch of the whole data; float16. */
static void check_memory(const weft_dataset *data)
{
    size_t bytes[2] = {0};
    for (int k = 0; k < 2; k++) {
        struct weft_progress p;
        weft_trainer *t =
            start(device, every, data,
                  weft_train_params(.batch = 1000, .precision = WEFT_PRECISION_FLOAT16,
                                    .accumulate = k ? 7 : 0));
        CHECK_OK(weft_trainer_run(t, 2));
        CHECK_OK(weft_trainer_progress(t, &p));
        CHECK_INT(p.batch, k ? COUNT / 7 * 7 : COUNT);
        CHECK(isfinite(p.loss));
        bytes[k] = p.device_bytes;
        weft_trainer_destroy(&t);
    }
    CHECK(bytes[1] < bytes[0] / 2);
}

static void check_messages(const weft_dataset *data)
{
    weft_net *net = make_net(dense);
    weft_trainer *trainer = NULL;
    CHECK_FAILS(weft_trainer_create(device, net, data,
                                    weft_train_params(.batch = 128, .accumulate = 3),
                                    &trainer),
                WEFT_ERR_ARG, "a batch of 128 has no 3 equal parts");
    CHECK_FAILS(weft_trainer_create(device, net, data,
                                    weft_train_params(.batch = 1000, .accumulate = 201),
                                    &trainer),
                WEFT_ERR_ARG, "a batch of 200 has no 201 equal parts");
    CHECK_FAILS(weft_trainer_create(device, net, data,
                                    weft_train_params(.accumulate = -1), &trainer),
                WEFT_ERR_ARG, "accumulate must be");
    weft_net_destroy(&net);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(COUNT);
    check_step(data);
    check_bits();
    check_refused(data);
    if (!compiles)
        check_memory(data);
    check_messages(data);
    weft_dataset_destroy(&data);
    return close_device();
}
