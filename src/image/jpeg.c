/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG with TurboJPEG, rotated as its Exif orientation requires. */
#include "image/image.h"

#include <string.h>
#include <turbojpeg.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3);
}

static uint32_t load(const uint8_t *p, int bytes, bool big)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)p[i] << (8 * (big ? bytes - 1 - i : i));
    return value;
}

/* The orientation tag (0x0112) in the first directory of a TIFF block; 1 if absent. */
static int tiff_orientation(const uint8_t *tiff, size_t size)
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

/* Searches the segments before the image data for Exif. */
static int orientation(const uint8_t *bytes, size_t size)
{
    enum { APP1 = 0xe1, START_OF_SCAN = 0xda };
    size_t at = 2;
    while (size - at >= 4 && bytes[at] == 0xff && bytes[at + 1] != START_OF_SCAN) {
        size_t length = load(bytes + at + 2, 2, true);
        if (length < 2 || length > size - at - 2)
            return 1;
        if (bytes[at + 1] == APP1 && length >= 8 &&
            !memcmp(bytes + at + 4, "Exif\0\0", 6))
            return tiff_orientation(bytes + at + 10, length - 8);
        at += 2 + length;
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

static enum weft_status apply_orientation(weft_context *ctx, const char *name,
                                          const struct transform *transform,
                                          struct weft_image *image)
{
    struct weft_image up;
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

/* The library only warns of damage and continues with a guess; here it is an error,
 * except for the stray bytes that some cameras write. An image with more than 500
 * scans is an attack on the decoder's time. */
static enum weft_status decode_pixels(tjhandle handle, weft_context *ctx,
                                      const char *name, const uint8_t *bytes, size_t size,
                                      struct weft_image *out)
{
    static const char stray[] = "extraneous bytes";
    const int format = out->channels == 1 ? TJPF_GRAY : TJPF_RGB;
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    if (!tjDecompress2(handle, bytes, size, out->pixels, out->width, 0, out->height,
                       format, flags | TJFLAG_STOPONWARNING))
        return WEFT_OK;
    if (strstr(tjGetErrorStr2(handle), stray) &&
        (!tjDecompress2(handle, bytes, size, out->pixels, out->width, 0, out->height,
                        format, flags) ||
         strstr(tjGetErrorStr2(handle), stray)))
        return WEFT_OK;
    return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: damaged JPEG: %s; download it again",
                     name, tjGetErrorStr2(handle));
}

static enum weft_status decode_with(tjhandle handle, weft_context *ctx, const char *name,
                                    const uint8_t *bytes, size_t size,
                                    struct weft_image *out)
{
    /* Not written for a file of tables only, which TurboJPEG accepts. */
    int width = 0, height = 0, sampling = 0, space = TJCS_GRAY;
    if (tjDecompressHeader3(handle, bytes, size, &width, &height, &sampling, &space))
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: damaged JPEG: %s", name,
                         tjGetErrorStr2(handle));
    if (space == TJCS_CMYK || space == TJCS_YCCK)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: is a CMYK JPEG; convert it to RGB",
                         name);
    bool gray = space == TJCS_GRAY;
    if (width < 1 || height < 1)
        return weft_fail(ctx, WEFT_ERR_FORMAT,
                         "%s: damaged JPEG: contains no image; download it again", name);
    WEFT_TRY(weft_image_create(ctx, name, (uint64_t)height, (uint64_t)width, gray ? 1 : 3,
                               out));
    WEFT_TRY(decode_pixels(handle, ctx, name, bytes, size, out));
    int exif_orientation = orientation(bytes, size);
    return exif_orientation == 1
               ? WEFT_OK
               : apply_orientation(ctx, name, &transforms[exif_orientation], out);
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, struct weft_image *out)
{
    struct weft_image image = {0};
    tjhandle handle = tjInitDecompress();
    if (!handle)
        return weft_out_of_memory(ctx, name, sizeof(image));
    enum weft_status status = decode_with(handle, ctx, name, bytes, size, &image);
    tjDestroy(handle);
    if (status)
        weft_image_free(&image);
    else
        *out = image;
    return status;
}

const struct weft_decoder weft_decoder_jpeg = {"JPEG", probe, decode};
