/* SPDX-License-Identifier: Apache-2.0 */
/* Images of a list, decoded in threads when they are first read and kept in a file. */
#ifndef WEFT_DATASET_IMAGE_FEED_H
#define WEFT_DATASET_IMAGE_FEED_H

#include "dataset/image_cache.h"

struct weft_image_feed;

/* Takes ownership of the cache, which is that of the list, also on failure. The params
 * have the size of the results; `complete`: the cache was opened and not begun.
 * WEFT_ERR_NOMEM. */
enum weft_status weft_image_feed_create(weft_context *ctx, struct weft_image_cache *cache,
                                        const struct weft_image_list *list, bool complete,
                                        const struct weft_preprocess_params *params,
                                        int threads, struct weft_image_feed **out);
struct weft_image_feed *weft_image_feed_retain(struct weft_image_feed *feed);
void weft_image_feed_release(struct weft_image_feed **feed);

/* Some images, by their places in the list: order[images[k]], where these are not NULL,
 * k counted from `first`. */
struct weft_image_selection {
    const uint32_t *order, *images;
    size_t first, count;
};

/* Copies the pixels of images one after the other; NULL: only decodes them. Those of an
 * image that cannot be decoded are left as they are. `ctx` may be NULL.
 * WEFT_ERR_NOMEM. */
enum weft_status weft_image_feed_decode(weft_context *ctx, struct weft_image_feed *feed,
                                        const struct weft_image_selection *selection,
                                        uint8_t *pixels);

/* The same, after the images were listed without those that cannot be decoded.
 * WEFT_ERR_FORMAT: another one cannot; all are decoded then, so that the next process
 * knows all of those. */
enum weft_status weft_image_feed_read(weft_context *ctx, struct weft_image_feed *feed,
                                      const struct weft_image_selection *selection,
                                      uint8_t *pixels);

/* The images are read soon; those of a complete file are read ahead. */
void weft_image_feed_expect(struct weft_image_feed *feed,
                            const struct weft_image_selection *selection);

/* Decodes what is missing. WEFT_ERR_NOMEM. */
enum weft_status weft_image_feed_finish(weft_context *ctx, struct weft_image_feed *feed);

/* Images are missing. */
bool weft_image_feed_is_decoding(struct weft_image_feed *feed);

/* weft_image_feed_read has failed for an image. */
bool weft_image_feed_is_damaged(struct weft_image_feed *feed);

/* The reason why an image cannot be decoded; NULL: it can, or is not decoded yet. */
const char *weft_image_feed_failure(const struct weft_image_feed *feed, size_t image);

/* Height and width in the file of an image that is decoded; zeros: it is not. */
struct weft_image_record weft_image_feed_record(const struct weft_image_feed *feed,
                                                size_t image);

/* The number of images that were decoded, and the time. */
int weft_image_feed_decoded(struct weft_image_feed *feed, double *seconds);

#endif
