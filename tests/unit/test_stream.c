/* SPDX-License-Identifier: Apache-2.0 */
/* Training on images that stay in their file: the bits of images in memory; a file that
 * becomes shorter.
 *
 * usage: test_stream [-d SELECTOR] [-f vec|tile] */
#include "unit/trainer_fixture.h"

#include <math.h>
#include <time.h>

enum { COUNT = 200, STEPS = 24, HELD_OUT = 30 };

/* Both parts of the file, read or left in it. */
static void open_parts(const char *path, bool in_file, weft_dataset *part[2])
{
    weft_dataset *all = NULL;
    struct weft_dataset_info info;
    int twice = -1;
    CHECK_OK(weft_dataset_open(ctx, path, WEFT_SPLIT_TRAIN,
                               weft_dataset_open_params(.max_memory = in_file ? 1 : 0),
                               &all));
    REQUIRE(all);
    CHECK_OK(weft_dataset_overlap(all, all, &twice));
    CHECK_INT(twice, 0);
    CHECK_OK(weft_dataset_holdout(all, HELD_OUT, 5, &part[0], &part[1]));
    CHECK_OK(weft_dataset_overlap(part[0], part[1], &twice));
    CHECK_INT(twice, 0);
    CHECK_OK(weft_dataset_overlap(all, part[1], &twice));
    CHECK_INT(twice, HELD_OUT);
    weft_dataset_info(part[0], &info);
    CHECK(!info.pixels == in_file);
    weft_dataset_destroy(&all);
}

static weft_trainer *start(const weft_dataset *data, bool stream)
{
    weft_net *net = make_net("conv 8 3x3 init=whiten\nflatten\ndense 4\nsoftmax\n"
                             "augment flip shift=2\n");
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_trainer_create(
        device, net, data, weft_train_params(.seed = 3, .batch = 16, .stream = stream),
        &trainer));
    weft_net_destroy(&net);
    REQUIRE(trainer);
    return trainer;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The loss on the second part after some steps on the first, which `model` receives. */
static double train(weft_dataset *part[2], bool stream, const char *model)
{
    struct weft_eval eval = {0};
    weft_trainer *trainer = start(part[0], stream);
    struct weft_progress progress;
    double begin = seconds();
    CHECK_OK(weft_trainer_run(trainer, STEPS));
    CHECK_OK(weft_trainer_progress(trainer, &progress));
    if (stream) /* for tests/opencl_layer/transfers.py */
        printf("%d streamed steps in %.4f s\n", STEPS, seconds() - begin);
    CHECK_OK(weft_trainer_evaluate(trainer, part[1], NULL, &eval));
    CHECK_INT(eval.count, HELD_OUT);
    CHECK_OK(weft_trainer_save_checkpoint(trainer, model, NULL));
    weft_trainer_destroy(&trainer);
    return eval.loss;
}

/* The same images as training sees them. */
static void check_preview(const weft_dataset *read, const weft_dataset *left)
{
    uint8_t pixels[2][4 * SIDE * SIDE];
    for (int i = 0; i < 2; i++)
        CHECK_OK(weft_preview(
            i ? left : read,
            weft_preview_params(.augment = "flip shift=2 mixup=0.4", .count = 4),
            pixels[i], NULL));
    CHECK(!memcmp(pixels[0], pixels[1], sizeof(pixels[0])));
}

static void check_same_bits(const char *path)
{
    weft_dataset *read[2] = {NULL}, *left[2] = {NULL};
    open_parts(path, false, read);
    open_parts(path, true, left);
    for (int i = 0; i < 2; i++) {
        struct weft_dataset_info a, b;
        weft_dataset_info(read[i], &a);
        weft_dataset_info(left[i], &b);
        CHECK(a.count == b.count && a.hash == b.hash && a.mean[0] == b.mean[0] &&
              a.stddev[0] == b.stddev[0] && !strcmp(a.known_as, b.known_as));
    }
    uint8_t one[2][3 * SIDE * SIDE];
    for (int i = 0; i < 2; i++)
        CHECK_OK(weft_dataset_read(i ? left[1] : read[1], HELD_OUT - 3, 3, one[i]));
    CHECK(!memcmp(one[0], one[1], sizeof(one[0])));
    check_preview(read[0], left[0]);
    CHECK_FAILS(weft_dataset_read(left[1], HELD_OUT - 3, 4, one[0]), WEFT_ERR_ARG,
                "first and count");
    double want = train(read, false, path_of("read"));
    CHECK(isfinite(want));
    for (int stream = 0; stream < 2; stream++) {
        CHECK(train(left, stream, path_of("in-file")) == want);
        CHECK(same_files(path_of("read"), path_of("in-file")));
    }
    for (int i = 0; i < 2; i++) {
        weft_dataset_destroy(&read[i]);
        weft_dataset_destroy(&left[i]);
    }
}

/* The steps before are kept, and training continues where the file is whole again. */
static void check_shorter_file(const char *path)
{
    enum { MANY = 400 };
    weft_dataset *part[2] = {NULL};
    struct weft_progress p;
    struct weft_eval eval;
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    open_parts(path, true, part);
    weft_trainer *trainer = start(part[0], true);
    CHECK_OK(weft_trainer_run(trainer, 3));
    CHECK(!truncate(path, (off_t)(size / 2)));
    CHECK_FAILS(weft_trainer_run(trainer, MANY), WEFT_ERR_FILE, "ends at byte");
    CHECK_FAILS(weft_trainer_evaluate(trainer, part[1], NULL, &eval), WEFT_ERR_FILE,
                "ends at byte");
    CHECK_OK(weft_trainer_progress(trainer, &p));
    CHECK(p.step >= 3 && p.step < MANY);
    CHECK_OK(weft_trainer_save_checkpoint(trainer, path_of("cut"), NULL));
    write_file(path, bytes, size);
    CHECK_OK(weft_trainer_load_checkpoint(trainer, path_of("cut")));
    CHECK_OK(weft_trainer_run(trainer, STEPS));
    CHECK_OK(weft_trainer_evaluate(trainer, part[1], NULL, &eval));
    weft_trainer_destroy(&trainer);
    weft_dataset_destroy(&part[0]);
    weft_dataset_destroy(&part[1]);
    free(bytes);
}

/* Three images of 1024x1024. */
static weft_dataset *make_large(void)
{
    enum { LARGE = 1024, MANY = 3 };
    size_t size = (size_t)MANY * LARGE * LARGE;
    uint8_t *pixels = malloc(size);
    int32_t labels[MANY];
    weft_dataset *data = NULL;
    REQUIRE(pixels);
    for (size_t i = 0; i < size; i++)
        pixels[i] = (uint8_t)(i * 7 >> 4 ^ i >> 13);
    for (int i = 0; i < MANY; i++)
        labels[i] = i % CLASSES;
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = MANY, .height = LARGE, .width = LARGE, .channels = 1,
                            .classes = CLASSES, .pixels = pixels, .labels = labels),
        &data));
    free(pixels);
    REQUIRE(data);
    return data;
}

/* Weights, after some steps with augmentation, of images on the device and streamed. */
static void check_large_images(void)
{
    static const char text[] =
        "conv 4 5x5 stride=8 relu\navg-pool 8\nflatten\ndense 4\nsoftmax\n"
        "augment flip crop=0.3 rotate=10 brightness=0.2 erase=0.5 mixup=0.4\n";
    weft_dataset *data = make_large();
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(
        ctx, text,
        weft_net_params(.height = 1024, .width = 1024, .channels = 1, .classes = CLASSES),
        &net));
    REQUIRE(net);
    for (int stream = 0; stream < 2; stream++) {
        weft_trainer *trainer = NULL;
        struct weft_progress p;
        CHECK_OK(weft_trainer_create(
            device, net, data, weft_train_params(.seed = 3, .batch = 1, .stream = stream),
            &trainer));
        REQUIRE(trainer);
        CHECK_OK(weft_trainer_run(trainer, 2));
        CHECK_OK(weft_trainer_progress(trainer, &p));
        CHECK(isfinite(p.loss) && p.loss > 0);
        CHECK_OK(weft_trainer_save_checkpoint(
            trainer, path_of(stream ? "large-streamed" : "large"), NULL));
        weft_trainer_destroy(&trainer);
    }
    CHECK(same_files(path_of("large"), path_of("large-streamed")));
    weft_net_destroy(&net);
    weft_dataset_destroy(&data);
}

int main(int argc, char **argv)
{
    open_device(argc, argv);
    weft_dataset *data = make_data(COUNT);
    const char *path = write_idx(data);
    weft_dataset_destroy(&data);
    check_same_bits(path);
    check_shorter_file(path);
    check_large_images();
    return close_device();
}
