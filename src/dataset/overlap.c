/* SPDX-License-Identifier: Apache-2.0 */
/* Images that occur twice. */
#include "dataset/dataset.h"
#include "util/hash.h"

#include <stdlib.h>
#include <string.h>

/* Hash table of images with open addressing; identical images share one entry. */
struct entry {
    uint64_t hash;
    uint32_t image; /* counted from 1; 0: empty */
};

/* The entry of an image, or the empty one where it belongs. */
static struct entry *find_entry(struct entry *table, size_t mask,
                                const weft_dataset *data, const uint8_t *image,
                                uint64_t hash)
{
    size_t bytes = weft_dataset_image_bytes(&data->info);
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        struct entry *entry = &table[at];
        if (!entry->image ||
            (entry->hash == hash &&
             !memcmp(data->pixels + (entry->image - 1) * bytes, image, bytes)))
            return entry;
    }
}

enum weft_status weft_dataset_overlap(const weft_dataset *train, const weft_dataset *test,
                                      int *out)
{
    WEFT_REQUIRE_POINTER(NULL, train, "train");
    WEFT_REQUIRE_POINTER(train->context, test, "test");
    WEFT_REQUIRE_POINTER(train->context, out, "out");
    const struct weft_dataset_info *a = &train->info, *b = &test->info;
    size_t bytes = weft_dataset_image_bytes(a), size = 2;
    int count = 0, twice = 0;
    if (a->height != b->height || a->width != b->width || a->channels != b->channels) {
        *out = 0;
        return WEFT_OK;
    }
    while (size < 2 * (size_t)a->count)
        size *= 2;
    struct entry *table = calloc(size, sizeof(*table));
    if (!table)
        return weft_out_of_memory(train->context, "overlap", size * sizeof(*table));
    for (int i = 0; i < a->count; i++) {
        const uint8_t *image = train->pixels + (size_t)i * bytes;
        uint64_t hash = weft_hash64(image, bytes);
        struct entry *entry = find_entry(table, size - 1, train, image, hash);
        twice += entry->image != 0;
        *entry = (struct entry){hash, (uint32_t)i + 1};
    }
    for (int i = 0; i < b->count && train != test; i++) {
        const uint8_t *image = test->pixels + (size_t)i * bytes;
        uint64_t hash = weft_hash64(image, bytes);
        count += find_entry(table, size - 1, train, image, hash)->image != 0;
    }
    free(table);
    *out = train == test ? twice : count;
    return WEFT_OK;
}
