/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG with TurboJPEG, rotated as its Exif orientation requires. */
#include "image/image.h"

#include <string.h>
#include <turbojpeg.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3);
}

/* Searches the segments before the image data for Exif. */
static int orientation(const uint8_t *bytes, size_t size)
{
    enum { APP1 = 0xe1, START_OF_SCAN = 0xda };
    size_t at = 2;
    while (size - at >= 4 && bytes[at] == 0xff && bytes[at + 1] != START_OF_SCAN) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length < 2 || length > size - at - 2)
            return 1;
        if (bytes[at + 1] == APP1 && length >= 8 &&
            !memcmp(bytes + at + 4, "Exif\0\0", 6))
            return weft_exif_orientation(bytes + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
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
    return weft_image_orient(ctx, name, orientation(bytes, size), out);
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
