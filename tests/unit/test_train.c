/* SPDX-License-Identifier: Apache-2.0 */
/* Training through the public API: bit-identical repeats and resumed runs, fused against
 * unfused, every device against the reference, golden losses.
 *
 * usage: test_train [-d SELECTOR] [-f vec|tile] [--save-golden DIR] */
#include "unit/moved_weights.h"
#include "unit/trainer_fixture.h"

#include <math.h>
#include <string.h>

/* The networks of tests/unit/golden_losses.py, with the losses of their first steps in
 * PyTorch, in double precision, from the same weights and images. */
enum { GOLDEN_STEPS = 10 };
static const struct {
    const char *text;
    double losses[GOLDEN_STEPS];
    double evaluated; /* the loss over all images after these steps */
} golden[] = {
    {"conv 6 3x3 relu\n"
     "max-pool 2\n"
     "conv 8 3x3 tanh pad=same\n"
     "max-pool 2\n"
     "flatten\n"
     "dense 16 sigmoid\n"
     "dense 4\n"
     "softmax\n"
     "optimizer adam 3e-3\n"
     "batch 16\n",
     {1.387867671, 1.311825918, 1.465377723, 1.336989912, 1.342283205, 1.373271496,
      1.361691770, 1.344353969, 1.308862922, 1.336370485},
     1.299870610},
    {"conv 6 3x3 gelu stride=2 pad=1\n"
     "conv 9 2x3 silu groups=3 dilation=1x2\n"
     "flatten\n"
     "dense 12 leaky-relu slope=0.05\n"
     "dense 4\n"
     "softmax\n"
     "loss smoothing=0.1\n"
     "optimizer sgd 5e-2 momentum=0.8 nesterov=yes decay=1e-3 decay-norms=yes\n"
     "batch 16\n",
     {1.559972283, 1.275083437, 1.347483278, 1.100205925, 1.067044904, 1.053816359,
      1.184480095, 0.991631149, 0.914072204, 1.081754750},
     0.795132053},
    {"conv 6 3x3 bias=no\n"
     "max-pool 2\n"
     "batch-norm gelu\n"
     "conv 8 3x3 pad=same bias=no\n"
     "batch-norm gelu momentum=0.2 epsilon=1e-3\n"
     "conv 8 2x2\n"
     "batch-norm\n"
     "flatten\n"
     "dense 12\n"
     "batch-norm relu\n"
     "dense 4\n"
     "softmax\n"
     "optimizer sgd 1e-1 nesterov=yes decay=1e-3 decay-norms=yes\n"
     "batch 16\n",
     {1.520933420, 1.020607611, 1.058263407, 0.746278809, 0.592864798, 0.454470666,
      0.360908116, 0.440133730, 0.186982536, 0.126034125},
     0.322557230},
    {"conv 6 3x3 pad=same as=a\n"
     "conv 6 3x3 relu pad=same\n"
     "conv 6 3x3 pad=same\n"
     "add a relu\n"
     "avg-pool 3x2 stride=2 pad=1\n"
     "conv 8 3x3 tanh as=b\n"
     "avg-pool 3 stride=1 pad=same\n"
     "add b\n"
     "conv 12 2x3 tanh\n"
     "global-max-pool\n"
     "dense 4\n"
     "softmax\n"
     "optimizer sgd 3e-2 nesterov=yes\n"
     "batch 16\n",
     {1.126614504, 1.072733090, 1.096908494, 1.006108203, 0.769877124, 0.753287418,
      0.628096135, 0.596893048, 0.417695674, 0.422576643},
     0.360035531},
};

/* Trains and saves; with `stop` > 0, saves and resumes after `stop` steps. */
static void train_to(const weft_dataset *data, uint64_t seed, int stop, int steps,
                     const char *path)
{
    weft_trainer *trainer = make_trainer(device, every_op, data, seed, false);
    if (stop) {
        CHECK_OK(weft_trainer_run(trainer, stop));
        CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of("stopped"), NULL));
        weft_trainer_destroy(&trainer);
        trainer = make_trainer(device, every_op, data, seed, false);
        CHECK_OK(weft_trainer_load_checkpoint(trainer, path_of("stopped")));
    }
    CHECK_OK(weft_trainer_run(trainer, steps - stop));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
    weft_trainer_destroy(&trainer);
}

static void check_same_bits(const weft_dataset *data)
{
    const char *whole = path_of("whole"), *again = path_of("again");
    train_to(data, 1, 0, 25, whole);
    train_to(data, 1, 0, 25, again);
    CHECK(same_files(whole, again));
    if (tile) /* the host's part is the same */
        return;
    train_to(data, 1, 13, 25, again);
    CHECK(same_files(whole, again));
    train_to(data, 1, 20, 25, again);
    CHECK(same_files(whole, again));
    train_to(data, 2, 0, 25, again);
    CHECK(!same_files(whole, again));
}

enum { STEPS = 12 };

/* Losses of steps, and behind them the loss over all images. */
static void run_losses(weft_device *on, const char *text, const weft_dataset *data,
                       bool no_fusion, int way, int steps, double losses[STEPS + 1])
{
    weft_trainer *trainer = make_trainer(on, text, data, 7, no_fusion);
    struct weft_eval eval = {0};
    CHECK_OK(move_trainer_weights(trainer, way));
    for (int i = 0; i < steps; i++) {
        struct weft_progress progress;
        CHECK_OK(weft_trainer_run(trainer, 1));
        CHECK_OK(weft_trainer_progress(trainer, &progress));
        CHECK_INT(progress.step, i + 1);
        losses[i] = progress.last_loss;
    }
    CHECK_OK(weft_trainer_evaluate(trainer, data, NULL, &eval));
    losses[steps] = eval.loss;
    weft_trainer_destroy(&trainer);
}

/* The losses of the reference, and how far each may be off: as far as it or one before
 * it is where the weights are moved. */
static void run_reference(weft_device *cpu, const char *text, const weft_dataset *data,
                          int steps, double losses[STEPS + 1], double off[STEPS + 1])
{
    run_losses(cpu, text, data, true, 0, steps, losses);
    memset(off, 0, (STEPS + 1) * sizeof(*off));
    for (int way = 1; way <= MOVED_RUNS; way++) {
        double moved[STEPS + 1], largest = 0;
        run_losses(cpu, text, data, true, way, steps, moved);
        for (int i = 0; i <= steps; i++) {
            largest = fmax(largest, fabs(moved[i] - losses[i]));
            off[i] = fmax(off[i], largest);
        }
    }
}

static double largest_share;

static void compare_losses(const char *name, const double *got, const double *expected,
                           const double *off, int count)
{
    for (int i = 0; i < count; i++) {
        double error = fabs(got[i] - expected[i]);
        test_checks++;
        largest_share = fmax(largest_share, error / off[i]);
        if (!(error <= off[i]))
            TEST_FAIL("%s: loss of step %d is %.9g, should be %.9g, may differ by %.2g",
                      name, i, got[i], expected[i], off[i]);
    }
}

static void check_losses(const weft_dataset *data)
{
    double fused[STEPS + 1], unfused[STEPS + 1], reference[STEPS + 1], off[STEPS + 1];
    weft_device *cpu = NULL;
    int index;
    CHECK_OK(weft_device_find(ctx, "cpu", &index, NULL));
    CHECK_OK(weft_device_open(ctx, index, NULL, &cpu));
    REQUIRE(cpu);
    run_reference(cpu, every_op, data, STEPS, reference, off);
    run_losses(device, every_op, data, false, 0, STEPS, fused);
    if (!tile) { /* other kernels, which must be compiled */
        run_losses(device, every_op, data, true, 0, STEPS, unfused);
        compare_losses("fused against unfused", fused, unfused, off, STEPS + 1);
    }
    compare_losses("device against reference", fused, reference, off, STEPS + 1);
    /* Half of them where they must be compiled. */
    for (size_t i = 0; i < sizeof(golden) / sizeof(*golden) && !tile;
         i += compiles ? 2 : 1) {
        double want[GOLDEN_STEPS + 1];
        char what[32];
        snprintf(what, sizeof(what), "golden run %zu", i + 1);
        run_reference(cpu, golden[i].text, data, GOLDEN_STEPS, reference, off);
        run_losses(device, golden[i].text, data, false, 0, GOLDEN_STEPS, fused);
        memcpy(want, golden[i].losses, sizeof(golden[i].losses));
        want[GOLDEN_STEPS] = golden[i].evaluated;
        compare_losses(what, fused, want, off, GOLDEN_STEPS + 1);
    }
    weft_device_close(&cpu);
    printf("losses are off by %.2g of what moved weights change\n", largest_share);
}

static void check_shape_mismatches(const weft_dataset *data)
{
    static const struct {
        const char *text;
        int side;
        const char *message;
    } nets[] = {
        {"flatten\ndense 4\nsoftmax\n", 3, "do not fit network"},
        {"flatten\ndense 5\nsoftmax\n", SIDE, "4 classes, but network has 5 outputs"},
    };
    for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++) {
        weft_trainer *trainer = NULL;
        weft_net *net = NULL;
        CHECK_OK(weft_net_create(
            ctx, nets[i].text,
            weft_net_params(.height = nets[i].side, .width = nets[i].side, .channels = 1),
            &net));
        CHECK_FAILS(weft_trainer_create(device, net, data, NULL, &trainer), WEFT_ERR_ARG,
                    nets[i].message);
        CHECK(!trainer);
        weft_net_destroy(&net);
    }
}

/* More steps than the ring of step metrics on the device holds. */
static void check_long_run(const weft_dataset *data)
{
    weft_trainer *trainer =
        make_trainer(device, "flatten\ndense 4\nsoftmax\nbatch 10\n", data, 1, false);
    struct weft_progress progress;
    CHECK_OK(weft_trainer_run(trainer, 2500));
    CHECK_OK(weft_trainer_progress(trainer, &progress));
    CHECK_INT(progress.step, 2500);
    CHECK_INT(progress.steps_per_epoch, 20);
    CHECK_INT(progress.epoch, 125);
    CHECK_INT(progress.samples, 200);
    CHECK(progress.correct > 100);
    weft_trainer_destroy(&trainer);
}

/* Input of tests/unit/golden_losses.py: the initial weights of the golden networks. */
static void save_golden(const weft_dataset *data, const char *to)
{
    for (size_t i = 0; i < sizeof(golden) / sizeof(*golden); i++) {
        char path[512];
        weft_trainer *trainer = make_trainer(device, golden[i].text, data, 7, false);
        snprintf(path, sizeof(path), "%s/golden%zu.safetensors", to, i + 1);
        CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
        weft_trainer_destroy(&trainer);
    }
}

static void check_all(const weft_dataset *data)
{
    check_same_bits(data);
    check_losses(data);
    check_shape_mismatches(data);
    check_long_run(data);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    if (argc > 2 && !strcmp(argv[argc - 2], "--save-golden"))
        save_golden(data, argv[argc - 1]);
    else
        check_all(data);
    weft_dataset_destroy(&data);
    return close_device();
}
