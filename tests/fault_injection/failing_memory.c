/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the library fails in turn, once and from then on, in one process:
 * many more of them than failing_calls.py can try, which starts a command for each.
 *
 *     failing_memory [-n RUNS]      of each scenario and form, evenly chosen; default 60
 *
 * Linked with --wrap. A call is right if it succeeds, or fails as without the failure, or
 * says that memory is missing. In a build with sanitizers nothing may leak. */
#include "unit/file_corpus.h"
#include "unit/fuzz.h"
#include "unit/trainer_fixture.h"

#include "base/context.h"

#include <weft/bench.h>
#include <weft/explain.h>
#include <weft/verify.h>

#include <stdbool.h>

enum { RUNS = 60 };

/* The allocations. */

static bool armed, once;
static long calls, failing_call;

static bool is_due(void)
{
    long number = calls++;
    return armed && (once ? number == failing_call : number >= failing_call);
}

#define WRAP(type, name, parameters, arguments)           \
    type __real_##name parameters;                        \
    type __wrap_##name parameters;                        \
    type __wrap_##name parameters                         \
    {                                                     \
        return is_due() ? NULL : __real_##name arguments; \
    }

WRAP(void *, malloc, (size_t a), (a))
WRAP(void *, calloc, (size_t a, size_t b), (a, b))
WRAP(void *, realloc, (void *a, size_t b), (a, b))
WRAP(char *, strdup, (const char *a), (a))
WRAP(char *, strndup, (const char *a, size_t b), (a, b))
WRAP(FILE *, open_memstream, (char **a, size_t *b), (a, b))

/* Scenarios: each makes and frees all that it needs, on the host. */

enum { FILES = 64 };
static char files[FILES][64];
static int file_count, file;
static weft_dataset *data;
static weft_model *model;
static weft_trainer *trainer;
static uint8_t pixels[5 * SIDE * SIDE];

static weft_device *open_host(enum weft_status *status)
{
    weft_device *host = NULL;
    int index;
    *status = weft_device_find(ctx, "cpu", &index, NULL);
    if (!*status)
        *status = weft_device_open(ctx, index, NULL, &host);
    return host;
}

static enum weft_status make_context(void)
{
    weft_context *own = NULL;
    enum weft_status status =
        weft_context_create(&own, weft_context_params(.no_opencl = true));
    weft_context_destroy(&own);
    return status;
}

static enum weft_status read_networks(void)
{
    enum weft_status status = WEFT_OK;
    for (int i = 0; !status && weft_net_builtin(NULL, i); i++) {
        weft_net *net = NULL;
        status = weft_net_create(
            ctx, weft_net_builtin(weft_net_builtin(NULL, i), 0),
            weft_net_params(.height = 32, .width = 32, .channels = 3), &net);
        weft_net_destroy(&net);
    }
    return status;
}

static enum weft_status read_data(void)
{
    weft_dataset *read = NULL, *first = NULL, *second = NULL;
    int same;
    enum weft_status status =
        weft_dataset_open(ctx, files[file], WEFT_SPLIT_TRAIN,
                          weft_dataset_open_params(.threads = 1), &read);
    if (!status)
        status = weft_dataset_holdout(read, 1, 1, &first, &second);
    if (!status)
        status = weft_dataset_overlap(first, second, &same);
    weft_dataset_destroy(&first);
    weft_dataset_destroy(&second);
    weft_dataset_destroy(&read);
    return status;
}

static enum weft_status decode_image(void)
{
    static uint8_t bytes[4096], out[SIDE * SIDE * 3];
    struct weft_image image = {0};
    struct weft_preprocess_info info;
    FILE *in = fopen(files[file], "rb");
    size_t size = in ? fread(bytes, 1, sizeof(bytes), in) : 0;
    if (in)
        fclose(in);
    enum weft_status status =
        weft_image_decode(ctx, files[file], bytes, size, NULL, &image);
    if (!status)
        status =
            weft_image_preprocess(ctx, &image,
                                  weft_preprocess_params(.height = SIDE, .width = SIDE,
                                                         .channels = 3, .trim = true),
                                  out, &info);
    weft_image_free(&image);
    return status;
}

static enum weft_status train(void)
{
    enum weft_status status;
    weft_device *host = open_host(&status);
    weft_net *net = NULL;
    weft_trainer *t = NULL;
    weft_model *made = NULL;
    struct weft_eval eval;
    if (!status)
        status = weft_net_create(ctx, every_op,
                                 weft_net_params(.height = SIDE, .width = SIDE,
                                                 .channels = 1, .classes = CLASSES),
                                 &net);
    if (!status)
        status = weft_trainer_create(host, net, data,
                                     weft_train_params(.batch = 4, .epochs = 1), &t);
    if (!status)
        status = weft_trainer_run(t, 1);
    if (!status)
        status = weft_trainer_evaluate(t, data, NULL, &eval);
    if (!status)
        status = weft_trainer_model(t, &made);
    if (!status)
        status = weft_trainer_save_checkpoint(t, "saved", NULL);
    weft_model_destroy(&made);
    weft_trainer_destroy(&t);
    weft_net_destroy(&net);
    weft_device_close(&host);
    return status;
}

static enum weft_status load_model(void)
{
    weft_model *loaded = NULL;
    enum weft_status status = weft_model_load(ctx, "whole", &loaded);
    weft_model_destroy(&loaded);
    return status ? status : weft_trainer_load_checkpoint(trainer, "whole");
}

enum { IMAGES = 20 };

static enum weft_status predict(void)
{
    static float probabilities[5 * CLASSES];
    static struct weft_prediction predictions[IMAGES];
    enum weft_status status = WEFT_OK;
    for (enum weft_precision p = WEFT_PRECISION_FLOAT32;
         !status && p <= WEFT_PRECISION_AUTO; p++) {
        weft_predictor *predictor = NULL;
        struct weft_eval eval;
        status = weft_predictor_create(device, model,
                                       weft_predictor_params(.precision = p), &predictor);
        if (!status)
            status = weft_predictor_run(predictor, pixels, 5, probabilities);
        if (!status)
            status = weft_predictor_evaluate(predictor, data, predictions, &eval);
        weft_predictor_destroy(&predictor);
    }
    return status;
}

/* With the outputs and gradients of the input and of the first layer. */
static enum weft_status explain(void)
{
    static float values[2 * SIDE * SIDE], outputs[1 << 16], gradients[1 << 16],
        logits[2 * CLASSES];
    const int32_t classes[] = {0, CLASSES - 1};
    weft_explainer *explainer = NULL;
    enum weft_status status = weft_explainer_create(
        device, model, weft_explainer_params(.batch = 2), &explainer);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(values); i++)
        values[i] = pixels[i];
    if (!status)
        status = weft_explainer_run(explainer, values, 2, classes, logits);
    for (int layer = WEFT_NET_INPUT; !status && layer < 1; layer++)
        status = weft_explainer_layer(explainer, layer, outputs, gradients);
    weft_explainer_destroy(&explainer);
    return status;
}

static enum weft_status verify(void)
{
    struct weft_verify_result result;
    enum weft_status status = WEFT_OK;
    for (int half = 0; !status && half < 2; half++)
        status =
            weft_verify(device,
                        weft_verify_params(.cases = 1, .tiny_shapes = true, .seed = 2,
                                           .precision = half ? WEFT_PRECISION_FLOAT16
                                                             : WEFT_PRECISION_FLOAT32),
                        &result);
    return status;
}

static void ignore_timing(void *priv, const struct weft_timing *timing)
{
    (void)priv;
    (void)timing;
}

static enum weft_status bench(void)
{
    weft_bench *b = NULL;
    weft_net *net = NULL;
    struct weft_step_report report;
    static const char *const shapes[][2] = {{"conv", "3x9x7x5:6x3x3"},
                                            {"pool", "2x9x9x5:3x2"},
                                            {"batch-norm", "3x5x7x11:gelu"},
                                            {"act", "101:gelu"},
                                            {"scale", "3x5x7x11"}};
    enum weft_status status =
        weft_bench_create(device, weft_bench_params(.seconds = -1), &b);
    for (size_t i = 0; !status && i < WEFT_ARRAY_SIZE(shapes); i++)
        status = weft_bench_op(b, shapes[i][0], shapes[i][1], ignore_timing, NULL);
    if (!status)
        status = weft_net_create(
            ctx, "conv 2 3 relu\nbatch-norm\nflatten\ndense 4\nsoftmax\n",
            weft_net_params(.height = SIDE, .width = SIDE, .channels = 1), &net);
    for (int training = 0; !status && training < 2; training++)
        status = weft_bench_step(
            b, net, data,
            weft_step_params(.batch = 4, .training = training, .verify = true), &report);
    weft_net_destroy(&net);
    weft_bench_destroy(&b);
    return status;
}

static const struct scenario {
    const char *name;
    enum weft_status (*run)(void);
    bool of_files; /* once for each */
} scenarios[] = {
    {"context", make_context}, {"networks", read_networks},
    {"data", read_data, true}, {"image", decode_image, true},
    {"train", train},          {"load", load_model},
    {"predict", predict},      {"explain", explain},
    {"verify", verify},        {"bench", bench},
};

/* The seeds of fuzz_data.c as files. */
void fuzz_replay(const char *reader, const char *name, bool sealed, const uint8_t *bytes,
                 size_t size)
{
    (void)reader;
    (void)sealed;
    REQUIRE(file_count < FILES);
    snprintf(files[file_count], sizeof(files[0]), "%s", name);
    write_file(files[file_count++], bytes, size);
}

static void write_files(void)
{
    static const struct {
        const char *path, *text;
    } texts[] = {{"train.csv", "label,a,b,c,d\n0,1,2,3,4\n1,5,6,7,8\n0,9,1,2,3\n"},
                 {"test.csv", "label,a,b,c,d\n0,1,2,3,4\n1,5,6,7,8\n0,9,1,2,3\n"},
                 {"class_names.txt", "none\nall\n"}};
    fuzz_seeds();
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(texts); i++)
        fuzz_replay("", texts[i].path, false, (const uint8_t *)texts[i].text,
                    strlen(texts[i].text));
    REQUIRE(!system("mkdir csv && cp train.csv test.csv class_names.txt csv"));
    snprintf(files[file_count++], sizeof(files[0]), "csv");
}

static enum weft_status run_with(const struct scenario *s, long failing, bool only_once)
{
    calls = 0;
    failing_call = failing;
    once = only_once;
    armed = failing >= 0;
    enum weft_status status = s->run();
    armed = false;
    return status;
}

static void check_scenario(const struct scenario *s, long runs)
{
    const enum weft_status usual = run_with(s, -1, true);
    const long count = calls, step = count / runs + 1;
    const char *name = s->of_files ? files[file] : "";
    if (!s->of_files && usual)
        TEST_FAIL("%s: %s", s->name, weft_error(ctx));
    long missing = 0;
    for (int form = 0; form < 2; form++)
        for (long i = 0; i < count; i += step) {
            enum weft_status status = run_with(s, i, form);
            const char *message = weft_error(s->run == make_context ? NULL : ctx);
            test_checks++;
            missing += status && status != usual;
            if (status && status != usual && !strstr(message, "memory"))
                TEST_FAIL("%s %s: allocation %ld %s: %s: \"%s\"", s->name, name, i,
                          form ? "fails" : "and all later ones fail",
                          weft_status_name(status), message);
        }
    if (!s->of_files || !usual)
        printf("%s %s: %ld allocations, %ld failures reported\n", s->name, name, count,
               missing);
    CHECK(usual || missing > 0);
}

int main(int argc, char **argv)
{
    long runs = argc == 3 && !strcmp(argv[1], "-n") ? atol(argv[2]) : RUNS;
    open_device(0, NULL);
    REQUIRE(!chdir(folder));
    write_files();
    data = make_data(IMAGES);
    trainer = make_trainer(device, every_op, data, 1, false);
    CHECK_OK(weft_trainer_model(trainer, &model));
    CHECK_OK(weft_trainer_save_checkpoint(trainer, "whole", NULL));
    memcpy(pixels, test_pixels(data), sizeof(pixels));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(scenarios); i++)
        for (file = 0; file < (scenarios[i].of_files ? file_count : 1); file++)
            check_scenario(&scenarios[i], runs);
    weft_model_destroy(&model);
    weft_trainer_destroy(&trainer);
    weft_dataset_destroy(&data);
    return close_device();
}
