/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded images in a file of their own, so that they are decoded once. The file is
 * filled image by image under another name, and gets its own when none is missing. */
#ifndef WEFT_DATASET_IMAGE_CACHE_H
#define WEFT_DATASET_IMAGE_CACHE_H

#include "dataset/image_list.h"

struct weft_image_cache;

/* Opens the results for the same files, by their paths, sizes and times, and the same
 * preprocessing; *params receives their size. False: they are not there, or damaged, or
 * not this user's. */
bool weft_image_cache_open(struct weft_reading *reading, const char *source,
                           const struct weft_image_list *list,
                           struct weft_preprocess_params *params,
                           struct weft_image_cache **out);

/* A file for this source, part and size, with room for all images; it has those that an
 * interrupted process left. False, with a note: none can be made. */
bool weft_image_cache_begin(struct weft_reading *reading, const char *source,
                            const struct weft_image_list *list,
                            const struct weft_preprocess_params *params,
                            struct weft_image_cache **out);
void weft_image_cache_close(struct weft_image_cache **cache);

/* One for each file of the list. */
const struct weft_image_record *
weft_image_cache_records(const struct weft_image_cache *cache);

/* Why an image cannot be used, of a complete file; "": it can. */
const char *weft_image_cache_failure(const struct weft_image_cache *cache, size_t image);

/* Copies the pixels of an image. False: they are not there, or damaged. In any thread,
 * as weft_image_cache_store, for different images. */
bool weft_image_cache_load(const struct weft_image_cache *cache, size_t image,
                           uint8_t *pixels);
/* The pixels are read soon. */
void weft_image_cache_expect(const struct weft_image_cache *cache, size_t image);
void weft_image_cache_store(struct weft_image_cache *cache, size_t image,
                            const struct weft_image_record *record,
                            const uint8_t *pixels);

/* All images are stored or have failed: `failures` has a text for each of the latter, and
 * NULL for the others. */
void weft_image_cache_complete(struct weft_image_cache *cache, char *const *failures);

#endif
