/* SPDX-License-Identifier: Apache-2.0 */
/* The orientation that a camera stores in Exif (2.3, section 4.6.4). */
#include "image/image.h"

#include <string.h>

static uint32_t load(const uint8_t *p, int bytes, bool big)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)p[i] << (8 * (big ? bytes - 1 - i : i));
    return value;
}

int weft_exif_orientation(const uint8_t *tiff, size_t size)
{
    enum { TAG = 0x0112, ENTRY = 12 };
    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool big = tiff[0] == 'M';
    size_t at = load(tiff + 4, 4, big);
    if (at > size - 2)
        return 1;
    size_t entries = load(tiff + at, 2, big);
    for (at += 2; entries && size - at >= ENTRY; entries--, at += ENTRY)
        if (load(tiff + at, 2, big) == TAG) {
            uint32_t value = load(tiff + at + 8, 2, big);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 1;
}

/* The transformation of an Exif orientation: (row, column) of the result is (column,
 * row) of the stored image if `transpose`, mirrored on the given axes (Exif 2.3,
 * 4.6.4). */
static const struct transform {
    bool transpose, flip_y, flip_x; /* axes of the stored image */
} transforms[9] = {
    [2] = {false, false, true}, [3] = {false, true, true}, [4] = {false, true, false},
    [5] = {true, false, false}, [6] = {true, true, false}, [7] = {true, true, true},
    [8] = {true, false, true},
};

enum weft_status weft_image_orient(weft_context *ctx, const char *name, int orientation,
                                   struct weft_image *image)
{
    const struct transform *transform = &transforms[orientation];
    struct weft_image up;
    if (orientation == 1)
        return WEFT_OK;
    int h = image->height, w = image->width, c = image->channels;
    WEFT_TRY(weft_image_create(ctx, name, (uint64_t)(transform->transpose ? w : h),
                               (uint64_t)(transform->transpose ? h : w), c, &up));
    uint8_t *to = up.pixels;
    for (int i = 0; i < up.height; i++)
        for (int j = 0; j < up.width; j++, to += c) {
            int y = transform->transpose ? j : i, x = transform->transpose ? i : j;
            y = transform->flip_y ? h - 1 - y : y;
            x = transform->flip_x ? w - 1 - x : x;
            memcpy(to, image->pixels + ((size_t)y * (size_t)w + (size_t)x) * (size_t)c,
                   (size_t)c);
        }
    weft_image_free(image);
    *image = up;
    return WEFT_OK;
}
