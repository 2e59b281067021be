/* SPDX-License-Identifier: Apache-2.0 */
/* weft inside another program: a network learns to distinguish rows, columns and checks,
 * is saved, loaded, and used. Everything goes through weft/weft.h.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs weft)
 *     ./embed [DEVICE]
 */
#include <weft/weft.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 12, PIXELS = SIDE * SIDE, CLASSES = 3, TRAIN = 900, TEST = 300 };

static const char *const class_names[CLASSES] = {"rows", "columns", "checks"};

static const char network[] = "conv 8 3x3 relu\n"
                              "max-pool 2x2\n"
                              "flatten\n"
                              "dense 3\n"
                              "softmax\n"
                              "optimizer adam 0.003\n"
                              "batch 50\n";

/* Noise from 0 to `below` - 1: a linear congruence is good enough for images. */
static int noise(uint32_t *state, int below)
{
    *state = *state * 1664525u + 1013904223u;
    return (int)((*state >> 16) % (uint32_t)below);
}

static void draw(uint8_t *image, int what, uint32_t *state)
{
    int shift = noise(state, 4);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int row = (y + shift) / 2 % 2, column = (x + shift) / 2 % 2;
            int on = what == 0 ? row : what == 1 ? column : row ^ column;
            image[y * SIDE + x] = (uint8_t)(on * 100 + noise(state, 156));
        }
}

/* `count` images of all three kinds in turn. */
static enum weft_status make_data(weft_context *context, int count, uint32_t seed,
                                  weft_dataset **out)
{
    static uint8_t pixels[TRAIN * PIXELS];
    static int32_t labels[TRAIN];
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = count, .height = SIDE, .width = SIDE, .channels = 1,
                             .classes = CLASSES, .class_names = class_names,
                             .pixels = pixels, .labels = labels);
    for (int i = 0; i < count; i++) {
        labels[i] = i % CLASSES;
        draw(pixels + (size_t)i * PIXELS, labels[i], &seed);
    }
    return weft_dataset_from_memory(context, &shape, out);
}

static enum weft_status train(weft_device *device, weft_context *context,
                              const weft_dataset *data, const char *path)
{
    weft_net *net = NULL;
    weft_trainer *trainer = NULL;
    struct weft_progress progress = {0};
    const struct weft_net_params shape =
        *weft_net_params(.name = "embed", .height = SIDE, .width = SIDE, .channels = 1,
                         .classes = CLASSES);
    enum weft_status status;

    if ((status = weft_net_create(context, network, &shape, &net)) ||
        (status = weft_trainer_create(device, net, data, weft_train_params(.seed = 1),
                                      &trainer)))
        goto done;
    for (int epoch = 0; epoch < 10; epoch++) {
        if ((status = weft_trainer_run(trainer, TRAIN / 50)) ||
            (status = weft_trainer_progress(trainer, &progress)))
            goto done;
        printf("epoch %2d: loss %.4f, %lld of %lld right\n", progress.epoch,
               progress.loss, (long long)progress.correct, (long long)progress.samples);
    }
    status = weft_trainer_save_checkpoint(trainer, path, NULL);

done:
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    return status;
}

/* Counts the test images that were classified correctly. */
static enum weft_status use(weft_device *device, weft_context *context, const char *path,
                            const weft_dataset *data, int *right)
{
    static float probabilities[TEST * CLASSES];
    weft_model *model = NULL;
    weft_predictor *predictor = NULL;
    struct weft_dataset_info test;
    enum weft_status status;

    *right = 0;
    weft_dataset_info(data, &test);
    if ((status = weft_model_load(context, path, &model)) ||
        (status = weft_predictor_create(device, model, weft_predictor_params(.batch = 64),
                                        &predictor)) ||
        (status = weft_predictor_run(predictor, test.pixels, TEST, probabilities)))
        goto done;
    for (int i = 0; i < TEST; i++) {
        const float *p = probabilities + (size_t)i * CLASSES;
        int best = 0;
        for (int c = 1; c < CLASSES; c++)
            best = p[c] > p[best] ? c : best;
        *right += best == test.labels[i];
        if (i < CLASSES)
            printf("%s: looks like %s, %.1f %%\n", class_names[test.labels[i]],
                   class_names[best], 100 * p[best]);
    }

done:
    weft_predictor_destroy(&predictor);
    weft_model_destroy(&model);
    return status;
}

int main(int argc, char **argv)
{
    const char *path = "embed.safetensors";
    weft_context *context = NULL;
    weft_device *device = NULL;
    weft_dataset *lessons = NULL, *exam = NULL;
    int index, right = 0;

    if (weft_context_create(&context, NULL)) {
        fprintf(stderr, "embed: out of memory\n");
        return 1;
    }
    bool done = !weft_device_find(context, argc > 1 ? argv[1] : NULL, &index, NULL) &&
                !weft_device_open(context, index, NULL, &device) &&
                !make_data(context, TRAIN, 1, &lessons) &&
                !make_data(context, TEST, 2, &exam) &&
                !train(device, context, lessons, path) &&
                !use(device, context, path, exam, &right);
    if (done)
        printf("%d of %d right\n", right, TEST);
    else
        fprintf(stderr, "embed: %s\n", weft_error(context));

    weft_dataset_destroy(&exam);
    weft_dataset_destroy(&lessons);
    weft_device_close(&device);
    weft_context_destroy(&context);
    return done && right > TEST * 9 / 10 ? 0 : 1;
}
