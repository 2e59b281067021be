/* SPDX-License-Identifier: Apache-2.0 */
/* Some of the images of a dataset, as they are or as training sees them: drawn, and as a
 * sheet in a file. */
#include "show/show.h"

#include "core/png_file.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 4, SMALL = 64 }; /* pixels of the sheet */

static const char *class_of(const struct weft_dataset_info *info, int index)
{
    return info->class_names[info->labels[index]];
}

/* A mixture is "12 shirt 70%, bag". */
static void make_caption(const struct weft_dataset_info *info, struct term_image *image,
                         int index, const struct weft_preview_image *mixed)
{
    size_t size = sizeof(image->caption);
    if (mixed && mixed->share < 1)
        snprintf(image->caption, size, "%d %s %.0f%%, %s", index, class_of(info, index),
                 100 * (double)mixed->share, class_of(info, mixed->partner));
    else
        snprintf(image->caption, size, "%d %s", index, class_of(info, index));
}

/* A number below `limit` that depends on seed and index (SplitMix64: Steele et al. 2014,
 * "Fast splittable pseudorandom number generators"). */
static uint64_t draw(uint64_t seed, uint64_t index, uint64_t limit)
{
    uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (z ^ z >> 31) % limit;
}

/* At random, each at most once; or at equal distances from a start that depends on the
 * seed, so that datasets sorted by class show several classes. */
static enum weft_status choose(const weft_dataset *data,
                               const struct weft_dataset_info *info,
                               const struct show_options *o, size_t size,
                               struct show_samples *s)
{
    enum weft_status status = WEFT_OK;
    uint64_t count = (uint64_t)info->count;
    uint64_t start = o->seed * 7919 % (count ? count : 1);
    int *order = term_realloc_or_exit(NULL, ((size_t)count + 1) * sizeof(*order));
    for (int i = 0; i < info->count; i++)
        order[i] = i;
    s->pixels = term_realloc_or_exit(NULL, (size_t)s->count * size + 1);
    s->indices = term_realloc_or_exit(NULL, (size_t)s->count * sizeof(*s->indices));
    for (int i = 0; i < s->count && !status; i++) {
        uint8_t *pixels = s->pixels + (size_t)i * size;
        uint64_t at = o->random
                          ? (uint64_t)i + draw(o->seed, (uint64_t)i, count - (uint64_t)i)
                          : (start + (uint64_t)i * count / (uint64_t)s->count) % count;
        int index = s->indices[i] = order[at];
        if (o->random)
            order[at] = order[i];
        status = weft_dataset_read(data, index, 1, pixels);
        s->images[i] =
            (struct term_image){pixels, info->height, info->width, info->channels, ""};
        make_caption(info, &s->images[i], index, NULL);
    }
    free(order);
    return status;
}

static enum weft_status preview(const weft_dataset *data,
                                const struct weft_dataset_info *info,
                                const struct show_options *o, size_t size,
                                struct show_samples *s)
{
    size_t count = (size_t)s->count;
    s->pixels = term_realloc_or_exit(NULL, count * size + 1);
    struct weft_preview_image *from =
        term_realloc_or_exit(NULL, (count + 1) * sizeof(*from));
    enum weft_status status =
        weft_preview(data,
                     weft_preview_params(.augment = o->augment, .seed = o->seed,
                                         .epoch = o->epoch - 1, .count = s->count),
                     s->pixels, from);
    for (int i = 0; i < s->count && !status; i++) {
        s->images[i] = (struct term_image){s->pixels + (size_t)i * size, info->height,
                                           info->width, info->channels, ""};
        make_caption(info, &s->images[i], from[i].index, &from[i]);
    }
    free(from);
    return status;
}

/* The mean of the images of each class, of as many classes as a sheet may have. */
static enum weft_status average(const weft_dataset *data,
                                const struct weft_dataset_info *info, size_t size,
                                struct show_samples *s)
{
    enum weft_status status = WEFT_OK;
    size_t classes = (size_t)s->count, values = classes * size;
    int *images = term_realloc_or_exit(NULL, classes * sizeof(*images));
    double *sums = term_realloc_or_exit(NULL, values * sizeof(*sums));
    uint8_t *pixels = term_realloc_or_exit(NULL, size);
    s->pixels = term_realloc_or_exit(NULL, values + 1);
    memset(images, 0, classes * sizeof(*images));
    for (size_t i = 0; i < values; i++)
        sums[i] = 0;
    for (int i = 0; i < info->count && !status; i++) {
        size_t label = (size_t)info->labels[i];
        status = label < classes ? weft_dataset_read(data, i, 1, pixels) : WEFT_OK;
        for (size_t k = 0; k < size && !status && label < classes; k++)
            sums[label * size + k] += pixels[k];
        if (label < classes)
            images[label]++;
    }
    s->count = 0;
    for (size_t c = 0; c < classes && !status; c++) {
        uint8_t *mean = s->pixels + (size_t)s->count * size;
        struct term_image *image = &s->images[s->count];
        for (size_t k = 0; k < size && images[c]; k++)
            mean[k] = (uint8_t)(sums[c * size + k] / images[c] + 0.5);
        *image = (struct term_image){mean, info->height, info->width, info->channels, ""};
        snprintf(image->caption, sizeof(image->caption), "%s", info->class_names[c]);
        s->count += images[c] > 0;
    }
    free(images);
    free(sums);
    free(pixels);
    return status;
}

enum weft_status show_samples_make(const weft_dataset *data, const struct show_options *o,
                                   struct show_samples *out)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    size_t size = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    out->count = o->samples < info.count ? o->samples : info.count;
    if (o->means)
        out->count = info.classes < SHOW_MAX_SAMPLES ? info.classes : SHOW_MAX_SAMPLES;
    out->images =
        term_realloc_or_exit(NULL, ((size_t)out->count + 1) * sizeof(*out->images));
    if (o->means)
        return average(data, &info, size, out);
    if (o->augment && out->count)
        return preview(data, &info, o, size, out);
    return choose(data, &info, o, size, out);
}

void show_samples_free(struct show_samples *s)
{
    free(s->images);
    free(s->pixels);
    free(s->indices);
    free(s->correlations);
}

/* A sheet of images of one size, `factor` times as large, in rows of `columns`. */
struct sheet {
    int factor, columns, height, width, channels;
    uint8_t *pixels;
};

static void put_image(struct sheet *sheet, const struct term_image *image, int number)
{
    int top = GAP + number / sheet->columns * (image->height * sheet->factor + GAP);
    int left = GAP + number % sheet->columns * (image->width * sheet->factor + GAP);
    for (int y = 0; y < image->height * sheet->factor; y++)
        for (int x = 0; x < image->width * sheet->factor; x++) {
            int from = y / sheet->factor * image->width + x / sheet->factor;
            size_t to = (size_t)(top + y) * (size_t)sheet->width + (size_t)(left + x);
            memcpy(sheet->pixels + to * (size_t)sheet->channels,
                   image->pixels + (size_t)from * (size_t)image->channels,
                   (size_t)sheet->channels);
        }
}

static void draw_samples(const struct show_samples *s)
{
    if (!s->count)
        return;
    putchar('\n');
    int row = s->neighbors ? s->columns : s->count;
    for (int i = 0; i < s->count; i += row)
        term_draw_images(stdout, s->images + i, row);
}

enum app_exit show_samples_write(const struct app *app, const struct show_samples *s,
                                 const char *path)
{
    if (!path) {
        draw_samples(s);
        return APP_OK;
    }
    if (!s->count)
        return app_error(app, APP_USAGE, "%s: has no images; --samples must be above 0",
                         path);
    const struct term_image *first = s->images;
    int longest = first->height > first->width ? first->height : first->width;
    struct sheet sheet = {.factor = longest < SMALL ? SMALL / longest : 1,
                          .channels = first->channels < 3 ? 1 : 3,
                          .columns = s->columns ? s->columns : 1};
    while (!s->columns && sheet.columns * sheet.columns < s->count)
        sheet.columns++;
    int rows = (s->count + sheet.columns - 1) / sheet.columns;
    sheet.height = GAP + rows * (first->height * sheet.factor + GAP);
    sheet.width = GAP + sheet.columns * (first->width * sheet.factor + GAP);
    size_t size = (size_t)sheet.height * (size_t)sheet.width * (size_t)sheet.channels;
    sheet.pixels = term_realloc_or_exit(NULL, size);
    memset(sheet.pixels, 128, size);
    for (int i = 0; i < s->count; i++)
        put_image(&sheet, &s->images[i], i);
    enum app_exit code = png_file_write(app, path, sheet.pixels, sheet.height,
                                        sheet.width, sheet.channels);
    free(sheet.pixels);
    return code;
}
