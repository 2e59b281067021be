/* SPDX-License-Identifier: Apache-2.0 */
/* The scale of pixels that are not bytes: 0 to 1, or 0 to 255. All values decide, because
 * interpolation makes a few larger than 1 of images in 0 to 1. */
#include "dataset/format.h"

#include <inttypes.h>
#include <math.h>

/* Interpolation exceeds the range by a tenth where edges are sharp, by less than a range
 * anywhere. */
static const double slight = 1.1, most_over = 2.0, most_over_255 = 1.5 * 255;

void weft_pixel_range_add(struct weft_pixel_range *range, double value)
{
    range->count++;
    range->fractions += value != floor(value);
    range->small += value > 0 && value <= 1;
    range->over_1 += value > 1;
    range->over_255 += value > 255;
    range->most = value > range->most ? value : range->most;
}

uint8_t weft_pixel_round(double value, double scale)
{
    double byte = floor(value * scale + 0.5);
    return byte < 255 ? (uint8_t)byte : 255;
}

/* True if at most one of `parts` of the values that are not 0 is greater than 1. */
static bool rarely_over(const struct weft_pixel_range *r, uint64_t parts)
{
    return r->over_1 <= (r->small + r->over_1) / parts;
}

/* Values over 1 are errors of interpolation or single damaged pixels. */
static bool is_0_to_1(const struct weft_pixel_range *r)
{
    if (r->most <= 1)
        return true;
    if (!r->fractions)
        return r->most <= most_over && rarely_over(r, 1000);
    return r->most <= slight || rarely_over(r, r->most <= most_over ? 20 : 1000);
}

/* Fractions are mostly over 1 if the range is 0 to 255. */
static bool is_0_to_255(const struct weft_pixel_range *r)
{
    return r->most <= most_over_255 && r->over_255 <= r->count / 100 &&
           (!r->fractions || r->over_1 > r->small);
}

/* The training part decided. Values of 0 to 1 read as 0 to 255 would be black. */
static bool fits(const struct weft_pixel_range *r, double scale)
{
    bool black = r->fractions && r->most <= 1;
    return scale > 1
               ? is_0_to_1(r)
               : !black && r->most <= most_over_255 && r->over_255 <= r->count / 100;
}

enum weft_status weft_pixel_scale(struct weft_reading *reading, const char *name,
                                  const struct weft_pixel_range *r)
{
    double scale = reading->scale;
    reading->scale_asked = true;
    if (scale > 0 && !fits(r, scale))
        return weft_fail(
            reading->ctx, WEFT_ERR_FORMAT,
            "%s: pixels are at most %.9g, but those of the training part are "
            "0 to %d; save both at one scale",
            name, r->most, scale > 1 ? 1 : 255);
    if (!(scale > 0))
        scale = is_0_to_1(r) ? 255 : is_0_to_255(r) ? 1 : 0;
    if (!(scale > 0))
        return weft_fail(reading->ctx, WEFT_ERR_FORMAT,
                         "%s: pixels must be 0 to 1 or 0 to 255, but %" PRIu64
                         " are 0 to 1 and %" PRIu64 " are greater, at most %.9g; divide "
                         "them by the greatest value that they can have",
                         name, r->count - r->over_1, r->over_1, r->most);
    uint64_t over = scale > 1 ? r->over_1 : r->over_255;
    if (over)
        weft_reading_note(reading,
                          "%s: pixels are read as 0 to %d; %" PRIu64 " of %" PRIu64
                          " are greater, at most %.9g, and are taken as %d",
                          name, scale > 1 ? 1 : 255, over, r->count, r->most,
                          scale > 1 ? 1 : 255);
    reading->scale = scale;
    return WEFT_OK;
}
