/* SPDX-License-Identifier: Apache-2.0 */
/* Some of the images of a dataset, as they are or as training sees them: drawn, and as a
 * sheet in a file. */
#include "show/show.h"

#include "core/png_file.h"

#include <errno.h>
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

/* At equal distances from a start that depends on the seed, so that datasets sorted by
 * class show several classes. */
static void choose(const struct weft_dataset_info *info, uint64_t seed, size_t size,
                   struct show_samples *s)
{
    uint64_t count = (uint64_t)info->count, start = seed * 7919 % (count ? count : 1);
    for (int i = 0; i < s->count; i++) {
        uint64_t at = (start + (uint64_t)i * count / (uint64_t)s->count) % count;
        s->images[i] = (struct term_image){info->pixels + at * size, info->height,
                                           info->width, info->channels, ""};
        make_caption(info, &s->images[i], (int)at, NULL);
    }
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

enum weft_status show_samples_make(const weft_dataset *data, const struct show_options *o,
                                   struct show_samples *out)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    size_t size = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    out->count = o->samples < info.count ? o->samples : info.count;
    if (!info.pixels)
        out->count = 0; /* they stay in their file */
    out->images =
        term_realloc_or_exit(NULL, ((size_t)out->count + 1) * sizeof(*out->images));
    if (o->augment && out->count)
        return preview(data, &info, o, size, out);
    choose(&info, o->seed, size, out);
    return WEFT_OK;
}

void show_samples_draw(const struct show_samples *s)
{
    if (!s->count)
        return;
    putchar('\n');
    term_draw_images(stdout, s->images, s->count);
}

void show_samples_free(struct show_samples *s)
{
    free(s->images);
    free(s->pixels);
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

enum app_exit show_samples_save(const struct app *app, const struct show_samples *s,
                                const char *path)
{
    if (!path)
        return APP_OK;
    if (!s->count)
        return app_error(app, APP_USAGE, "%s: has no images; --samples must be above 0",
                         path);
    const struct term_image *first = s->images;
    int longest = first->height > first->width ? first->height : first->width;
    struct sheet sheet = {.factor = longest < SMALL ? SMALL / longest : 1,
                          .channels = first->channels < 3 ? 1 : 3,
                          .columns = 1};
    while (sheet.columns * sheet.columns < s->count)
        sheet.columns++;
    int rows = (s->count + sheet.columns - 1) / sheet.columns;
    sheet.height = GAP + rows * (first->height * sheet.factor + GAP);
    sheet.width = GAP + sheet.columns * (first->width * sheet.factor + GAP);
    size_t size = (size_t)sheet.height * (size_t)sheet.width * (size_t)sheet.channels;
    sheet.pixels = term_realloc_or_exit(NULL, size);
    memset(sheet.pixels, 128, size);
    for (int i = 0; i < s->count; i++)
        put_image(&sheet, &s->images[i], i);
    bool done =
        png_file_write(path, sheet.pixels, sheet.height, sheet.width, sheet.channels);
    int why = errno;
    free(sheet.pixels);
    if (!done)
        return app_error(app, APP_FAILED, "%s cannot be written: %s", path,
                         strerror(why));
    app_print_written(path);
    return APP_OK;
}
