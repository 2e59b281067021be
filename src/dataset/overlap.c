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

/* Two images at a time. */
struct search {
    struct entry *table;
    size_t mask, bytes;
    const weft_dataset *data; /* whose images are in the table */
    struct weft_image_block one, other;
};

/* The entry of an image, or the empty one where it belongs. */
static enum weft_status find_entry(struct search *s, const uint8_t *image, uint64_t hash,
                                   struct entry **out)
{
    for (size_t at = hash & s->mask;; at = (at + 1) & s->mask) {
        struct entry *entry = *out = &s->table[at];
        if (!entry->image)
            return WEFT_OK;
        if (entry->hash != hash)
            continue;
        WEFT_TRY(weft_dataset_block(s->data->context, s->data, (int)entry->image - 1, 1,
                                    &s->other));
        if (!memcmp(s->other.pixels, image, s->bytes))
            return WEFT_OK;
    }
}

/* Counts the images that are in the table. `add`: then they are. */
static enum weft_status count_known(struct search *s, const weft_dataset *data, bool add,
                                    int *out)
{
    *out = 0;
    for (int i = 0; i < data->info.count; i++) {
        struct entry *entry;
        WEFT_TRY(weft_dataset_block(data->context, data, i, 1, &s->one));
        uint64_t hash = weft_hash64(s->one.pixels, s->bytes);
        WEFT_TRY(find_entry(s, s->one.pixels, hash, &entry));
        *out += entry->image != 0;
        if (add)
            *entry = (struct entry){hash, (uint32_t)i + 1};
    }
    return WEFT_OK;
}

enum weft_status weft_dataset_overlap(const weft_dataset *train, const weft_dataset *test,
                                      int *out)
{
    WEFT_REQUIRE_POINTER(NULL, train, "train");
    WEFT_REQUIRE_POINTER(train->context, test, "test");
    WEFT_REQUIRE_POINTER(train->context, out, "out");
    const struct weft_dataset_info *a = &train->info, *b = &test->info;
    size_t size = 2;
    *out = 0;
    if (a->height != b->height || a->width != b->width || a->channels != b->channels)
        return WEFT_OK;
    while (size < 2 * (size_t)a->count)
        size *= 2;
    struct search s = {.table = calloc(size, sizeof(*s.table)),
                       .mask = size - 1,
                       .bytes = weft_dataset_image_bytes(a),
                       .data = train};
    if (!s.table)
        return weft_out_of_memory(train->context, "overlap", size * sizeof(*s.table));
    int count = 0;
    enum weft_status status = count_known(&s, train, true, &count);
    if (!status && train != test)
        status = count_known(&s, test, false, &count);
    weft_image_block_free(&s.one);
    weft_image_block_free(&s.other);
    free(s.table);
    if (!status)
        *out = count;
    return status;
}
