/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded images in a file of their own, so that they are decoded once. */
#ifndef WEFT_DATASET_IMAGE_CACHE_H
#define WEFT_DATASET_IMAGE_CACHE_H

#include "dataset/image_list.h"

/* The images of a list, decoded. */
struct weft_decoded {
    struct weft_preprocess_params params; /* with the size of the results */
    uint8_t *pixels; /* one result after the other; of `map`, if not NULL */
    struct weft_file_map *map;
    int32_t *extents; /* height and width in the file, upright */
    char **failures;  /* one a file: why it cannot be used, or NULL */
};
void weft_decoded_free(struct weft_decoded *decoded, size_t count);

/* Reads what was decoded of the same files, by their paths, sizes and times, in the same
 * way. False: it is not there, or damaged, or not this user's. */
bool weft_image_cache_read(struct weft_reading *reading, const char *source,
                           const struct weft_image_list *list, struct weft_decoded *out);

/* Replaces the file of this source, part and size. A failure is noted. */
void weft_image_cache_write(struct weft_reading *reading, const char *source,
                            const struct weft_image_list *list,
                            const struct weft_decoded *decoded);

#endif
