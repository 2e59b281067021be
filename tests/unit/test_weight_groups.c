/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rate and decay by group of weights, frozen layers, and the limit of the norm:
 * which weights move, by how much, and what the step does not compute.
 *
 * usage: test_weight_groups [-d SELECTOR] [-f vec|tile] */
#include "unit/moved_weights.h"
#include "unit/trainer_fixture.h"

#include "train/trainer.h"
#include "verify/verify.h"

#include <math.h>

#define LAYERS(c1, norm, c2, dense)                        \
    "conv 6 3x3 " c1 "\nmax-pool 2\nbatch-norm relu " norm \
    "\nconv 8 3x3 relu pad=same " c2 "\nflatten\ndense 4 " dense "\nsoftmax\nbatch 40\n"

static float *read_moments(const weft_trainer *t)
{
    size_t bytes = t->net->graph.weights * sizeof(float);
    float *moments = malloc(bytes);
    REQUIRE(moments);
    CHECK_OK(device->backend->read(device, moments, t->moment1, 0, bytes));
    return moments;
}

static const struct weft_node *node_of(const weft_trainer *t, const char *name)
{
    for (int i = 0; i < t->net->graph.count; i++)
        if (!strcmp(t->net->graph.nodes[i].name, name))
            return &t->net->graph.nodes[i];
    REQUIRE(!"there is such a node");
    return NULL;
}

/* Each param: its factor of the learning rate, and its decay. */
struct expected {
    const char *node;
    int role;
    double rate, decay;
};

/* SGD without momentum: m = gradient + decay w, and w falls by rate m. The gradient is
 * the moment of the same step without decay. */
static void check_step(const weft_dataset *data, const char *text, const char *plain,
                       const struct expected *expected, int count)
{
    weft_trainer *t = make_trainer(device, text, data, 3, false);
    weft_trainer *without = make_trainer(device, plain, data, 3, false);
    float *before = read_weights(t);
    CHECK_OK(weft_trainer_run(t, 1));
    CHECK_OK(weft_trainer_run(without, 1));
    float *after = read_weights(t), *m = read_moments(t), *g = read_moments(without);
    for (int k = 0; k < count; k++) {
        const struct expected *e = &expected[k];
        const struct weft_param *param = &node_of(t, e->node)->params[e->role];
        REQUIRE(param->count);
        for (size_t i = param->at; i < param->at + param->count; i++) {
            double w = (double)before[i], want = (double)g[i] + e->decay * w;
            double step = 0.5 * e->rate * (double)m[i];
            CHECK_NEAR((double)m[i], want,
                       4 * FP32_UNIT_ROUNDOFF *
                           (fabs((double)g[i]) + fabs(e->decay * w)));
            CHECK_NEAR((double)after[i], w - step,
                       4 * FP32_UNIT_ROUNDOFF * (fabs(w) + fabs(step)));
        }
    }
    free(before);
    free(after);
    free(m);
    free(g);
    weft_trainer_destroy(&t);
    weft_trainer_destroy(&without);
}

static void test_settings(const weft_dataset *data)
{
    static const struct expected usual[] = {{"conv1", WEFT_PARAM_WEIGHT, 1, 0.125},
                                            {"conv1", WEFT_PARAM_BIAS, 1, 0},
                                            {"norm1", WEFT_PARAM_WEIGHT, 1, 0},
                                            {"norm1", WEFT_PARAM_BIAS, 1, 0},
                                            {"dense1", WEFT_PARAM_WEIGHT, 1, 0.125}};
    static const struct expected words[] = {
        {"conv1", WEFT_PARAM_WEIGHT, 0.25, 0},  {"conv1", WEFT_PARAM_BIAS, 16, 0},
        {"norm1", WEFT_PARAM_WEIGHT, 3, 0.25},  {"norm1", WEFT_PARAM_BIAS, 3, 0},
        {"conv2", WEFT_PARAM_WEIGHT, 1, 0.125}, {"dense1", WEFT_PARAM_WEIGHT, 1, 0.5},
        {"dense1", WEFT_PARAM_BIAS, 1, 0}};
    static const struct expected all[] = {{"conv1", WEFT_PARAM_WEIGHT, 1, 0.125},
                                          {"conv1", WEFT_PARAM_BIAS, 64, 0.125 / 64},
                                          {"norm1", WEFT_PARAM_WEIGHT, 1, 0.125},
                                          {"norm1", WEFT_PARAM_BIAS, 1, 0.125},
                                          {"conv2", WEFT_PARAM_BIAS, 1, 0},
                                          {"dense1", WEFT_PARAM_BIAS, 1, 0.125}};
    const char *plain = LAYERS("", "", "", "") "optimizer sgd 0.5 momentum=0\n";
    check_step(data, LAYERS("", "", "", "") "optimizer sgd 0.5 momentum=0 decay=0.125\n",
               plain, usual, WEFT_ARRAY_SIZE(usual));
    check_step(data,
               LAYERS("rate=0.25 bias-rate=64 decay=0", "rate=3 decay=0.25", "",
                      "decay=0.5") "optimizer sgd 0.5 momentum=0 decay=0.125\n",
               plain, words, WEFT_ARRAY_SIZE(words));
    check_step(data,
               LAYERS("bias-rate=64", "", "decay=0",
                      "") "optimizer sgd 0.5 momentum=0 decay=0.125 decay-norms=yes\n",
               plain, all, WEFT_ARRAY_SIZE(all));
}

/* The backward launches of a node's params, or of the gradient at its input. */
static int backward_calls(const weft_trainer *t, const char *name)
{
    int node = node_of(t, name)->index, calls = 0;
    for (int i = 0; i < t->gradients->call_count; i++) {
        enum weft_primitive p = t->gradients->calls[i].call.primitive;
        calls += t->gradients->calls[i].node == node &&
                 (p == WEFT_PRIMITIVE_conv_backward_weights ||
                  p == WEFT_PRIMITIVE_conv_backward_data ||
                  p == WEFT_PRIMITIVE_batch_norm_backward || p == WEFT_PRIMITIVE_scale ||
                  p == WEFT_PRIMITIVE_dense_backward_weights ||
                  p == WEFT_PRIMITIVE_dense_backward_data);
    }
    return calls;
}

static void test_frozen(const weft_dataset *data, const char *optimizer, bool float16)
{
    static const struct {
        const char *text;
        int still;    /* bit k: layer k of `names` stays as it is */
        int calls[4]; /* backward, of each */
    } cases[] = {
        {LAYERS("", "", "", ""), 0, {1, 1, 2, 2}},
        {LAYERS("frozen=yes", "frozen=yes", "", ""), 3, {0, 0, 1, 2}},
        {LAYERS("frozen=yes", "frozen=yes", "frozen=yes", ""), 7, {0, 0, 0, 1}},
        {LAYERS("", "frozen=yes", "", ""), 2, {1, 1, 2, 2}},
        {LAYERS("", "", "frozen=yes", "frozen=yes"), 12, {1, 1, 1, 1}},
        {LAYERS("frozen=yes", "", "", ""), 1, {0, 1, 2, 2}},
    };
    static const char *const names[] = {"conv1", "norm1", "conv2", "dense1"};
    for (size_t k = 0; k < WEFT_ARRAY_SIZE(cases); k++) {
        char text[512];
        weft_trainer *t = NULL;
        snprintf(text, sizeof(text), "%s%s", cases[k].text, optimizer);
        weft_net *net = make_net(text);
        CHECK_OK(weft_trainer_create(
            device, net, data,
            weft_train_params(.seed = 2, .precision = float16 ? WEFT_PRECISION_FLOAT16
                                                              : WEFT_PRECISION_FLOAT32),
            &t));
        REQUIRE(t);
        float *before = read_weights(t);
        CHECK_OK(weft_trainer_run(t, 7));
        float *after = read_weights(t);
        for (int n = 0; n < 4; n++) {
            const struct weft_node *node = node_of(t, names[n]);
            bool still = cases[k].still >> n & 1;
            for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
                const struct weft_param *param = &node->params[role];
                bool same = !memcmp(before + param->at, after + param->at,
                                    param->count * sizeof(float));
                CHECK(!param->count || same == still);
            }
            CHECK_INT(backward_calls(t, names[n]), cases[k].calls[n]);
        }
        free(before);
        free(after);
        weft_net_destroy(&net);
        weft_trainer_destroy(&t);
    }
}

#define BIASES(option)                                                         \
    "conv 6 3x3 relu " option "\nmax-pool 2\nconv 8 3x3 relu pad=same " option \
    "\nflatten\ndense 4 " option "\nsoftmax\noptimizer sgd 0.01 momentum=0\nbatch 40\n"

/* frozen=weights: no launch for the gradients of weights, and those of biases are the
 * same up to rounding: no further off than where the weights are moved. */
static void test_bias_gradients(const weft_dataset *data)
{
    static const char *const names[] = {"conv1", "conv2", "dense1"};
    weft_trainer *t = make_trainer(device, BIASES("frozen=weights"), data, 2, false);
    weft_trainer *all = make_trainer(device, BIASES(""), data, 2, false);
    for (int i = 0; i < t->gradients->call_count; i++) {
        enum weft_primitive p = t->gradients->calls[i].call.primitive;
        CHECK(p != WEFT_PRIMITIVE_conv_backward_weights &&
              p != WEFT_PRIMITIVE_dense_backward_weights);
    }
    CHECK_OK(weft_trainer_run(t, 1));
    CHECK_OK(weft_trainer_run(all, 1));
    float *got = read_moments(t), *want = read_moments(all), *moved[MOVED_RUNS];
    for (int k = 0; k < MOVED_RUNS; k++) {
        weft_trainer *other = make_trainer(device, BIASES(""), data, 2, false);
        CHECK_OK(move_trainer_weights(other, k + 1));
        CHECK_OK(weft_trainer_run(other, 1));
        moved[k] = read_moments(other);
        weft_trainer_destroy(&other);
    }
    for (int n = 0; n < 3; n++) {
        const struct weft_param *bias = &node_of(t, names[n])->params[WEFT_PARAM_BIAS];
        for (size_t i = bias->at; i < bias->at + bias->count; i++)
            CHECK(want[i] != 0);
        CHECK(moved_share(bias, 1, got, want, moved) <= 1);
    }
    for (int k = 0; k < MOVED_RUNS; k++)
        free(moved[k]);
    free(got);
    free(want);
    weft_trainer_destroy(&t);
    weft_trainer_destroy(&all);
}

/* frozen=weights: the bias is trained, and a batch-norm keeps counting. */
static void test_frozen_weights(const weft_dataset *data)
{
    weft_trainer *t = make_trainer(device,
                                   LAYERS("frozen=weights", "frozen=weights", "",
                                          "") "optimizer adamw 0.01 decay=0.1\n",
                                   data, 2, false);
    float *before = read_weights(t);
    CHECK_OK(weft_trainer_run(t, 5));
    float *after = read_weights(t);
    static const char *const names[] = {"conv1", "norm1"};
    for (int n = 0; n < 2; n++)
        for (int role = 0; role < WEFT_MAX_PARAMS; role++) {
            const struct weft_param *param = &node_of(t, names[n])->params[role];
            bool same = !memcmp(before + param->at, after + param->at,
                                param->count * sizeof(float));
            CHECK(!param->count || same == (role == WEFT_PARAM_WEIGHT));
        }
    free(before);
    free(after);
    weft_trainer_destroy(&t);
}

static double loss_at(weft_trainer *t, const weft_dataset *data, const float *weights)
{
    struct weft_eval eval = {0};
    CHECK_OK(device->backend->write(device, t->buffers.weights, 0, weights,
                                    weft_graph_floats(&t->net->graph) * sizeof(float)));
    CHECK_OK(weft_trainer_evaluate(t, data, NULL, &eval));
    return eval.loss;
}

/* The fall of the loss over a step against the gradient `g`, over the one that the
 * gradient predicts; *predicted is set. */
static double fall_ratio(weft_trainer *t, const weft_dataset *data, const float *w,
                         const float *g, double rate, double *predicted)
{
    size_t floats = weft_graph_floats(&t->net->graph);
    float *to = malloc(floats * sizeof(*to));
    REQUIRE(to);
    memcpy(to, w, floats * sizeof(*to));
    *predicted = 0;
    for (size_t i = 0; i < t->net->graph.weights; i++) {
        to[i] = (float)((double)w[i] - rate * (double)g[i]);
        *predicted += (double)g[i] * ((double)w[i] - (double)to[i]);
    }
    double fall = loss_at(t, data, w) - loss_at(t, data, to);
    free(to);
    return fall / *predicted;
}

/* A frozen batch-norm is that of inference: the loss of a training step is that of an
 * evaluation, and its gradient is the slope of that loss: the fall of the loss over a
 * step. What curvature adds halves with the step and is removed, as in gradcheck.c; what
 * is left becomes a quarter. The batch is the dataset. */
static void test_frozen_norm(int act)
{
    enum { COUNT = 24 };
    static const char *const acts[] = {"relu", "gelu", ""};
    const double rate = 1.0 / 32;
    char text[256];
    weft_dataset *data = make_data(COUNT);
    snprintf(text, sizeof(text),
             "conv 6 3x3\nbatch-norm frozen=yes %s\nconv 5 3x3 tanh\nflatten\ndense 4\n"
             "softmax\noptimizer sgd 0.01 momentum=0\nbatch %d\n",
             acts[act], COUNT);
    weft_trainer *t = make_trainer(device, text, data, 5, false);
    float *w = read_weights(t);
    const struct weft_node *norm = node_of(t, "norm1");
    for (int role = 0; role < WEFT_MAX_PARAMS; role++)
        for (size_t i = 0; i < norm->params[role].count; i++)
            w[norm->params[role].at + i] = 0.5f + 0.25f * (float)role + 0.1f * (float)i;
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(*w);
    float *moved = malloc(bytes);
    REQUIRE(moved);
    double loss = loss_at(t, data, w), off = 0, falls[3], predicted[3];
    for (int way = 1; way <= MOVED_RUNS; way++) {
        memcpy(moved, w, bytes);
        move_weights(&t->net->graph, moved, way);
        off = fmax(off, fabs(loss_at(t, data, moved) - loss));
    }
    struct weft_progress progress = {0};
    CHECK(loss_at(t, data, w) == loss);
    CHECK_OK(weft_trainer_run(t, 1));
    CHECK_OK(weft_trainer_progress(t, &progress));
    CHECK_NEAR(progress.last_loss, loss, off);
    float *g = read_moments(t);
    for (int k = 0; k < 3; k++)
        falls[k] = fall_ratio(t, data, w, g, rate / (1 << k), &predicted[k]);
    double once = 2 * falls[1] - falls[0], twice = 2 * falls[2] - falls[1];
    CHECK_NEAR(twice, 1,
               fabs(twice - once) + 2 * off * (2 / predicted[2] + 1 / predicted[1]));
    free(w);
    free(g);
    free(moved);
    weft_trainer_destroy(&t);
    weft_dataset_destroy(&data);
}

/* The gradient of a clipped step is that of a plain one, times min(1, limit / norm), with
 * the norm over what is trained. */
static void test_clip(const weft_dataset *data, double limit)
{
    char text[512];
    const char *plain =
        LAYERS("frozen=weights", "", "", "") "optimizer sgd 0.5 momentum=0\n";
    snprintf(text, sizeof(text), "%s clip=%g\n",
             LAYERS("frozen=weights", "", "", "") "optimizer sgd 0.5 momentum=0", limit);
    weft_trainer *clipped = make_trainer(device, text, data, 3, false);
    weft_trainer *t = make_trainer(device, plain, data, 3, false);
    CHECK_OK(weft_trainer_run(clipped, 1));
    CHECK_OK(weft_trainer_run(t, 1));
    float *got = read_moments(clipped), *g = read_moments(t);
    const struct weft_param *still = &node_of(t, "conv1")->params[WEFT_PARAM_WEIGHT];
    double squares = 0;
    int wrong = 0;
    for (size_t i = 0; i < t->net->graph.weights; i++)
        if (i < still->at || i >= still->at + still->count)
            squares += (double)g[i] * (double)g[i];
    double factor = fmin(1, limit / (sqrt(squares) + 1e-6));
    struct weft_progress progress;
    CHECK_OK(weft_trainer_progress(clipped, &progress));
    double off = gamma_bound((double)t->net->graph.weights + 8);
    CHECK_NEAR(progress.gradient_norm, sqrt(squares), off * sqrt(squares));
    CHECK((factor < 1) == (limit < 1) && progress.clipped == (limit < 1));
    for (size_t i = 0; i < t->net->graph.weights; i++)
        wrong += fabs((double)got[i] - factor * (double)g[i]) >
                 off * fabs((double)g[i]) + FP32_MIN_NORMAL;
    CHECK_INT(wrong, 0);
    free(got);
    free(g);
    weft_trainer_destroy(&clipped);
    weft_trainer_destroy(&t);
}

/* Also in the middle of an epoch, with its mean norm. */
static void test_clip_resumes(const weft_dataset *data)
{
    static const char text[] =
        LAYERS("", "", "", "") "optimizer adamw 0.01 decay=0.1 clip=0.5\n";
    weft_trainer *whole = make_trainer(device, text, data, 3, false);
    weft_trainer *first = make_trainer(device, text, data, 3, false);
    weft_trainer *rest = make_trainer(device, text, data, 3, false);
    CHECK_OK(weft_trainer_run(whole, 8));
    CHECK_OK(weft_trainer_save_checkpoint(whole, path_of("whole"), NULL));
    CHECK_OK(weft_trainer_run(first, 6));
    CHECK_OK(weft_trainer_save_checkpoint(first, path_of("first"), NULL));
    CHECK_OK(weft_trainer_load_checkpoint(rest, path_of("first")));
    CHECK_OK(weft_trainer_run(rest, 2));
    CHECK_OK(weft_trainer_save_checkpoint(rest, path_of("rest"), NULL));
    CHECK(same_files(path_of("whole"), path_of("rest")));
    struct weft_progress a, b;
    CHECK_OK(weft_trainer_progress(whole, &a));
    CHECK_OK(weft_trainer_progress(rest, &b));
    CHECK(a.gradient_norm > 0 && a.gradient_norm == b.gradient_norm);
    CHECK(a.clipped > 0 && a.clipped == b.clipped);
    weft_trainer_destroy(&whole);
    weft_trainer_destroy(&first);
    weft_trainer_destroy(&rest);
}

static void test_nothing_to_train(const weft_dataset *data)
{
    weft_trainer *t = NULL;
    weft_net *net =
        make_net(LAYERS("frozen=yes", "frozen=yes", "frozen=yes", "frozen=yes"));
    CHECK_FAILS(weft_trainer_create(device, net, data, NULL, &t), WEFT_ERR_ARG,
                "nothing to train");
    CHECK(!t);
    weft_net_destroy(&net);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    test_settings(data);
    test_frozen(data, "optimizer adamw 0.01 decay=0.1 decay-norms=yes\n", false);
    if (!compiles)
        test_frozen(data, "optimizer sgd 0.01 decay=0.1\n", true);
    test_frozen_weights(data);
    test_bias_gradients(data);
    for (int act = 0; act < (compiles ? 1 : 3); act++)
        test_frozen_norm(act);
    test_clip(data, 0.125);
    test_clip(data, 1000);
    test_clip_resumes(data);
    test_nothing_to_train(data);
    weft_dataset_destroy(&data);
    return close_device();
}
