/* SPDX-License-Identifier: Apache-2.0 */
/* Primitives against independent results: the tests that come with ONNX.
 *
 *     oracle [-d SELECTOR] [-f vec|tile] [--every N] [--plant] [-v] FOLDER
 *
 * Every model of one node below FOLDER whose operator weft has is run through the backend
 * interface with each of its data sets, or skipped with a reason. --plant swaps two
 * values of each result: then every test must fail. --every N: the first model of each
 * operator, and every Nth after it. */
#include "onnx/oracle.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *op;
    oracle_run *run;
} adapters[] = {
    {"Conv", oracle_conv},
    {"MaxPool", oracle_max_pool},
    {"AveragePool", oracle_average_pool},
    {"GlobalMaxPool", oracle_global_max_pool},
    {"GlobalAveragePool", oracle_global_average_pool},
    {"Add", oracle_add},
    {"Gemm", oracle_gemm},
    {"BatchNormalization", oracle_batch_norm},
    {"Relu", oracle_relu},
    {"LeakyRelu", oracle_leaky_relu},
    {"Sigmoid", oracle_sigmoid},
    {"Tanh", oracle_tanh},
    {"HardSwish", oracle_hard_swish},
    {"Clip", oracle_clip},
    {"PRelu", oracle_prelu},
    {"Concat", oracle_concat},
    {"Slice", oracle_slice},
    {"LayerNormalization", oracle_layer_norm},
    {"Softmax", oracle_softmax},
    {"Flatten", oracle_flatten},
    {"Dropout", oracle_dropout},
    {"SoftmaxCrossEntropyLoss", oracle_loss},
    {"Adam", oracle_adam},
    {"Momentum", oracle_momentum},
};

static struct {
    int run, skipped, failed;
    double worst;
    bool verbose;
    int every, models[WEFT_ARRAY_SIZE(adapters)]; /* of each operator */
} total = {.every = 1};

static void exit_with_error(const char *what, const char *why)
{
    fprintf(stderr, "oracle: %s: %s\n", what, why);
    exit(1);
}

/* The index of `name` among `count` names, or -1. */
static int place_of(const char *name, const char names[][ONNX_NAME], int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static const struct onnx_tensor *initializer(const struct onnx_model *model,
                                             const char *name)
{
    for (int i = 0; i < model->initializer_count; i++)
        if (!strcmp(model->initializers[i].name, name))
            return &model->initializers[i];
    return NULL;
}

/* The number of the file that holds graph input `name`: initializers have none. */
static int input_file(const struct onnx_model *model, const char *name)
{
    int file = 0;
    for (int i = 0; i < model->input_count; i++) {
        if (!strcmp(model->inputs[i], name))
            return file;
        file += !initializer(model, model->inputs[i]);
    }
    return -1;
}

static void read_port(const char *folder, const char *kind, int number,
                      struct onnx_tensor *out)
{
    char path[512];
    const char *why;
    if (number < 0)
        return;
    int length = snprintf(path, sizeof(path), "%s/%s_%d.pb", folder, kind, number);
    if (length < 0 || (size_t)length >= sizeof(path))
        exit_with_error(folder, "its path is too long");
    if (!onnx_read_tensor(path, out, &why))
        exit_with_error(path, why ? why : "no such file");
}

static void read_data(const struct onnx_model *model, const char *folder,
                      struct onnx_test *out)
{
    const struct onnx_node *node = &model->node;
    for (int i = 0; i < node->input_count; i++) {
        const struct onnx_tensor *constant = initializer(model, node->inputs[i]);
        if (constant)
            out->inputs[i] = *constant;
        else if (*node->inputs[i])
            read_port(folder, "input", input_file(model, node->inputs[i]),
                      &out->inputs[i]);
    }
    for (int i = 0; i < node->output_count; i++)
        if (*node->outputs[i])
            read_port(folder, "output",
                      place_of(node->outputs[i], model->outputs, model->output_count),
                      &out->outputs[i]);
}

static void finish_data(struct onnx_test *test)
{
    const struct onnx_node *node = &test->model->node;
    for (int i = 0; i < node->input_count; i++)
        if (!initializer(test->model, node->inputs[i]))
            onnx_tensor_finish(&test->inputs[i]);
    for (int i = 0; i < node->output_count; i++)
        onnx_tensor_finish(&test->outputs[i]);
}

static void run_data_set(struct oracle *oracle, oracle_run *run, struct onnx_test *test)
{
    oracle->compared = oracle->wrong = 0;
    oracle->worst = 0;
    const char *reason = run(oracle, test);
    oracle_free_tensors(oracle);

    if (reason) {
        total.skipped++;
        printf("skipped %s: %s\n", test->name, reason);
        return;
    }
    bool failed =
        oracle->inject_fault ? oracle->wrong < oracle->compared : oracle->wrong > 0;
    if (!oracle->compared || failed)
        printf("FAILED  %s: %d of %d outputs wrong\n", test->name, oracle->wrong,
               oracle->compared);
    else if (total.verbose)
        printf("run     %s: error %.3g of its bound\n", test->name, oracle->worst);
    total.run++;
    total.failed += !oracle->compared || failed;
    total.worst = fmax(total.worst, oracle->worst);
}

static void run_model(struct oracle *oracle, const char *folder, const char *name)
{
    char path[512];
    const char *why;
    struct onnx_model *model = oracle_alloc(1, sizeof(*model));
    oracle_run *run = NULL;

    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    if (!onnx_read_model(path, model, &why))
        exit_with_error(path, why ? why : "no such file");
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(adapters) && model->node_count == 1; i++)
        if (!strcmp(adapters[i].op, model->node.op) &&
            total.models[i]++ % total.every == 0)
            run = adapters[i].run;
    for (int set = 0; run; set++) {
        struct stat status;
        snprintf(path, sizeof(path), "%s/test_data_set_%d", folder, set);
        if (stat(path, &status))
            break;
        struct onnx_test *test = oracle_alloc(1, sizeof(*test));
        test->name = name;
        test->model = model;
        read_data(model, path, test);
        run_data_set(oracle, run, test);
        finish_data(test);
        free(test);
    }
    onnx_model_finish(model);
    free(model);
}

/* Models are folders with a model.onnx; sorted by name, so that logs compare. */
static void run_folder(struct oracle *oracle, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[384], model[512];
        struct stat status;
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        snprintf(model, sizeof(model), "%s/model.onnx", path);
        if (entries[i]->d_name[0] != '.' && !stat(path, &status) &&
            S_ISDIR(status.st_mode)) {
            if (stat(model, &status))
                run_folder(oracle, path);
            else
                run_model(oracle, path, entries[i]->d_name);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void print_outcome(void *priv, enum weft_log_level level, const char *message)
{
    (void)priv;
    (void)level;
    fprintf(stderr, "%s\n", message);
}

int main(int argc, char **argv)
{
    struct oracle oracle = {.context = NULL};
    struct weft_device_params params = *weft_device_params(.family = WEFT_FAMILY_AUTO);
    const char *folder = NULL, *selector = "cpu";
    int index;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--plant"))
            oracle.inject_fault = true;
        else if (!strcmp(argv[i], "-v"))
            total.verbose = true;
        else if (!strcmp(argv[i], "--every") && i + 1 < argc)
            total.every = atoi(argv[++i]) > 1 ? atoi(argv[i]) : 1;
        else if (!strcmp(argv[i], "-d") && i + 1 < argc)
            selector = argv[++i];
        else if (!strcmp(argv[i], "-f") && i + 1 < argc)
            params.family = strcmp(argv[++i], "vec") ? WEFT_FAMILY_TILE : WEFT_FAMILY_VEC;
        else
            folder = argv[i];
    }
    struct stat status;
    if (!folder || stat(folder, &status)) {
        printf("skipped: %s is not there; Debian: libonnx-testdata\n",
               folder ? folder : "(no folder)");
        return 77;
    }
    oracle_require_ok(
        &oracle, weft_context_create(&oracle.context,
                                     weft_context_params(.log = print_outcome,
                                                         .log_level = WEFT_LOG_ERROR)));
    if (weft_device_find(oracle.context, selector, &index, NULL)) {
        printf("skipped: no device %s\n", selector);
        return 77;
    }
    oracle_require_ok(&oracle,
                      weft_device_open(oracle.context, index, &params, &oracle.device));
    oracle.lab.device[LAB_DEVICE] = oracle.device;
    run_folder(&oracle, folder);
    printf("%s: %d tests, %d run, %d skipped, %d failed; largest error %.3g of its "
           "bound\n",
           oracle.device->info.name, total.run + total.skipped, total.run, total.skipped,
           total.failed, total.worst);
    printf("figures: tests=%d run=%d skipped=%d failed=%d bound=%.4f\n",
           total.run + total.skipped, total.run, total.skipped, total.failed,
           total.worst);
    weft_device_close(&oracle.device);
    weft_context_destroy(&oracle.context);
    return total.run == 0 || total.failed > 0;
}
