/* SPDX-License-Identifier: Apache-2.0 */
/* NPY files: every type of elements read back, every other kind refused. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <unistd.h>

#include "unit/data_files.h"

static void test_npy(void)
{
    struct buffer labels = npy(1, "<i8", "False", "(3,)");
    for (int i = 0; i < 3; i++)
        add(&labels, &(int64_t){2 - i}, 8);
    struct buffer images = npy(1, "|u1", "False", "(3, 2, 2)");
    add_pixels(&images, 12);
    save("x_train.npy", &images);
    save("y_train.npy", &labels);
    check_open("x_train.npy", WEFT_SPLIT_TRAIN, 2, 2, 1, "210");
    images = npy(2, "|u1", "False", "(3, 1, 2, 4)");
    add_pixels(&images, 24);
    save("some.npy", &images);
    save("some-labels.npy", &labels);
    check_open("some.npy", WEFT_SPLIT_TRAIN, 1, 2, 4, "210");

    struct buffer f4 = npy(1, "<f4", "False", "(3, 2, 2)");
    struct buffer f8 = npy(1, "<f8", "False", "(3, 2, 2)");
    for (int i = 0; i < 12; i++) {
        add(&f4, &(float){(float)(i * 37 % 256) / 255}, 4);
        add(&f8, &(double){i * 37 % 256 + (i % 2 ? 0.3 : -0.3) * (i > 0)}, 8);
    }
    save("x_train.npy", &f4);
    check_open("x_train.npy", WEFT_SPLIT_TRAIN, 2, 2, 1, "210");
    save("x_train.npy", &f8);
    check_open("x_train.npy", WEFT_SPLIT_TRAIN, 2, 2, 1, "210");
    memcpy(f8.bytes + f8.size - 8, &(double){NAN}, 8);
    save("x_train.npy", &f8);
    check_fails("x_train.npy", WEFT_ERR_FORMAT, "element 11 is");

    static const struct {
        const char *type, *order, *shape, *words;
    } rows[] = {
        {"|u1", "True", "(3, 2, 2)", "Fortran order; save numpy.ascontiguousarray"},
        {"|O", "False", "(3, 2, 2)", "elements of type |O; pixels must be integers or"},
        {"|u1", "False", "(1, 3, 2, 2, 1)", "'shape' must be"},
        {"|u1", "False", "(3, 3, 32, 32)", "save a.transpose(0, 2, 3, 1)"},
        {"|u1", "False", "(3, 4)", "has 2 dimensions"},
        {"|u1", "False", "(3, 2, 3)", "declares 18 bytes of images, the file has 12"},
        {"|u1", "False", "(3, 2, 1)", "6 extra bytes"},
        {"|u1", "False", "(3, 2, 2, 1, 1)", "'shape' must be"},
        {"|u1", "False", "(99999999999999999999, 2, 2)", "'shape' must be"},
        {"|u1", "False", "(3, -2, 2)", "'shape' must be"},
        {"|u1", "False", "3, 2, 2", "'shape' must be"},
        {"|u1", "False", "(4294967296, 4294967296, 4294967296)", "has 4294967296 images"},
        {"|u1", "False", "(1, 2, 2, 3)", NULL},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        struct buffer b = npy(1, rows[i].type, rows[i].order, rows[i].shape);
        add_pixels(&b, 12);
        save("x_train.npy", &b);
        check_fails("x_train.npy", WEFT_ERR_FORMAT,
                    rows[i].words ? rows[i].words
                                  : "1 images, but y_train.npy has 3 labels");
    }
    struct buffer good = npy(1, "|u1", "False", "(3, 2, 2)");
    add_pixels(&good, 12);
    save("x_train.npy", &good);
    for (int i = 0; i < 8; i++)
        labels.bytes[labels.size - 8 + (size_t)i] = 0xff;
    save("y_train.npy", &labels);
    check_fails("x_train.npy", WEFT_ERR_FORMAT,
                "label 2 is -1, must be an integer from 0 to 65535");
    good.size = 9;
    save("x_train.npy", &good);
    check_fails("x_train.npy", WEFT_ERR_FORMAT, "truncated NPY header");
}

/* Pixels of one image of 2x2: 0, 1, 100, 255 or 0, 0.5, 1, 1 as float16; and labels. */
static void test_npy_types(void)
{
    static const struct {
        const char *type;
        uint64_t pixels[4];
        int bytes;
        bool swapped;
        int right[4];
    } rows[] = {
        {"<i2", {0, 1, 100, 255}, 2, false, {0, 1, 100, 255}},
        {">u4", {0, 1, 100, 255}, 4, true, {0, 1, 100, 255}},
        {"<i8", {0, 1, 100, 255}, 8, false, {0, 1, 100, 255}},
        {"|b1", {0, 1, 0, 1}, 1, false, {0, 255, 0, 255}},
        {"<f2", {0, 0x3800, 0x3c00, 0x3c00}, 2, false, {0, 128, 255, 255}},
        {">f2", {0, 0x3800, 0x3c00, 0x3c00}, 2, true, {0, 128, 255, 255}},
        {">f4", {0, 0x3f000000, 0x3f800000, 0x3f800001}, 4, true, {0, 128, 255, 255}},
    };
    struct buffer labels = npy(1, "<i2", "False", "(1, 1)");
    add_le(&labels, 300, 2);
    save("y_train.npy", &labels);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        struct buffer b = npy(1, rows[i].type, "False", "(1, 2, 2)");
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < rows[i].bytes; j++) {
                int shift = rows[i].swapped ? rows[i].bytes - 1 - j : j;
                add(&b, &(uint8_t){(uint8_t)(rows[i].pixels[k] >> (8 * shift))}, 1);
            }
        save("x_train.npy", &b);
        weft_dataset *data = NULL;
        CHECK_OK(
            weft_dataset_open(&context, "x_train.npy", WEFT_SPLIT_TRAIN, NULL, &data));
        for (int k = 0; data && k < 4; k++)
            CHECK_INT(test_pixels(data)[k], rows[i].right[k]);
        if (data)
            CHECK_INT(test_labels(data)[0], 300);
        weft_dataset_destroy(&data);
    }
    static const struct {
        const char *type, *shape, *words;
        int bytes;
    } refused[] = {
        {"<i2", "(2, 3)", "if its 3 columns are one-hot, save a.argmax(1)", 12},
        {"<U3", "(1,)", "for texts save numpy.unique(a, return_inverse=True)[1]", 12},
        {"<i2", "(1,)", "label 0 is -1, must be an integer from 0 to 65535", 2},
    };
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(refused); i++) {
        struct buffer b = npy(1, refused[i].type, "False", refused[i].shape);
        for (int k = 0; k < refused[i].bytes; k++)
            add(&b, "\xff", 1);
        save("y_train.npy", &b);
        check_fails("x_train.npy", WEFT_ERR_FORMAT, refused[i].words);
    }
}

static void test_npz(void)
{
    static const char *const names[][2] = {{"train_images.npy", "train_labels.npy"},
                                           {"x_train.npy", "y_train.npy"},
                                           {"X_train.npy", "Y_train.npy"},
                                           {"images.npy", "labels.npy"}};
    weft_dataset *data = NULL;
    for (int deflated = 0; deflated < 2; deflated++)
        for (size_t i = 0; i < WEFT_ARRAY_SIZE(names); i++) {
            struct buffer b = npz(names[i][0], names[i][1], deflated);
            save("a.npz", &b);
            check_open("a.npz", WEFT_SPLIT_TRAIN, 2, 2, 1, "210");
        }
    CHECK_FAILS(weft_dataset_open(&context, "a.npz", WEFT_SPLIT_TEST, NULL, &data),
                WEFT_ERR_FILE, "it has images.npy, labels.npy");

    /* The training part has the number of classes, and the scale of floats. */
    struct buffer b = {.size = 0}, directory = {.size = 0};
    struct buffer train = npy(1, "<f4", "False", "(2, 1, 1)");
    struct buffer test = npy(1, "<f4", "False", "(1, 1, 1)");
    struct buffer labels = npy(1, "|u1", "False", "(2,)");
    struct buffer label = npy(1, "|u1", "False", "(1,)");
    add(&train, (float[]){0, 200.0f}, 8);
    add(&test, (float[]){1}, 4);
    add(&labels, "\0\4", 2);
    add(&label, "\1", 1);
    zip_add(&b, &directory, "x_test.npy", &test, false);
    zip_add(&b, &directory, "y_test.npy", &label, true);
    zip_add(&b, &directory, "x_val.npy", &test, false);
    zip_add(&b, &directory, "y_val.npy", &labels, true);
    zip_add(&b, &directory, "x_train.npy", &train, true);
    zip_add(&b, &directory, "y_train.npy", &labels, true);
    zip_end(&b, &directory);
    save("b.npz", &b);
    struct weft_dataset_info info;
    CHECK_OK(weft_dataset_open(&context, "b.npz", WEFT_SPLIT_TEST, NULL, &data));
    weft_dataset_info(data, &info);
    CHECK_INT(info.classes, 5);
    CHECK_INT(info.pixels[0], 1);
    weft_dataset_destroy(&data);
    CHECK_FAILS(weft_dataset_open(&context, "b.npz", WEFT_SPLIT_VALIDATION, NULL, &data),
                WEFT_ERR_FORMAT, "has 1 images, but b.npz: y_val has 2 labels");

    /* Cut anywhere, and sizes that would be far more. */
    b = npz("x_train.npy", "y_train.npy", true);
    for (size_t size = 4; size < b.size; size++) {
        struct buffer cut = b;
        cut.size = size;
        save("a.npz", &cut);
        check_fails("a.npz", WEFT_ERR_FORMAT, "directory");
    }
    size_t entry = 0;
    while (memcmp(b.bytes + entry, "PK\1\2", 4) != 0)
        entry++;
    struct buffer bomb = b;
    memset(bomb.bytes + entry + 24, 0xef, 4);
    save("a.npz", &bomb);
    check_fails("a.npz", WEFT_ERR_FORMAT, "far more than usual");
    bomb = b;
    bomb.bytes[entry + 24]++;
    save("a.npz", &bomb);
    check_fails("a.npz", WEFT_ERR_FORMAT, "x_train.npy is damaged");
    bomb = b;
    bomb.bytes[entry + 16] ^= 1;
    save("a.npz", &bomb);
    check_fails("a.npz", WEFT_ERR_FORMAT, "x_train.npy is damaged");
    bomb = b;
    bomb.bytes[entry + 8] |= 1;
    save("a.npz", &bomb);
    check_fails("a.npz", WEFT_ERR_FORMAT, "is encrypted");
    bomb = b;
    bomb.bytes[entry + 10] = 14;
    save("a.npz", &bomb);
    check_fails("a.npz", WEFT_ERR_FORMAT, "compressed by method 14");
}

int main(void)
{
    char folder[] = "/tmp/weft-test-XXXXXX", command[100];
    test_context = &context;
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    test_npy();
    test_npy_types();
    test_npz();
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK_INT(system(command), 0);
    free(context.error);
    return test_end();
}
