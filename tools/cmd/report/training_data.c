/* SPDX-License-Identifier: Apache-2.0 */
/* The classes of a dataset on a page: counts, mean images, samples. */
#include "report/run_page.h"

#include "core/term.h"
#include "report/html.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 40, SAMPLES = 5 };
static const double most_bytes = 1 << 26; /* that are read for the means */

struct class_images {
    int count, read;
    int samples[SAMPLES], sample_count;
    struct report_thumbnail mean;
    uint32_t *sum;
};

static size_t values_of(const struct report_thumbnail *t)
{
    return (size_t)t->height * (size_t)t->width * (size_t)t->channels;
}

static void add_image(struct class_images *c, const uint8_t *pixels,
                      const struct weft_dataset_info *info)
{
    struct report_thumbnail t = report_reduce(pixels, info);
    size_t bytes = values_of(&t) * sizeof(*c->sum);
    if (!c->sum)
        c->sum = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    for (size_t i = 0; i < values_of(&t); i++)
        c->sum[i] += t.pixels[i];
    c->read++;
    free(c->mean.pixels);
    c->mean = t; /* until write_mean */
}

static void write_mean(FILE *out, struct class_images *c, const char *name)
{
    char *alt = term_format_or_exit("mean image of %s", name);
    uint32_t count = (uint32_t)c->read;
    for (size_t i = 0; i < values_of(&c->mean); i++)
        c->mean.pixels[i] = (uint8_t)((c->sum[i] + count / 2) / count);
    report_write_thumbnail(out, &c->mean, alt);
    free(alt);
}

/* Counts all images, and reads those at equal distances that fit into `most_bytes`. */
static void collect(const weft_dataset *data, const struct weft_dataset_info *info,
                    struct class_images *classes, int shown)
{
    size_t bytes = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    int step = 1 + (int)((double)bytes * info->count / most_bytes);
    uint8_t *pixels = term_realloc_or_exit(NULL, bytes);
    for (int i = 0; i < info->count; i++) {
        if (info->labels[i] >= shown)
            continue;
        struct class_images *c = &classes[info->labels[i]];
        if (c->sample_count < SAMPLES)
            c->samples[c->sample_count++] = i;
        if (c->count++ % step == 0 && !weft_dataset_read(data, i, 1, pixels))
            add_image(c, pixels, info);
    }
    free(pixels);
}

static void write_class(FILE *out, const weft_dataset *data, const char *name,
                        struct class_images *c, int most)
{
    fputs("<tr><th scope=\"row\">", out);
    html_write_escaped(out, name);
    fprintf(out,
            "<td class=\"n\">%s<div class=\"track c0\"><div class=\"bar\" "
            "style=\"width:%.1f%%\"></div></div><td>",
            table_thousands(c->count), 100.0 * c->count / most);
    if (c->sum)
        write_mean(out, c, name);
    fputs("<td><div class=\"samples\">", out);
    for (int i = 0; i < c->sample_count; i++)
        report_write_image(out, data, c->samples[i], name);
    fputs("</div>\n", out);
}

void report_write_data(FILE *out, const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    struct class_images classes[MOST_CLASSES] = {{0}};
    int shown = info.classes < MOST_CLASSES ? info.classes : MOST_CLASSES, most = 1;
    collect(data, &info, classes, shown);
    for (int c = 0; c < shown; c++)
        most = classes[c].count > most ? classes[c].count : most;
    fprintf(out,
            "<h2>Training images</h2>\n<p class=\"soft\">%s of %s classes, "
            "%dx%dx%d; the mean of each class, and its first images.%s</p>\n",
            table_thousands(info.count), table_thousands(info.classes), info.height,
            info.width, info.channels,
            shown < info.classes ? " Other classes are left out here." : "");
    html_open_wide(out, "Training images");
    fputs("<table class=\"data\"><thead><tr><th>Class<th class=\"n\">"
          "Images<th>Mean<th>Samples</thead><tbody>\n",
          out);
    for (int c = 0; c < shown; c++) {
        write_class(out, data, info.class_names[c], &classes[c], most);
        free(classes[c].sum);
        free(classes[c].mean.pixels);
    }
    fputs("</tbody></table></div>\n", out);
}
