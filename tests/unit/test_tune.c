/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning: which rows of its file are used, the search with workers that crash, hang,
 * report wrong times and are slow, and trials of wrong kernels.
 *
 *     test_tune                  on PoCL
 *     test_tune --worker MODE CONFIG
 *                                a worker that runs no trials, but replies as MODE
 *                                defines for one config */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <weft/weft.h>

#include "opencl/select/dispatch.h"
#include "unit/test.h"
#include "tune/trial.h"
#include "tune/tune.h"
#include "util/file.h"

static char folder[] = "tune-XXXXXX";
static const char *self;
static char marked[OCL_CONFIG_TEXT]; /* a config beside the default */
static int warnings;

static void count_warnings(void *priv, enum weft_log_level level, const char *message)
{
    (void)priv;
    (void)message;
    warnings += level == WEFT_LOG_WARN;
}

#define FASTER "time 0.0005 0.001\n"
#define SAME   "time 0.001 0.001\n"
static bool is_final; /* a trial of the final comparison, by its rounds */

/* Replies of a worker to a trial of the marked config. */
static void reply_mismatch(void)
{
    printf("failed %d element 0 is 1, should be 2\n", WEFT_ERR_MISMATCH);
}

static void crash(void)
{
    abort();
}

static void hang(void)
{
    for (;;)
        pause();
}

/* Fast in its trial, as slow as the default in the final comparison. */
static void reply_lucky(void)
{
    printf(is_final ? SAME : FASTER);
}

/* Fast in the process that built it first, and refused by the compiler in others. */
static void reply_fast_once(void)
{
    static bool built;
    printf((built = built || !is_final) ? FASTER : "failed 5 does not build\n");
}

static const struct {
    const char *name, *reply; /* NULL: that of the function */
    void (*marked)(void);
} modes[] = {{"faster", FASTER},
             {"nonsense", "time fast 0x\n"},
             {"wrong", NULL, reply_mismatch},
             {"crash", NULL, crash},
             {"hang", NULL, hang},
             {"lucky", NULL, reply_lucky},
             {"once", NULL, reply_fast_once}};

static int work(const char *mode, const char *config)
{
    char line[TUNE_LINE_BYTES];
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        if (!strncmp(line, "hello", 5))
            printf("weft tune 1\n");
        else if (!strncmp(line, "problem ", 8))
            printf("ok\n");
        else if (!strstr(line, config))
            printf(SAME);
        else
            for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
                is_final = atoi(line + strlen("try ")) > 10;
                if (!strcmp(mode, modes[i].name) && modes[i].reply)
                    fputs(modes[i].reply, stdout);
                else if (!strcmp(mode, modes[i].name))
                    modes[i].marked();
            }
    }
    return 0;
}

struct tune_fixture {
    weft_context *context;
    weft_device *device;
    weft_net *net;
};

/* One small layer to tune. */
static const char net_text[] = "conv 8 3x3 relu\nflatten\ndense 10\nsoftmax\n";

static void tune_fixture_open(struct tune_fixture *s, bool no_tuning)
{
    int index;
    *s = (struct tune_fixture){NULL, NULL, NULL};
    REQUIRE(!weft_context_create(
        &s->context, weft_context_params(.tuning_dir = folder, .log = count_warnings,
                                         .log_level = WEFT_LOG_WARN)));
    test_context = s->context;
    if (weft_device_find(s->context, "portable", &index, NULL))
        test_skip("no PoCL here");
    CHECK_OK(weft_device_open(s->context, index,
                              weft_device_params(.no_tuning = no_tuning), &s->device));
    CHECK_OK(weft_net_create(s->context, net_text,
                             weft_net_params(.height = 8, .width = 8, .channels = 4),
                             &s->net));
}

static void tune_fixture_close(struct tune_fixture *s)
{
    weft_net_destroy(&s->net);
    weft_device_close(&s->device);
    weft_context_destroy(&s->context);
}

static struct weft_tune_result tune(struct tune_fixture *s, const char *mode)
{
    static const int batch = 16;
    const char *const worker[] = {self, "--worker", mode, marked, NULL};
    struct weft_tune_result result = {0};
    struct weft_tune_params params =
        *weft_tune_params(.inference = &batch, .inference_count = 1, .full = true,
                          .seconds = 20, .trial_timeout = 0.5, .worker = worker);
    CHECK_OK(weft_tune(s->device, s->net, &params, &result));
    return result;
}

/* Number of rows in this state whose configs are, or are not, the marked one. */
static int rows_of(struct tune_fixture *s, const char *state, bool is_marked)
{
    struct weft_tuning_row row;
    int count = 0;
    for (int i = 0; !weft_tuning_row(s->device, i, &row); i++)
        count += !strcmp(row.state, state) && !strcmp(row.config, marked) == is_marked;
    return count;
}

static void no_journal(struct tune_fixture *s)
{
    char path[512];
    snprintf(path, sizeof(path), "%s.journal", weft_tuning_path(s->device));
    CHECK(!weft_file_exists(path));
}

/* The problem of the convolution, at a batch; and its text. */
static struct weft_problem problem_at(int n, char text[WEFT_PROBLEM_TEXT])
{
    struct weft_problem problem;
    char again[WEFT_PROBLEM_TEXT];
    snprintf(text, WEFT_PROBLEM_TEXT,
             "vec conv_forward n=%d in=8x8x4 out=6x6x8 window=3x3 bias relu", n);
    REQUIRE(weft_problem_parse(text, &problem));
    weft_problem_format(&problem, again);
    CHECK_TEXT(again, text);
    return problem;
}

/* True: the marked config is selected. */
static bool is_chosen(struct tune_fixture *s, int n)
{
    char text[WEFT_PROBLEM_TEXT], chosen[OCL_CONFIG_TEXT];
    struct weft_problem problem = problem_at(n, text);
    struct ocl_kernel_config config =
        ocl_select_config((const struct ocl_device *)s->device, &problem);
    ocl_config_format(&config, chosen);
    return !strcmp(chosen, marked);
}

/* Finds the first config beside the default's, or what another algorithm does by
 * default. */
static void mark(bool other_algorithm)
{
    struct tune_fixture s;
    struct weft_kernel_config configs[WEFT_MAX_CONFIGS];
    char text[WEFT_PROBLEM_TEXT];
    int i = 0;
    tune_fixture_open(&s, false);
    problem_at(16, text);
    int count = ocl_tuner.configs(s.device, text, NULL, configs);
    REQUIRE(count > 0);
    size_t name = strcspn(configs[0].text, " ") + 1;
    while (other_algorithm && i < count &&
           !strncmp(configs[i].text, configs[0].text, name))
        i++;
    REQUIRE(i < count);
    if (!other_algorithm)
        REQUIRE(ocl_tuner.configs(s.device, text, configs[0].text, configs) > 0);
    snprintf(marked, sizeof(marked), "%.*s", (int)sizeof(marked) - 1, configs[i].text);
    tune_fixture_close(&s);
}

/* One process at a time, which reads what the one before stored. */
static void test_lock(void)
{
    struct tune_fixture s;
    struct weft_tuning *other = NULL;
    struct weft_tuning_entry row = {.problem = (char *)"vec conv_forward n=1",
                                    .config = (char *)"direct vector-width=8",
                                    .state = WEFT_TUNING_DEFAULT,
                                    .fingerprint = 1};
    int lock, refused;
    tune_fixture_open(&s, false);
    struct weft_tuning *mine = s.device->tuning;
    REQUIRE(!weft_tuning_open(s.context, folder, "other", "", NULL, &other));
    free(other->path);
    REQUIRE((other->path = strdup(mine->path)));
    CHECK_OK(weft_tuning_lock(s.context, other, &lock));
    CHECK_INT(weft_tuning_lock(s.context, mine, &refused), WEFT_ERR_FILE);
    CHECK(strstr(weft_error(s.context), "another process is tuning this device"));
    CHECK_OK(weft_tuning_set(s.context, other, &row));
    CHECK_OK(weft_tuning_save(s.context, other));
    weft_tuning_unlock(lock);
    int before = mine->count;
    CHECK_OK(weft_tuning_lock(s.context, mine, &lock));
    CHECK_INT(mine->count, before + 1);
    weft_tuning_unlock(lock);
    CHECK_OK(weft_tuning_reset(s.device));
    weft_tuning_destroy(&other);
    tune_fixture_close(&s);
}

/* Whatever a worker does, the default stays unless a config wins. */
static void test_workers(void)
{
    static const struct {
        const char *mode, *state;
        bool better;
    } cases[] = {{"wrong", "wrong", false},      {"crash", "crashed", false},
                 {"hang", "hung", false},        {"nonsense", "best", false},
                 {"lucky", "best", false},       {"faster", "best", true},
                 {"once", "build-failed", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tune_fixture s;
        tune_fixture_open(&s, false);
        CHECK_OK(weft_tuning_reset(s.device));
        struct weft_tune_result r = tune(&s, cases[i].mode);
        bool denied = strcmp(cases[i].state, "best") != 0;
        CHECK_INT(r.problems, 4);
        CHECK_INT(r.improved > 0, cases[i].better);
        CHECK_INT(r.rejected > 0, denied);
        CHECK_INT(rows_of(&s, cases[i].state, true) > 0, denied || cases[i].better);
        CHECK_INT(rows_of(&s, cases[i].state, false), 0);
        CHECK(r.best <= r.baseline);
        no_journal(&s);
        tune_fixture_close(&s);
        /* The stored rows are the same when read again, and are not tried again. */
        tune_fixture_open(&s, false);
        CHECK_INT(rows_of(&s, cases[i].state, true) > 0, denied || cases[i].better);
        if (denied)
            CHECK_INT(tune(&s, "crash").rejected, 0);
        tune_fixture_close(&s);
    }
}

/* The winner is used from then on, also where its kernels are not the default's. */
static void test_winner(void)
{
    struct tune_fixture s;
    struct weft_tuning_row row;
    tune_fixture_open(&s, false);
    CHECK_INT(tune(&s, "faster").improved, 1);
    CHECK(is_chosen(&s, 16));
    for (int i = s.device->tuning->bundled; !weft_tuning_row(s.device, i, &row); i++)
        CHECK(!row.outdated);
    tune_fixture_close(&s);
}

static bool stop_at_third(void *priv, const struct weft_tune_progress *p)
{
    *(int *)priv += p->config[0] != 0;
    return p->tried < 3;
}

static void test_stop(void)
{
    static const int batch = 16;
    const char *const worker[] = {self, "--worker", "faster", marked, NULL};
    const char *const missing[] = {"/no/such/program", NULL};
    struct weft_tune_result r;
    int calls = 0;
    struct tune_fixture s;
    tune_fixture_open(&s, false);
    CHECK_OK(weft_tuning_reset(s.device));
    struct weft_tune_params params =
        *weft_tune_params(.inference = &batch, .inference_count = 1, .worker = worker,
                          .report = stop_at_third, .priv = &calls);
    CHECK_OK(weft_tune(s.device, s.net, &params, &r));
    CHECK(r.stopped && calls > 0);
    CHECK_INT(r.tried, 3);
    no_journal(&s);
    params.worker = missing;
    CHECK_FAILS(weft_tune(s.device, s.net, &params, &r), WEFT_ERR_DEVICE, "/no/such");
    tune_fixture_close(&s);
}

/* A row is used with its own fingerprint, at its own batch and near ones, and not
 * otherwise. */
static void test_belief(void)
{
    struct tune_fixture s;
    struct weft_tuning_row shown;
    char text[WEFT_PROBLEM_TEXT];
    tune_fixture_open(&s, false);
    struct ocl_device *d = (struct ocl_device *)s.device;
    struct weft_tuning *tuning = d->base.tuning;
    problem_at(16, text);
    struct weft_tuning_entry row = {
        .problem = text, .config = marked, .state = WEFT_TUNING_BEST};
    row.fingerprint = ocl_tuner.fingerprint(s.device, text, marked);
    CHECK(row.fingerprint != 0);
    CHECK(!is_chosen(&s, 16));
    CHECK_OK(weft_tuning_set(s.context, tuning, &row));
    CHECK(is_chosen(&s, 16));
    CHECK(is_chosen(&s, 32));
    CHECK(is_chosen(&s, 5));
    CHECK(!is_chosen(&s, 1024));
    row.fingerprint++; /* another driver */
    CHECK_OK(weft_tuning_set(s.context, tuning, &row));
    CHECK(!is_chosen(&s, 16));
    CHECK_OK(weft_tuning_row(s.device, tuning->bundled, &shown));
    CHECK(shown.outdated);
    row.fingerprint--;
    row.config = (char *)"direct vector-width=7"; /* not allowed */
    CHECK_OK(weft_tuning_set(s.context, tuning, &row));
    CHECK(!is_chosen(&s, 16));
    CHECK_OK(weft_tuning_reset(s.device));
    tune_fixture_close(&s);
    tune_fixture_open(&s, true);
    CHECK(!((struct weft_device *)s.device)->tuning && !weft_tuning_path(s.device));
    tune_fixture_close(&s);
}

/* Kernels with a fault. */
static enum weft_status (*right)(struct weft_command_list *,
                                 const struct weft_conv_args *);

static enum weft_status without_bias(struct weft_command_list *list,
                                     const struct weft_conv_args *args)
{
    struct weft_conv_args wrong = *args;
    wrong.bias = args->w; /* numbers, but not these */
    return right(list, &wrong);
}

static enum weft_status beside(struct weft_command_list *list,
                               const struct weft_conv_args *args)
{
    struct weft_conv_args wrong = *args;
    wrong.y.offset += 16;
    WEFT_TRY(right(list, &wrong));
    return right(list, args);
}

static enum weft_status nothing(struct weft_command_list *list,
                                const struct weft_conv_args *args)
{
    (void)list;
    (void)args;
    return WEFT_OK;
}

/* Tries the defaults of all algorithms or, around the config `near`, one step in each
 * value; with `steps` both. */
static void try_configs(struct tune_fixture *s, struct tune_trial *trial,
                        const char *problem, const char *near, bool steps)
{
    struct weft_kernel_config configs[WEFT_MAX_CONFIGS];
    struct weft_problem typed;
    char text[WEFT_PROBLEM_TEXT];
    REQUIRE(weft_problem_parse(problem, &typed));
    weft_problem_format(&typed, text);
    REQUIRE(weft_problem_parse(text, &typed));
    int count = ocl_tuner.configs(s->device, problem, near, configs);
    REQUIRE(count > 0);
    for (int i = 0; i < count; i++) {
        double seconds = 0, baseline = 0;
        CHECK_OK(tune_trial_run(trial, configs[i].text, 1, &seconds, &baseline));
        CHECK(seconds > 0 && baseline > 0);
    }
    if (steps)
        try_configs(s, trial, problem, configs[0].text, false);
}

static void test_trials(void)
{
    static const struct {
        enum weft_status (*conv)(struct weft_command_list *,
                                 const struct weft_conv_args *);
        const char *words;
    } faults[] = {{without_bias, "should be"},
                  {beside, "beyond the end of y"},
                  {nothing, "finite"}};
    static const char *const problems[] = {
        "vec conv_forward n=5 in=8x8x4 out=8x8x8 window=3x3 pad=1,1,1,1 bias relu",
        "vec conv_forward n=5 in=9x9x3 out=7x7x5 window=3x3 pool=2x2,2x2,0,0,3x3 bias "
        "argmax",
        "vec conv_backward_data n=5 in=8x8x4 out=4x4x8 window=3x3 stride=2x2 pad=0,0,1,1 "
        "relu",
        "vec conv_backward_weights n=5 in=8x8x4 out=6x6x8 window=3x3 groups=2 bias",
        "vec conv_backward_weights n=9 in=7x7x3 out=5x5x4 window=3x3 "
        "pool=2x2,2x2,0,0,2x2",
        "vec pool_forward n=5 in=9x9x6 out=4x4 window=2x2 stride=2x2 max argmax",
        "vec pool_forward n=5 in=9x9x5 out=5x5 window=3x3 stride=2x2 pad=1,1,1,1 mean",
        "vec pool_backward n=5 in=9x9x5 out=5x5 window=3x3 stride=2x2 pad=1,1,1,1 "
        "count=1,1,1,1 mean",
        "vec pool_backward n=5 in=9x9x8 out=4x4 window=3x3 stride=2x2 max",
        "vec batch_norm_forward rows=1300 channels=12 relu",
        "vec batch_norm_inference rows=300 channels=7",
        "vec batch_norm_backward rows=300 channels=16 relu dx",
        "vec fold_batch_norm rows=9 channels=12 w bias out-bias",
        "vec copy_channels rows=30 count=20 from=23x3 to=40x12 zero-rest relu",
        "vec scale n=3 positions=9 channels=20",
        "vec scale_gradient n=3 positions=9 channels=20 sigmoid",
        "vec channel_shuffle rows=30 channels=21 groups=3 relu",
        "vec prelu_forward rows=30 channels=20",
        "vec prelu_backward rows=300 channels=17 dx",
        "vec layer_norm_forward rows=30 channels=20 relu mean",
        "vec layer_norm_backward rows=300 channels=17 relu dx",
        "vec softmax n=40 classes=10",
        "vec loss n=40 classes=10 dlogits",
        "vec optimizer_step w=1000 adam metrics=16",
        "vec optimizer_step w=1000 sgd nesterov",
        "vec make_batch n=16 pixels=192 channels=3 state labels",
    };
    struct tune_fixture s;
    struct tune_trial *trial = NULL;
    tune_fixture_open(&s, false);
    for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++) {
        CHECK_OK(tune_trial_create(s.device, problems[i], &trial));
        /* Each step compiles a program: one problem in eight, no convolution. */
        bool steps = i % 8 == 0 && !strstr(problems[i], " conv_");
        try_configs(&s, trial, problems[i], NULL, steps);
        tune_trial_destroy(&trial);
    }
    CHECK_FAILS(tune_trial_create(s.device, "vec conv_forward n=5", &trial), WEFT_ERR_ARG,
                "no problem");
    CHECK_FAILS(tune_trial_create(s.device,
                                  "vec conv_forward n=5 in=8x8x4 out=9x9x8 window=3x3",
                                  &trial),
                WEFT_ERR_ARG, "no problem");
    struct weft_backend faulty = weft_backend_opencl;
    struct weft_primitives primitives = *weft_backend_opencl.primitives;
    struct weft_device *device = s.device;
    right = primitives.conv_forward;
    faulty.primitives = &primitives;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        primitives.conv_forward = faults[i].conv;
        device->backend = &faulty;
        CHECK_FAILS(tune_trial_create(device, problems[0], &trial), WEFT_ERR_MISMATCH,
                    faults[i].words);
    }
    device->backend = &weft_backend_opencl;
    tune_fixture_close(&s);
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--worker"))
        return work(argv[2], argv[3]);
    self = argv[0];
    REQUIRE(mkdtemp(folder));
    test_lock();
    mark(false);
    test_belief();
    test_trials();
    test_workers();
    test_stop();
    mark(true);
    test_winner();
    struct tune_fixture s;
    tune_fixture_open(&s, false);
    CHECK_OK(weft_tuning_reset(s.device));
    CHECK(!weft_file_exists(weft_tuning_path(s.device)));
    char path[600];
    snprintf(path, sizeof(path), "%s.lock", weft_tuning_path(s.device));
    CHECK_INT(unlink(path), 0);
    tune_fixture_close(&s);
    CHECK_INT(rmdir(folder), 0);
    return test_end();
}
