/* SPDX-License-Identifier: Apache-2.0 */
/* The difference hash. */
#include "core/image_hash.h"

enum { HASH_ROWS = 8, HASH_COLUMNS = 9 };

enum weft_status image_hash(weft_context *context, const struct weft_image *image,
                            uint64_t *out)
{
    uint8_t small[HASH_ROWS * HASH_COLUMNS];
    struct weft_preprocess_info info;
    *out = 0;
    if (image->channels != 1 && image->channels != 3)
        return WEFT_OK;
    enum weft_status status = weft_image_preprocess(
        context, image,
        weft_preprocess_params(.height = HASH_ROWS, .width = HASH_COLUMNS, .channels = 1,
                               .fit = WEFT_FIT_STRETCH),
        small, &info);
    for (int y = 0; y < HASH_ROWS && !status; y++)
        for (int x = 0; x + 1 < HASH_COLUMNS; x++) {
            const uint8_t *pixel = small + y * HASH_COLUMNS + x;
            *out |= (uint64_t)(pixel[1] > pixel[0]) << (8 * y + x);
        }
    return status;
}

int image_hash_distance(uint64_t a, uint64_t b)
{
    return __builtin_popcountll(a ^ b);
}
