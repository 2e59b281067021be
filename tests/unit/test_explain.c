/* SPDX-License-Identifier: Apache-2.0 */
/* Explainers on a device: whole numbers against direct loops, exactly; a trained network
 * of every op against the host and a predictor. tests/unit/explained_gradients.c compares
 * gradients with differences, in double precision. */
#include "inference/explainer.h"
#include "model/model.h"
#include "unit/moved_weights.h"
#include "unit/trainer_fixture.h"

#include <math.h>

/* ---- whole numbers ---- */

/* Relu after a window of 3x2, the largest of each 2x2, and a dense layer: 12x12 to 10x11,
 * 5x5 and 4. */
enum { ROWS = 3, COLS = 2, FILTERS = 2, OUT_H = 10, OUT_W = 11, POOL_H = 5, POOL_W = 5 };
enum { OUT = OUT_H * OUT_W * FILTERS, POOLED = POOL_H * POOL_W * FILTERS };
static const char whole_numbers[] = "conv 2 3x2 relu\n"
                                    "max-pool 2\n"
                                    "flatten\n"
                                    "dense 4\n"
                                    "softmax\n";

struct numbers {
    float pixels[SIDE * SIDE], conv[ROWS * COLS * FILTERS], dense[POOLED * CLASSES];
    float y[OUT], pooled[POOLED], logits[CLASSES];
    float dpooled[POOLED], dy[OUT], dx[SIDE * SIDE];
    int kept[POOLED]; /* where the largest is in y; ties: the first */
};

static float whole(int i, int range)
{
    return (float)((i * 37 + i / 7 * 11 + 5) % (2 * range + 1) - range);
}

static void compute_forward(struct numbers *n)
{
    for (int i = 0; i < OUT; i++) {
        int c = i % FILTERS, x = i / FILTERS % OUT_W, y = i / FILTERS / OUT_W;
        float sum = 0;
        for (int k = 0; k < ROWS * COLS; k++)
            sum += n->pixels[(y + k / COLS) * SIDE + x + k % COLS] *
                   n->conv[k * FILTERS + c];
        n->y[i] = sum > 0 ? sum : 0;
    }
    for (int i = 0; i < POOLED; i++) {
        int c = i % FILTERS, x = i / FILTERS % POOL_W, y = i / FILTERS / POOL_W;
        for (int k = 0; k < 4; k++) {
            int at = ((2 * y + k / 2) * OUT_W + 2 * x + k % 2) * FILTERS + c;
            if (!k || n->y[at] > n->y[n->kept[i]])
                n->kept[i] = at;
        }
        n->pooled[i] = n->y[n->kept[i]];
    }
    for (int c = 0; c < CLASSES; c++)
        for (int i = 0; i < POOLED; i++)
            n->logits[c] += n->pooled[i] * n->dense[i * CLASSES + c];
}

/* The gradients of the logit of `class`. That of a relu's output does not have its own
 * derivative, that of its input does. */
static void compute_backward(struct numbers *n, int class)
{
    for (int i = 0; i < POOLED; i++) {
        n->dpooled[i] = n->dense[i * CLASSES + class];
        n->dy[n->kept[i]] += n->dpooled[i];
    }
    for (int i = 0; i < OUT; i++) {
        int c = i % FILTERS, x = i / FILTERS % OUT_W, y = i / FILTERS / OUT_W;
        for (int k = 0; k < ROWS * COLS && n->y[i] > 0; k++)
            n->dx[(y + k / COLS) * SIDE + x + k % COLS] +=
                n->dy[i] * n->conv[k * FILTERS + c];
    }
}

static struct numbers *make_numbers(int shift)
{
    struct numbers *n = calloc(1, sizeof(*n));
    REQUIRE(n);
    for (int i = 0; i < SIDE * SIDE; i++)
        n->pixels[i] = 128 + whole(i + shift, 100);
    for (int i = 0; i < ROWS * COLS * FILTERS; i++)
        n->conv[i] = whole(i, 3);
    for (int i = 0; i < POOLED * CLASSES; i++)
        n->dense[i] = whole(3 * i + 1, 2);
    compute_forward(n);
    compute_backward(n, shift % CLASSES);
    return n;
}

/* Compares layer `layer` for one image of a run of two. */
static void check_exact(weft_explainer *e, int layer, int image, size_t count,
                        const float *outputs, const float *gradients)
{
    float *read = calloc(4 * count, sizeof(*read));
    REQUIRE(read);
    CHECK_OK(weft_explainer_layer(e, layer, read, read + 2 * count));
    const float *y = read + (size_t)image * count, *dy = y + 2 * count;
    for (size_t i = 0; i < count; i++) {
        CHECK_NEAR((double)y[i], (double)outputs[i], 0);
        CHECK_NEAR((double)dy[i], (double)gradients[i], 0);
    }
    free(read);
}

static void test_whole_numbers(void)
{
    weft_model model = {
        .ctx = ctx, .net = make_net(whole_numbers), .stddev = {1 / 255.0}};
    weft_explainer *e = NULL;
    struct numbers *n[2] = {make_numbers(1), make_numbers(6)};
    float pixels[2 * SIDE * SIDE], logits[2 * CLASSES];
    model.weights = calloc(weft_graph_floats(&model.net->graph), sizeof(float));
    REQUIRE(model.weights);
    const struct weft_node *nodes = model.net->graph.nodes;
    for (int i = 0; i < model.net->graph.count; i++) {
        const struct weft_param *p = &nodes[i].params[WEFT_PARAM_WEIGHT];
        if (p->count)
            memcpy(model.weights + p->at, i ? n[0]->dense : n[0]->conv,
                   p->count * sizeof(float));
    }
    CHECK_OK(
        weft_explainer_create(device, &model, weft_explainer_params(.batch = 3), &e));
    REQUIRE(e);
    for (int i = 0; i < 2; i++)
        memcpy(pixels + i * SIDE * SIDE, n[i]->pixels, sizeof(n[i]->pixels));
    CHECK_OK(weft_explainer_run(e, pixels, 2, (const int32_t[]){1, 2}, logits));
    for (int i = 0; i < 2; i++) {
        CHECK(!memcmp(logits + i * CLASSES, n[i]->logits, sizeof(n[i]->logits)));
        check_exact(e, WEFT_NET_INPUT, i, SIDE * SIDE, n[i]->pixels, n[i]->dx);
        check_exact(e, 0, i, OUT, n[i]->y, n[i]->dy);
        check_exact(e, 1, i, POOLED, n[i]->pooled, n[i]->dpooled);
        check_exact(e, 2, i, POOLED, n[i]->pooled, n[i]->dpooled);
    }
    weft_explainer_destroy(&e);
    weft_net_destroy(&model.net);
    free(model.weights);
    free(n[0]);
    free(n[1]);
}

/* ---- every op ---- */

enum { IMAGES = 3 };

/* Those that an explainer treats in its own way, where every op takes seconds to
 * compile. */
static const char some_ops[] = "conv 4 3x3 relu as=a\n"
                               "conv 4 3x3 pad=same\n"
                               "batch-norm\n"
                               "add a relu\n"
                               "max-pool 2\n"
                               "dropout 0.1\n"
                               "flatten\n"
                               "dense 4\n"
                               "softmax\n";

/* Runs of the host: of the model, and where its weights are moved. */
struct host_runs {
    weft_explainer *right, *moved[MOVED_RUNS];
    float logits[IMAGES * CLASSES], off[IMAGES]; /* the largest move of an image's */
};

static weft_explainer *run_on(weft_device *on, const weft_model *model,
                              const float *pixels, const int32_t *classes, float *logits)
{
    weft_explainer *e = NULL;
    CHECK_OK(
        weft_explainer_create(on, model, weft_explainer_params(.batch = IMAGES), &e));
    REQUIRE(e);
    CHECK_OK(weft_explainer_run(e, pixels, IMAGES, classes, logits));
    return e;
}

static void run_host(weft_device *host, weft_model *model, const float *pixels,
                     const int32_t *classes, struct host_runs *runs)
{
    const struct weft_graph *graph = &model->net->graph;
    size_t bytes = weft_graph_floats(graph) * sizeof(float);
    float *kept = malloc(bytes), logits[IMAGES * CLASSES];
    REQUIRE(kept);
    memcpy(kept, model->weights, bytes);
    *runs = (struct host_runs){0};
    runs->right = run_on(host, model, pixels, classes, runs->logits);
    for (int k = 0; k < MOVED_RUNS; k++) {
        move_weights(graph, model->weights, k + 1);
        runs->moved[k] = run_on(host, model, pixels, classes, logits);
        memcpy(model->weights, kept, bytes);
        for (int i = 0; i < IMAGES * CLASSES; i++)
            runs->off[i / CLASSES] =
                fmaxf(runs->off[i / CLASSES], fabsf(logits[i] - runs->logits[i]));
    }
    free(kept);
}

/* Results of a layer, or the gradients at them, are no further from the host's than
 * those of moved weights; each is rounded, as the pixels are when they are normalized. */
static void check_layer(weft_explainer *e, const struct host_runs *host, int layer,
                        size_t count, bool gradients)
{
    float *a = calloc(4 * count, sizeof(*a)), *b = a + count, *zeros = a + 2 * count,
          *moved = a + 3 * count;
    double allowed = 0;
    REQUIRE(a);
    CHECK_OK(weft_explainer_layer(e, layer, gradients ? NULL : a, gradients ? a : NULL));
    CHECK_OK(weft_explainer_layer(host->right, layer, gradients ? NULL : b,
                                  gradients ? b : NULL));
    for (int k = 0; k < MOVED_RUNS; k++) {
        CHECK_OK(weft_explainer_layer(host->moved[k], layer, gradients ? NULL : moved,
                                      gradients ? moved : NULL));
        allowed = fmax(allowed, vector_distance(moved, b, count));
    }
    double size = vector_distance(b, zeros, count), off = vector_distance(a, b, count);
    CHECK(isfinite(size) && size > 0);
    CHECK(off <= allowed + 2 * FP32_UNIT_ROUNDOFF * size);
    free(a);
}

static void check_errors(weft_explainer *e, const float *pixels)
{
    const int32_t bad = CLASSES;
    float value[SIDE * SIDE * 16];
    CHECK_FAILS(weft_explainer_run(e, pixels, IMAGES + 1, NULL, NULL), WEFT_ERR_ARG,
                "runs 3 at a time; create it with a batch of 4");
    CHECK_FAILS(weft_explainer_run(e, pixels, 1, &bad, NULL), WEFT_ERR_ARG,
                "there is no class 4, the network has 0 to 3");
    CHECK_FAILS(weft_explainer_layer(e, 99, NULL, NULL), WEFT_ERR_ARG, "has no layer 99");
    CHECK_FAILS(weft_explainer_layer(e, -2, NULL, NULL), WEFT_ERR_ARG, "has no layer -2");
    CHECK_FAILS(weft_explainer_layer(e, e->net->layer_count - 1, NULL, NULL),
                WEFT_ERR_ARG, "is softmax");
    CHECK_OK(weft_explainer_run(e, pixels, 1, NULL, NULL));
    CHECK_OK(weft_explainer_layer(e, WEFT_NET_INPUT, value, NULL));
    CHECK_FAILS(weft_explainer_layer(e, 0, NULL, value), WEFT_ERR_ARG,
                "the images ran without classes");
}

static void check_predictor(weft_device *host, const weft_model *model,
                            const uint8_t *bytes, const float *logits, const float *off)
{
    weft_predictor *predictor = NULL;
    float want[IMAGES * CLASSES];
    CHECK_OK(weft_predictor_create(
        host, model, weft_predictor_params(.batch = IMAGES, .logits = true), &predictor));
    REQUIRE(predictor);
    CHECK_OK(weft_predictor_run(predictor, bytes, IMAGES, want));
    for (int i = 0; i < IMAGES * CLASSES; i++)
        CHECK_NEAR((double)logits[i], (double)want[i], (double)off[i / CLASSES]);
    weft_predictor_destroy(&predictor);
}

/* Trained on the host, so that running statistics are not those of the first step. */
static weft_model *train(weft_device *host, const weft_dataset *data)
{
    weft_trainer *trainer =
        make_trainer(host, compiles ? some_ops : every_op, data, 3, false);
    weft_model *model = NULL;
    CHECK_OK(weft_trainer_run(trainer, 6));
    CHECK_OK(weft_trainer_model(trainer, &model));
    REQUIRE(model);
    weft_trainer_destroy(&trainer);
    return model;
}

static void test_every_op(void)
{
    const int32_t classes[IMAGES] = {2, 0, 3};
    weft_device *host = NULL;
    weft_dataset *data = make_data(40);
    struct host_runs reference;
    float pixels[(IMAGES + 1) * SIDE * SIDE], logits[IMAGES * CLASSES];
    CHECK_OK(weft_device_open(ctx, WEFT_HOST_DEVICE, NULL, &host));
    REQUIRE(host);
    weft_model *model = train(host, data);
    for (int i = 0; i < (IMAGES + 1) * SIDE * SIDE; i++)
        pixels[i] = test_pixels(data)[i];
    run_host(host, model, pixels, classes, &reference);
    weft_explainer *e = run_on(device, model, pixels, classes, logits);
    check_predictor(host, model, test_pixels(data), logits, reference.off);
    for (int layer = WEFT_NET_INPUT; layer + 1 < e->net->layer_count; layer++) {
        int node = layer < 0 ? 0 : e->net->layers[layer].output;
        size_t count = IMAGES * weft_shape_count(e->plan->graph.nodes[node].out);
        check_layer(e, &reference, layer, count, false);
        check_layer(e, &reference, layer, count, true);
    }
    check_errors(e, pixels);
    weft_explainer_destroy(&e);
    weft_explainer_destroy(&reference.right);
    for (int k = 0; k < MOVED_RUNS; k++)
        weft_explainer_destroy(&reference.moved[k]);
    weft_model_destroy(&model);
    weft_dataset_destroy(&data);
    weft_device_close(&host);
}

/* A network without softmax has no logits. */
static void test_inference_only(void)
{
    weft_model model = {.ctx = ctx, .net = make_net("conv 4 3x3\nglobal-avg-pool\n")};
    weft_explainer *e = NULL;
    CHECK_FAILS(weft_explainer_create(device, &model, NULL, &e), WEFT_ERR_ARG,
                "the last layer must be softmax");
    CHECK(!e);
    weft_net_destroy(&model.net);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    test_whole_numbers();
    test_every_op();
    test_inference_only();
    return close_device();
}
