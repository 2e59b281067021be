/* SPDX-License-Identifier: Apache-2.0 */
/* Data, network and device of the tests of training (test_train.c, test_checkpoint.c). */
#ifndef WEFT_TESTS_UNIT_TRAINER_FIXTURE_H
#define WEFT_TESTS_UNIT_TRAINER_FIXTURE_H

#include "unit/test.h"

#include <weft/weft.h>

#include <unistd.h>

enum { SIDE = 12, CLASSES = 4 };

static weft_context *ctx;
static weft_device *device;
static char folder[] = "/tmp/weft-test-train-XXXXXX";

/* A network with every op. */
static const char every_op[] = "conv 6 3x3 relu\n"
                               "max-pool 2\n"
                               "conv 16 3x2 leaky-relu pad=same groups=2 slope=0.1 as=a\n"
                               "conv 16 3 relu pad=same\n"
                               "avg-pool 3 stride=1 pad=1\n"
                               "add a leaky-relu\n"
                               "conv 8 2 gelu stride=2 dilation=1x2\n"
                               "dropout 0.1\n"
                               "conv 5 1 bias=no\n"
                               "batch-norm silu momentum=0.3\n"
                               "tanh\n"
                               "flatten\n"
                               "dense 24 sigmoid init=glorot\n"
                               "dense 4 init=uniform\n"
                               "softmax\n"
                               "optimizer adamw 5e-3 decay=0.01\n"
                               "batch 20\n";

/* Images of stripes, by a rule that any language can repeat. */
static inline weft_dataset *make_data(int count)
{
    static const char *const names[] = {"none", "rows", "columns", "checks"};
    uint8_t *pixels = malloc((size_t)count * SIDE * SIDE);
    int32_t *labels = malloc((size_t)count * sizeof(*labels));
    REQUIRE(pixels && labels);
    for (int i = 0; i < count; i++) {
        labels[i] = i * 7 % CLASSES;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int stripe = (labels[i] & 1 ? y + i : 0) + (labels[i] & 2 ? x + i : 0);
                int noise = (i * 37 + y * 11 + x * 7 + i * y * x * 5) % 97;
                pixels[((size_t)i * SIDE + (size_t)y) * SIDE + (size_t)x] =
                    (uint8_t)(noise + stripe % 3 * 70);
            }
    }
    weft_dataset *data = NULL;
    CHECK_OK(weft_dataset_from_memory(
        ctx,
        weft_dataset_params(.count = count, .height = SIDE, .width = SIDE, .channels = 1,
                            .preprocess =
                                weft_preprocess_params(.fit = WEFT_FIT_CROP, .trim = true,
                                                       .invert = WEFT_INVERT_AUTO),
                            .classes = CLASSES, .pixels = pixels, .labels = labels,
                            .class_names = names),
        &data));
    REQUIRE(data);
    free(pixels);
    free(labels);
    return data;
}

static inline weft_net *make_net(const char *text)
{
    weft_net *net = NULL;
    CHECK_OK(weft_net_create(
        ctx, text,
        weft_net_params(.height = SIDE, .width = SIDE, .channels = 1, .classes = CLASSES),
        &net));
    REQUIRE(net);
    return net;
}

static inline weft_trainer *make_trainer(weft_device *on, const char *text,
                                         const weft_dataset *data, uint64_t seed,
                                         bool no_fusion)
{
    weft_net *net = make_net(text);
    weft_trainer *trainer = NULL;
    CHECK_OK(weft_trainer_create(on, net, data,
                                 weft_train_params(.seed = seed, .no_fusion = no_fusion),
                                 &trainer));
    REQUIRE(trainer);
    weft_net_destroy(&net);
    return trainer;
}

/* The path of a file in `folder`; the same pointer for the same name. */
static inline const char *path_of(const char *name)
{
    static char paths[16][256];
    char path[sizeof(paths[0])];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    size_t i = 0;
    while (paths[i][0] && strcmp(paths[i], path) != 0)
        i++;
    return strcpy(paths[i], path);
}

/* A whole file; `size` its length. To be freed. */
static inline uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    REQUIRE(bytes && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

static inline void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(bytes, 1, size, file) == size && !fclose(file));
}

static inline void put_be32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Images and labels of make_data as IDX files; the path of the images. */
static inline const char *write_idx(const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    size_t count = (size_t)info.count, bytes = count * SIDE * SIDE;
    uint8_t *images = malloc(16 + bytes), *labels = malloc(8 + count);
    REQUIRE(images && labels);
    put_be32(images, 0x803);
    put_be32(images + 4, (uint32_t)count);
    put_be32(images + 8, SIDE);
    put_be32(images + 12, SIDE);
    memcpy(images + 16, info.pixels, bytes);
    put_be32(labels, 0x801);
    put_be32(labels + 4, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        labels[8 + i] = (uint8_t)info.labels[i];
    write_file(path_of("train-images-idx3-ubyte"), images, 16 + bytes);
    write_file(path_of("train-labels-idx1-ubyte"), labels, 8 + count);
    free(images);
    free(labels);
    return path_of("train-images-idx3-ubyte");
}

static inline bool same_files(const char *left, const char *right)
{
    size_t a_size, b_size;
    uint8_t *a = read_file(left, &a_size), *b = read_file(right, &b_size);
    bool same = a_size == b_size && !memcmp(a, b, a_size);
    free(a);
    free(b);
    return same;
}

/* A new trainer's checkpoints after 5 and 11 steps, and after 11 of which the last 6 are
 * resumed: way 0 writes `half` and `whole`, the other ways of the same run must have the
 * same bits. */
static inline void check_run_bits(weft_trainer *t, int way)
{
    const char *half = path_of("half"), *whole = path_of("whole"), *two = path_of("two");
    CHECK_OK(weft_trainer_run(t, 5));
    CHECK_OK(weft_trainer_save_checkpoint(t, way ? two : half, NULL));
    CHECK(!way || same_files(half, two));
    CHECK_OK(weft_trainer_run(t, 6));
    CHECK_OK(weft_trainer_save_checkpoint(t, way ? two : whole, NULL));
    CHECK(!way || same_files(whole, two));
    CHECK_OK(weft_trainer_load_checkpoint(t, half));
    CHECK_OK(weft_trainer_run(t, 6));
    CHECK_OK(weft_trainer_save_checkpoint(t, two, NULL));
    CHECK(same_files(whole, two));
}

/* Networks take seconds to compile; most of all by this family. */
static bool compiles, tile;

/* Opens the context and the device that the options -d SELECTOR and -f FAMILY name, or
 * skips the test. */
static inline void open_device(int argc, char **argv)
{
    const char *selector = "cpu", *family = "";
    int index;
    for (int i = 1; i + 1 < argc; i += 2) {
        selector = !strcmp(argv[i], "-d") ? argv[i + 1] : selector;
        family = !strcmp(argv[i], "-f") ? argv[i + 1] : family;
    }
    CHECK_OK(weft_context_create(
        &ctx, weft_context_params(.no_opencl = !strcmp(selector, "cpu"))));
    test_context = ctx;
    REQUIRE(mkdtemp(folder));
    if (weft_device_find(ctx, selector, &index, NULL))
        test_skip(weft_error(ctx));
    CHECK_OK(weft_device_open(
        ctx, index,
        weft_device_params(.family = !strcmp(family, "tile")  ? WEFT_FAMILY_TILE
                                     : !strcmp(family, "vec") ? WEFT_FAMILY_VEC
                                                              : WEFT_FAMILY_AUTO),
        &device));
    REQUIRE(device);
    compiles = strcmp(selector, "cpu") != 0;
    tile = !strcmp(family, "tile");
}

static inline int close_device(void)
{
    char command[300];
    weft_device_close(&device);
    weft_context_destroy(&ctx);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    CHECK(!system(command));
    return test_end();
}

#endif
