/* SPDX-License-Identifier: Apache-2.0 */
/* PGM and PPM (netpbm): P2 and P3 with text samples; P5 and P6 with samples of one
 * byte, or of two, most significant first, for a maximum above 255. */
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
    return size >= 3 && bytes[0] == 'P' && memchr("2356", bytes[1], 4) &&
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

static enum weft_status decode(weft_context *ctx, const char *name, const uint8_t *bytes,
                               size_t size, struct weft_image *out)
{
    struct reader in = {ctx, name, bytes + 2, bytes + size};
    struct weft_image image = {0};
    bool text = bytes[1] < '5';
    int channels = bytes[1] == '2' || bytes[1] == '5' ? 1 : 3;
    uint32_t width, height, most;
    WEFT_TRY(read_number(&in, "width", 65535, &width));
    WEFT_TRY(read_number(&in, "height", 65535, &height));
    WEFT_TRY(read_number(&in, "maximum", 65535, &most));
    if (!most)
        return weft_fail(ctx, WEFT_ERR_FORMAT, "%s: maximum must be 1 to 65535", name);
    if (in.at < in.end) /* the space between header and bytes */
        in.at++;

    /* Text has at least two bytes a sample, except the last. */
    uint64_t samples = (uint64_t)height * width * (uint64_t)channels;
    uint64_t need =
        text ? (samples ? 2 * samples - 1 : 0) : samples * (most > 255 ? 2 : 1);
    uint64_t left = (uint64_t)(in.end - in.at);
    if (left < need)
        return weft_fail(
            ctx, WEFT_ERR_FORMAT,
            "%s: truncated: %u x %u pixels need %ju bytes, the file has %ju; "
            "download it again",
            name, height, width, (uintmax_t)need, (uintmax_t)left);
    WEFT_TRY(weft_image_create(ctx, name, height, width, channels, &image));
    enum weft_status status = text
                                  ? read_text(&in, most, (size_t)samples, image.pixels)
                                  : read_binary(&in, most, (size_t)samples, image.pixels);
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

const struct weft_decoder weft_decoder_pnm = {"PGM or PPM", probe, decode};
