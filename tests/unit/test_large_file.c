/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are read in parts: one that is cut between its opening and its use, and
 * places beyond 2^31 and 2^32 bytes, in a file without data. */
#define _XOPEN_SOURCE 700
#include <fcntl.h>
#include <unistd.h>

#include "dataset/dataset.h"
#include "dataset/image_list.h"
#include "unit/data_files.h"

#include <weft/weft.h>

enum { LARGE = 1024, IMAGE = LARGE * LARGE, COUNT = 4400, IDX_HEADER = 16 };

static void open_large(const char *path, struct weft_file *file)
{
    *file = (struct weft_file){.bytes = NULL};
    CHECK_OK(weft_large_file_open(&context, path, &file->large));
    REQUIRE(file->large);
    file->size = file->large->size;
}

/* The file is cut before its header is read, within the header and behind it. */
static void check_cut(const char *path, const struct buffer *b,
                      const struct weft_format *format, size_t header)
{
    struct weft_reading reading = {.ctx = &context};
    struct weft_raw_images raw = {0};
    struct weft_file file;
    for (int behind = 0; behind < 2; behind++) {
        save(path, b);
        open_large(path, &file);
        REQUIRE(!truncate(path, behind ? (off_t)header + 4 : 10));
        enum weft_status status = format->read(&reading, path, &file, &raw);
        if (behind) {
            uint8_t pixel;
            CHECK_OK(status);
            status = weft_raw_images_copy(&context, &raw, 1, 1, &pixel);
        }
        CHECK_FAILS(status, WEFT_ERR_FILE, "when it was opened");
        weft_raw_images_free(&raw);
        weft_file_free(&file);
    }
}

/* Floats that stay in their file become the pixels of those in memory. */
static void check_floats(const char *path)
{
    enum { N = 5 * 40 * 50 };
    static float values[N];
    struct buffer b = npy(1, "<f4", "False", "(5, 40, 50)");
    struct weft_file file;
    struct weft_raw_images raw[2] = {{0}};
    for (int i = 0; i < N; i++)
        values[i] = (float)(i % 251) / 255;
    add(&b, values, sizeof(values));
    save(path, &b);
    for (int i = 0; i < 2; i++) {
        struct weft_reading reading = {.ctx = &context};
        if (i)
            open_large(path, &file);
        else
            CHECK_OK(weft_file_read(&context, path, sizeof(b), &file));
        CHECK_OK(weft_format_npy.read(&reading, path, &file, &raw[i]));
        weft_file_free(&file);
    }
    REQUIRE(raw[0].pixels && raw[1].pixels && raw[0].count == 5);
    CHECK(!memcmp(raw[0].pixels, raw[1].pixels, N) && raw[0].pixels[N - 1] == 210);
    weft_raw_images_free(&raw[0]);
    weft_raw_images_free(&raw[1]);
}

/* COUNT images of 1 MiB, of which some have a first byte. */
static const int marked[] = {0, 1, 2046, 2047, 2048, 4094, 4095, 4096, COUNT - 1};

static void write_sparse(const char *path)
{
    struct buffer b = {.size = 0};
    add_be32(&b, 0x803);
    add_be32(&b, COUNT);
    add_be32(&b, LARGE);
    add_be32(&b, LARGE);
    save(path, &b);
    int fd = open(path, O_WRONLY);
    REQUIRE(fd >= 0 && !ftruncate(fd, IDX_HEADER + (off_t)COUNT * IMAGE));
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(marked); i++) {
        uint8_t byte = (uint8_t)(i + 1);
        REQUIRE(pwrite(fd, &byte, 1, IDX_HEADER + (off_t)marked[i] * IMAGE) == 1);
    }
    close(fd);
}

/* Only two of the images are measured. */
static weft_dataset *open_sparse(const char *path)
{
    struct weft_reading reading = {.ctx = &context};
    struct weft_raw_images raw = {0};
    struct weft_file file;
    weft_dataset *data = NULL;
    open_large(path, &file);
    CHECK_OK(weft_format_idx.read(&reading, path, &file, &raw));
    raw.labels = calloc(COUNT, sizeof(*raw.labels));
    raw.keys = calloc(COUNT, sizeof(*raw.keys));
    raw.measured = calloc(2, sizeof(*raw.measured));
    REQUIRE(raw.labels && raw.keys && raw.measured);
    raw.measured[1] = COUNT - 1;
    raw.measured_count = 2;
    CHECK_OK(weft_dataset_take(&reading, &raw, path,
                               &(struct weft_class_names_source){.text = NULL}, &data));
    REQUIRE(data);
    free(reading.notes);
    return data;
}

static void check_places(const weft_dataset *data)
{
    static uint8_t image[IMAGE];
    weft_dataset *part[2] = {NULL};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(marked); i++) {
        uint32_t number = (uint32_t)marked[i];
        image[0] = 0;
        weft_dataset_expect(data, &number, 1);
        CHECK_OK(weft_dataset_gather(&context, data, &number, 1, image));
        CHECK_INT(image[0], i + 1);
        image[0] = 0;
        CHECK_OK(weft_dataset_read(data, marked[i], 1, image));
        CHECK_INT(image[0], i + 1);
    }
    CHECK_OK(weft_dataset_holdout(data, 1, 1, &part[0], &part[1]));
    REQUIRE(part[0]);
    CHECK_OK(weft_dataset_gather(&context, part[0], &(uint32_t){COUNT - 2}, 1, image));
    CHECK_INT(image[0], WEFT_ARRAY_SIZE(marked));
    weft_dataset_destroy(&part[0]);
    weft_dataset_destroy(&part[1]);
}

/* More elements than a kernel counts are sent batch by batch. */
static void check_training(const weft_dataset *data)
{
    weft_context *ctx = NULL;
    weft_device *device = NULL;
    weft_net *net = NULL;
    weft_trainer *trainer = NULL;
    struct weft_trainer_info info;
    struct weft_progress progress;
    CHECK_OK(weft_context_create(&ctx, weft_context_params(.no_opencl = true)));
    test_context = ctx;
    CHECK_OK(weft_device_open(ctx, WEFT_HOST_DEVICE, NULL, &device));
    CHECK_OK(weft_net_create(
        ctx, "conv 1 1x1 stride=200\nflatten\ndense 2\nsoftmax\n",
        weft_net_params(.height = LARGE, .width = LARGE, .channels = 1, .classes = 2),
        &net));
    CHECK_OK(weft_trainer_create(device, net, data,
                                 weft_train_params(.seed = 1, .batch = 1), &trainer));
    REQUIRE(trainer);
    weft_trainer_info(trainer, &info);
    CHECK(info.streamed);
    CHECK_OK(weft_trainer_run(trainer, 3));
    CHECK_OK(weft_trainer_progress(trainer, &progress));
    CHECK_INT(progress.step, 3);
    weft_trainer_destroy(&trainer);
    weft_net_destroy(&net);
    weft_device_close(&device);
    test_context = &context;
    weft_context_destroy(&ctx);
}

/* The hash of a file of any size is that of its bytes in memory, and sees its last byte
 * and every part of a fifteenth. */
static void check_contents(const char *path)
{
    static uint8_t bytes[400000];
    static const size_t sizes[] = {12, 65536, 65537, 131072, 131073, sizeof(bytes)};
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(sizes); i++) {
        size_t size = sizes[i], head = size < 65536 ? size : 65536, part = size / 15 + 1;
        uint64_t hash = weft_image_contents(bytes, size), found = ~hash;
        CHECK_OK(weft_file_write(&context, path, bytes, size));
        FILE *file = fopen(path, "rb");
        uint8_t *room = malloc(65536);
        REQUIRE(file && room && fread(room, 1, head, file) == head);
        CHECK(weft_image_contents_read(fileno(file), size, room, &found));
        CHECK(found == hash);
        CHECK(!weft_image_contents_read(fileno(file), size + 65537, room, &found));
        fclose(file);
        free(room);
        bytes[size - 1] ^= 1;
        CHECK(weft_image_contents(bytes, size) != hash);
        bytes[size - 1] ^= 1;
        for (size_t at = 0; at + part <= size; at += part / 3 + 1) {
            for (int twice = 0; twice < 2; twice++) {
                for (size_t k = 0; k < part; k++)
                    bytes[at + k] ^= 1;
                CHECK((weft_image_contents(bytes, size) == hash) == twice);
            }
        }
    }
}

int main(void)
{
    char folder[] = "/tmp/weft-test-large-XXXXXX", path[64];
    test_context = &context;
    REQUIRE(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/train-images-idx3-ubyte", folder);
    struct buffer idx = idx_images(5, 20, 20);
    check_cut(path, &idx, &weft_format_idx, IDX_HEADER);
    unlink(path);

    write_sparse(path);
    weft_dataset *data = open_sparse(path);
    check_places(data);
    check_training(data);
    weft_dataset_destroy(&data);
    /* More than 4 GiB is no reason to refuse a file. */
    REQUIRE(!truncate(path, IDX_HEADER + (off_t)COUNT * IMAGE - 1));
    check_fails(path, WEFT_ERR_FORMAT, "truncated: its header declares");
    unlink(path);

    snprintf(path, sizeof(path), "%s/a.npy", folder);
    struct buffer b = npy(1, "|u1", "False", "(5, 20, 20)");
    size_t header = b.size;
    add_pixels(&b, 5 * 20 * 20);
    check_cut(path, &b, &weft_format_npy, header);
    check_floats(path);
    check_contents(path);
    unlink(path);
    rmdir(folder);
    free(context.error);
    return test_end();
}
