/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of datasets and images, fed with any bytes. */
#define _POSIX_C_SOURCE 200809L
#include <string.h>

#include "dataset/format.h"
#include "util/gzip.h"
#include "image/image.h"
#include "unit/fuzz.h"

static struct weft_context context;

/* A failure is caused by the input, and leaves an error message. */
static void check_status(enum weft_status status)
{
    bool empty = status == WEFT_ERR_FILE &&
                 strstr(weft_error(&context), "is a ZIP archive without");
    MUST(!status || status == WEFT_ERR_FORMAT || status == WEFT_ERR_NOMEM || empty);
    MUST(!status || !strncmp(weft_error(&context), "input", 5));
    fuzz_accepted += !status;
    fuzz_missing += status && strstr(weft_error(&context), "this build cannot read");
}

/* Reads every byte, so that a sanitizer sees what is not there. */
static unsigned touch(const uint8_t *bytes, size_t size)
{
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
    return sum;
}

static void forget_error(void)
{
    free(context.error);
    context.error = NULL;
}

/* Bytes of this format. */
static void read_data(const struct weft_format *wanted, const uint8_t *bytes, size_t size)
{
    struct weft_file file = {malloc(size + 1), size};
    struct weft_labels labels = {0};
    struct weft_raw_images raw = {0};
    struct weft_reading reading = {.ctx = &context};
    MUST(file.bytes);
    memcpy(file.bytes, bytes, size);
    file.bytes[size] = 0;
    const struct weft_format *format = weft_format_detect(&file);
    if (format && format == wanted) {
        check_status(format->read_labels(&context, "input", &file, &labels));
        for (int i = 0; i < labels.count; i++)
            MUST(labels.values[i] >= 0 && labels.values[i] < WEFT_MAX_CLASSES);
        check_status(format->read(&reading, "input", &file, &raw));
    }
    if (raw.pixels) {
        MUST(raw.count >= 1 && raw.height >= 1 && raw.width >= 1 && raw.channels >= 1);
        touch(raw.pixels, (size_t)raw.count * weft_raw_image_bytes(&raw));
    }
    if (raw.labels) {
        weft_dataset *data = NULL;
        struct weft_class_names_source naming = {.release =
                                                     weft_known_dataset_find(&raw)};
        check_status(weft_dataset_take(&reading, &raw, "input", &naming, &data));
        weft_dataset_destroy(&data);
    }
    weft_raw_images_free(&raw);
    weft_file_free(&file);
    free(labels.values);
    weft_names_free(&labels.classes);
    free(reading.notes);
    forget_error();
}

static void read_idx(const uint8_t *bytes, size_t size)
{
    read_data(&weft_format_idx, bytes, size);
}

static void read_csv(const uint8_t *bytes, size_t size)
{
    read_data(&weft_format_csv, bytes, size);
}

static void read_npy(const uint8_t *bytes, size_t size)
{
    read_data(&weft_format_npy, bytes, size);
}

static void read_npz(const uint8_t *bytes, size_t size)
{
    read_data(&weft_format_npz, bytes, size);
}

static void decode(const uint8_t *bytes, size_t size)
{
    struct weft_image image = {0};
    enum weft_status status =
        weft_image_decode(&context, "input", bytes, size, NULL, &image);
    check_status(status);
    forget_error();
    if (status) {
        MUST(!image.pixels);
        return;
    }
    uint8_t out[28 * 28 * 3];
    struct weft_preprocess_info info;
    touch(image.pixels,
          (size_t)image.height * (size_t)image.width * (size_t)image.channels);
    if (image.height * (long)image.width < 1 << 20) {
        MUST(!weft_image_preprocess(
            &context, &image,
            weft_preprocess_params(.height = 28, .width = 28, .channels = 1), out,
            &info));
        MUST(!weft_image_preprocess(&context, &image,
                                    weft_preprocess_params(.height = 13, .width = 28,
                                                           .channels = 3,
                                                           .invert = WEFT_INVERT_NO),
                                    out, &info));
    }
    weft_image_free(&image);
}

/* The decoders of libraries, and all that is no image. */
static void read_image(const uint8_t *bytes, size_t size)
{
    if (!size || bytes[0] != 'P')
        decode(bytes, size);
}

static void read_pnm(const uint8_t *bytes, size_t size)
{
    if (size && bytes[0] == 'P')
        decode(bytes, size);
}

static void read_gzip(const uint8_t *bytes, size_t size)
{
    struct weft_file unpacked = {0};
    if (size > 1 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        check_status(weft_gunzip(&context, "input", bytes, size, 1 << 20, &unpacked));
    touch(unpacked.bytes, unpacked.size);
    weft_file_free(&unpacked);
    forget_error();
}

const struct fuzz_reader fuzz_readers[] = {
    {"idx", read_idx, false},   {"csv", read_csv, false},    {"npy", read_npy, false},
    {"npz", read_npz, false},   {"image", read_image, true}, {"pnm", read_pnm, false},
    {"gzip", read_gzip, false}, {NULL, NULL, false}};
