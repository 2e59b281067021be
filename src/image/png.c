/* SPDX-License-Identifier: Apache-2.0 */
/* PNG with libpng: the stored samples, as other readers give them. gAMA, cHRM and ICC
 * profiles are ignored, and alpha is composited over white in the stored values. libpng's
 * simplified interface would do both in linear light. */
#include "image/image.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct png_source {
    weft_context *ctx;
    const char *name;
    const uint8_t *at;
    size_t left;
    enum weft_status status; /* WEFT_OK: libpng's error is in `message` */
    char message[128];
    struct weft_image samples; /* with alpha: 1 to 4 channels */
    png_bytepp rows;
    bool complete; /* the image data; damage after them does not matter */
    int orientation;
};

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static void fail(png_structp png, png_const_charp message)
{
    struct png_source *in = png_get_error_ptr(png);
    snprintf(in->message, sizeof(in->message), "%s", message);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    struct png_source *in = png_get_io_ptr(png);
    if (size > in->left)
        png_error(png, "the file is truncated");
    memcpy(to, in->at, size);
    in->at += size;
    in->left -= size;
}

static int32_t read_be32(const uint8_t *at)
{
    return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
                     (uint32_t)at[2] << 8 | at[3]);
}

/* The first chunk has the size and the last one no contents. Exif, which may turn the
 * image, is left to the decoder. */
static bool scan(const struct weft_image_ends *ends, struct weft_image_extent *extent,
                 int *channels)
{
    enum { HEADER_END = 33, COLOR = 2 };
    static const uint8_t last[] = {0,   0,   0,    0,    'I',  'E',
                                   'N', 'D', 0xae, 0x42, 0x60, 0x82};
    const uint8_t *head = ends->head;
    if (ends->head_size < HEADER_END || memcmp(head + 12, "IHDR", 4) != 0 ||
        memcmp(ends->tail, last, sizeof(last)) != 0)
        return false;
    for (size_t i = HEADER_END; i + 4 <= ends->head_size; i++)
        if (head[i] == 'e' && !memcmp(head + i, "eXIf", 4))
            return false;
    *extent = (struct weft_image_extent){read_be32(head + 20), read_be32(head + 16)};
    *channels = head[25] & COLOR ? 3 : 1;
    return true;
}

/* Asks for 8 bits a sample, without a palette; tRNS becomes alpha. */
static void set_transforms(png_structp png, png_infop info)
{
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

/* Chunks before and after the image data may contain Exif. */
static void read_orientation(png_structp png, png_infop info, struct png_source *in)
{
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = NULL;
    if (png_get_eXIf_1(png, info, &size, &exif) && exif)
        in->orientation = weft_exif_orientation(exif, size);
#else
    (void)png, (void)info, (void)in;
#endif
}

/* libpng returns to here from the first error. */
static void read_samples(png_structp png, png_infop info, struct png_source *in)
{
    if (setjmp(png_jmpbuf(png)))
        return;
    png_set_benign_errors(png, true);
    png_set_user_limits(png, 65535, 65535);
    png_set_read_fn(png, in, read_bytes);
    png_read_info(png, info);
    set_transforms(png, info);
    in->status = weft_image_create(in->ctx, in->name, png_get_image_height(png, info),
                                   png_get_image_width(png, info),
                                   png_get_channels(png, info), &in->samples);
    if (in->status)
        return;
    size_t stride = (size_t)in->samples.width * (size_t)in->samples.channels;
    size_t bytes = (size_t)in->samples.height * sizeof(*in->rows);
    if (png_get_rowbytes(png, info) != stride)
        png_error(png, "rows of an unexpected size");
    in->rows = malloc(bytes);
    if (!in->rows) {
        in->status = weft_out_of_memory(in->ctx, in->name, bytes);
        return;
    }
    for (int y = 0; y < in->samples.height; y++)
        in->rows[y] = in->samples.pixels + (size_t)y * stride;
    png_read_image(png, in->rows);
    in->complete = true;
    read_orientation(png, info, in);
    png_read_end(png, info);
    read_orientation(png, info, in);
}

/* Composites 2 or 4 channels over white, in place: rounded, exactly the sample where
 * alpha is 255. */
static void composite(struct weft_image *p)
{
    int colors = p->channels - 1;
    size_t count = (size_t)p->height * (size_t)p->width;
    uint8_t *to = p->pixels;
    const uint8_t *from = p->pixels;
    for (size_t i = 0; i < count; i++, from++) {
        unsigned alpha = from[colors];
        for (int c = 0; c < colors; c++, from++)
            *to++ = (uint8_t)((*from * alpha + 255 * (255 - alpha) + 127) / 255);
    }
    p->channels = colors;
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, const struct weft_preprocess_params *params,
                               struct weft_image_extent *stored, struct weft_image *out)
{
    (void)params, (void)stored;
    struct png_source in = {
        .ctx = ctx, .name = name, .at = bytes, .left = size, .orientation = 1};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, &in, fail, ignore_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info)
        read_samples(png, info, &in);
    else
        in.status = weft_out_of_memory(ctx, name, sizeof(in));
    png_destroy_read_struct(&png, &info, NULL);
    free(in.rows);
    if (!in.complete && !in.status)
        in.status = weft_fail(ctx, WEFT_ERR_FORMAT,
                              "%s: damaged PNG: %s; download it again", name, in.message);
    if (!in.status && in.samples.channels % 2 == 0)
        composite(&in.samples);
    if (!in.status)
        in.status = weft_image_orient(ctx, name, in.orientation, &in.samples);
    if (in.status)
        weft_image_free(&in.samples);
    else
        *out = in.samples;
    return in.status;
}

const struct weft_decoder weft_decoder_png = {"PNG", probe, scan, decode};
