/* SPDX-License-Identifier: Apache-2.0 */
/* Initial weights: identity filters, and filters that whiten the patches of the training
 * images, by the moments of their outputs.
 *
 * usage: test_initial_weights [-d SELECTOR] [-f vec|tile] */
#include "unit/trainer_fixture.h"

#include "train/whiten.h"
#include "verify/verify.h"

#include <float.h>
#include <math.h>

static float *initial_weights(const weft_dataset *data, const char *text,
                              weft_trainer **out)
{
    weft_trainer *t = make_trainer(device, text, data, 9, false);
    size_t bytes = weft_graph_floats(&t->net->graph) * sizeof(float);
    float *weights = malloc(bytes);
    REQUIRE(weights);
    CHECK_OK(device->backend->read(device, weights, t->buffers.weights, 0, bytes));
    *out = t;
    return weights;
}

/* a v = l v, vectors of length 1 and at right angles, values falling. */
static void test_eigenvectors(void)
{
    enum { N = 7 };
    double a[N * N], kept[N * N], values[N], v[N * N];
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            kept[i * N + k] = a[i * N + k] = 1.0 / (1 + i + k) + (i == k ? i % 3 : 0);
    weft_eigenvectors(a, N, values, v);
    /* Each of the N (N - 1) / 2 rotations of a round changes its rows by at most 6 u of
     * their length (Higham 2002, 19.6), in at most 12 rounds; sums of N products here. */
    double bound = (12 * 3 * N * (N - 1) + N) * DBL_EPSILON / 2, largest = values[0];
    for (int j = 0; j < N; j++) {
        CHECK(!j || values[j] <= values[j - 1]);
        for (int i = 0; i < N; i++) {
            double product = 0, dot = 0;
            for (int k = 0; k < N; k++) {
                product += kept[i * N + k] * v[j * N + k];
                dot += v[i * N + k] * v[j * N + k];
            }
            CHECK_NEAR(product, values[j] * v[j * N + i], bound * largest);
            CHECK_NEAR(dot, i == j, bound);
        }
    }
}

/* The mean of (f x)(h x) over all patches x of the normalized images. *size: of all
 * sizes, those of what pixels and their mean are made of. */
static double moment(const weft_dataset *data, const float *w, int filters, int f, int h,
                     double *size)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    double sum = 0, patches = (double)info.count * (SIDE - 1) * (SIDE - 1);
    *size = 0;
    for (int n = 0; n < info.count; n++)
        for (int y = 0; y + 2 <= SIDE; y++)
            for (int x = 0; x + 2 <= SIDE; x++) {
                double of_f = 0, of_h = 0, size_f = 0, size_h = 0;
                for (int k = 0; k < 4; k++) {
                    int at = (n * SIDE + y + k / 2) * SIDE + x + k % 2;
                    double v = (info.pixels[at] / 255.0 - info.mean[0]) / info.stddev[0];
                    of_f += v * (double)w[k * filters + f];
                    of_h += v * (double)w[k * filters + h];
                    v += 2 * info.mean[0] / info.stddev[0];
                    size_f += v * fabs((double)w[k * filters + f]);
                    size_h += v * fabs((double)w[k * filters + h]);
                }
                sum += of_f * of_h;
                *size += size_f * size_h / patches;
            }
    return sum / patches;
}

static void test_whitening(const weft_dataset *data, int filters)
{
    char text[256];
    weft_trainer *t;
    snprintf(text, sizeof(text),
             "conv %d 2x2 init=whiten frozen=weights relu\nflatten\ndense 4\nsoftmax\n",
             filters);
    float *w = initial_weights(data, text, &t);
    const float *filter = w + t->net->graph.nodes[0].params[WEFT_PARAM_WEIGHT].at;
    for (int f = 0; f < filters / 2; f++)
        for (int h = 0; h <= f; h++) {
            double terms, got = moment(data, filter, filters, f, h, &terms), size = 0;
            for (int k = 0; k < 4; k++)
                size += pow((double)filter[k * filters + f], 2);
            /* |filter|^2 = 1 / (l + epsilon), and the moment l / (l + epsilon). Both
             * filters are floats, and the mean and deviation of both factors. */
            CHECK_NEAR(got, f == h ? 1 - 5e-4 * size : 0, 6 * FP32_UNIT_ROUNDOFF * terms);
        }
    for (int k = 0; k < 4; k++)
        for (int f = 0; f < filters / 2; f++)
            CHECK(filter[k * filters + f] == -filter[k * filters + filters / 2 + f]);
    CHECK_OK(weft_trainer_restart(t));
    float *again = malloc(weft_graph_floats(&t->net->graph) * sizeof(float));
    REQUIRE(again);
    CHECK_OK(device->backend->read(device, again, t->buffers.weights, 0,
                                   weft_graph_floats(&t->net->graph) * sizeof(float)));
    CHECK(!memcmp(w, again, weft_graph_floats(&t->net->graph) * sizeof(float)));
    free(w);
    free(again);
    weft_trainer_destroy(&t);
}

/* [row][column][in][out]: 6 filters of 4 inputs, then the same in two groups. */
static void test_identity(const weft_dataset *data)
{
    for (int groups = 1; groups <= 2; groups++) {
        char text[256];
        weft_trainer *t;
        snprintf(text, sizeof(text),
                 "conv 4 3x3\nconv 6 3x3 init=identity groups=%d\nflatten\ndense 4\n"
                 "softmax\n",
                 groups);
        float *w = initial_weights(data, text, &t);
        const float *filter = w + t->net->graph.nodes[1].params[WEFT_PARAM_WEIGHT].at;
        int in = 4 / groups, out = 6 / groups, passed = 0;
        double largest = 0;
        for (int tap = 0; tap < 9; tap++)
            for (int i = 0; i < in; i++)
                for (int o = 0; o < 6; o++) {
                    float value = filter[(tap * in + i) * 6 + o];
                    if (o % out < in)
                        CHECK(value == (float)(tap == 4 && i == o % out));
                    else
                        largest = fmax(largest, fabs((double)value));
                    passed += o % out < in && value == 1;
                }
        CHECK_INT(passed, 4);
        CHECK(largest > 0 && largest <= 1 / sqrt(9.0 * in));
        free(w);
        weft_trainer_destroy(&t);
    }
}

static void test_errors(void)
{
    static const char *const texts[][2] = {
        {"conv 8 2x2\nconv 64 2x2 init=whiten\n", "for the first layer"},
        {"conv 9 2x2 init=whiten\n", "an even number of filters"},
        {"conv 10 2x2 init=whiten\n", "at most 8, not 10"},
        {"flatten\ndense 4 init=whiten\n", "init"},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(texts); i++) {
        weft_net *net = NULL;
        CHECK_FAILS(
            weft_net_create(ctx, texts[i][0],
                            weft_net_params(.height = SIDE, .width = SIDE, .channels = 1),
                            &net),
            WEFT_ERR_FORMAT, texts[i][1]);
    }
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(200);
    test_eigenvectors();
    test_whitening(data, 8);
    test_whitening(data, 4);
    test_identity(data);
    test_errors();
    weft_dataset_destroy(&data);
    return close_device();
}
