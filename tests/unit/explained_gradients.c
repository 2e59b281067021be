/* SPDX-License-Identifier: Apache-2.0 */
/* Explainers of random networks, in double precision, against central differences. */
#include "unit/explained_gradients.h"
#include "unit/random_net.h"
#include "unit/test.h"

#include "cpu/cpu.h"
#include "inference/explainer.h"
#include "model/model.h"

#include <math.h>

enum { IMAGES = 2, PLACES = 10 };
static const double STEP = 1e-6, ABSOLUTE = 1e-5, RELATIVE = 1e-3;

/* The known-answer test has the bounds of float32. */
enum weft_status weft_explainer_check_kernels(struct weft_explainer *explainer)
{
    (void)explainer;
    return WEFT_OK;
}

/* An explainer, and one logit of each of its images. */
struct explained {
    weft_model model;
    weft_explainer *explainer;
    double *pixels;
    int32_t classes[IMAGES];
};

static double draw(uint32_t number, uint32_t stream, size_t at)
{
    return random_net_draw(number, stream, (uint32_t)at, 1u << 24) * 0x1p-23 - 1;
}

static void create(struct explained *x, struct weft_device *device, uint32_t number)
{
    *x = (struct explained){.model.ctx = device->context};
    x->model.net = random_net_create(device->context, number);
    REQUIRE(x->model.net);
    const struct weft_net *net = x->model.net;
    size_t floats = weft_graph_floats(&net->graph);
    size_t values = IMAGES * weft_shape_count(net->input);
    x->model.weights = calloc(floats, sizeof(double));
    x->pixels = calloc(values, sizeof(*x->pixels));
    REQUIRE(x->model.weights && x->pixels);
    weft_graph_initialize(&net->graph, number, x->model.weights);
    for (size_t i = 0; i < floats; i++)
        x->model.weights[i] += 0.2 * fabs(draw(number, 2, i));
    for (size_t i = 0; i < values; i++)
        x->pixels[i] = 127.5 + 250 * draw(number, 3, i);
    for (int c = 0; c < net->input.c; c++) {
        x->model.mean[c] = 0.5;
        x->model.stddev[c] = 0.25 + 0.125 * c;
    }
    for (uint32_t i = 0; i < IMAGES; i++)
        x->classes[i] = (int32_t)random_net_draw(number, 4, i, RANDOM_NET_CLASSES);
    CHECK_OK(weft_explainer_create(
        device, &x->model, weft_explainer_params(.batch = IMAGES), &x->explainer));
    REQUIRE(x->explainer);
}

static void destroy(struct explained *x)
{
    weft_explainer_destroy(&x->explainer);
    weft_net_destroy(&x->model.net);
    free(x->model.weights);
    free(x->pixels);
}

/* The logit of an image after the launches of the nodes behind `node`. */
static double logit_behind(const struct explained *x, int node, int image, int class)
{
    const weft_explainer *e = x->explainer;
    struct weft_command_list *list = e->forward;
    int first = list->info.launches;
    for (int i = list->segment_count - 1; i >= 0 && list->segments[i].node > node; i--)
        first = list->segments[i].first;
    CHECK_OK(e->device->backend->replay_range(list, first, list->info.launches));
    return cpu_floats(weft_explainer_logits(e))[image * RANDOM_NET_CLASSES + class];
}

static double off(double difference, double gradient)
{
    return fabs(difference - gradient) / (ABSOLUTE + RELATIVE * fabs(gradient));
}

/* One value of a layer's output, of which `values` are those of an image. Between two
 * kinks it is not known. */
static void check_value(const struct explained *x, int node, size_t at, size_t values,
                        bool other, double gradient, struct explained_total *total)
{
    const weft_explainer *e = x->explainer;
    double *y = cpu_floats(weft_plan_value(e->plan, &e->buffers, node));
    int source = weft_graph_source(&e->plan->graph, node, true);
    int image = (int)(at / values);
    int class = (x->classes[image] + other) % RANDOM_NET_CLASSES;
    double kept = y[at], logits[3];
    for (int side = 0; side < 3; side++) {
        y[at] = kept + (side - 1) * STEP;
        logits[side] = logit_behind(x, source, image, class);
    }
    y[at] = kept;
    logit_behind(x, source, image, class);
    double below = (logits[1] - logits[0]) / STEP, above = (logits[2] - logits[1]) / STEP;
    double central = off((above + below) / 2, gradient);
    total->values++;
    if (central <= 1) {
        total->worst = fmax(total->worst, central);
        return;
    }
    if (off(above, gradient) <= 1 || off(below, gradient) <= 1)
        return;
    if (off(above, below) > 1) {
        total->left_out++;
        return;
    }
    if (!total->wrong++ && !other)
        TEST_FAIL("%s: the gradient [%zu] is %.9g, the difference of the logit %.9g:\n%s",
                  e->plan->graph.nodes[node].name, at, gradient, (above + below) / 2,
                  x->model.net->text);
}

static void check_layer(const struct explained *x, int layer, uint32_t number, bool other,
                        struct explained_total *total)
{
    const weft_explainer *e = x->explainer;
    int node = layer < 0 ? 0 : e->net->layers[layer].output;
    size_t values = weft_shape_count(e->plan->graph.nodes[node].out);
    double *outputs = calloc(2 * IMAGES * values, sizeof(*outputs));
    REQUIRE(outputs);
    double *gradients = outputs + IMAGES * values;
    /* Again, as launches have been replayed for the layer before. */
    CHECK_OK(weft_explainer_run(x->explainer, x->pixels, IMAGES, x->classes, NULL));
    CHECK_OK(weft_explainer_layer(x->explainer, layer, outputs, gradients));
    struct weft_view y = weft_plan_value(e->plan, &e->buffers, node);
    CHECK(!memcmp(outputs, cpu_floats(y), IMAGES * values * sizeof(*outputs)));
    for (uint32_t i = 0; i < PLACES; i++) {
        size_t at = random_net_draw(number, 5 + (uint32_t)(layer + 1), i,
                                    (uint32_t)(IMAGES * values));
        check_value(x, node, at, values, other, gradients[at], total);
    }
    total->layers++;
    free(outputs);
}

void explained_gradients_check(struct weft_device *device, uint32_t number, bool other,
                               struct explained_total *total)
{
    struct explained x;
    long wrong = total->wrong;
    create(&x, device, number);
    for (int layer = WEFT_NET_INPUT; layer + 1 < x.model.net->layer_count; layer++)
        check_layer(&x, layer, number, other, total);
    total->wrong_networks += total->wrong > wrong;
    destroy(&x);
}
