/* SPDX-License-Identifier: Apache-2.0 */
/* Backbones of models, backbones with another head, models with another temperature. */
#include "model/safetensors.h"
#include "unit/trainer_fixture.h"

#include <float.h>
#include <math.h>

enum { COUNT = 40, HIDDEN = 24, HEAD_CLASSES = 3 };

static const char *const names[] = {"first", "second", "third"};
static float features[COUNT * HIDDEN], head[HEAD_CLASSES * HIDDEN], bias[HEAD_CLASSES];

static weft_model *train(const char *text, const weft_dataset *data)
{
    weft_trainer *trainer = NULL;
    weft_model *model = NULL;
    weft_net *net = make_net(text);
    CHECK_OK(weft_trainer_create(device, net, data, NULL, &trainer));
    REQUIRE(trainer);
    CHECK_OK(weft_trainer_run(trainer, 4));
    CHECK_OK(weft_trainer_model(trainer, &model));
    REQUIRE(model);
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    return model;
}

static void predict(const weft_model *model, const weft_dataset *data, float *out)
{
    weft_predictor *predictor = NULL;
    CHECK_OK(weft_predictor_create(device, model, weft_predictor_params(.batch = 16),
                                   &predictor));
    REQUIRE(predictor);
    CHECK_OK(weft_predictor_run(predictor, test_pixels(data), COUNT, out));
    weft_predictor_destroy(&predictor);
}

static void fill_head(void)
{
    for (int i = 0; i < HEAD_CLASSES * HIDDEN; i++)
        head[i] = (float)(i * 29 % 17 - 8) / 8;
    for (int i = 0; i < HEAD_CLASSES; i++)
        bias[i] = (float)i / 2;
}

/* Probabilities from the features in double precision. The rounding of a logit is at most
 * (HIDDEN + 2) u times the sum of its terms (Higham 2002, 3.1); that of a probability is
 * at most twice the largest of the logits', and a few u of exp and the division. */
static void check_probabilities(const float *got, const float *b)
{
    for (int i = 0; i < COUNT; i++) {
        double logits[HEAD_CLASSES], sum = 0, largest = 0;
        for (int k = 0; k < HEAD_CLASSES; k++) {
            double terms = b ? fabs((double)b[k]) : 0;
            logits[k] = b ? (double)b[k] : 0;
            for (int f = 0; f < HIDDEN; f++) {
                double term =
                    (double)head[k * HIDDEN + f] * (double)features[i * HIDDEN + f];
                logits[k] += term;
                terms += fabs(term);
            }
            largest = fmax(largest, terms);
        }
        for (int k = 0; k < HEAD_CLASSES; k++)
            sum += exp(logits[k]);
        for (int k = 0; k < HEAD_CLASSES; k++)
            CHECK_NEAR((double)got[i * HEAD_CLASSES + k], exp(logits[k]) / sum,
                       ((HIDDEN + 2) * 2 * largest + 16) * (double)FLT_EPSILON);
    }
}

static void test_heads(const weft_model *backbone, const weft_dataset *data)
{
    float probabilities[COUNT * HEAD_CLASSES], loaded[COUNT * HEAD_CLASSES];
    const char *const metadata[] = {"teach.method", "means", NULL};
    const char *path = path_of("head");
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        weft_model *model = NULL, *again = NULL;
        CHECK_OK(weft_model_with_head(
            backbone,
            weft_head_params(.classes = HEAD_CLASSES, .class_names = names,
                             .weights = head, .bias = with_bias ? bias : NULL),
            &model));
        REQUIRE(model);
        predict(model, data, probabilities);
        check_probabilities(probabilities, with_bias ? bias : NULL);

        CHECK_OK(weft_model_save(model, path, metadata));
        CHECK_OK(weft_model_load(ctx, path, &again));
        REQUIRE(again);
        struct weft_model_info info, before;
        weft_model_info(again, &info);
        weft_model_info(model, &before);
        CHECK_TEXT(info.class_names[2], "third");
        CHECK_TEXT(weft_model_metadata(again, "teach.method"), "means");
        CHECK(info.preprocess->fit == WEFT_FIT_CROP && info.preprocess->trim);
        CHECK(info.mean[0] == before.mean[0] && info.stddev[0] == before.stddev[0]);
        predict(again, data, loaded);
        CHECK(!memcmp(loaded, probabilities, sizeof(loaded)));
        weft_model_destroy(&model);
        weft_model_destroy(&again);
    }
}

/* A tensor of a file. */
static void read_tensor(const char *path, const char *name, int rows, int columns,
                        float *out)
{
    struct weft_safetensors file;
    const uint8_t *bytes = NULL;
    CHECK_OK(weft_safetensors_open(ctx, path, &file));
    CHECK_OK(weft_safetensors_find(&file, name, columns ? 2 : 1,
                                   (const int[]){rows, columns}, &bytes));
    REQUIRE(bytes);
    memcpy(out, bytes, sizeof(*out) * (size_t)rows * (size_t)(columns ? columns : 1));
    weft_safetensors_free(&file);
}

/* The backbone of a model with the model's own head is the model, to the bit. */
static void test_own_head(const weft_model *model, const weft_model *backbone,
                          const weft_dataset *data)
{
    static float own[CLASSES * HIDDEN], own_bias[CLASSES];
    static float whole[COUNT * CLASSES], joined[COUNT * CLASSES];
    struct weft_net_info net;
    struct weft_model_info info;
    weft_model *again = NULL;
    weft_model_info(backbone, &info);
    weft_net_info(info.net, &net);
    CHECK_INT(net.classes, HIDDEN);
    CHECK_OK(weft_model_save(model, path_of("whole"), NULL));
    read_tensor(path_of("whole"), "dense2.weight", CLASSES, HIDDEN, own);
    read_tensor(path_of("whole"), "dense2.bias", CLASSES, 0, own_bias);
    weft_model_info(model, &info);
    CHECK_OK(weft_model_with_head(backbone,
                                  weft_head_params(.classes = CLASSES,
                                                   .class_names = info.class_names,
                                                   .weights = own, .bias = own_bias),
                                  &again));
    REQUIRE(again);
    predict(model, data, whole);
    predict(again, data, joined);
    CHECK(!memcmp(whole, joined, sizeof(whole)));
    predict(backbone, data, features);
    weft_model_destroy(&again);
}

/* A trainer that begins with a model, on images of other statistics, is the model. */
static void test_from(const weft_model *model, const weft_dataset *data)
{
    static float before[COUNT * CLASSES], after[COUNT * CLASSES];
    weft_dataset *other = make_data(COUNT - 7);
    weft_net *net = make_net(every_op);
    weft_trainer *trainer = NULL;
    weft_model *begun = NULL;
    CHECK_OK(weft_trainer_create(device, net, other,
                                 weft_train_params(.seed = 99, .from = model), &trainer));
    REQUIRE(trainer);
    CHECK_OK(weft_trainer_model(trainer, &begun));
    REQUIRE(begun);
    predict(model, data, before);
    predict(begun, data, after);
    CHECK(!memcmp(before, after, sizeof(before)));
    weft_model_destroy(&begun);
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    net = make_net("conv 3 5\nflatten\ndense 4\nsoftmax\n");
    CHECK_FAILS(weft_trainer_create(device, net, other, weft_train_params(.from = model),
                                    &trainer),
                WEFT_ERR_ARG, "no layer of the same name and shape");
    weft_net_destroy(&net);
    weft_dataset_destroy(&other);
}

/* The probabilities are softmax(z / T): the logarithms of the model's own have the
 * differences of its logits. A logit of size L has two roundings of L u in both, and
 * exp, the sum and the division some more. */
static void test_temperature(const weft_model *model, const weft_dataset *data)
{
    static const char *const metadata[] = {"calibration.images", "40", "run.data", "x",
                                           NULL};
    static float before[COUNT * CLASSES], after[COUNT * CLASSES];
    weft_model *same = NULL, *kept = NULL, *warm = NULL;
    const double temperature = 2.5;
    predict(model, data, before);
    CHECK_OK(weft_model_with_temperature(model, 1, &same));
    REQUIRE(same);
    predict(same, data, after);
    CHECK(!memcmp(before, after, sizeof(before)));
    CHECK_OK(weft_model_save(same, path_of("same"), metadata));
    CHECK_OK(weft_model_load(ctx, path_of("same"), &kept));
    REQUIRE(kept);
    CHECK_TEXT(weft_model_metadata(kept, "calibration.images"), "40");
    CHECK_OK(weft_model_with_temperature(kept, temperature, &warm));
    REQUIRE(warm);
    CHECK(!weft_model_metadata(warm, "calibration.images"));
    CHECK_TEXT(weft_model_metadata(warm, "run.data"), "x");
    CHECK_TEXT(weft_model_metadata(warm, "net.text"),
               weft_model_metadata(model, "net.text"));
    predict(warm, data, after);
    for (int i = 0; i < COUNT; i++) {
        const float *p = before + (ptrdiff_t)i * CLASSES;
        double sum = 0, size = 0;
        for (int k = 0; k < CLASSES; k++) {
            sum += pow((double)p[k], 1 / temperature);
            size = fmax(size, -log((double)p[k]));
        }
        for (int k = 0; k < CLASSES; k++)
            CHECK_NEAR((double)after[i * CLASSES + k],
                       pow((double)p[k], 1 / temperature) / sum,
                       (2 * size + 8) * (double)FLT_EPSILON);
    }
    CHECK(memcmp(before, after, sizeof(before)) != 0);
    weft_model_destroy(&warm);
    weft_model_destroy(&kept);
    weft_model_destroy(&same);
}

static void test_wrong(const weft_model *backbone, const weft_dataset *data)
{
    weft_model *made = NULL;
    struct weft_head_params p =
        *weft_head_params(.classes = 1, .class_names = names, .weights = head);
    CHECK_FAILS(weft_model_with_head(backbone, &p, &made), WEFT_ERR_ARG, "classes");
    p.classes = HEAD_CLASSES;
    p.weights = NULL;
    CHECK_FAILS(weft_model_with_head(backbone, &p, &made), WEFT_ERR_ARG, "weights");
    p.weights = head;
    head[3] = NAN;
    CHECK_OK(weft_model_with_head(backbone, &p, &made));
    CHECK_FAILS(weft_model_save(made, path_of("never"), NULL), WEFT_ERR_FORMAT,
                "non-finite");
    CHECK(access(path_of("never"), F_OK) != 0);
    weft_model_destroy(&made);
    weft_model *flat = train("flatten\ndense 4\nsoftmax\nbatch 8\n", data);
    CHECK_FAILS(weft_model_backbone(flat, &made), WEFT_ERR_ARG, "no layer with weights");
    weft_model_destroy(&flat);
    flat = train("conv 4 12\nflatten\nsoftmax\nbatch 8\n", data);
    CHECK_FAILS(weft_model_backbone(flat, &made), WEFT_ERR_ARG, "no layer with weights");
    CHECK_FAILS(weft_model_with_temperature(flat, 2, &made), WEFT_ERR_ARG,
                "not the softmax of a dense layer");
    CHECK_FAILS(weft_model_with_temperature(flat, NAN, &made), WEFT_ERR_ARG,
                "temperature must be");
    weft_model_destroy(&flat);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(COUNT);
    weft_model *model = train(every_op, data), *backbone = NULL;
    CHECK_OK(weft_model_backbone(model, &backbone));
    REQUIRE(backbone);
    fill_head();
    test_own_head(model, backbone, data);
    test_heads(backbone, data);
    test_from(model, data);
    test_temperature(model, data);
    test_wrong(backbone, data);
    weft_model_destroy(&backbone);
    weft_model_destroy(&model);
    weft_dataset_destroy(&data);
    return close_device();
}
