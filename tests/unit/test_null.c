/* SPDX-License-Identifier: Apache-2.0 */
/* NULL for each pointer of each public function: a status with a sentence that names the
 * argument, or for functions without a status a harmless answer. style/headers.py checks
 * that no public function is missing here. */
#include "unit/test.h"

#include <weft/weft.h>

#include <unistd.h>

static weft_context *context;
static weft_device *device;
static weft_dataset *data;
static weft_net *net;
static weft_trainer *trainer;
static weft_model *model;
static weft_predictor *predictor;
static weft_bench *bench;

static struct weft_image image;
static struct weft_preprocess_info prepared;
static struct weft_eval eval;
static struct weft_tune_result tuned;
static struct weft_verify_result verified;
static struct weft_step_report step;
static struct weft_progress progress;
static struct weft_device_info device_info;
static struct weft_layer_info layer_info;
static struct weft_tuning_row row;
static struct weft_bench_timer timer;
static const uint8_t pixels[8] = {0, 255, 10, 20, 30, 40, 50, 60};
static float probabilities[4];

static void ignore_timing(void *priv, const struct weft_timing *timing)
{
    (void)priv;
    (void)timing;
}

/* The call fails with "FUNCTION: NAME must not be NULL" on `ctx`. */
static void check_null(const char *call, enum weft_status status, const weft_context *ctx,
                       const char *name)
{
    char rule[128];
    const char *function = call + (call[0] == '(');
    snprintf(rule, sizeof(rule), "%.*s: %s must not be NULL",
             (int)strcspn(function, "()"), function, name);
    test_checks++;
    if (status != WEFT_ERR_ARG || strcmp(weft_error(ctx), rule) != 0)
        TEST_FAIL("%s: %s, \"%s\", should be \"%s\"", call, weft_status_name(status),
                  weft_error(ctx), rule);
}

#define REFUSES(ctx, name, call) check_null(#call, call, ctx, name)

static void test_base_and_devices(void)
{
    weft_context *none = NULL;
    weft_device *no_device = NULL;
    int index;
    REFUSES(NULL, "out", weft_context_create(NULL, NULL));
    weft_context_destroy(NULL);
    weft_context_destroy(&none);
    CHECK(weft_error(NULL) && weft_status_name(WEFT_OK) && weft_version());
    REFUSES(NULL, "context", weft_device_info(NULL, 0, &device_info));
    REFUSES(NULL, "out", (weft_device_info)(context, 0, NULL, sizeof(device_info)));
    REFUSES(NULL, "context", weft_device_find(NULL, NULL, &index, NULL));
    REFUSES(context, "index", weft_device_find(context, NULL, NULL, NULL));
    CHECK(!weft_device_diagnostic(NULL, 0));
    REFUSES(NULL, "context", weft_device_open(NULL, 0, NULL, &no_device));
    REFUSES(context, "out", weft_device_open(context, 0, NULL, NULL));
    weft_device_close(NULL);
    weft_device_close(&no_device);
}

static void test_data(void)
{
    weft_dataset *made = NULL, *other = NULL;
    const int32_t label = 0;
    REFUSES(NULL, "data", weft_dataset_relabel(NULL, &label, 1));
    REFUSES(context, "labels", weft_dataset_relabel(data, NULL, 1));
    struct weft_dataset_info info;
    int count;
    REFUSES(NULL, "context", weft_dataset_open(NULL, "x", WEFT_SPLIT_TEST, NULL, &made));
    REFUSES(context, "spec",
            weft_dataset_open(context, NULL, WEFT_SPLIT_TEST, NULL, &made));
    REFUSES(context, "out", weft_dataset_open(context, "x", WEFT_SPLIT_TEST, NULL, NULL));
    REFUSES(NULL, "context", weft_dataset_from_memory(NULL, NULL, &made));
    REFUSES(context, "params", weft_dataset_from_memory(context, NULL, &made));
    REFUSES(context, "out",
            weft_dataset_from_memory(context, weft_dataset_params(.count = 1), NULL));
    CHECK_FAILS(weft_dataset_from_memory(context,
                                         weft_dataset_params(.count = 1, .height = 1,
                                                             .width = 1, .channels = 1),
                                         &made),
                WEFT_ERR_ARG, "pixels or values must be given");
    weft_dataset_destroy(NULL);
    weft_dataset_destroy(&made);
    info.count = 7;
    weft_dataset_info(NULL, &info);
    CHECK_INT(info.count, 0);
    (weft_dataset_info)(data, NULL, sizeof(info));
    REFUSES(NULL, "data", weft_dataset_holdout(NULL, 1, 0, &made, &other));
    REFUSES(context, "first", weft_dataset_holdout(data, 1, 0, NULL, &other));
    REFUSES(context, "second", weft_dataset_holdout(data, 1, 0, &made, NULL));
    REFUSES(NULL, "data", weft_dataset_read(NULL, 0, 1, (uint8_t[16]){0}));
    REFUSES(context, "out", weft_dataset_read(data, 0, 1, NULL));
    REFUSES(NULL, "train", weft_dataset_overlap(NULL, data, &count));
    REFUSES(context, "test", weft_dataset_overlap(data, NULL, &count));
    REFUSES(context, "out", weft_dataset_overlap(data, data, NULL));
    uint8_t seen[sizeof(pixels)];
    REFUSES(NULL, "data", weft_preview(NULL, NULL, seen, NULL));
    REFUSES(context, "pixels", weft_preview(data, NULL, NULL, NULL));
    CHECK(!made && !other);
}

static void test_images(void)
{
    const struct weft_preprocess_params *params =
        weft_preprocess_params(.height = 2, .width = 2, .channels = 1);
    const struct weft_image source = {2, 2, 1, (uint8_t *)(uintptr_t)pixels};
    const struct weft_image empty = {2, 2, 1, NULL};
    uint8_t out[4];
    REFUSES(NULL, "context", weft_image_decode(NULL, "x", pixels, 8, NULL, &image));
    REFUSES(context, "name", weft_image_decode(context, NULL, pixels, 8, NULL, &image));
    REFUSES(context, "bytes", weft_image_decode(context, "x", NULL, 8, params, &image));
    REFUSES(context, "out", weft_image_decode(context, "x", pixels, 8, params, NULL));
    weft_image_free(NULL);
    REFUSES(NULL, "context",
            weft_image_preprocess(NULL, &source, params, out, &prepared));
    REFUSES(context, "image",
            weft_image_preprocess(context, NULL, params, out, &prepared));
    REFUSES(context, "the image's pixels",
            weft_image_preprocess(context, &empty, params, out, &prepared));
    REFUSES(context, "params",
            weft_image_preprocess(context, &source, NULL, out, &prepared));
    REFUSES(context, "out",
            weft_image_preprocess(context, &source, params, NULL, &prepared));
    REFUSES(context, "info",
            (weft_image_preprocess)(context, &source, params, out, NULL, 0));
}

static void test_nets(void)
{
    weft_net *made = NULL;
    weft_net_builder *b = NULL;
    struct weft_net_info info;
    REFUSES(NULL, "context", weft_net_create(NULL, "softmax", NULL, &made));
    REFUSES(context, "text", weft_net_create(context, NULL, NULL, &made));
    REFUSES(context, "out", weft_net_create(context, "softmax", NULL, NULL));
    weft_net_destroy(NULL);
    weft_net_destroy(&made);
    REFUSES(NULL, "context", weft_net_begin(NULL, NULL, &b));
    REFUSES(context, "out", weft_net_begin(context, NULL, NULL));
    REFUSES(NULL, "builder", weft_net_add(NULL, "flatten", NULL, NULL, 0, NULL));
    REQUIRE(!weft_net_begin(context,
                            weft_net_params(.height = 2, .width = 2, .channels = 1), &b));
    REFUSES(context, "op", weft_net_add(b, NULL, NULL, NULL, 0, NULL));
    REFUSES(context, "inputs", weft_net_add(b, "flatten", NULL, NULL, 1, NULL));
    REFUSES(NULL, "builder", weft_net_output(NULL, 0));
    REFUSES(NULL, "builder", weft_net_end(NULL, &made));
    CHECK_OK(weft_net_end(&b, NULL));
    REFUSES(NULL, "*builder", weft_net_end(&b, &made));
    CHECK(weft_net_builtin(NULL, 0) && !weft_net_builtin(NULL, -1));
    info.layers = 7;
    weft_net_info(NULL, &info);
    CHECK_INT(info.layers, 0);
    (weft_net_info)(net, NULL, sizeof(info));
    REFUSES(NULL, "net", weft_net_layer(NULL, 0, &layer_info));
    REFUSES(context, "out", (weft_net_layer)(net, 0, NULL, sizeof(layer_info)));
}

static void test_training(void)
{
    weft_trainer *made = NULL;
    weft_model *no_model = NULL;
    struct weft_trainer_info info;
    REFUSES(NULL, "device", weft_trainer_create(NULL, net, data, NULL, &made));
    REFUSES(context, "net", weft_trainer_create(device, NULL, data, NULL, &made));
    REFUSES(context, "data", weft_trainer_create(device, net, NULL, NULL, &made));
    REFUSES(context, "out", weft_trainer_create(device, net, data, NULL, NULL));
    weft_trainer_destroy(NULL);
    weft_trainer_destroy(&made);
    weft_trainer_info(NULL, &info);
    CHECK(info.speedup == 0);
    (weft_trainer_info)(trainer, NULL, sizeof(info));
    REFUSES(NULL, "trainer", weft_trainer_run(NULL, 1));
    REFUSES(NULL, "trainer", weft_trainer_progress(NULL, &progress));
    REFUSES(context, "out", (weft_trainer_progress)(trainer, NULL, sizeof(progress)));
    REFUSES(NULL, "trainer", weft_trainer_evaluate(NULL, data, NULL, &eval));
    REFUSES(context, "data", weft_trainer_evaluate(trainer, NULL, NULL, &eval));
    REFUSES(context, "out", (weft_trainer_evaluate)(trainer, data, NULL, NULL, 8));
    REFUSES(NULL, "trainer", weft_trainer_save_checkpoint(NULL, "x", NULL));
    REFUSES(context, "path", weft_trainer_save_checkpoint(trainer, NULL, NULL));
    REFUSES(NULL, "trainer", weft_trainer_load_checkpoint(NULL, "x"));
    REFUSES(context, "path", weft_trainer_load_checkpoint(trainer, NULL));
    REFUSES(NULL, "trainer", weft_trainer_model(NULL, &no_model));
    REFUSES(context, "out", weft_trainer_model(trainer, NULL));
}

static void test_models(void)
{
    weft_model *made = NULL;
    weft_predictor *none = NULL;
    struct weft_model_info info;
    struct weft_predictor_info predictor_info;
    REFUSES(NULL, "context", weft_model_load(NULL, "x", &made));
    REFUSES(context, "path", weft_model_load(context, NULL, &made));
    REFUSES(context, "out", weft_model_load(context, "x", NULL));
    REFUSES(NULL, "model", weft_model_backbone(NULL, &made));
    REFUSES(context, "out", weft_model_backbone(model, NULL));
    struct weft_head_params head =
        *weft_head_params(.classes = 2, .class_names = (const char *const[]){"a", "b"},
                          .weights = (const float[]){0});
    REFUSES(NULL, "backbone", weft_model_with_head(NULL, &head, &made));
    REFUSES(context, "params", weft_model_with_head(model, NULL, &made));
    REFUSES(context, "out", weft_model_with_head(model, &head, NULL));
    head.weights = NULL;
    REFUSES(context, "weights", weft_model_with_head(model, &head, &made));
    head.class_names = NULL;
    REFUSES(context, "class_names", weft_model_with_head(model, &head, &made));
    struct weft_teach_report report;
    REFUSES(NULL, "device", weft_teach(NULL, model, data, NULL, &made, &report));
    REFUSES(context, "model", weft_teach(device, NULL, data, NULL, &made, &report));
    REFUSES(context, "data", weft_teach(device, model, NULL, NULL, &made, &report));
    REFUSES(context, "out", weft_teach(device, model, data, NULL, NULL, &report));
    REFUSES(context, "report",
            (weft_teach)(device, model, data, NULL, &made, NULL, sizeof(report)));
    REFUSES(NULL, "model", weft_model_with_temperature(NULL, 1, &made));
    REFUSES(context, "out", weft_model_with_temperature(model, 1, NULL));
    REFUSES(NULL, "model", weft_model_save(NULL, "x", NULL));
    REFUSES(context, "path", weft_model_save(model, NULL, NULL));
    weft_model_destroy(NULL);
    weft_model_destroy(&made);
    weft_model_info(NULL, &info);
    CHECK(!info.net);
    (weft_model_info)(model, NULL, sizeof(info));
    CHECK(!weft_model_metadata(NULL, "net.name") && !weft_model_metadata(model, NULL));
    REFUSES(NULL, "device", weft_predictor_create(NULL, model, NULL, &none));
    REFUSES(context, "model", weft_predictor_create(device, NULL, NULL, &none));
    REFUSES(context, "out", weft_predictor_create(device, model, NULL, NULL));
    weft_predictor_destroy(NULL);
    weft_predictor_destroy(&none);
    weft_predictor_info(NULL, &predictor_info);
    CHECK_INT(predictor_info.weight_bytes, 0);
    (weft_predictor_info)(predictor, NULL, sizeof(predictor_info));
    REFUSES(NULL, "predictor", weft_predictor_run(NULL, pixels, 1, probabilities));
    REFUSES(context, "pixels", weft_predictor_run(predictor, NULL, 1, probabilities));
    REFUSES(context, "probabilities", weft_predictor_run(predictor, pixels, 1, NULL));
    CHECK_OK(weft_predictor_run(predictor, NULL, 0, NULL));
    REFUSES(NULL, "predictor", weft_predictor_evaluate(NULL, data, NULL, &eval));
    REFUSES(context, "data", weft_predictor_evaluate(predictor, NULL, NULL, &eval));
    REFUSES(context, "out", (weft_predictor_evaluate)(predictor, data, NULL, NULL, 8));
}

static void test_search(void)
{
    static const float values[4] = {1, 0, 0, 1};
    const struct weft_vectors_params *params =
        weft_vectors_params(.values = values, .count = 2, .dimensions = 2);
    struct weft_neighbor found;
    weft_vectors *vectors = NULL;
    REFUSES(NULL, "device", weft_vectors_create(NULL, params, &vectors));
    REFUSES(context, "params", weft_vectors_create(device, NULL, &vectors));
    REFUSES(context, "out", weft_vectors_create(device, params, NULL));
    REFUSES(context, "values",
            weft_vectors_create(device, weft_vectors_params(.count = 1, .dimensions = 1),
                                &vectors));
    weft_vectors_destroy(NULL);
    weft_vectors_destroy(&vectors);
    REQUIRE(!weft_vectors_create(device, params, &vectors));
    REFUSES(NULL, "vectors", weft_vectors_nearest(NULL, values, 1, 1, &found));
    REFUSES(context, "queries", weft_vectors_nearest(vectors, NULL, 1, 1, &found));
    REFUSES(context, "out", weft_vectors_nearest(vectors, values, 1, 1, NULL));
    CHECK_OK(weft_vectors_nearest(vectors, NULL, 0, 1, NULL));
    weft_vectors_destroy(&vectors);
}

static void test_explainers(void)
{
    weft_explainer *made = NULL, *none = NULL;
    REFUSES(NULL, "device", weft_explainer_create(NULL, model, NULL, &none));
    REFUSES(context, "model", weft_explainer_create(device, NULL, NULL, &none));
    REFUSES(context, "out", weft_explainer_create(device, model, NULL, NULL));
    CHECK_OK(weft_explainer_create(device, model, NULL, &made));
    REQUIRE(made);
    REFUSES(NULL, "explainer", weft_explainer_run(NULL, NULL, 0, NULL, NULL));
    REFUSES(context, "pixels", weft_explainer_run(made, NULL, 1, NULL, NULL));
    CHECK_OK(weft_explainer_run(made, NULL, 0, NULL, NULL));
    REFUSES(NULL, "explainer", weft_explainer_layer(NULL, 0, NULL, NULL));
    CHECK_OK(weft_explainer_layer(made, 0, NULL, NULL));
    weft_explainer_destroy(&made);
    weft_explainer_destroy(&made);
    weft_explainer_destroy(NULL);
}

static void test_tools(void)
{
    const struct weft_tune_params *params = weft_tune_params(.seconds = 1);
    const struct weft_step_params *step_params = weft_step_params(.batch = 2);
    struct weft_roofline roofline;
    weft_bench *none = NULL;
    REFUSES(NULL, "device", weft_bench_create(NULL, NULL, &none));
    REFUSES(context, "out", weft_bench_create(device, NULL, NULL));
    weft_bench_destroy(NULL);
    weft_bench_destroy(&none);
    roofline.flops_per_second = 7;
    weft_bench_roofline(NULL, &roofline);
    CHECK(roofline.flops_per_second == 0);
    (weft_bench_roofline)(bench, NULL, sizeof(roofline));
    REFUSES(NULL, "bench", weft_bench_timer(NULL, &timer));
    REFUSES(context, "out", (weft_bench_timer)(bench, NULL, sizeof(timer)));
    CHECK(weft_bench_op_shape(NULL, 0) && !weft_bench_op_shape("no-op", 0));
    REFUSES(NULL, "bench", weft_bench_op(NULL, "add", "4", ignore_timing, NULL));
    REFUSES(context, "op", weft_bench_op(bench, NULL, "4", ignore_timing, NULL));
    REFUSES(context, "shape", weft_bench_op(bench, "add", NULL, ignore_timing, NULL));
    REFUSES(context, "report", weft_bench_op(bench, "add", "4", NULL, NULL));
    REFUSES(NULL, "bench", weft_bench_step(NULL, net, data, step_params, &step));
    REFUSES(context, "net", weft_bench_step(bench, NULL, data, step_params, &step));
    REFUSES(context, "data", weft_bench_step(bench, net, NULL, step_params, &step));
    REFUSES(context, "out", (weft_bench_step)(bench, net, data, step_params, NULL, 8));
    REFUSES(NULL, "device", weft_tune(NULL, net, params, &tuned));
    REFUSES(context, "net", weft_tune(device, NULL, params, &tuned));
    REFUSES(context, "params", weft_tune(device, net, NULL, &tuned));
    REFUSES(context, "out", (weft_tune)(device, net, params, NULL, 8));
    REFUSES(NULL, "device", weft_tune_worker(NULL, 0, 1));
    REFUSES(NULL, "device", weft_tuning_row(NULL, 0, &row));
    REFUSES(context, "out", (weft_tuning_row)(device, 0, NULL, sizeof(row)));
    CHECK(!weft_tuning_path(NULL));
    REFUSES(NULL, "device", weft_tuning_reset(NULL));
    REFUSES(NULL, "device", weft_verify(NULL, NULL, &verified));
    REFUSES(context, "out", (weft_verify)(device, NULL, NULL, sizeof(verified)));
    CHECK(weft_verify_op_name(0) && !weft_verify_op_name(-1));
}

/* A trainer's weights as a model, without a file. */
static void test_trainer_model(void)
{
    const struct weft_predictor_params *params = weft_predictor_params(.batch = 2);
    weft_model *loaded = NULL;
    weft_predictor *of_file = NULL;
    struct weft_model_info info;
    float other[4];
    char path[] = "/tmp/weft-test-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    close(fd);
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path, NULL));
    CHECK_OK(weft_model_load(context, path, &loaded));
    unlink(path);
    REQUIRE(loaded && !weft_predictor_create(device, loaded, params, &of_file));
    weft_model_info(model, &info);
    CHECK_INT(info.step, 3);
    CHECK_OK(weft_predictor_run(predictor, pixels, 2, probabilities));
    CHECK_OK(weft_predictor_run(of_file, pixels, 2, other));
    CHECK(!memcmp(probabilities, other, sizeof(other)));
    CHECK(probabilities[0] != probabilities[2]);
    /* The model is that of its time. */
    CHECK_OK(weft_trainer_run(trainer, 5));
    CHECK_OK(weft_predictor_run(predictor, pixels, 2, other));
    CHECK(!memcmp(probabilities, other, sizeof(other)));
    weft_predictor_destroy(&of_file);
    weft_model_destroy(&loaded);
}

static void test_float_values(void)
{
    static const float values[4] = {0, 1, 0.2f, 0.5f}, large[4] = {0, 1, 1.5f, 0};
    static const uint8_t bytes[4] = {0, 255, 51, 128};
    weft_dataset *made = NULL;
    struct weft_dataset_params params =
        *weft_dataset_params(.count = 1, .height = 2, .width = 2, .channels = 1);
    params.values = values;
    REQUIRE(!weft_dataset_from_memory(context, &params, &made));
    CHECK(!memcmp(test_pixels(made), bytes, sizeof(bytes)));
    weft_dataset_destroy(&made);
    params.values = large;
    CHECK_FAILS(weft_dataset_from_memory(context, &params, &made), WEFT_ERR_ARG,
                "value 2 is 1.5, must be 0 to 1");
    params.pixels = bytes;
    CHECK_FAILS(weft_dataset_from_memory(context, &params, &made), WEFT_ERR_ARG,
                "and not both");
}

int main(void)
{
    REQUIRE(!weft_context_create(&context, weft_context_params(.no_opencl = true)));
    test_context = context;
    const int32_t labels[2] = {0, 1};
    CHECK_OK(weft_device_open(context, WEFT_HOST_DEVICE, NULL, &device));
    CHECK_OK(weft_dataset_from_memory(
        context,
        weft_dataset_params(.count = 2, .height = 2, .width = 2, .channels = 1,
                            .pixels = pixels, .labels = labels),
        &data));
    CHECK_OK(weft_net_create(context, "flatten\ndense 2\nsoftmax\n",
                             weft_net_params(.height = 2, .width = 2, .channels = 1),
                             &net));
    CHECK_OK(weft_trainer_create(device, net, data, NULL, &trainer));
    CHECK_OK(weft_trainer_run(trainer, 3));
    CHECK_OK(weft_trainer_model(trainer, &model));
    CHECK_OK(weft_predictor_create(device, model, weft_predictor_params(.batch = 2),
                                   &predictor));
    CHECK_OK(weft_bench_create(device, weft_bench_params(.seconds = -1), &bench));
    REQUIRE(!test_failures);

    test_base_and_devices();
    test_data();
    test_images();
    test_nets();
    test_training();
    test_models();
    test_search();
    test_explainers();
    test_tools();
    test_trainer_model();
    test_float_values();

    weft_bench_destroy(&bench);
    weft_predictor_destroy(&predictor);
    weft_model_destroy(&model);
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
    weft_device_close(&device);
    weft_context_destroy(&context);
    return test_end();
}
