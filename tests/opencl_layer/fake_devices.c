/* SPDX-License-Identifier: Apache-2.0 */
/* What weft does on the device that is there, in each family, in a few small cases: is
 * every op right, and does training come to the loss that weft's own C code comes to?
 *
 *     fakes [CASES]      0: training alone
 *
 * A line for each family: "FAMILY right ...", "FAMILY refused: SENTENCE" or "FAMILY
 * WRONG: SENTENCE"; "device refused: SENTENCE" where there is none that can be used.
 * Exit code 1 if anything is wrong. */
#include "unit/moved_weights.h"

#include <weft/weft.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 9, PIXELS = SIDE * SIDE, CLASSES = 3, COUNT = 96, STEPS = 8 };

static const struct {
    const char *name;
    enum weft_kernel_family family;
} families[] = {
    {"auto", WEFT_FAMILY_AUTO},   {"vec", WEFT_FAMILY_VEC}, {"tile", WEFT_FAMILY_TILE},
    {"sg", WEFT_FAMILY_SUBGROUP}, {"mma", WEFT_FAMILY_MMA},
};

/* A selection of the table of ops: products, windows, sums over rows. */
static const char *const ops[] = {"conv",       "dense",   "pool", "add",
                                  "batch-norm", "softmax", "loss", "optimizer"};

static const char network[] = "conv 6 3x3 pad=same bias=no\n"
                              "batch-norm relu\n"
                              "max-pool 2x2\n"
                              "conv 8 3x3 relu\n"
                              "flatten\n"
                              "dense 3\n"
                              "softmax\n"
                              "optimizer adam 0.003\n"
                              "batch 24\n";

static enum weft_status make_data(weft_context *context, weft_dataset **out)
{
    static uint8_t pixels[COUNT * PIXELS];
    static int32_t labels[COUNT];
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = COUNT, .height = SIDE, .width = SIDE, .channels = 1,
                             .classes = CLASSES, .pixels = pixels, .labels = labels);
    uint32_t state = 1;
    for (int i = 0; i < COUNT; i++) {
        labels[i] = i % CLASSES;
        for (int p = 0; p < PIXELS; p++) {
            int x = p % SIDE, y = p / SIDE;
            int on = labels[i] == 0 ? x & 1 : labels[i] == 1 ? y & 1 : (x ^ y) & 1;
            state = state * 1664525u + 1013904223u;
            pixels[i * PIXELS + p] = (uint8_t)(on * 100 + (int)(state >> 16) % 156);
        }
    }
    return weft_dataset_from_memory(context, &shape, out);
}

/* The loss after a few steps from weights that are moved in a way; 0: as they are. */
static enum weft_status train(weft_context *context, weft_device *device, int way,
                              double *loss)
{
    weft_dataset *data = NULL;
    weft_net *net = NULL;
    weft_trainer *trainer = NULL;
    struct weft_progress progress = {0};
    const struct weft_net_params shape =
        *weft_net_params(.name = "fakes", .height = SIDE, .width = SIDE, .channels = 1,
                         .classes = CLASSES);
    enum weft_status status = make_data(context, &data);
    if (!status)
        status = weft_net_create(context, network, &shape, &net);
    if (!status)
        status = weft_trainer_create(device, net, data, weft_train_params(.seed = 1),
                                     &trainer);
    if (!status)
        status = move_trainer_weights(trainer, way);
    if (!status)
        status = weft_trainer_run(trainer, STEPS);
    if (!status)
        status = weft_trainer_progress(trainer, &progress);
    *loss = progress.loss;
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
    return status;
}

/* A refusal is one sentence. */
static int refuse(const char *what, const char *sentence)
{
    bool clear = strlen(sentence) > 20 && !strchr(sentence, '\n');
    printf("%s %s: %s\n", what, clear ? "refused" : "WRONG", sentence);
    return !clear;
}

/* A request may exceed the memory; then it is rejected with a message. */
static bool is_refusal(enum weft_status status)
{
    return status == WEFT_ERR_ARG || status == WEFT_ERR_NOMEM;
}

/* The loss in C, and how far another may be from it. */
static enum weft_status train_reference(weft_context *context, weft_device *host,
                                        double *want, double *off)
{
    enum weft_status status = train(context, host, 0, want);
    *off = 0;
    for (int way = 1; way <= MOVED_RUNS && !status; way++) {
        double moved;
        status = train(context, host, way, &moved);
        *off = fmax(*off, fabs(moved - *want));
    }
    return status;
}

static int try_family(weft_context *context, int index, size_t f, int cases, double want,
                      double off)
{
    weft_device *device = NULL;
    const char *name = families[f].name;
    int checks = 0;
    double loss = 0;
    enum weft_status status = weft_device_open(
        context, index, weft_device_params(.family = families[f].family), &device);
    if (status)
        return is_refusal(status)
                   ? refuse(name, weft_error(context))
                   : printf("%s WRONG: opening: %s\n", name, weft_error(context)) > 0;
    for (size_t i = 0; cases && i < sizeof(ops) / sizeof(*ops) && !status; i++) {
        const struct weft_verify_params params =
            *weft_verify_params(.op = ops[i], .cases = cases, .tiny_shapes = true,
                                .seed = 1);
        struct weft_verify_result result = {0};
        status = weft_verify(device, &params, &result);
        checks += result.passed;
    }
    if (!status)
        status = train(context, device, 0, &loss);
    weft_device_close(&device);
    if (is_refusal(status))
        return refuse(name, weft_error(context));
    if (status)
        return printf("%s WRONG: %s\n", name, weft_error(context)) > 0;
    bool right = fabs(loss - want) <= off && (checks > 0) == (cases > 0);
    printf("%s %s: %d checks, loss %.7f, in C %.7f, may differ by %.2g\n", name,
           right ? "right" : "WRONG", checks, loss, want, off);
    return !right;
}

int main(int argc, char **argv)
{
    weft_context *context = NULL;
    weft_device *builtin = NULL;
    struct weft_device_info info;
    double want = 0, off = 0;
    int wrong = 0, cases = argc > 1 ? atoi(argv[1]) : 1;
    if (weft_context_create(&context, NULL) ||
        weft_device_open(context, WEFT_HOST_DEVICE, NULL, &builtin) ||
        train_reference(context, builtin, &want, &off) ||
        weft_device_info(context, 0, &info)) {
        printf("builtin WRONG: %s\n", context ? weft_error(context) : "no context");
        return 1;
    }
    if (info.kind == WEFT_DEVICE_HOST)
        wrong = refuse("device", weft_device_diagnostic(context, 0));
    else
        for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
            wrong += try_family(context, 0, f, cases, want, off);
            fflush(stdout);
        }
    weft_device_close(&builtin);
    weft_context_destroy(&context);
    return wrong ? 1 : 0;
}
