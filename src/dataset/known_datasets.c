/* SPDX-License-Identifier: Apache-2.0 */
/* Published datasets, identified by their contents in any file format.
 *
 * Fashion-MNIST exists twice: the first release of August 2017, still distributed as
 * Kaggle's CSV files, and the current one, a different sample and split (zalandoresearch/
 * fashion-mnist, issue 44). 79 % of the first release's test images are in the training
 * part of the current release. */
#include "dataset/format.h"

#include <stdlib.h>
#include <string.h>

#include "util/hash.h"

static const char *const clothes[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                      "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                      "Bag",         "Ankle boot"};
static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

enum { SIDE = 28, PIXELS = SIDE * SIDE, MARKS = 32 };

/* Releases by the SHA-256 of their labels as an uncompressed IDX file and weft_hash64
 * of their pixels; a SHA-256 of 47 MB would take a third of the time to open them.
 * tests/unit/test_collection.c checks the published SHA-256 of the images. */
static const struct {
    int count;
    uint64_t pixels;
    const char *labels;
    struct weft_known_dataset release;
} known[] = {
    {60000,
     0xc8adc7437e5680fb,
     "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
     {"Fashion-MNIST, current release, train", 10, clothes}},
    {10000,
     0xa6ebe13fd5780986,
     "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
     {"Fashion-MNIST, current release, test", 10, clothes}},
    {60000,
     0xad6ec9619e9d149e,
     "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
     {"MNIST, train", 10, digits}},
    {10000,
     0xd3954929d926af88,
     "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
     {"MNIST, test", 10, digits}},
};

/* The first release exists in many orders and subsets, so it is recognized by single
 * images: weft_hash64 of test images that the current release does not contain. */
static const uint64_t first_test_marks[MARKS] = {
    0x6616bcf74c1e769b, 0x5728fea7e700f39e, 0xe41f4d77db65919e, 0x41d4969c099981ee,
    0xd87cbc2b706adb13, 0x35137b9b0dfae594, 0x69d81936121ffabd, 0xea408df744935b64,
    0x0101c30df556ba39, 0x19fa8c4d1543d09e, 0xf2e720b03215c388, 0x3857cdd6bce4b630,
    0xed0d50f116e2340f, 0x1d4842d622c9ca89, 0x5ec4769edb0e07d9, 0x943f6d0d1d08621d,
    0x1d61e3376ea01a89, 0xb98a94bd502da234, 0x326394c25b19ea02, 0x4c015dacdc4d4464,
    0x7c3813315754546d, 0xcf9afa2eb97538f8, 0x4914de67cd3315fa, 0x749672448e1965c2,
    0x51b94e34298c538a, 0x8976742eb83e2092, 0xcccb1237ab609d32, 0x3b3400ff290767c7,
    0xe8a73938575ce15d, 0x971b048443f4ce9a, 0x2d10a83b154acec3, 0x0eb2ed269fe97180,
};
/* Test images of the current release: 79 % of them are in the training part of the
 * first release, none in that of the current one. */
static const uint64_t current_test_marks[MARKS] = {
    0xd0a9734411a07671, 0xa3cef883af3e35ad, 0xfb2943b028b2762f, 0xa2a0115eb33d053d,
    0xa3b328131c36bcf3, 0x8de354291634e512, 0x84e2f9b4632caf6b, 0xd54da388799247ad,
    0xbf019637e2f40f7b, 0x61b3aa1afe039f1e, 0xd3f0881c8408904d, 0x09722359d7ad2fff,
    0x84d03eb99c977c3c, 0xec5cfbbd4a4c1e38, 0x43ff299f400f11ca, 0xdb72702eb9c0e81c,
    0x653257769030ddf2, 0xce9db1da9938f69d, 0x4f853d38557e9fbd, 0x9d571a6cd6b1c3d5,
    0x75043a8ddca7be4a, 0x82d94bb1d2355d4a, 0xf2b7e6d326d5025e, 0x7c1e00043ad6e9d7,
    0x53fc294dc91139f5, 0xb7af0dd0b7ef2289, 0xc5c276b42a227df0, 0x51eb2da2e9c78e09,
    0x881968a74b65779a, 0x8041989aa550457c, 0xc0ba9de36fc9f03b, 0x32a14cb944a76fc7,
};

static const struct weft_known_dataset first_test = {
    "Fashion-MNIST, first release (August 2017), test", 10, clothes};
static const struct weft_known_dataset first_train = {
    "Fashion-MNIST, first release (August 2017), train", 10, clothes};

struct weft_preprocess_params weft_known_dataset_preprocess(const char *known_as)
{
    static const char clothes_of[] = "Fashion-MNIST,";
    if (!strncmp(known_as, clothes_of, sizeof(clothes_of) - 1))
        return *weft_preprocess_params(.trim = true, .invert = WEFT_INVERT_AUTO);
    return *weft_preprocess_params(.fit = WEFT_FIT_PAD);
}

static void add_be32(struct weft_sha256_state *sha, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 8), (uint8_t)value};
    weft_sha256_add(sha, bytes, sizeof(bytes));
}

/* True if the labels, as an IDX file, have this SHA-256. */
static bool labels_are(const struct weft_raw_images *raw, const char *hex)
{
    struct weft_sha256_state sha;
    weft_sha256_init(&sha);
    add_be32(&sha, 0x801);
    add_be32(&sha, (uint32_t)raw->count);
    for (int i = 0; i < raw->count; i++) {
        uint8_t label = (uint8_t)raw->labels[i];
        weft_sha256_add(&sha, &label, 1);
    }
    uint8_t sum[WEFT_SHA256_BYTES];
    char text[2 * WEFT_SHA256_BYTES + 1];
    weft_sha256_finish(&sha, sum);
    weft_sha256_hex(sum, text);
    return !strcmp(text, hex);
}

/* True if the pixels have this hash. */
static bool pixels_are(const struct weft_raw_images *raw, uint64_t expected)
{
    struct weft_hash64_state all;
    uint8_t image[PIXELS];
    if (raw->pixels)
        return weft_hash64(raw->pixels, (size_t)raw->count * PIXELS) == expected;
    weft_hash64_init(&all);
    for (int i = 0; i < raw->count; i++) {
        if (weft_raw_images_copy(NULL, raw, i, 1, image))
            return false;
        weft_hash64_add(&all, image, PIXELS);
    }
    return weft_hash64_finish(&all) == expected;
}

/* Number of marks that are hashes of images of `raw`. */
static void count_marks(const struct weft_raw_images *raw, int *first, int *current)
{
    bool seen[2][MARKS] = {{false}};
    uint8_t image[PIXELS];
    *first = *current = 0;
    for (int i = 0; i < raw->count && !weft_raw_images_copy(NULL, raw, i, 1, image);
         i++) {
        uint64_t hash = weft_hash64(image, PIXELS);
        for (int m = 0; m < MARKS; m++) {
            seen[0][m] |= hash == first_test_marks[m];
            seen[1][m] |= hash == current_test_marks[m];
        }
    }
    for (int m = 0; m < MARKS; m++) {
        *first += seen[0][m];
        *current += seen[1][m];
    }
}

const struct weft_known_dataset *
weft_known_dataset_find(const struct weft_raw_images *raw)
{
    int first, current;
    if (raw->feed || raw->height != SIDE || raw->width != SIDE || raw->channels != 1)
        return NULL;
    for (int i = 0; i < raw->count; i++)
        if (raw->labels[i] > 9)
            return NULL;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(known); i++)
        if (raw->count == known[i].count && labels_are(raw, known[i].labels) &&
            pixels_are(raw, known[i].pixels))
            return &known[i].release;
    count_marks(raw, &first, &current);
    if (first >= 3)
        return &first_test;
    /* 25 of 32 are expected; all 32 would be both parts of the current release */
    if (raw->count == 60000 && current >= MARKS / 2 && current < MARKS)
        return &first_train;
    return NULL;
}
