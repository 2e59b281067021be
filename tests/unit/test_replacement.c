/* SPDX-License-Identifier: Apache-2.0 */
/* Algorithms that compute wrong results are replaced before the first step, for the
 * problem that they get wrong; elsewhere only where there is another. Later starts know
 * it without a test. */
#include "lab/call.h"
#include "train/trainer.h"
#include "unit/moved_weights.h"
#include "unit/trainer_fixture.h"

#include <math.h>

/* On processors the first convolution has direct, gemm or winograd algorithms, the
 * second, with its stride, a direct one alone. */
static const char network[] = "conv 8 3x3 relu pad=same\n"
                              "conv 8 2 stride=2\n"
                              "flatten\n"
                              "dense 4\n"
                              "softmax\n"
                              "optimizer sgd 0.05\n"
                              "batch 16\n";

/* A primitive of which an algorithm, or any, is wrong. */
static struct {
    enum weft_primitive primitive;
    char algorithm[64]; /* "": all */
    int stride;         /* of convolutions; 0: any */
    bool is_on;
} wrong;

static int replays, warnings;
static char log_text[4000];
static const struct weft_backend *own;
static struct weft_backend changed;
static weft_dataset *data;

static void keep(void *priv, enum weft_log_level level, const char *message)
{
    (void)priv;
    size_t used = strlen(log_text);
    if (level == WEFT_LOG_WARN) {
        warnings++;
        snprintf(log_text + used, sizeof(log_text) - used, "%s\n", message);
    }
}

/* "winograd-4", for a call with launches. */
static void algorithm_of(const struct weft_command_list *list,
                         const struct weft_recorded_call *call, char out[64])
{
    struct weft_launch_description d;
    own->describe_launch(list, call->end - 1, &d);
    snprintf(out, 64, "%.*s", (int)strcspn(d.config, " "), d.config);
}

static bool is_wrong(const struct weft_command_list *list,
                     const struct weft_recorded_call *call)
{
    char algorithm[64];
    if (!wrong.is_on || call->call.primitive != wrong.primitive ||
        (wrong.stride && call->call.args.conv_forward.conv.stride_y != wrong.stride))
        return false;
    algorithm_of(list, call, algorithm);
    return !wrong.algorithm[0] || !strcmp(algorithm, wrong.algorithm);
}

/* Adds 1 to the first result of wrong calls. */
static enum weft_status replay_range(struct weft_command_list *list, int first, int end)
{
    WEFT_TRY(own->replay_range(list, first, end));
    replays++;
    for (int i = 0; i < list->call_count; i++) {
        struct weft_recorded_call *c = &list->calls[i];
        struct weft_primitive_call call = c->call;
        struct lab_argument a[LAB_MAX_ARGUMENTS];
        float value;
        if (c->first < first || c->end > end || !is_wrong(list, c))
            continue;
        int count = lab_arguments(&call, a), k = 0;
        while (k < count && !a[k].written)
            k++;
        size_t at = a[k].view->offset * sizeof(value);
        WEFT_TRY(own->read(device, &value, a[k].view->mem, at, sizeof(value)));
        value += 1;
        WEFT_TRY(own->write(device, a[k].view->mem, at, &value, sizeof(value)));
    }
    return WEFT_OK;
}

static enum weft_status replay(struct weft_command_list *list)
{
    for (int i = 0; i < list->call_count; i++)
        WEFT_TRY(replay_range(list, list->calls[i].first, list->calls[i].end));
    return WEFT_OK;
}

/* A new process, as far as weft knows. */
static void open_again(const char *cache)
{
    int index;
    if (device) {
        device->backend = own;
        weft_device_close(&device);
    }
    weft_context_destroy(&ctx);
    CHECK_OK(weft_context_create(&ctx, weft_context_params(.log = keep,
                                                           .log_level = WEFT_LOG_WARN,
                                                           .cache_dir = path_of(cache))));
    test_context = ctx;
    if (weft_device_find(ctx, "portable", &index, NULL))
        test_skip(weft_error(ctx));
    CHECK_OK(weft_device_open(ctx, index, weft_device_params(.family = WEFT_FAMILY_VEC),
                              &device));
    REQUIRE(device);
    own = device->backend;
    changed = *own;
    changed.replay = replay;
    changed.replay_range = replay_range;
    device->backend = &changed;
}

static enum weft_status start(weft_trainer **out)
{
    weft_net *net = make_net(network);
    replays = warnings = 0;
    log_text[0] = 0;
    *out = NULL;
    enum weft_status status =
        weft_trainer_create(device, net, data, weft_train_params(.seed = 3), out);
    weft_net_destroy(&net);
    return status;
}

static void check_said(const char *words, bool is_said)
{
    test_checks++;
    if (!strstr(log_text, words) == is_said)
        TEST_FAIL("\"%s\" %s in the log:\n%s", words, is_said ? "is not" : "is",
                  log_text);
}

/* The algorithm of the call number `index` of a primitive. */
static void algorithm_at(const weft_trainer *t, enum weft_primitive primitive, int index,
                         char out[64])
{
    out[0] = 0;
    for (int i = 0; i < t->gradients->call_count; i++)
        if (t->gradients->calls[i].call.primitive == primitive && !index--)
            algorithm_of(t->gradients, &t->gradients->calls[i], out);
}

/* The weights after a few steps. */
static float *train(weft_trainer *t)
{
    CHECK_OK(weft_trainer_run(t, 3));
    return read_weights(t);
}

/* The weights of right kernels, and of runs whose first weights are moved, less that. */
static float *right, *moved[MOVED_RUNS];

static void train_moved(void)
{
    weft_trainer *t = NULL;
    for (int k = 0; k < MOVED_RUNS; k++) {
        CHECK_OK(start(&t));
        REQUIRE(t);
        float *first = read_weights(t);
        CHECK_OK(move_trainer_weights(t, k + 1));
        float *start_at = read_weights(t);
        moved[k] = train(t);
        for (size_t i = 0; i < weft_graph_floats(&t->net->graph); i++)
            moved[k][i] -= start_at[i] - first[i];
        free(first);
        free(start_at);
        weft_trainer_destroy(&t);
    }
}

/* Another algorithm rounds otherwise. */
static void check_weights(weft_trainer *t)
{
    float *weights = train(t);
    CHECK(largest_moved_share(&t->net->graph, weights, right, moved) <= 1);
    free(weights);
}

/* The first convolution's algorithm is wrong for it, and right for the second, which has
 * no other. */
static void test_one_problem(const char *first)
{
    weft_trainer *t = NULL;
    char algorithm[64];
    wrong.primitive = WEFT_PRIMITIVE_conv_forward;
    wrong.stride = 1;
    strcpy(wrong.algorithm, first);
    wrong.is_on = true;
    open_again("one");
    CHECK_OK(start(&t));
    REQUIRE(t);
    check_said("conv1: conv_forward (", true);
    check_said("computes wrong results", true);
    check_said("another algorithm replaces it", true);
    algorithm_at(t, WEFT_PRIMITIVE_conv_forward, 0, algorithm);
    CHECK(strcmp(algorithm, first) != 0);
    check_weights(t);
    weft_trainer_destroy(&t);

    open_again("one");
    CHECK_OK(start(&t));
    REQUIRE(t);
    CHECK_INT(replays, 0);
    check_said("has failed a known-answer test", true);
    check_said("computes wrong results", false);
    check_weights(t);
    weft_trainer_destroy(&t);
}

/* Where a distrusted algorithm is the only one, its test decides. */
static void test_only_one_left(void)
{
    weft_trainer *t = NULL;
    char algorithm[64];
    strcpy(wrong.algorithm, "direct");
    wrong.primitive = WEFT_PRIMITIVE_conv_forward;
    wrong.stride = 1;
    wrong.is_on = true;
    open_again("left");
    CHECK_OK(start(&t));
    REQUIRE(t);
    algorithm_at(t, WEFT_PRIMITIVE_conv_forward, 1, algorithm);
    CHECK_TEXT(algorithm, "direct");
    check_said("there is no other, so it is tested again", true);
    check_weights(t);
    weft_trainer_destroy(&t);

    wrong.stride = 2;
    open_again("left");
    CHECK_OK(start(&t)); /* as before: it has passed its test on this driver */
    weft_trainer_destroy(&t);
    open_again("refused");
    CHECK_FAILS(start(&t), WEFT_ERR_MISMATCH, "no other algorithm is left");
    CHECK_FAILS(start(&t), WEFT_ERR_MISMATCH, "no other algorithm is left");
    check_said("there is no other, so it is tested again", true);

    /* The driver is right now, and the failure is remembered. */
    wrong.is_on = false;
    open_again("refused");
    CHECK_OK(start(&t));
    REQUIRE(t);
    check_said("there is no other, so it is tested again", true);
    check_weights(t);
    weft_trainer_destroy(&t);
}

/* One algorithm after the other, until there is none. */
static void test_all_wrong(void)
{
    weft_trainer *t = NULL;
    wrong.algorithm[0] = 0;
    wrong.primitive = WEFT_PRIMITIVE_conv_forward;
    wrong.stride = 1;
    wrong.is_on = true;
    open_again("all");
    CHECK_FAILS(start(&t), WEFT_ERR_MISMATCH, "no other algorithm is left");
    CHECK(warnings > 1);
    open_again("all");
    CHECK_FAILS(start(&t), WEFT_ERR_MISMATCH, "no other algorithm is left");
    wrong.is_on = false;
}

int main(void)
{
    weft_trainer *t = NULL;
    char algorithm[64];
    setenv("POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable", 1); /* builds twice as fast */
    REQUIRE(mkdtemp(folder));
    CHECK_OK(weft_context_create(&ctx, NULL));
    test_context = ctx;
    data = make_data(48);
    open_again("right");
    CHECK_OK(start(&t));
    REQUIRE(t);
    CHECK_INT(warnings, 0);
    CHECK(replays > 0);
    algorithm_at(t, WEFT_PRIMITIVE_conv_forward, 0, algorithm);
    right = train(t);
    weft_trainer_destroy(&t);
    train_moved();
    open_again("right");
    CHECK_OK(start(&t));
    CHECK_INT(replays, 0);
    weft_trainer_destroy(&t);
    test_one_problem(algorithm);
    test_only_one_left();
    test_all_wrong();
    free(right);
    for (int k = 0; k < MOVED_RUNS; k++)
        free(moved[k]);
    device->backend = own;
    weft_dataset_destroy(&data);
    return close_device();
}
