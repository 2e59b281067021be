/* SPDX-License-Identifier: Apache-2.0 */
/* A network as a graph: one row a layer, connections on the left, cost on the right. */
#include "report/run_page.h"

#include "core/term.h"
#include "report/html.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 360, ROW = 22, TOP = 16, LINE = 4, LANE = 6, LANES = 4 };
enum { NODE = 30, TEXT = 40, SHAPE = 247, COUNT = 299, COST = 306 }; /* columns */
enum { LETTERS = 22, MOST_OPEN = 40 };

static int middle(int layer)
{
    return TOP + (layer + 1) * ROW + ROW / 2; /* the input is in the first row */
}

/* 1,234 as "1.2k". */
static void write_short(FILE *out, double value)
{
    const char *unit = value >= 1e6 ? "M" : value >= 1e3 ? "k" : "";
    double part = *unit == 'M' ? value / 1e6 : *unit ? value / 1e3 : value;
    fprintf(out, *unit && part < 100 ? "%.1f%s" : "%.0f%s", part, unit);
}

/* Connections that skip layers, in lanes from right to left, so that they do not cover
 * each other; the last lane takes what is left. */
static void write_skips(FILE *out, const weft_net *net, int layers)
{
    struct weft_layer_info layer;
    int busy[LANES] = {0}; /* up to this row */
    for (int i = 0; i < layers && !weft_net_layer(net, i, &layer); i++)
        for (int k = 0; k < layer.input_count; k++) {
            int from = layer.inputs[k], lane = 0;
            if (from == i - 1)
                continue;
            while (lane < LANES - 1 && busy[lane] > from + 1)
                lane++;
            busy[lane] = i + 1;
            fprintf(out, "<path class=\"link\" d=\"M%d %dH%dV%dH%d\"/>\n", NODE,
                    middle(from) + 4, NODE - LANE * (lane + 1), middle(i) - 4, NODE);
        }
}

static void write_row(FILE *out, int row, const char *text, const char *shape)
{
    fprintf(out, "<text class=\"layer\" x=\"%d\" y=\"%d\">", TEXT, middle(row) + 4);
    html_write_escaped(out, text);
    fprintf(out, "</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", SHAPE,
            middle(row) + 4, shape);
}

static void write_layer(FILE *out, const struct weft_layer_info *layer, int i,
                        double most)
{
    char text[LETTERS + 4], shape[48];
    snprintf(shape, sizeof(shape), "%dx%dx%d", layer->height, layer->width,
             layer->channels);
    snprintf(text, sizeof(text), "%.*s%s", LETTERS, layer->text,
             strlen(layer->text) > LETTERS ? "\xe2\x80\xa6" : "");
    bool follows = false;
    for (int k = 0; k < layer->input_count; k++)
        follows = follows || layer->inputs[k] == i - 1;
    if (follows)
        fprintf(out, "<path class=\"link\" d=\"M%d %dV%d\"/>", NODE, middle(i - 1) + 4,
                middle(i) - 4);
    fprintf(out,
            "<circle class=\"%s\" cx=\"%d\" cy=\"%d\" r=\"4\"><title>%s</title>"
            "</circle>",
            layer->weights ? "point c0" : "node", NODE, middle(i), layer->name);
    write_row(out, i, text, shape);
    if (layer->weights) {
        fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", COUNT,
                middle(i) + 4);
        write_short(out, (double)layer->weights);
        fputs("</text>", out);
    }
    if (most > 0 && layer->flops > 0)
        fprintf(out,
                "<rect class=\"cost\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"8\">"
                "<title>%.3g MFLOP</title></rect>",
                COST, middle(i) - 4, (WIDTH - COST - 2) * layer->flops / most,
                layer->flops / 1e6);
    fputc('\n', out);
}

static void write_graph(FILE *out, const weft_net *net, const struct weft_net_info *info)
{
    struct weft_layer_info layer;
    double most = 0;
    char shape[48];
    for (int i = 0; i < info->layers && !weft_net_layer(net, i, &layer); i++)
        most = layer.flops > most ? layer.flops : most;
    fprintf(out,
            "<figure>\n<svg class=\"graph\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"The layers of the network with their outputs, weights and "
            "cost; weft show prints them as a table\">\n",
            WIDTH, middle(info->layers));
    fprintf(out,
            "<text x=\"%d\" y=\"12\">layer</text><text x=\"%d\" y=\"12\" "
            "text-anchor=\"end\">output</text><text x=\"%d\" y=\"12\" "
            "text-anchor=\"end\">weights</text><text x=\"%d\" y=\"12\">cost</text>\n",
            TEXT, SHAPE, COUNT, COST);
    snprintf(shape, sizeof(shape), "%dx%dx%d", info->height, info->width, info->channels);
    fprintf(out, "<circle class=\"node\" cx=\"%d\" cy=\"%d\" r=\"4\"/>", NODE,
            middle(-1));
    write_row(out, -1, "input", shape);
    fputc('\n', out);
    write_skips(out, net, info->layers);
    for (int i = 0; i < info->layers && !weft_net_layer(net, i, &layer); i++)
        write_layer(out, &layer, i, most);
    fputs("</svg>\n</figure>\n", out);
}

void report_write_net(FILE *out, const weft_net *net)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    bool open = info.layers <= MOST_OPEN;
    fprintf(out, open ? "<h2>Network</h2>\n" : "<details><summary>Network</summary>\n");
    fputs("<p class=\"soft\">", out);
    html_write_escaped(out, info.name);
    fprintf(out, ": %d layers, %s weights, %.3g MFLOP for an image.</p>\n", info.layers,
            table_thousands((double)info.weights), info.flops / 1e6);
    write_graph(out, net, &info);
    fputs(open ? "" : "</details>\n", out);
}
