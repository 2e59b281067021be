/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules: the rate of every step, stopped weights where it is 0, resumed
 * training, error messages. */
#include "unit/trainer_fixture.h"

#include <float.h>

enum { BATCH = 100, EPOCHS = 5, STEPS = 10 }; /* of 200 images */

static const char network[] = "conv 4 3x3 relu\nflatten\ndense 4\nsoftmax\n"
                              "optimizer sgd 0.5 momentum=0.5\n";

static weft_trainer *start(const weft_dataset *data, const char *schedule, int epochs)
{
    weft_net *net = make_net(network);
    weft_trainer *trainer = NULL;
    CHECK_OK(
        weft_trainer_create(device, net, data,
                            weft_train_params(.seed = 3, .batch = BATCH,
                                              .schedule = schedule, .epochs = epochs),
                            &trainer));
    weft_net_destroy(&net);
    REQUIRE(trainer);
    return trainer;
}

/* Factors of 0.5 at each of 10 steps and one later, from the formulas of weft/net.h by
 * double arithmetic in Python. */
static const struct {
    const char *schedule;
    double factors[STEPS + 1];
} runs[] = {
    {"constant", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"constant warmup=0.4 start=0.2", {0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1, 1}},
    {"step", {1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001}},
    {"step every=0.5 factor=0.25", {1, 1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25}},
    {"linear", {1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1}},
    {"final=0.1 linear start=0.2 warmup=0.2",
     {0.2, 0.6, 1, 0.8875, 0.775, 0.6625, 0.55, 0.4375, 0.325, 0.2125, 0.2125}},
    {"cosine",
     {1, 0.975528258147577, 0.904508497187474, 0.793892626146237, 0.654508497187474, 0.5,
      0.345491502812526, 0.206107373853763, 0.095491502812526, 0.024471741852423,
      0.024471741852423}},
    {"exponential final=100 warmup=0.2 start=0",
     {0, 0.5, 1, 1.778279410038923, 3.162277660168379, 5.623413251903491, 10,
      17.78279410038923, 31.62277660168379, 56.23413251903491, 56.23413251903491}},
    {"one-cycle start=0.1 final=0.001",
     {0.1, 0.325, 0.775, 1, 0.950533949517258, 0.811933156028437, 0.611649206511179,
      0.389350793488821, 0.189066843971563, 0.050466050482742, 0.050466050482742}},
};

/* A rate is a float that was computed in double: the rounding of rate and factor, and the
 * 15 digits of `runs` beside it, of factors up to `largest`. */
static double rate_bound(double rate, double largest)
{
    return (double)FLT_EPSILON * rate + 1e-14 * largest;
}

static void check_rates(const weft_dataset *data)
{
    for (size_t k = 0; k < sizeof(runs) / sizeof(*runs); k++) {
        struct weft_progress p;
        weft_trainer *trainer = start(data, runs[k].schedule, EPOCHS);
        CHECK_OK(weft_trainer_progress(trainer, &p));
        CHECK_NEAR(p.learning_rate, 0.5 * runs[k].factors[0],
                   rate_bound(0.5 * runs[k].factors[0], 1));
        for (int step = 0; step <= STEPS; step++) {
            CHECK_OK(weft_trainer_run(trainer, 1));
            CHECK_OK(weft_trainer_progress(trainer, &p));
            CHECK_NEAR(p.learning_rate, 0.5 * runs[k].factors[step],
                       rate_bound(0.5 * runs[k].factors[step], 1));
        }
        weft_trainer_destroy(&trainer);
    }
}

/* The same points by epochs, of two steps each, and by steps. */
static const struct weft_rate_point by_epoch[] = {
    {0, 0.125f}, {2, 0.625f}, {2, 0.0625f}, {4, 0}};
static const struct weft_rate_point by_step[] = {
    {0, 0.125f}, {4, 0.625f}, {4, 0.0625f}, {8, 0}};

static enum weft_status start_points(const weft_dataset *data,
                                     const struct weft_rate_point *points, int count,
                                     bool steps, weft_trainer **out)
{
    weft_net *net = make_net(network);
    enum weft_status status = weft_trainer_create(
        device, net, data,
        weft_train_params(.seed = 3, .batch = BATCH, .epochs = EPOCHS, .rates = points,
                          .rate_count = count, .rates_by_step = steps),
        out);
    weft_net_destroy(&net);
    return status;
}

static void check_points(const weft_dataset *data)
{
    static const double rates[STEPS + 1] = {
        0.125, 0.25, 0.375, 0.5, 0.0625, 0.046875, 0.03125, 0.015625, 0, 0, 0};
    static const struct weft_rate_point late = {3, 0.25f};
    static const struct weft_rate_point wrong[] = {{3, 0.25f}, {2, 0.25f}};
    weft_trainer *trainer = NULL;
    for (int k = 0; k < 2; k++) {
        struct weft_progress p;
        CHECK_OK(start_points(data, k ? by_step : by_epoch, 4, k, &trainer));
        REQUIRE(trainer);
        for (int step = 0; step <= STEPS; step++) {
            CHECK_OK(weft_trainer_run(trainer, 1));
            CHECK_OK(weft_trainer_progress(trainer, &p));
            CHECK_NEAR(p.learning_rate, rates[step], rate_bound(rates[step], 0));
            if (step == 4)
                CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of("points"), NULL));
        }
        CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of("ends"), NULL));
        CHECK_OK(weft_trainer_load_checkpoint(trainer, path_of("points")));
        CHECK_OK(weft_trainer_run(trainer, 6));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of("again"), NULL));
        CHECK(same_files(path_of("ends"), path_of("again")));
        weft_trainer_destroy(&trainer);
    }
    CHECK_OK(start_points(data, &late, 1, false, &trainer));
    CHECK_FAILS(weft_trainer_load_checkpoint(trainer, path_of("points")), WEFT_ERR_FORMAT,
                "the same learning-rate schedule");
    weft_trainer_destroy(&trainer);
    CHECK_FAILS(start_points(data, wrong, 2, false, &trainer), WEFT_ERR_ARG,
                "ascending order");
    CHECK_FAILS(start_points(data, wrong, 0, false, &trainer), WEFT_ERR_ARG,
                "rate_count");
}

/* The loss of all images after `steps` more. */
static double loss_after(weft_trainer *trainer, const weft_dataset *data, int steps)
{
    struct weft_eval eval = {0};
    CHECK_OK(weft_trainer_run(trainer, steps));
    CHECK_OK(weft_trainer_evaluate(trainer, data, NULL, &eval));
    return eval.loss;
}

/* The optimizer uses the rate: nothing moves where it is 0, and a schedule of equal rates
 * trains as no schedule. */
static void check_training(const weft_dataset *data)
{
    weft_trainer *stopped = start(data, "step every=0.5 factor=0", EPOCHS);
    double before = loss_after(stopped, data, 0), half = loss_after(stopped, data, 5);
    CHECK(half != before);
    CHECK(loss_after(stopped, data, 5) == half);
    weft_trainer_destroy(&stopped);
    weft_trainer *same = start(data, "step factor=1", EPOCHS);
    weft_trainer *constant = start(data, NULL, 0);
    CHECK(loss_after(same, data, 7) == loss_after(constant, data, 7));
    weft_trainer_destroy(&same);
    weft_trainer_destroy(&constant);
}

static void check_resumed(const weft_dataset *data)
{
    static const char schedule[] = "one-cycle warmup=0.4";
    const char *half = path_of("half"), *whole = path_of("whole"), *two = path_of("two");
    weft_trainer *trainer = start(data, schedule, EPOCHS);
    CHECK_OK(weft_trainer_run(trainer, 3));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, half, NULL));
    CHECK_OK(weft_trainer_run(trainer, 7));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, whole, NULL));
    weft_trainer_destroy(&trainer);
    trainer = start(data, schedule, EPOCHS);
    CHECK_OK(weft_trainer_load_checkpoint(trainer, half));
    CHECK_OK(weft_trainer_run(trainer, 7));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, two, NULL));
    CHECK(same_files(whole, two));
    weft_trainer_destroy(&trainer);
    trainer = start(data, "cosine", EPOCHS);
    CHECK_FAILS(weft_trainer_load_checkpoint(trainer, half), WEFT_ERR_FORMAT,
                "the same learning-rate schedule");
    weft_trainer_destroy(&trainer);
}

static void check_messages(const weft_dataset *data)
{
    static const struct {
        const char *schedule, *message;
        int epochs;
    } wrong[] = {
        {"cosin",
         "linear, cosine, one-cycle or exponential, not \"cosin\"; did you mean cosine?",
         1},
        {"", "must be constant, step", 1},
        {"cosine every=0.1", "every", 1},
        {"cosine warmup=1.5", "warmup", 1},
        {"cosine", "needs the number of epochs", 0},
        {"cosine 3", "3", 1},
    };
    weft_net *net = make_net(network);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        weft_trainer *trainer = NULL;
        CHECK_FAILS(weft_trainer_create(device, net, data,
                                        weft_train_params(.schedule = wrong[i].schedule,
                                                          .epochs = wrong[i].epochs),
                                        &trainer),
                    WEFT_ERR_ARG, wrong[i].message);
    }
    weft_net_destroy(&net);
}

/* The line of a text, and params of the builder. */
static void check_net(void)
{
    weft_net *net = NULL, *again = NULL;
    struct weft_net_info info;
    CHECK_OK(
        weft_net_create(ctx, "dense 3\nsoftmax\nschedule cosine warmup=0.1 final=0\n",
                        weft_net_params(.height = 1, .width = 1, .channels = 4), &net));
    weft_net_info(net, &info);
    CHECK_TEXT(info.schedule, "cosine warmup=0.1");
    struct weft_net_info canonical;
    weft_net_info(net, &canonical);
    CHECK_OK(weft_net_create(ctx, canonical.canonical_text, NULL, &again));
    weft_net_info(again, &info);
    CHECK_TEXT(info.schedule, "cosine warmup=0.1");
    weft_net_destroy(&again);
    weft_net_destroy(&net);
    CHECK_OK(weft_net_create(ctx, "dense 3\nsoftmax\n",
                             weft_net_params(.height = 1, .width = 1, .channels = 4,
                                             .schedule = "step every=0.25"),
                             &net));
    weft_net_info(net, &info);
    CHECK_TEXT(info.schedule, "step every=0.25");
    weft_net_destroy(&net);
}

/* Two phases of plain gradient descent are one training: the second one has the images
 * and augmentation of its epochs, and ends with the same weights. */
static void check_phases(const weft_dataset *data)
{
    enum { FIRST = 2, LAST = 5 };
    static const char plain[] = "flatten\ndense 4\nsoftmax\noptimizer sgd 0.01 "
                                "momentum=0\naugment flip shift=2\n";
    weft_net *net = make_net(plain);
    weft_trainer *whole = NULL, *phase = NULL;
    weft_model *model = NULL;
    struct weft_progress p;
    struct weft_eval want, got;
    struct weft_train_params params = *weft_train_params(.seed = 3, .batch = BATCH);
    CHECK_OK(weft_trainer_create(device, net, data, &params, &whole));
    REQUIRE(whole);
    CHECK_OK(weft_trainer_run(whole, FIRST * 2));
    CHECK_OK(weft_trainer_model(whole, &model));
    CHECK_OK(weft_trainer_run(whole, (LAST - FIRST) * 2));
    params.from = model;
    params.first_epoch = FIRST;
    params.epochs = LAST - FIRST;
    CHECK_OK(weft_trainer_create(device, net, data, &params, &phase));
    REQUIRE(phase);
    CHECK_OK(weft_trainer_progress(phase, &p));
    CHECK(p.step == FIRST * 2 && p.epoch == FIRST && p.samples == 0);
    CHECK_OK(weft_trainer_run(phase, (LAST - FIRST) * 2));
    CHECK_OK(weft_trainer_progress(phase, &p));
    CHECK(p.step == LAST * 2 && p.epoch == LAST && p.samples == 2 * BATCH);
    CHECK_OK(weft_trainer_evaluate(whole, data, NULL, &want));
    CHECK_OK(weft_trainer_evaluate(phase, data, NULL, &got));
    CHECK(want.loss == got.loss && want.correct == got.correct);
    weft_trainer_destroy(&whole);

    /* The schedule is that of the phase, also when it is resumed. */
    params.schedule = "linear";
    weft_trainer_destroy(&phase);
    CHECK_OK(weft_trainer_create(device, net, data, &params, &phase));
    REQUIRE(phase);
    for (int step = 0; step < (LAST - FIRST) * 2; step++) {
        CHECK_OK(weft_trainer_run(phase, 1));
        CHECK_OK(weft_trainer_progress(phase, &p));
        CHECK_NEAR(p.learning_rate, 0.01 * (1 - step / 6.0), rate_bound(0.01, 0));
        if (step == 2)
            CHECK_OK(weft_trainer_save_checkpoint(phase, path_of("phase"), NULL));
    }
    CHECK_OK(weft_trainer_save_checkpoint(phase, path_of("ends"), NULL));
    CHECK_OK(weft_trainer_load_checkpoint(phase, path_of("phase")));
    CHECK_OK(weft_trainer_run(phase, 3));
    CHECK_OK(weft_trainer_save_checkpoint(phase, path_of("again"), NULL));
    CHECK(same_files(path_of("ends"), path_of("again")));
    weft_trainer_destroy(&phase);
    params.first_epoch = 1;
    CHECK_OK(weft_trainer_create(device, net, data, &params, &phase));
    CHECK_FAILS(weft_trainer_load_checkpoint(phase, path_of("phase")), WEFT_ERR_FORMAT,
                "a phase that begins at the same step");
    weft_trainer_destroy(&phase);
    weft_model_destroy(&model);
    weft_net_destroy(&net);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    check_rates(data);
    check_points(data);
    check_phases(data);
    check_training(data);
    check_resumed(data);
    check_messages(data);
    check_net();
    weft_dataset_destroy(&data);
    return close_device();
}
