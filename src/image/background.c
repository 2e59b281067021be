/* SPDX-License-Identifier: Apache-2.0 */
/* The background of an image, and the part of the image that is not background. */
#include "image/background.h"

#include "base/context.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOLERANCE = 20,          /* largest difference from the background */
    MAX_OUTLIER_PERCENT = 25 /* share of the border that may differ */
};

static const uint8_t *pixel_at(const struct weft_image *p, int y, int x)
{
    return p->pixels + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;
}

/* -0.5 to 0.5. */
static double relative(double place, int extent)
{
    return (place + 0.5) / extent - 0.5;
}

static enum weft_status set_places(weft_context *ctx, const struct weft_image *p,
                                   struct weft_background *background)
{
    size_t count = (size_t)p->height + (size_t)p->width;
    double *places = malloc(count * sizeof(*places));
    if (!places)
        return weft_out_of_memory(ctx, "fit", count * sizeof(*places));
    background->down = places;
    background->across = places + p->height;
    for (int y = 0; y < p->height; y++)
        background->down[y] = relative(y, p->height);
    for (int x = 0; x < p->width; x++)
        background->across[x] = relative(x, p->width);
    return WEFT_OK;
}

void weft_background_color(const struct weft_background *background,
                           const struct weft_image *p, double y, double x, double *color)
{
    double down = relative(y, p->height), across = relative(x, p->width);
    for (int c = 0; c < p->channels; c++) {
        const double *plane = background->plane[c];
        color[c] = plane[0] + down * plane[1] + across * plane[2];
    }
}

/* The pixel differs by at most `tolerance` from the background. */
static bool is_near(const struct weft_background *background, const struct weft_image *p,
                    int y, int x, int tolerance)
{
    const uint8_t *pixel = pixel_at(p, y, x);
    const double down = background->down[y], across = background->across[x];
    for (int c = 0; c < p->channels; c++) {
        const double *plane = background->plane[c];
        double difference = pixel[c] - (plane[0] + down * plane[1] + across * plane[2]);
        if (difference > tolerance || difference < -tolerance)
            return false;
    }
    return true;
}

/* The position after (y, x) on the frame of the image, which is `depth` pixels wide;
 * false after the last. */
static bool next_in_frame(const struct weft_image *p, int depth, int *y, int *x)
{
    bool inside = *y >= depth && *y < p->height - depth;
    ++*x;
    if (inside && *x == depth && p->width > 2 * depth)
        *x = p->width - depth;
    if (*x == p->width) {
        *x = 0;
        ++*y;
    }
    return *y < p->height;
}

/* The median color of the frame. */
static void set_median(const struct weft_image *p, int depth,
                       struct weft_background *background)
{
    size_t counts[3][256] = {{0}}, total = 0;
    int y = 0, x = 0;
    do {
        for (int c = 0; c < p->channels; c++)
            counts[c][pixel_at(p, y, x)[c]]++;
        total++;
    } while (next_in_frame(p, depth, &y, &x));
    for (int c = 0; c < p->channels; c++) {
        size_t below = 0;
        int value = 0;
        while ((below += counts[c][value]) * 2 < total)
            value++;
        background->plane[c][0] = value;
        background->plane[c][1] = background->plane[c][2] = 0;
    }
}

/* Solves the normal equations m a = b of a plane, symmetric and of order 3, in place.
 * A zero pivot (an image one pixel wide) leaves its coefficient at 0. */
static void solve(double m[3][3], double b[3], double a[3])
{
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 3; k++) {
            double factor = m[i][i] > 1e-9 ? m[k][i] / m[i][i] : 0;
            for (int j = i; j < 3; j++)
                m[k][j] -= factor * m[i][j];
            b[k] -= factor * b[i];
        }
    for (int i = 2; i >= 0; i--) {
        double rest = b[i];
        for (int j = i + 1; j < 3; j++)
            rest -= m[i][j] * a[j];
        a[i] = m[i][i] > 1e-9 ? rest / m[i][i] : 0;
    }
}

/* Least-squares planes through those pixels of the frame that are near the current
 * planes. */
static void refine(struct weft_background *background, const struct weft_image *p,
                   int depth, int tolerance)
{
    double m[3][3] = {{0}}, b[3][3] = {{0}};
    int y = 0, x = 0;
    do {
        if (!is_near(background, p, y, x, tolerance))
            continue;
        double term[3] = {1, background->down[y], background->across[x]};
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++)
                m[i][j] += term[i] * term[j];
            for (int c = 0; c < p->channels; c++)
                b[c][i] += term[i] * pixel_at(p, y, x)[c];
        }
    } while (next_in_frame(p, depth, &y, &x));
    if (m[0][0] < 1)
        return;
    for (int c = 0; c < p->channels; c++) {
        double copy[3][3];
        memcpy(copy, m, sizeof(copy));
        solve(copy, b[c], background->plane[c]);
    }
}

enum weft_status weft_background_estimate(weft_context *ctx, const struct weft_image *p,
                                          struct weft_background *background)
{
    /* A wide tolerance first, so that a falloff of light is found starting from the
     * median. */
    static const int tolerances[] = {3 * TOLERANCE, 2 * TOLERANCE, TOLERANCE, TOLERANCE};
    int shorter = p->height < p->width ? p->height : p->width;
    int depth = 1 + shorter / 100, y = 0, x = 0;
    size_t total = 0, outliers = 0;
    WEFT_TRY(set_places(ctx, p, background));
    set_median(p, depth, background);
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(tolerances); i++)
        refine(background, p, depth, tolerances[i]);
    do {
        outliers += !is_near(background, p, y, x, TOLERANCE);
        total++;
    } while (next_in_frame(p, depth, &y, &x));
    background->uneven = outliers * 100 > total * MAX_OUTLIER_PERCENT;
    if (background->uneven)
        set_median(p, depth, background);
    return WEFT_OK;
}

void weft_background_finish(struct weft_background *background)
{
    free(background->down);
}

/* First position and extent of the counts above `few`; false: none. */
static bool find_extent(const int *counts, int size, int few, int *first, int *extent)
{
    int last = size - 1;
    *first = 0;
    while (*first < size && counts[*first] <= few)
        ++*first;
    while (last > *first && counts[last] <= few)
        last--;
    *extent = last - *first + 1;
    return *first < size;
}

enum weft_status weft_background_trim(weft_context *ctx,
                                      const struct weft_background *background,
                                      const struct weft_image *p,
                                      struct weft_image_box *box)
{
    size_t size = (size_t)p->height + (size_t)p->width;
    int *rows = calloc(size, sizeof(*rows));
    if (!rows)
        return weft_out_of_memory(ctx, "fit", size * sizeof(*rows));
    int *columns = rows + p->height;
    struct weft_image_box found;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            if (!is_near(background, p, y, x, TOLERANCE)) {
                rows[y]++;
                columns[x]++;
            }
    if (find_extent(rows, p->height, p->width / 256, &found.top, &found.height) &&
        find_extent(columns, p->width, p->height / 256, &found.left, &found.width))
        *box = found;
    free(rows);
    return WEFT_OK;
}
