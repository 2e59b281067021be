/* SPDX-License-Identifier: Apache-2.0 */
/* Averages of the weights: every update by its formula in double, the evaluated and saved
 * weights, resumed runs.
 *
 * usage: test_average [-d SELECTOR] [-f vec|tile] */
#include "unit/trainer_fixture.h"

#include "train/trainer.h"
#include "verify/verify.h"

#include <math.h>

#define NET                                                               \
    "conv 6 3x3 bias=no\nmax-pool 2\nbatch-norm relu\nflatten\ndense 4\n" \
    "softmax\noptimizer sgd 0.1 decay=0.01\nbatch 20\n"

enum { STEPS = 14, PER_EPOCH = 10 };

static void read_all(const weft_trainer *t, struct weft_mem *mem, float *out)
{
    CHECK_OK(device->backend->read(device, out, mem, 0,
                                   weft_graph_floats(&t->net->graph) * sizeof(*out)));
}

static weft_trainer *start(const weft_dataset *data, const char *average,
                           const char *schedule)
{
    char text[512];
    weft_trainer *t = NULL;
    snprintf(text, sizeof(text), "%s%s%s", NET, average, schedule);
    weft_net *net = make_net(text);
    CHECK_OK(weft_trainer_create(device, net, data,
                                 weft_train_params(.seed = 4, .epochs = 2), &t));
    REQUIRE(t);
    weft_net_destroy(&net);
    return t;
}

/* The share that stays, by weft/net.h: `t` updates, `step` finished steps. */
static double kept(bool lookahead, double decay, int t, int step)
{
    double part = (double)step / (2 * PER_EPOCH);
    return lookahead ? decay * part * part * part : fmin(decay, t / (9.0 + t));
}

static void check_updates(const weft_dataset *data, const char *average, double decay,
                          int every, bool lookahead)
{
    weft_trainer *t = start(data, average, ""), *plain = start(data, "", "");
    size_t count = weft_graph_floats(&t->net->graph);
    float *w = calloc(count, sizeof(*w)), *e = calloc(count, sizeof(*e));
    float *before = calloc(count, sizeof(*e)), *free_run = calloc(count, sizeof(*e));
    REQUIRE(w && e && before && free_run);
    read_all(t, t->average, before);
    for (int step = 1; step <= STEPS; step++) {
        CHECK_OK(weft_trainer_run(t, 1));
        CHECK_OK(weft_trainer_run(plain, 1));
        read_all(t, t->average, e);
        read_all(t, t->buffers.weights, w);
        read_all(plain, plain->buffers.weights, free_run);
        double keep = kept(lookahead, decay, step / every, step);
        int wrong = 0;
        for (size_t i = 0; i < count; i++) {
            /* Lookahead has replaced w: before its first update it is that of the plain
             * run. */
            double from = (double)(lookahead ? free_run[i] : w[i]);
            double want = (double)before[i] + (1 - keep) * (from - (double)before[i]);
            if (step % every)
                wrong += e[i] != before[i];
            else if (!lookahead || step == every)
                wrong += fabs((double)e[i] - want) >
                         8 * FP32_UNIT_ROUNDOFF * (fabs((double)before[i]) + fabs(from));
            wrong += lookahead && step % every == 0 && w[i] != e[i];
        }
        CHECK_INT(wrong, 0);
        if (!lookahead)
            CHECK(!memcmp(w, free_run, count * sizeof(*w)));
        memcpy(before, e, count * sizeof(*e));
    }
    free(w);
    free(e);
    free(before);
    free(free_run);
    weft_trainer_destroy(&t);
    weft_trainer_destroy(&plain);
}

/* The average is what is evaluated and saved: the same loss from the weights of a plain
 * trainer that have become those of the average. */
static void check_evaluation(const weft_dataset *data)
{
    weft_trainer *t = start(data, "average ema 0.9\n", ""), *plain = start(data, "", "");
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *e = malloc(bytes);
    struct weft_eval averaged = {0}, raw = {0}, same = {0};
    REQUIRE(e);
    CHECK_OK(weft_trainer_run(t, STEPS));
    CHECK_OK(weft_trainer_run(plain, STEPS));
    CHECK_OK(weft_trainer_evaluate(t, data, NULL, &averaged));
    CHECK_OK(weft_trainer_evaluate(plain, data, NULL, &raw));
    read_all(t, t->average, e);
    CHECK_OK(device->backend->write(device, plain->buffers.weights, 0, e, bytes));
    CHECK_OK(weft_trainer_evaluate(plain, data, NULL, &same));
    CHECK(averaged.loss == same.loss && averaged.loss != raw.loss);
    free(e);
    weft_trainer_destroy(&t);
    weft_trainer_destroy(&plain);
}

static void check_resume(const weft_dataset *data, const char *average,
                         const char *schedule)
{
    weft_trainer *straight = start(data, average, schedule);
    weft_trainer *first = start(data, average, schedule);
    weft_trainer *second = start(data, average, schedule);
    CHECK_OK(weft_trainer_run(straight, STEPS));
    CHECK_OK(weft_trainer_run(first, 7));
    CHECK_OK(weft_trainer_save_checkpoint(first, path_of("half"), NULL));
    CHECK_OK(weft_trainer_run(second, 3));
    CHECK_OK(weft_trainer_load_checkpoint(second, path_of("half")));
    CHECK_OK(weft_trainer_run(second, STEPS - 7));
    CHECK_OK(weft_trainer_save_checkpoint(straight, path_of("straight"), NULL));
    CHECK_OK(weft_trainer_save_checkpoint(second, path_of("resumed"), NULL));
    CHECK(same_files(path_of("straight"), path_of("resumed")));
    weft_trainer_destroy(&straight);
    weft_trainer_destroy(&first);
    weft_trainer_destroy(&second);
}

static void check_errors(const weft_dataset *data)
{
    weft_net *net = NULL;
    weft_trainer *t = NULL;
    CHECK_FAILS(weft_net_create(
                    ctx, NET "average swa 0.9\n",
                    weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net),
                WEFT_ERR_FORMAT, "none, ema or lookahead");
    CHECK_FAILS(weft_net_create(
                    ctx, NET "average ema 1\n",
                    weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net),
                WEFT_ERR_FORMAT, "decay");
    CHECK_FAILS(weft_net_create(ctx, NET,
                                weft_net_params(.height = SIDE, .width = SIDE,
                                                .channels = 1, .average = "ema"),
                                &net),
                WEFT_ERR_ARG, "decay");
    net = make_net(NET "average lookahead 0.7\n");
    CHECK_FAILS(weft_trainer_create(device, net, data, NULL, &t), WEFT_ERR_ARG,
                "lookahead needs the number of epochs");
    weft_net_destroy(&net);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    check_updates(data, "average ema 0.9\n", 0.9f, 1, false);
    check_updates(data, "average ema 0.2 every=3\n", 0.2f, 3, false);
    check_updates(data, "average lookahead 0.7738 every=5\n", 0.7738f, 5, true);
    check_evaluation(data);
    check_resume(data, "average ema 0.99 every=2\n", "");
    check_resume(data, "average lookahead 0.7\n", "schedule cosine\n");
    check_errors(data);
    weft_dataset_destroy(&data);
    return close_device();
}
