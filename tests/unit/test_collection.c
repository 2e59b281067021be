/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets as objects: statistics, parts, overlap; then known collections, where they
 * are installed. The argument is the folder of shared test data, and may be absent. */
#include <float.h>
#include <math.h>

#include "dataset/format.h"
#include "unit/test.h"
#include "util/hash.h"

enum { COUNT = 1000, PIXELS = 6, HELD_OUT = 300 };

static struct weft_context context;

static uint8_t pixels[COUNT * PIXELS];
static int32_t labels[COUNT];

/* A thousand images, each unlike the others: the first of two channels numbers them. */
static weft_dataset *make(void)
{
    static const char *const names[] = {"a", "b", "c"};
    const struct weft_dataset_params shape =
        *weft_dataset_params(.count = COUNT, .height = 3, .width = 1, .channels = 2,
                             .classes = 3, .class_names = names, .known_as = "r",
                             .pixels = pixels, .labels = labels);
    weft_dataset *data = NULL;
    for (int i = 0; i < COUNT; i++) {
        uint8_t *p = pixels + i * PIXELS;
        p[0] = (uint8_t)i;
        p[2] = (uint8_t)(i >> 8);
        for (int c = 1; c < PIXELS; c += 2)
            p[c] = (uint8_t)(i * 7919 >> c);
        labels[i] = i % 3;
    }
    CHECK_OK(weft_dataset_from_memory(&context, &shape, &data));
    REQUIRE(data);
    return data;
}

/* The preprocessing of a known dataset is that of its images; both parts of a split keep
 * it, and params replace it. */
static void test_preprocessing(void)
{
    static const struct {
        const char *known_as;
        bool trim;
        enum weft_invert invert;
    } rows[] = {
        {"", false, WEFT_INVERT_NO},
        {"MNIST, train", false, WEFT_INVERT_NO},
        {"Fashion-MNIST, current release, train", true, WEFT_INVERT_AUTO},
        {"Fashion-MNIST, first release (August 2017), train", true, WEFT_INVERT_AUTO}};
    struct weft_dataset_params params =
        *weft_dataset_params(.count = COUNT, .height = 3, .width = 1, .channels = 1,
                             .pixels = pixels);
    struct weft_dataset_info info;
    weft_dataset *data = NULL, *first = NULL, *second = NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(rows); i++) {
        params.known_as = rows[i].known_as;
        REQUIRE(!weft_dataset_from_memory(&context, &params, &data));
        REQUIRE(!weft_dataset_holdout(data, HELD_OUT, 7, &first, &second));
        weft_dataset_destroy(&data);
        weft_dataset_info(second, &info);
        CHECK(info.preprocess->fit == WEFT_FIT_PAD);
        CHECK(info.preprocess->trim == rows[i].trim);
        CHECK(info.preprocess->invert == rows[i].invert);
        CHECK_INT(info.preprocess->height, 3);
        weft_dataset_destroy(&first);
        weft_dataset_destroy(&second);
    }
    params.preprocess = weft_preprocess_params(.fit = WEFT_FIT_STRETCH);
    REQUIRE(!weft_dataset_from_memory(&context, &params, &data));
    weft_dataset_info(data, &info);
    CHECK(info.preprocess->fit == WEFT_FIT_STRETCH && !info.preprocess->trim);
    weft_dataset_destroy(&data);
    params.preprocess = weft_preprocess_params(.invert = (enum weft_invert)7);
    CHECK_FAILS(weft_dataset_from_memory(&context, &params, &data), WEFT_ERR_ARG,
                "invert");
}

static void test_statistics(void)
{
    weft_dataset *data = make();
    struct weft_dataset_info info;
    const double bound = COUNT * PIXELS * DBL_EPSILON; /* of sums of as many roundings */
    weft_dataset_info(data, &info);
    CHECK_TEXT(info.class_names[2], "c");
    CHECK_TEXT(info.source, "memory");
    CHECK(!memcmp(test_pixels(data), pixels, sizeof(pixels)));
    for (int c = 0; c < 2; c++) {
        double sum = 0, squares = 0;
        for (int i = c; i < COUNT * PIXELS; i += 2)
            sum += pixels[i] / 255.0;
        double mean = sum / (COUNT * PIXELS / 2);
        for (int i = c; i < COUNT * PIXELS; i += 2)
            squares += (pixels[i] / 255.0 - mean) * (pixels[i] / 255.0 - mean);
        CHECK_NEAR(info.mean[c], mean, bound);
        CHECK_NEAR(info.stddev[c], sqrt(squares / (COUNT * PIXELS / 2)), bound);
    }
    weft_dataset_destroy(&data);
    CHECK(!data);
    weft_dataset_destroy(&data);
}

/* Merging the two parts in order gives every image once, with its label. */
static void check_merge(const weft_dataset *first, const weft_dataset *second)
{
    const weft_dataset *part[2] = {first, second};
    int next[2] = {0, 0};
    for (int i = 0; i < COUNT; i++) {
        const uint8_t *want = pixels + i * PIXELS;
        int side = next[0] == COUNT - HELD_OUT ||
                   memcmp(test_pixels(first) + next[0] * PIXELS, want, PIXELS) != 0;
        REQUIRE(next[side] < (side ? HELD_OUT : COUNT - HELD_OUT));
        CHECK(!memcmp(test_pixels(part[side]) + next[side] * PIXELS, want, PIXELS));
        CHECK_INT(test_labels(part[side])[next[side]], labels[i]);
        next[side]++;
    }
}

/* Each class gives its share, rounded: the parts of 100, 41, 7, 2 and no images. */
static void test_shares(void)
{
    enum { ALL = 150, CLASSES = 5 };
    static const int sizes[CLASSES] = {100, 41, 7, 2, 0};
    static const struct {
        int holdout, shares[CLASSES];
    } rows[] = {
        {15, {10, 4, 1, 0, 0}},   {75, {50, 21, 3, 1, 0}}, {1, {1, 0, 0, 0, 0}},
        {149, {99, 41, 7, 2, 0}}, {3, {2, 1, 0, 0, 0}},
    };
    uint8_t values[ALL];
    int32_t classes[ALL];
    for (int i = 0, c = 0, n = 0; i < ALL; i++, n++) {
        if (n == sizes[c]) {
            c++;
            n = 0;
        }
        values[i] = (uint8_t)i;
        classes[i * 7 % ALL] = c;
    }
    weft_dataset *data = NULL, *first = NULL, *second = NULL;
    struct weft_dataset_info info;
    REQUIRE(!weft_dataset_from_memory(
        &context,
        weft_dataset_params(.count = ALL, .height = 1, .width = 1, .channels = 1,
                            .classes = CLASSES, .pixels = values, .labels = classes),
        &data));
    for (size_t r = 0; r < WEFT_ARRAY_SIZE(rows); r++) {
        int counts[CLASSES] = {0};
        CHECK_OK(weft_dataset_holdout(data, rows[r].holdout, r, &first, &second));
        weft_dataset_info(second, &info);
        CHECK_INT(info.count, rows[r].holdout);
        for (int i = 0; i < info.count; i++)
            counts[info.labels[i]]++;
        for (int c = 0; c < CLASSES; c++)
            CHECK_INT(counts[c], rows[r].shares[c]);
        weft_dataset_destroy(&first);
        weft_dataset_destroy(&second);
    }
    weft_dataset_destroy(&data);
}

static void test_split(void)
{
    weft_dataset *data = make(), *first = NULL, *second = NULL, *rest = NULL,
                 *other = NULL;
    struct weft_dataset_info info;
    int overlap = -1;
    CHECK_OK(weft_dataset_holdout(data, HELD_OUT, 7, &first, &second));
    REQUIRE(first && second);
    weft_dataset_info(first, &info);
    CHECK_INT(info.count, COUNT - HELD_OUT);
    weft_dataset_info(second, &info);
    CHECK_INT(info.count, HELD_OUT);
    CHECK_TEXT(info.known_as, "r");
    CHECK_TEXT(info.class_names[1], "b");
    check_merge(first, second);

    /* One seed, one split; another seed, another. */
    CHECK_OK(weft_dataset_holdout(data, HELD_OUT, 7, &rest, &other));
    CHECK(!memcmp(test_pixels(second), test_pixels(other), HELD_OUT * PIXELS));
    weft_dataset_destroy(&rest);
    weft_dataset_destroy(&other);
    CHECK_OK(weft_dataset_holdout(data, HELD_OUT, UINT64_C(7) << 32, &rest, &other));
    CHECK_OK(weft_dataset_overlap(second, other, &overlap));
    CHECK(overlap > 40 && overlap < 140); /* by chance 90, deviation 6.6 */

    CHECK_OK(weft_dataset_overlap(first, second, &overlap));
    CHECK_INT(overlap, 0);
    CHECK_OK(weft_dataset_overlap(data, second, &overlap));
    CHECK_INT(overlap, HELD_OUT);
    CHECK_OK(weft_dataset_overlap(data, data, &overlap));
    CHECK_INT(overlap, 0);
    CHECK_OK(weft_dataset_overlap(first, data, &overlap));
    CHECK_INT(overlap, COUNT - HELD_OUT);
    weft_dataset_destroy(&first);
    weft_dataset_destroy(&second);
    weft_dataset_destroy(&rest);
    weft_dataset_destroy(&other);
    CHECK_FAILS(weft_dataset_holdout(data, 0, 1, &rest, &other), WEFT_ERR_ARG,
                "holdout_count must be 1 or more");
    CHECK_FAILS(weft_dataset_holdout(data, COUNT, 1, &rest, &other), WEFT_ERR_ARG,
                "holdout_count");
    weft_dataset_destroy(&data);
}

/* All images the same: counting stays fast, and no deviation is no NaN. */
static void test_same(void)
{
    enum { SAME = 200000 };
    struct weft_dataset_info info;
    weft_dataset *data = NULL;
    int overlap = -1;
    uint8_t *same = calloc(SAME, 1);
    REQUIRE(same);
    CHECK_OK(weft_dataset_from_memory(&context,
                                      weft_dataset_params(.count = SAME, .height = 1,
                                                          .width = 1, .channels = 1,
                                                          .pixels = same),
                                      &data));
    REQUIRE(data);
    CHECK_OK(weft_dataset_overlap(data, data, &overlap));
    CHECK_INT(overlap, SAME - 1);
    weft_dataset_info(data, &info);
    CHECK_NEAR(info.stddev[0], 0, 0);
    CHECK_INT(info.classes, 2);
    CHECK_TEXT(info.class_names[1], "1");
    weft_dataset_destroy(&data);
    free(same);

    static const int32_t wrong[] = {0, 1, -1};
    struct weft_dataset_params params =
        *weft_dataset_params(.count = 3, .height = 1, .width = 1, .channels = 1,
                             .pixels = pixels, .labels = wrong);
    CHECK_FAILS(weft_dataset_from_memory(&context, &params, &data), WEFT_ERR_ARG,
                "label 2 is -1");
    params.width = 0;
    CHECK_FAILS(weft_dataset_from_memory(&context, &params, &data), WEFT_ERR_ARG,
                "height and width must be 1 to 65535");
    CHECK(!data);
}

/* Opens a collection and checks what it is known as. */
static weft_dataset *check_release(const char *spec, enum weft_split split, int count,
                                   const char *release, const char *last_class)
{
    weft_dataset *data = NULL;
    struct weft_dataset_info info;
    CHECK_OK(weft_dataset_open(&context, spec, split, NULL, &data));
    REQUIRE(data);
    weft_dataset_info(data, &info);
    CHECK_INT(info.count, count);
    CHECK_INT(info.classes, 10);
    CHECK_TEXT(info.known_as, release);
    CHECK_TEXT(info.class_names[9], last_class);
    return data;
}

/* The images, as an IDX file holds them, have the sum that was published. */
static void check_published(const weft_dataset *data, const char *want)
{
    struct weft_dataset_info info;
    struct weft_sha256_state sha;
    uint8_t sum[WEFT_SHA256_BYTES];
    char text[2 * WEFT_SHA256_BYTES + 1];
    weft_dataset_info(data, &info);
    const uint8_t head[16] = {
        0, 0,  8, 3, 0, 0, (uint8_t)(info.count >> 8), (uint8_t)info.count, 0, 0,
        0, 28, 0, 0, 0, 28};
    weft_sha256_init(&sha);
    weft_sha256_add(&sha, head, sizeof(head));
    weft_sha256_add(&sha, test_pixels(data), (size_t)info.count * 784);
    weft_sha256_finish(&sha, sum);
    weft_sha256_hex(sum, text);
    CHECK_TEXT(text, want);
}

/* Fashion-MNIST as Debian has it, and the same images from another format and order:
 * the release is identified by its contents. */
static void test_fashion(const char *shared)
{
    char path[1000];
    struct weft_dataset_info info;
    int overlap;
    weft_dataset *train =
        check_release("fashion-mnist", WEFT_SPLIT_TRAIN, 60000,
                      "Fashion-MNIST, current release, train", "Ankle boot");
    weft_dataset *test =
        check_release("fashion-mnist", WEFT_SPLIT_TEST, 10000,
                      "Fashion-MNIST, current release, test", "Ankle boot");
    weft_dataset_info(train, &info);
    CHECK_NEAR(info.mean[0], 0.2860406, 5e-8); /* NumPy's, with seven digits */
    CHECK_NEAR(info.stddev[0], 0.3530242, 5e-8);
    CHECK_OK(weft_dataset_overlap(train, test, &overlap));
    CHECK_INT(overlap, 0);
    check_published(train,
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888");
    check_published(test,
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b");

    /* One pixel of one image, or one label, is another collection. */
    struct weft_raw_images raw = {.count = 10000,
                                  .height = 28,
                                  .width = 28,
                                  .channels = 1,
                                  .pixels = malloc(7840000),
                                  .labels = malloc(40000)};
    REQUIRE(raw.pixels && raw.labels);
    memcpy(raw.pixels, test_pixels(test), 7840000);
    memcpy(raw.labels, test_labels(test), 40000);
    CHECK(weft_known_dataset_find(&raw));
    raw.pixels[7839999] ^= 1;
    CHECK(!weft_known_dataset_find(&raw));
    raw.pixels[7839999] ^= 1;
    raw.labels[9999] ^= 1;
    CHECK(!weft_known_dataset_find(&raw));
    weft_raw_images_free(&raw);

    /* A set of 60,000 with 79 % of the test images, as the first release's training
     * part has, and one with all of them. */
    raw = (struct weft_raw_images){.count = 60000,
                                   .height = 28,
                                   .width = 28,
                                   .channels = 1,
                                   .pixels = malloc(47040000),
                                   .labels = calloc(60000, 4)};
    REQUIRE(raw.pixels && raw.labels);
    memcpy(raw.pixels, test_pixels(train), 47040000);
    for (size_t i = 0, to = 0; i < 10000; i++)
        if (((uint32_t)i * 2654435761u >> 16) % 100 < 79)
            memcpy(raw.pixels + to++ * 784, test_pixels(test) + i * 784, 784);
    const struct weft_known_dataset *release = weft_known_dataset_find(&raw);
    CHECK_TEXT(release ? release->name : "",
               "Fashion-MNIST, first release (August 2017), train");
    memcpy(raw.pixels, test_pixels(test), 7840000);
    CHECK(!weft_known_dataset_find(&raw));
    weft_raw_images_free(&raw);
    weft_dataset_destroy(&test);

    snprintf(path, sizeof(path), "%s/data/kaggle-old-release-test-2000.csv.gz", shared);
    if (weft_file_exists(path)) {
        test = check_release(path, WEFT_SPLIT_TEST, 2000,
                             "Fashion-MNIST, first release (August 2017), test",
                             "Ankle boot");
        CHECK_OK(weft_dataset_overlap(train, test, &overlap));
        CHECK_INT(overlap, 1577); /* counted with a Python set of byte strings */
        weft_dataset_destroy(&test);
    } else {
        printf("not there: %s\n", path);
    }
    weft_dataset_destroy(&train);
}

int main(int argc, char **argv)
{
    test_context = &context;
    test_statistics();
    test_preprocessing();
    test_split();
    test_shares();
    test_same();
    if (weft_folder_exists("/usr/share/datasets/fashion-mnist")) {
        test_fashion(argc > 1 ? argv[1] : "");
    } else {
        weft_dataset *data = NULL;
        CHECK_FAILS(
            weft_dataset_open(&context, "fashion-mnist", WEFT_SPLIT_TRAIN, NULL, &data),
            WEFT_ERR_FILE, "install the package dataset-fashion-mnist");
    }
    free(context.error);
    return test_end();
}
