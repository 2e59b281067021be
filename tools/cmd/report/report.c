/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a report: devices, comparison, and the sections. */
#include "report/report.h"

#include "report/html.h"
#include "report/page.h"
#include "results/comparison_text.h"
#include "results/device_table.h"

#include <string.h>

/* Driver, versions and provenance of a run; its file unless the label contains it. */
static void write_facts(FILE *out, const struct results *r, int index)
{
    static const struct {
        const char *path, *name;
    } facts[] = {{"device.driver", "driver "},
                 {"device.version", ""},
                 {"device.family", "kernels "},
                 {"tuning", "tuning "},
                 {"host.processor", "on "},
                 {"commit", "weft "},
                 {"created", ""},
                 {"file", ""}};
    const json_t *run = results_run(r, index);
    char label[RESULTS_LABEL_BYTES];
    results_label(r, index, label);
    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        const char *text = results_text(run, facts[i].path);
        if (!*text || (!strcmp(facts[i].path, "file") && strstr(label, text)))
            continue;
        fprintf(out, "<span>%s", facts[i].name);
        html_write_escaped(out, text);
        fputs("</span> ", out);
    }
}

static void write_head(FILE *out, const struct results *r)
{
    char sentence[COMPARISON_SENTENCE_BYTES], label[RESULTS_LABEL_BYTES];
    int fastest = comparison_fastest_run(r), count = results_count(r);
    char title[RESULTS_LABEL_BYTES + 16];
    results_label(r, fastest < 0 ? 0 : fastest, label);
    snprintf(title, sizeof(title), "weft bench: %s", label);
    page_begin(out, title, 0);
    fprintf(out, "<h1>weft bench: %d run%s</h1>\n", count, count == 1 ? "" : "s");
    for (int i = 0; fastest >= 0 && i < count; i++)
        if (i != fastest && comparison_sentence(r, fastest, i, sentence)) {
            fputs("<p class=\"lede\">", out);
            html_write_escaped(out, sentence);
            fputs("</p>\n", out);
        }
    if (count > 1)
        fprintf(out, "<p class=\"soft\">%s</p>\n", COMPARISON_NOISE);
    for (int i = 0; i < count; i++) {
        const json_t *run = results_run(r, i);
        fprintf(out, "<p><span class=\"key c%d\">", report_color(i));
        report_write_label(out, r, i);
        fputs("</span><br><span class=\"soft facts\">", out);
        write_facts(out, r, i);
        fputs("</span>", out);
        if (*results_text(run, "error")) {
            fputs("<br><span class=\"wrong\">", out);
            html_write_escaped(out, results_text(run, "error"));
            fputs("</span>", out);
        }
        fputs("</p>\n", out);
    }
}

/* The table of `weft bench -d all`, transposed to fit narrow screens. */
static void write_overview(FILE *out, const struct results *r)
{
    struct table t;
    char about[DEVICE_TABLE_LEGEND_BYTES];
    device_table_build(&t, r, TABLE_HUMAN);
    device_table_legend(r, about);
    fputs("<div class=\"wide whole\"><table><thead><tr><th>", out);
    for (int i = 0; i < results_count(r); i++)
        fprintf(out, "<th class=\"n key c%d\">%s", report_color(i), results_letter(i));
    fputs("</thead><tbody>\n", out);
    for (int c = 1; c < t.column_count; c++) {
        if (!table_column_has_data(&t, c))
            continue;
        fputs("<tr><th>", out);
        html_write_escaped(out, table_cell_text(&t, -1, c));
        for (int i = 0; i < results_count(r); i++) {
            fputs("<td class=\"n\">", out);
            html_write_escaped(out, table_cell_text(&t, i, c));
        }
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n<p class=\"soft\">", out);
    html_write_escaped(out, about);
    fputs("</p>\n", out);
    table_free(&t);
}

static void write_page(FILE *out, const void *priv)
{
    const struct results *r = priv;
    write_head(out, r);
    write_overview(out, r);
    report_write_bars(out, r);
    report_write_curves(out, r);
    report_write_rooflines(out, r);
    report_write_layers(out, r);
    report_write_convergence(out, r);
    report_write_numbers(out, r);
    page_end(out);
}

enum app_exit report_save(const struct app *app, const struct results *r,
                          const char *path)
{
    return path ? page_save(app, path, write_page, r) : APP_OK;
}
