/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching: leave-one-out results against fits that leave one out, additions against
 * teaching everything at once, and the head against a nearest class mean. */
#include "train/head_fit.h"
#include "unit/trainer_fixture.h"
#include "verify/verify.h"

#include <float.h>
#include <math.h>

enum { COUNT = 60, D = 7, K = 3, N = 20 };

static struct head_examples random_examples(double *x, int32_t *labels)
{
    unsigned state = 1;
    for (int i = 0; i < N; i++) {
        double square = 0;
        labels[i] = i % K;
        for (int f = 0; f < D; f++) {
            state = state * 1664525u + 1013904223u;
            x[i * D + f] = (double)(state >> 8) / (1 << 24) + (f == labels[i]);
            square += x[i * D + f] * x[i * D + f];
        }
        for (int f = 0; f < D; f++)
            x[i * D + f] /= sqrt(square);
    }
    return (struct head_examples){
        .count = N, .features = D, .classes = K, .x = x, .labels = labels};
}

static void fit(const struct head_examples *e, double ridge, struct head_fit *out)
{
    double *gram = NULL;
    CHECK_OK(head_fit_init(ctx, e, out));
    if (ridge > 0) {
        CHECK_OK(head_gram(ctx, e, &gram));
        CHECK_OK(head_fit_ridge(ctx, e, gram, ridge, out));
    } else {
        head_fit_means(e, out);
    }
    free(gram);
}

/* The rounding of the products of test_leave_one_out in double precision, first order. Of
 * class means: sums of N + D terms of at most 1, over a length of at least 1. Of ridge
 * regression: a Cholesky solution is off by at most 4 D (3 D + 1) u times the condition
 * of its matrix (Higham 2002, 10.1), at most (N + ridge) / ridge for examples of length
 * 1, and the matrix by N u times its size, which is the same condition. Both sides are.
 */
static double held_out_bound(double ridge)
{
    double u = DBL_EPSILON / 2;
    return ridge > 0 ? 2 * (4 * D * (3 * D + 1) + N) * u * (N + ridge) / ridge
                     : 2 * (N + D) * u * 4;
}

/* The products of each example with a classifier of the others. */
static void test_leave_one_out(double ridge)
{
    double x[N * D], rest[N * D];
    int32_t labels[N], rest_labels[N];
    const struct head_examples all = random_examples(x, labels);
    struct head_fit whole, part;
    fit(&all, ridge, &whole);
    for (int i = 0; i < N; i++) {
        for (int k = 0, to = 0; k < N; k++)
            if (k != i) {
                memcpy(rest + (size_t)to * D, x + (size_t)k * D, D * sizeof(*x));
                rest_labels[to++] = labels[k];
            }
        const struct head_examples others = {.count = N - 1,
                                             .features = D,
                                             .classes = K,
                                             .x = rest,
                                             .labels = rest_labels};
        fit(&others, ridge, &part);
        for (int k = 0; k < K; k++) {
            double product = 0;
            for (int f = 0; f < D; f++)
                product += part.weights[k * D + f] * x[i * D + f];
            CHECK_NEAR(whole.held_out[i * K + k], product, held_out_bound(ridge));
        }
        head_fit_finish(&part);
    }
    CHECK(head_accuracy(&all, &whole) > 0.5);
    head_fit_finish(&whole);
}

/* The only example of a class has no class without itself. */
static void test_single(void)
{
    const double x[] = {1, 0, 0.6, 0.8, 0, 1};
    const int32_t labels[] = {0, 0, 1};
    const struct head_examples e = {
        .count = 3, .features = 2, .classes = 2, .x = x, .labels = labels};
    struct head_fit means;
    fit(&e, 0, &means);
    CHECK(isinf(means.held_out[5]) && means.held_out[5] < 0);
    CHECK(head_macro_recall(&e, &means) == 0.25); /* 1 of 2, 0 of 1 */
    head_fit_finish(&means);
}

static weft_model *train(const weft_dataset *data)
{
    weft_trainer *trainer = make_trainer(device, every_op, data, 3, false);
    weft_model *model = NULL;
    CHECK_OK(weft_trainer_run(trainer, 10));
    CHECK_OK(weft_trainer_model(trainer, &model));
    REQUIRE(model);
    weft_trainer_destroy(&trainer);
    return model;
}

/* The examples first to end - 1 of `data`, in the classes of `names`. */
static weft_dataset *part_of(const weft_dataset *data, int first, int end,
                             const char *const *names, int classes)
{
    weft_dataset *part = NULL;
    int32_t labels[COUNT];
    for (int i = first; i < end; i++)
        labels[i - first] = test_labels(data)[i] % classes;
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = end - first, .height = SIDE, .width = SIDE,
                            .channels = 1, .classes = classes,
                            .pixels = test_pixels(data) + (size_t)first * SIDE * SIDE,
                            .labels = labels, .class_names = names),
        &part));
    REQUIRE(part);
    return part;
}

static weft_model *teach(const weft_model *from, const weft_dataset *data, bool add,
                         struct weft_teach_report *report)
{
    weft_model *taught = NULL;
    CHECK_OK(
        weft_teach(device, from, data, weft_teach_params(.add = add), &taught, report));
    REQUIRE(taught);
    return taught;
}

/* Two parts, one after the other and through a file, make the file of both at once. */
static void test_adding(const weft_model *model, const weft_dataset *data)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct weft_teach_report report, whole;
    weft_dataset *first = part_of(data, 0, 32, names, 2);
    weft_dataset *second = part_of(data, 32, COUNT, names, 4);
    weft_model *taught = teach(model, first, false, &report), *loaded = NULL, *all;
    CHECK_INT(report.classes, 2);
    CHECK_INT(report.examples, 32);
    CHECK_INT(report.features, 24);
    CHECK_OK(weft_model_save(taught, path_of("first"), NULL));
    CHECK_OK(weft_model_load(ctx, path_of("first"), &loaded));
    weft_model *added = teach(loaded, second, true, &report);
    weft_model *straight = teach(taught, second, true, &whole);
    CHECK_INT(report.classes, 4);
    CHECK_INT(report.examples, COUNT);
    CHECK_OK(weft_model_save(added, path_of("added"), NULL));
    CHECK_OK(weft_model_save(straight, path_of("straight"), NULL));
    CHECK(same_files(path_of("added"), path_of("straight")));

    /* With another temperature it can still be added to. */
    weft_model *warm = NULL, *again = NULL;
    CHECK_OK(weft_model_with_temperature(loaded, 2, &warm));
    CHECK_OK(weft_model_save(warm, path_of("warm"), NULL));
    CHECK_OK(weft_model_load(ctx, path_of("warm"), &again));
    weft_model *cooled = teach(again, second, true, &whole);
    CHECK_OK(weft_model_save(cooled, path_of("cooled"), NULL));
    CHECK(same_files(path_of("added"), path_of("cooled")));
    weft_model_destroy(&warm);
    weft_model_destroy(&again);
    weft_model_destroy(&cooled);

    int32_t labels[COUNT];
    weft_dataset *both = NULL;
    for (int i = 0; i < COUNT; i++)
        labels[i] = test_labels(data)[i] % (i < 32 ? 2 : 4);
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                            .classes = 4, .pixels = test_pixels(data), .labels = labels,
                            .class_names = names),
        &both));
    all = teach(model, both, false, &whole);
    CHECK_OK(weft_model_save(all, path_of("both"), NULL));
    CHECK(same_files(path_of("added"), path_of("both")));
    CHECK(report.accuracy == whole.accuracy && report.method == whole.method);

    weft_model_destroy(&taught);
    weft_model_destroy(&loaded);
    weft_model_destroy(&added);
    weft_model_destroy(&straight);
    weft_model_destroy(&all);
    weft_dataset_destroy(&first);
    weft_dataset_destroy(&second);
    weft_dataset_destroy(&both);
}

/* A taught model classifies its examples by the nearest class mean of their features. */
static void test_means(const weft_model *model, const weft_dataset *data)
{
    static float features[COUNT * 24], probabilities[COUNT * CLASSES];
    struct weft_teach_report report;
    weft_model *backbone = NULL, *taught = NULL;
    weft_predictor *predictor = NULL;
    double means[CLASSES][24] = {{0}}, lengths[COUNT];
    CHECK_OK(weft_model_backbone(model, &backbone));
    CHECK_OK(weft_predictor_create(device, backbone, NULL, &predictor));
    CHECK_OK(weft_predictor_run(predictor, test_pixels(data), COUNT, features));
    weft_predictor_destroy(&predictor);
    CHECK_OK(weft_teach(device, model, data,
                        weft_teach_params(.method = WEFT_TEACH_MEANS), &taught, &report));
    CHECK(report.method == WEFT_TEACH_MEANS && isnan(report.ridge_accuracy));
    CHECK_OK(weft_predictor_create(device, taught, NULL, &predictor));
    CHECK_OK(weft_predictor_run(predictor, test_pixels(data), COUNT, probabilities));
    for (int i = 0; i < COUNT; i++) {
        double square = 0;
        for (int f = 0; f < 24; f++)
            square += (double)features[i * 24 + f] * (double)features[i * 24 + f];
        lengths[i] = sqrt(square);
        for (int f = 0; f < 24; f++)
            means[test_labels(data)[i]][f] += (double)features[i * 24 + f] / sqrt(square);
    }
    int unsure = 0;
    for (int i = 0; i < COUNT; i++) {
        double best = -1, second = -1;
        int class = 0, found = 0;
        for (int k = 0; k < CLASSES; k++) {
            double product = 0, square = 0;
            for (int f = 0; f < 24; f++) {
                product += means[k][f] * (double)features[i * 24 + f];
                square += means[k][f] * means[k][f];
            }
            product /= sqrt(square);
            second = product > best ? best : fmax(second, product);
            class = product > best ? k : class;
            best = fmax(best, product);
            if (probabilities[i * CLASSES + k] > probabilities[i * CLASSES + found])
                found = k;
        }
        /* Beyond the rounding of weights and of 24 products, at most |mean| |feature|. */
        if (best - second > 2 * gamma_bound(24 + 2) * lengths[i])
            CHECK_INT(found, class);
        else
            unsure++;
    }
    CHECK(unsure < COUNT / 4);
    weft_predictor_destroy(&predictor);
    weft_model_destroy(&taught);
    weft_model_destroy(&backbone);
}

/* Images that stay in their file make the model of those in memory. */
static void test_file(const weft_model *model, const weft_dataset *data)
{
    const char *path = write_idx(data);
    for (int in_file = 0; in_file < 2; in_file++) {
        struct weft_teach_report report;
        weft_dataset *opened = NULL;
        CHECK_OK(weft_dataset_open(ctx, path, WEFT_SPLIT_TRAIN,
                                   weft_dataset_open_params(.max_memory = in_file),
                                   &opened));
        REQUIRE(opened && (test_pixels(opened) == NULL) == in_file);
        weft_model *taught = teach(model, opened, false, &report);
        CHECK_OK(weft_model_save(taught, path_of(in_file ? "file" : "memory"), NULL));
        weft_model_destroy(&taught);
        weft_dataset_destroy(&opened);
    }
    CHECK(same_files(path_of("file"), path_of("memory")));
}

static void test_wrong(const weft_model *model, const weft_dataset *data)
{
    static const char *const names[] = {"a", "b", "never"};
    struct weft_teach_report report;
    weft_model *taught = NULL;
    CHECK_FAILS(
        weft_teach(device, model, data, weft_teach_params(.add = true), &taught, &report),
        WEFT_ERR_ARG, "was not taught");
    weft_dataset *part = NULL;
    static const int32_t two[] = {0, 1, 0, 1};
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = 4, .height = SIDE, .width = SIDE, .channels = 1,
                            .classes = 3, .pixels = test_pixels(data), .labels = two,
                            .class_names = names),
        &part));
    CHECK_FAILS(weft_teach(device, model, part, NULL, &taught, &report), WEFT_ERR_ARG,
                "class \"never\" has no example");
    weft_dataset_destroy(&part);
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = 4, .height = SIDE / 2, .width = SIDE, .channels = 1,
                            .pixels = test_pixels(data), .labels = two),
        &part));
    CHECK_FAILS(weft_teach(device, model, part, NULL, &taught, &report), WEFT_ERR_ARG,
                "images of 6x12x1 for a model of 12x12x1");
    weft_dataset_destroy(&part);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    test_leave_one_out(0);
    test_leave_one_out(0.3);
    test_single();
    weft_dataset *data = make_data(COUNT);
    weft_model *model = train(data);
    test_adding(model, data);
    test_means(model, data);
    test_file(model, data);
    test_wrong(model, data);
    weft_model_destroy(&model);
    weft_dataset_destroy(&data);
    return close_device();
}
