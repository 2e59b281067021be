/* SPDX-License-Identifier: Apache-2.0 */
/* weft explain MODEL IMAGE --html: the page. */
#include "explain/explain.h"

#include "core/preprocess.h"
#include "report/evaluation.h"
#include "report/html.h"
#include "report/page.h"

#include <stdlib.h>

enum {
    NOTES = 128,
    SHOWN = 208, /* pixels on the page */
    SHEET = 900, /* at most */
    COMFORTABLE = 640,
    LEAST_CELL = 2, /* pixels of a map's pixel */
    MOST_CELL = 12,
    MANY_LAYERS = 24, /* more: their sheets are smaller, and folded */
    MAPS = 64,
    FEW_MAPS = 16,
    MOST_POOLS = 4
};

static const char *class_name(const struct look *look)
{
    return look->info.class_names[look->class];
}

static void write_sentence(FILE *out, const char *class, char *sentence)
{
    fprintf(out, "<p class=\"%s\">", class);
    html_write_escaped(out, sentence);
    fputs("</p>\n", out);
    free(sentence);
}

static void write_head(FILE *out, const struct look *look)
{
    char notes[NOTES];
    char *title = term_format_or_exit("What the network sees in %s",
                                      paths_basename(look->file.path));
    app_preprocess_notes(&look->made, notes, sizeof(notes));
    page_begin(out, title, 0);
    fputs("<h1>", out);
    html_write_escaped(out, title);
    fputs("</h1>\n", out);
    free(title);
    fputs("<p class=\"lede\"><b>", out);
    html_write_escaped(out, look->info.class_names[look->order[0]]);
    fprintf(out, "</b>, %.1f %%", 100 * look->probabilities[look->order[0]]);
    if (look->class != look->order[0]) {
        fputs("; explained is <b>", out);
        html_write_escaped(out, class_name(look));
        fprintf(out, "</b>, %.1f %%", 100 * look->probabilities[look->class]);
    }
    fputs("</p>\n", out);
    write_sentence(out, "evidence", look_evidence_sentence(look));
    fputs("<p class=\"soft facts\"><span>model ", out);
    html_write_escaped(out, look->model_path);
    fputs("</span> <span>network ", out);
    html_write_escaped(out, look->net.name);
    fprintf(out, "</span> <span>input %dx%dx%d</span> <span>%s</span> ", look->net.height,
            look->net.width, look->net.channels, app_preprocess_text(&look->preprocess));
    if (*notes)
        fprintf(out, "<span>%s</span>", notes);
    fputs("</p>\n", out);
}

static void write_top(FILE *out, const struct look *look)
{
    fputs("<h2>Most likely classes</h2>\n<div class=\"bars\">\n", out);
    for (int i = 0; i < look->top; i++) {
        double p = 100 * look->probabilities[look->order[i]];
        fputs("<div class=\"who\">", out);
        html_write_escaped(out, look->info.class_names[look->order[i]]);
        fprintf(out,
                "</div><div class=\"track c0\"><div class=\"bar\" style=\"width:%.1f%%\">"
                "</div></div><div class=\"value\">%.1f %%</div>\n",
                p, p);
    }
    fputs("</div>\n", out);
}

static void write_figure(FILE *out, const struct look *look, const struct look_map *map,
                         const char *title, const char *caption)
{
    uint8_t *pixels = map ? look_overlay(look, map) : NULL;
    fputs("<figure>", out);
    report_write_pixels(out, map ? pixels : look->input, look->net.height,
                        look->net.width, map ? 3 : look->net.channels, SHOWN, title);
    fprintf(out, "<figcaption><b>%s.</b> ", title);
    html_write_escaped(out, caption);
    fputs("</figcaption></figure>\n", out);
    free(pixels);
}

static void write_evidence(FILE *out, const struct look *look)
{
    const char *layer = look->spatial < 0 ? "" : look->layers[look->spatial].info.name;
    char *covered = term_format_or_exit(
        "%d patches of %dx%d pixels, one at a time, get the mean colour of the training "
        "images. Orange: %s becomes less likely without it; blue: more likely.",
        look->patches, look->patch[0], look->patch[1], class_name(look));
    char *cam = *layer ? term_format_or_exit("The maps of %s, each weighed by its mean "
                                             "gradient: where they speak for the class.",
                                             layer)
                       : term_format_or_exit("The network has no layer with positions.");
    char *smooth = term_format_or_exit(
        "The mean gradient of the class's logit over %d copies with noise: pixels whose "
        "change would change it most, for or against.",
        look->options->copies);
    fputs("<h2>Evidence for ", out);
    html_write_escaped(out, class_name(look));
    fputs("</h2>\n<div class=\"maps\">\n", out);
    write_figure(out, look, NULL, "Input", "As the network reads it.");
    write_figure(out, look, &look->occlusion, "Covered", covered);
    write_figure(out, look, &look->cam, "Grad-CAM", cam);
    write_figure(out, look, &look->smooth, "SmoothGrad", smooth);
    fprintf(
        out,
        "</div>\n<p class=\"soft\"><i class=\"swatch\" style=\"--c:#ff7a1a\"></i>for the "
        "class<i class=\"swatch\" style=\"--c:#2a8cff\"></i>against it. Each map is "
        "scaled by its own largest value. "
        "Covering loses at most %.1f percentage points.</p>\n",
        100 * (look->probabilities[look->class] - look->worst_probability));
    free(covered);
    free(cam);
    free(smooth);
}

static void write_sheet(FILE *out, const struct look_sheet *s, const char *title,
                        const char *caption)
{
    int cell = COMFORTABLE / s->width;
    cell = cell < LEAST_CELL ? LEAST_CELL : cell > MOST_CELL ? MOST_CELL : cell;
    int shown = cell * s->width < SHEET ? cell * s->width : SHEET;
    fputs("<figure>", out);
    report_write_pixels(out, s->pixels, s->height, s->width, s->channels, shown, caption);
    fputs("<figcaption><b>", out);
    html_write_escaped(out, title);
    fputs("</b> ", out);
    html_write_escaped(out, caption);
    fputs("</figcaption></figure>\n", out);
}

static void write_filters(FILE *out, const struct look *look)
{
    struct look_sheet s = look_filters(look);
    if (!s.pixels)
        return;
    char *caption = term_format_or_exit(
        "%d filters%s. Grey is 0, brighter is positive, each scaled by its largest.",
        s.shown, s.channels == 3 ? " for red, green and blue" : "");
    fputs("<h2>Filters of the first layer</h2>\n<div class=\"sheets\">\n", out);
    write_sheet(out, &s, "", caption);
    fputs("</div>\n", out);
    free(caption);
    free(s.pixels);
}

static void write_layer(FILE *out, const struct look_layer *layer, int most)
{
    const struct weft_layer_info *info = &layer->info;
    bool row = info->height == 1 && info->width == 1;
    struct look_sheet s = look_features(layer, most);
    char *caption =
        row ? term_format_or_exit("%s: %d values%s", info->text, s.shown,
                                  s.columns < s.shown ? ", 32 a row" : "")
        : s.shown < info->channels
            ? term_format_or_exit("%s: the first %d of %d maps of %dx%d", info->text,
                                  s.shown, info->channels, info->height, info->width)
            : term_format_or_exit("%s: %d maps of %dx%d", info->text, s.shown,
                                  info->height, info->width);
    write_sheet(out, &s, info->name, caption);
    free(caption);
    free(s.pixels);
}

static void write_layers(FILE *out, const struct look *look)
{
    struct table t;
    bool many = look->layer_count > MANY_LAYERS;
    look_layer_table(look, &t, out, TABLE_HUMAN);
    fputs("<h2>Layers</h2>\n<p class=\"soft\">Zeros: outputs that are exactly 0, and "
          "channels in which all are. Kept: what a max-pooling passes on of its input's "
          "values, and of their squares.",
          out);
    if (look->options->shift)
        fputs(" Moved: the change of the output by a shift of the image by one pixel, "
              "relative to its norm, mean and largest of eight directions.",
              out);
    fputs("</p>\n", out);
    page_write_table(out, &t, "Layers");
    table_free(&t);
    fputs(many ? "<details><summary>What each layer makes of the image</summary>\n"
               : "<h2>What each layer makes of the image</h2>\n",
          out);
    fputs(
        "<p class=\"soft\">Each layer is scaled by its largest value. Black is 0; where "
        "a layer has negative values, grey is 0 and black is negative.</p>\n"
        "<div class=\"sheets\">\n",
        out);
    for (int i = 0; i < look->layer_count; i++)
        if (look->layers[i].values && !look->layers[i].copies)
            write_layer(out, &look->layers[i], many ? FEW_MAPS : MAPS);
    fputs(many ? "</div></details>\n" : "</div>\n", out);
}

static void write_pool(FILE *out, const struct look *look, int layer)
{
    static const char *const captions[] = {
        "Before: the channel that varies most.",
        "Kept: the largest of each window. Blue is dropped.", "After."};
    const struct look_layer *l = &look->layers[layer];
    char *title = term_format_or_exit("%s keeps %.1f %% of the values and %.1f %% of "
                                      "their energy",
                                      l->info.name, 100 * l->kept, 100 * l->energy);
    fputs("<h3>", out);
    html_write_escaped(out, title);
    fputs("</h3>\n<div class=\"maps\">\n", out);
    for (int i = LOOK_POOL_INPUT; i <= LOOK_POOL_OUTPUT; i++) {
        struct look_sheet s = look_pool(look, layer, (enum look_pool_view)i);
        fputs("<figure>", out);
        report_write_pixels(out, s.pixels, s.height, s.width, s.channels, SHOWN,
                            captions[i]);
        fprintf(out, "<figcaption>%s</figcaption></figure>\n", captions[i]);
        free(s.pixels);
    }
    fputs("</div>\n", out);
    free(title);
}

static void write_pools(FILE *out, const struct look *look)
{
    int shown = 0;
    for (int i = 0; i < look->layer_count && shown < MOST_POOLS; i++) {
        if (!look->layers[i].values || !look->layers[i].pool.rows)
            continue;
        if (!shown++)
            fputs("<h2>Max-pooling</h2>\n", out);
        write_pool(out, look, i);
    }
}

static void write_shift(FILE *out, const struct look *look)
{
    struct table t;
    if (!look->options->shift)
        return;
    look_shift_table(look, &t, out, TABLE_HUMAN);
    fputs("<h2>Shifted by one pixel</h2>\n", out);
    write_sentence(out, "shift", look_shift_sentence(look));
    page_write_table(out, &t, "Shifted by one pixel");
    table_free(&t);
}

static void write_page(FILE *out, const void *priv)
{
    const struct look *look = priv;
    write_head(out, look);
    write_top(out, look);
    write_evidence(out, look);
    write_filters(out, look);
    write_pools(out, look);
    write_shift(out, look);
    write_layers(out, look);
    page_end(out);
}

enum app_exit look_write_page(const struct look *look)
{
    return page_save(look->app, look->options->html, write_page, look);
}
