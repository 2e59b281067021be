/* SPDX-License-Identifier: Apache-2.0 */
/* PBM, PGM and PPM (netpbm): P1 to P3 with text samples; P4 with eight pixels a byte,
 * each row beginning with a byte; P5 and P6 with samples of one byte, or of two, most
 * significant first, for a maximum above 255. A bitmap's 1 is black. */
#include "image/image.h"

#include <string.h>

struct reader {
    weft_context *ctx;
    const char *name;
    const uint8_t *at, *end;
};

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool probe(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 'P' && memchr("123456", bytes[1], 6) &&
           (is_space(bytes[2]) || bytes[2] == '#');
}

/* Skips spaces and comments (# to the end of the line). */
static void skip_spaces(struct reader *in)
{
    while (in->at < in->end && (is_space(*in->at) || *in->at == '#')) {
        if (*in->at == '#')
            while (in->at < in->end && *in->at != '\n')
                in->at++;
        else
            in->at++;
    }
}

static enum weft_status read_number(struct reader *in, const char *what, uint32_t most,
                                    uint32_t *out)
{
    uint32_t value = 0;
    skip_spaces(in);
    if (in->at == in->end)
        return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                         "%s: truncated: no %s; download it again", in->name, what);
    if (*in->at < '0' || *in->at > '9')
        return weft_fail(in->ctx, WEFT_ERR_FORMAT, "%s: %s is not a number", in->name,
                         what);
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++) {
        value = 10 * value + (uint32_t)(*in->at - '0');
        if (value > most)
            return weft_fail(in->ctx, WEFT_ERR_FORMAT, "%s: %s is more than %u", in->name,
                             what, most);
    }
    *out = value;
    return WEFT_OK;
}

/* Scales 0..most to 0..255, rounded. */
static uint8_t scale(uint32_t sample, uint32_t most)
{
    return (uint8_t)((sample * 255 + most / 2) / most);
}

static enum weft_status read_text(struct reader *in, uint32_t most, size_t samples,
                                  uint8_t *out)
{
    for (size_t i = 0; i < samples; i++) {
        uint32_t value;
        WEFT_TRY(read_number(in, "sample", most, &value));
        out[i] = scale(value, most);
    }
    skip_spaces(in);
    return WEFT_OK;
}

/* P1: digits that need no space between them. */
static enum weft_status read_digits(struct reader *in, size_t samples, uint8_t *out)
{
    for (size_t i = 0; i < samples; i++) {
        skip_spaces(in);
        if (in->at == in->end)
            return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                             "%s: truncated: no sample; download it again", in->name);
        if (*in->at != '0' && *in->at != '1')
            return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                             "%s: sample %zu of a bitmap is neither 0 nor 1", in->name,
                             i);
        out[i] = *in->at++ == '1' ? 0 : 255;
    }
    skip_spaces(in);
    return WEFT_OK;
}

static void read_bits(struct reader *in, uint32_t height, uint32_t width, uint8_t *out)
{
    for (uint32_t y = 0; y < height; y++, in->at += (width + 7) / 8)
        for (uint32_t x = 0; x < width; x++)
            *out++ = in->at[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
}

static enum weft_status read_binary(struct reader *in, uint32_t most, size_t samples,
                                    uint8_t *out)
{
    int wide = most > 255;
    for (size_t i = 0; i < samples; i++) {
        uint32_t value = *in->at++;
        if (wide)
            value = value << 8 | *in->at++;
        if (value > most)
            return weft_fail(in->ctx, WEFT_ERR_FORMAT,
                             "%s: sample %zu is %u, more than the maximum %u", in->name,
                             i, value, most);
        out[i] = scale(value, most);
    }
    return WEFT_OK;
}

/* The bytes that the samples need at least: text has a space after each but the last,
 * which a bitmap may leave out. */
static uint64_t bytes_needed(int kind, uint32_t height, uint32_t width, uint32_t most)
{
    uint64_t samples = (uint64_t)height * width * (kind % 3 ? 1 : 3);
    switch (kind) {
    case 1:
        return samples;
    case 4:
        return (uint64_t)height * ((width + 7) / 8);
    case 2:
    case 3:
        return samples ? 2 * samples - 1 : 0;
    default:
        return samples * (most > 255 ? 2 : 1);
    }
}

static enum weft_status read_samples(struct reader *in, int kind, uint32_t most,
                                     const struct weft_image *image)
{
    size_t samples =
        (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    if (kind == 1)
        return read_digits(in, samples, image->pixels);
    if (kind < 4)
        return read_text(in, most, samples, image->pixels);
    if (kind > 4)
        return read_binary(in, most, samples, image->pixels);
    read_bits(in, (uint32_t)image->height, (uint32_t)image->width, image->pixels);
    return WEFT_OK;
}

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, const struct weft_preprocess_params *params,
                               struct weft_image_extent *stored, struct weft_image *out)
{
    (void)params, (void)stored;
    struct reader in = {ctx, name, bytes + 2, bytes + size};
    struct weft_image image = {0};
    int kind = bytes[1] - '0';
    uint32_t width, height, most = 1;
    WEFT_TRY(read_number(&in, "width", 65535, &width));
    WEFT_TRY(read_number(&in, "height", 65535, &height));
    if (kind != 1 && kind != 4)
        WEFT_TRY(read_number(&in, "maximum", 65535, &most));
    if (!most)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: maximum must be 1 to 65535", name);
    if (in.at < in.end) /* the space between header and samples */
        in.at++;

    uint64_t need = bytes_needed(kind, height, width, most);
    uint64_t left = (uint64_t)(in.end - in.at);
    if (left < need)
        return weft_fail(
            ctx, WEFT_ERR_FORMAT,
            "%s: truncated: %u x %u pixels need %ju bytes, the file has %ju; "
            "download it again",
            name, height, width, (uintmax_t)need, (uintmax_t)left);
    WEFT_TRY(weft_image_create(ctx, name, height, width, kind % 3 ? 1 : 3, &image));
    enum weft_status status = read_samples(&in, kind, most, &image);
    if (!status && in.at < in.end)
        status = weft_fail(ctx, WEFT_ERR_FORMAT,
                           "%s: %td extra bytes after its %u x %u pixels", name,
                           in.end - in.at, height, width);
    if (status)
        weft_image_free(&image);
    else
        *out = image;
    return status;
}

const struct weft_decoder weft_decoder_pnm = {"PBM, PGM or PPM", probe, NULL, decode};
