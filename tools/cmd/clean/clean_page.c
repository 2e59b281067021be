/* SPDX-License-Identifier: Apache-2.0 */
/* The review sheet of `weft clean`. */
#include "clean/clean.h"

#include "report/evaluation.h"
#include "report/html.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_IMAGES = 300 };

struct sheet {
    const struct clean_data *data;
    const struct clean_result *result;
    const weft_dataset *images;
};

static void write_image(FILE *out, const struct sheet *sheet, int image, int suggested)
{
    const struct clean_data *data = sheet->data;
    const float *p = data->probabilities + (size_t)image * (size_t)data->classes;
    const char *given = data->names[data->labels[image]];
    char *alt = suggested < 0 ? term_format_or_exit("image %d, labelled %s", image, given)
                              : term_format_or_exit("image %d, labelled %s, probably %s",
                                                    image, given, data->names[suggested]);
    fputs("<figure>", out);
    report_write_image(out, sheet->images, image, alt);
    free(alt);
    fputs("<figcaption>", out);
    if (suggested >= 0)
        fputs("<s>", out);
    html_write_escaped(out, given);
    if (suggested >= 0) {
        fputs("</s><br><b>", out);
        html_write_escaped(out, data->names[suggested]);
        fprintf(out, "</b> %.0f %%", 100 * (double)p[suggested]);
    }
    fprintf(out, "<br><span class=\"soft\">%d</span></figcaption></figure>\n", image);
}

static void write_noise(FILE *out, const struct sheet *sheet)
{
    const struct clean_data *data = sheet->data;
    const struct clean_result *r = sheet->result;
    fputs("<h2>Classes</h2>\n", out);
    html_open_wide(out, "Classes");
    fputs("<table><thead><tr><th>Label<th "
          "class=\"n\">Images<th class=\"n\">Probably wrong %<th>Mostly</thead><tbody>\n",
          out);
    for (int c = 0; c < data->classes; c++) {
        double noise = clean_noise_of(data, r, c);
        int mostly = clean_mostly(data, r, c);
        fputs("<tr><th scope=\"row\">", out);
        html_write_escaped(out, data->names[c]);
        fprintf(out, "<td class=\"n\">%s<td class=\"n\">", table_thousands(r->images[c]));
        if (isnan(noise))
            fputs("&ndash;", out);
        else
            fprintf(out, "%.2f", 100 * noise);
        fputs("<td>", out);
        if (mostly >= 0)
            html_write_escaped(out, data->names[mostly]);
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_sheet(FILE *out, const void *priv)
{
    const struct sheet *sheet = priv;
    const struct clean_result *r = sheet->result;
    page_begin(out, "Labels to review", 0);
    fprintf(out,
            "<h1>Labels to review</h1>\n<p class=\"lede\"><b>%s of %s labels</b> are "
            "probably wrong, %.2f %% by estimate, in ",
            table_thousands(r->suspect_count), table_thousands(sheet->data->count),
            100 * clean_noise(sheet->data, r));
    html_write_escaped(out, sheet->data->spec);
    fputs(".</p>\n<p class=\"soft\">By networks that were not trained on the image: the "
          "surest first. Crossed out the label, below it what the image probably shows, "
          "and its number. Delete the rows that are right as they are from "
          "<code>suspects.csv</code>, and train with <code>--labels "
          "suspects.csv</code>.</p>\n",
          out);
    write_noise(out, sheet);
    fputs("<h2>Suspects</h2>\n", out);
    if (r->suspect_count > MOST_IMAGES)
        fprintf(out, "<p class=\"soft\">The first %d.</p>\n", MOST_IMAGES);
    fputs("<div class=\"images\">\n", out);
    for (int i = 0; i < r->suspect_count && i < MOST_IMAGES; i++)
        write_image(out, sheet, r->suspects[i].image, r->suspects[i].suggested);
    fputs("</div>\n", out);
    if (r->next_count) {
        fputs(
            "<h2>Worth labelling next</h2>\n<p class=\"soft\">The network is least sure "
            "of these, and they differ from each other: <code>next.csv</code>.</p>\n"
            "<div class=\"images\">\n",
            out);
        for (int i = 0; i < r->next_count && i < MOST_IMAGES; i++)
            write_image(out, sheet, r->next[i], -1);
        fputs("</div>\n", out);
    }
    page_end(out);
}

enum app_exit clean_write_page(struct app *app, const struct clean_data *data,
                               const struct clean_result *result,
                               const weft_dataset *images, const char *path)
{
    struct sheet sheet = {data, result, images};
    return page_save(app, path, write_sheet, &sheet);
}
