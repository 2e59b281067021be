/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of what is seen in images. */
#ifndef WEFT_CMD_CORE_IMAGE_HASH_H
#define WEFT_CMD_CORE_IMAGE_HASH_H

#include <weft/weft.h>

/* The 64-bit difference hash: bit 8 y + x is set if pixel x + 1 of row y is lighter than
 * pixel x, of the image as 9 x 8 gray pixels. 0 for images of 2 or 4 channels. */
enum weft_status image_hash(weft_context *context, const struct weft_image *image,
                            uint64_t *out);
int image_hash_distance(uint64_t a, uint64_t b);

#endif
