/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts made in several threads at once, and children of fork().
 *
 *     test_process [host]    `host`: without OpenCL */
#include "unit/test.h"

#include <weft/weft.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 4 };

static bool host_only;
static const uint8_t pixels[2 * 64 * 64] = {0, 255, 10, 20, 30, 40, 50, 60};

struct objects {
    weft_context *context;
    weft_device *device;
    weft_dataset *data;
    weft_net *net;
    weft_trainer *trainer;
    weft_model *model;
    weft_predictor *predictor;
    weft_bench *bench;
};

static enum weft_status create(struct objects *o)
{
    const int32_t labels[2] = {0, 1};
    if (weft_context_create(&o->context, weft_context_params(.no_opencl = host_only)))
        return WEFT_ERR_NOMEM;
    if (weft_device_open(o->context, 0, NULL, &o->device) ||
        weft_dataset_from_memory(o->context,
                                 weft_dataset_params(.count = 2, .height = 64,
                                                     .width = 64, .channels = 1,
                                                     .pixels = pixels, .labels = labels),
                                 &o->data) ||
        weft_net_create(o->context, "conv 8 3x3 relu\nflatten\ndense 2\nsoftmax\n",
                        weft_net_params(.height = 64, .width = 64, .channels = 1),
                        &o->net) ||
        weft_trainer_create(o->device, o->net, o->data, NULL, &o->trainer) ||
        weft_trainer_run(o->trainer, 2) || weft_trainer_model(o->trainer, &o->model) ||
        weft_predictor_create(o->device, o->model, NULL, &o->predictor) ||
        weft_bench_create(o->device, weft_bench_params(.seconds = -1), &o->bench))
        return WEFT_ERR_DEVICE;
    return WEFT_OK;
}

static void destroy(struct objects *o)
{
    weft_bench_destroy(&o->bench);
    weft_predictor_destroy(&o->predictor);
    weft_model_destroy(&o->model);
    weft_trainer_destroy(&o->trainer);
    weft_net_destroy(&o->net);
    weft_dataset_destroy(&o->data);
    weft_device_close(&o->device);
    weft_context_destroy(&o->context);
}

static pthread_barrier_t barrier;

/* NULL: all rounds succeeded. */
static void *open_rounds(void *unused)
{
    void *failed = NULL;
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        weft_context *context = NULL;
        weft_device *device = NULL;
        pthread_barrier_wait(&barrier);
        if (weft_context_create(&context, weft_context_params(.no_opencl = host_only)) ||
            weft_device_open(context, 0, NULL, &device))
            failed = &barrier;
        weft_device_close(&device);
        weft_context_destroy(&context);
    }
    return failed;
}

static void *train(void *unused)
{
    struct objects o = {0};
    struct weft_progress progress;
    (void)unused;
    pthread_barrier_wait(&barrier);
    void *failed =
        create(&o) || weft_trainer_progress(o.trainer, &progress) || progress.step != 2
            ? &barrier
            : NULL;
    destroy(&o);
    return failed;
}

static void test_threads(void *(*work)(void *))
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(!pthread_create(&threads[i], NULL, work, NULL));
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        CHECK(!failed);
    }
    pthread_barrier_destroy(&barrier);
}

/* Each call that needs the device of the parent fails with a sentence. */
static void use_parents_objects(struct objects *o)
{
    struct weft_progress progress;
    struct weft_eval eval;
    struct weft_verify_result verified;
    struct weft_bench_timer timer;
    weft_device *device = NULL;
    weft_trainer *trainer = NULL;
    float probabilities[4];
    const char *const words = "do not survive fork(): create a context in the child";
    test_context = o->context;
    CHECK_FAILS(weft_device_open(o->context, 0, NULL, &device), WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_trainer_create(o->device, o->net, o->data, NULL, &trainer),
                WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_trainer_run(o->trainer, 1), WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_trainer_progress(o->trainer, &progress), WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_trainer_evaluate(o->trainer, o->data, NULL, &eval), WEFT_ERR_DEVICE,
                words);
    CHECK_FAILS(weft_trainer_save_checkpoint(o->trainer, "/dev/null", NULL),
                WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_predictor_run(o->predictor, pixels, 2, probabilities),
                WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_verify(o->device, NULL, &verified), WEFT_ERR_DEVICE, words);
    CHECK_FAILS(weft_bench_timer(o->bench, &timer), WEFT_ERR_DEVICE, words);
    destroy(o);
}

static void train_in_child(void)
{
    struct objects own = {0};
    struct weft_progress progress;
    CHECK(!create(&own));
    test_context = own.context;
    const char *diagnostic = weft_device_diagnostic(own.context, 0);
    if (!host_only)
        CHECK(diagnostic && strstr(diagnostic, "forked"));
    CHECK_OK(weft_trainer_progress(own.trainer, &progress));
    CHECK_INT(progress.step, 2);
    destroy(&own);
}

static void test_fork(void)
{
    struct objects o = {0};
    struct weft_progress progress;
    int status = -1;
    REQUIRE(!create(&o));
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        alarm(30); /* a hang ends by a signal */
        use_parents_objects(&o);
        train_in_child();
        _exit(test_failures != 0);
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    test_context = o.context;
    CHECK_OK(weft_trainer_run(o.trainer, 1));
    CHECK_OK(weft_trainer_progress(o.trainer, &progress));
    CHECK_INT(progress.step, 3);
    destroy(&o);
}

int main(int argc, char **argv)
{
    host_only = argc > 1 && !strcmp(argv[1], "host");
    test_threads(open_rounds);
    test_threads(train);
    test_fork();
    return test_end();
}
