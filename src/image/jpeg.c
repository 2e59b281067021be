/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG with TurboJPEG, rotated as its Exif orientation requires. */
#include "image/image.h"

#include <string.h>
#include <turbojpeg.h>

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3);
}

/* From the segments before the image data. */
struct jpeg_segments {
    int orientation;
    bool adobe; /* Adobe's programs store the inverse of each CMYK sample */
};

static struct jpeg_segments read_segments(const uint8_t *bytes, size_t size)
{
    enum { APP1 = 0xe1, APP14 = 0xee, START_OF_SCAN = 0xda };
    struct jpeg_segments found = {.orientation = 0};
    size_t at = 2;
    while (size - at >= 4 && bytes[at] == 0xff && bytes[at + 1] != START_OF_SCAN) {
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        const uint8_t *contents = bytes + at + 4;
        if (length < 2 || length > size - at - 2)
            break;
        if (bytes[at + 1] == APP1 && length >= 8 && !memcmp(contents, "Exif\0\0", 6) &&
            !found.orientation)
            found.orientation = weft_exif_orientation(contents + 6, length - 8);
        found.adobe |=
            bytes[at + 1] == APP14 && length >= 7 && !memcmp(contents, "Adobe", 5);
        at += 2 + length;
    }
    found.orientation = found.orientation ? found.orientation : 1;
    return found;
}

struct jpeg {
    tjhandle handle;
    weft_context *ctx;
    const char *name;
    const uint8_t *bytes;
    size_t size;
};

/* The library only warns of damage and continues with a guess; here it is an error,
 * except for the stray bytes that some cameras write. An image with more than 500
 * scans is an attack on the decoder's time. */
static enum weft_status decode_pixels(const struct jpeg *j, struct weft_image *out)
{
    static const char stray[] = "extraneous bytes";
    static const int formats[] = {[1] = TJPF_GRAY, [3] = TJPF_RGB, [4] = TJPF_CMYK};
    const int format = formats[out->channels];
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    if (!tjDecompress2(j->handle, j->bytes, j->size, out->pixels, out->width, 0,
                       out->height, format, flags | TJFLAG_STOPONWARNING))
        return WEFT_OK;
    if (strstr(tjGetErrorStr2(j->handle), stray) &&
        (!tjDecompress2(j->handle, j->bytes, j->size, out->pixels, out->width, 0,
                        out->height, format, flags) ||
         strstr(tjGetErrorStr2(j->handle), stray)))
        return WEFT_OK;
    return weft_fail(j->ctx, WEFT_ERR_FORMAT, "%s: damaged JPEG: %s; download it again",
                     j->name, tjGetErrorStr2(j->handle));
}

/* Inks over white paper, without a color profile, in place. */
static void cmyk_to_rgb(struct weft_image *image, bool inverse)
{
    size_t count = (size_t)image->height * (size_t)image->width;
    const uint8_t *from = image->pixels;
    uint8_t *to = image->pixels;
    const unsigned flip = inverse ? 0 : 255;
    for (size_t i = 0; i < count; i++, from += 4) {
        unsigned light = from[3] ^ flip;
        for (int c = 0; c < 3; c++)
            *to++ = (uint8_t)(((from[c] ^ flip) * light + 127) / 255);
    }
    image->channels = 3;
}

static enum weft_status decode_with(const struct jpeg *j,
                                    const struct weft_preprocess_params *params,
                                    struct weft_image_extent *stored,
                                    struct weft_image *out)
{
    /* Not written for a file of tables only, which TurboJPEG accepts. */
    int width = 0, height = 0, sampling = 0, space = TJCS_GRAY;
    if (tjDecompressHeader3(j->handle, j->bytes, j->size, &width, &height, &sampling,
                            &space))
        return weft_fail(j->ctx, WEFT_ERR_FORMAT, "%s: damaged JPEG: %s", j->name,
                         tjGetErrorStr2(j->handle));
    if (width < 1 || height < 1)
        return weft_fail(j->ctx, WEFT_ERR_FORMAT,
                         "%s: damaged JPEG: contains no image; download it again",
                         j->name);
    struct jpeg_segments segments = read_segments(j->bytes, j->size);
    *stored = segments.orientation > 4 ? (struct weft_image_extent){width, height}
                                       : (struct weft_image_extent){height, width};
    tjscalingfactor fraction = {weft_image_eighths(params, stored), 8};
    bool ink = space == TJCS_CMYK || space == TJCS_YCCK;
    WEFT_TRY(weft_image_create(j->ctx, j->name, (uint64_t)TJSCALED(height, fraction),
                               (uint64_t)TJSCALED(width, fraction),
                               space == TJCS_GRAY ? 1
                               : ink              ? 4
                                                  : 3,
                               out));
    WEFT_TRY(decode_pixels(j, out));
    if (ink)
        cmyk_to_rgb(out, segments.adobe);
    return weft_image_orient(j->ctx, j->name, segments.orientation, out);
}

/* The last bytes are the mark of the end. */
static bool scan(const struct weft_image_ends *ends, struct weft_image_extent *extent,
                 int *channels)
{
    static const uint8_t end[] = {0xff, 0xd9};
    int width = 0, height = 0, sampling = 0, space = TJCS_GRAY;
    if (memcmp(ends->tail + WEFT_IMAGE_TAIL - sizeof(end), end, sizeof(end)) != 0)
        return false;
    tjhandle handle = tjInitDecompress();
    bool known = handle && !tjDecompressHeader3(handle, ends->head, ends->head_size,
                                                &width, &height, &sampling, &space);
    if (handle)
        tjDestroy(handle);
    bool turned = known && read_segments(ends->head, ends->head_size).orientation > 4;
    *extent = turned ? (struct weft_image_extent){width, height}
                     : (struct weft_image_extent){height, width};
    *channels = space == TJCS_GRAY ? 1 : 3;
    return known;
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, const struct weft_preprocess_params *params,
                               struct weft_image_extent *stored, struct weft_image *out)
{
    struct weft_image image = {0};
    struct jpeg jpeg = {tjInitDecompress(), ctx, name, bytes, size};
    if (!jpeg.handle)
        return weft_out_of_memory(ctx, name, sizeof(image));
    enum weft_status status = decode_with(&jpeg, params, stored, &image);
    tjDestroy(jpeg.handle);
    if (status)
        weft_image_free(&image);
    else
        *out = image;
    return status;
}

const struct weft_decoder weft_decoder_jpeg = {"JPEG", probe, scan, decode};
