/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a report: devices, comparison, and the sections. */
#include "report/report.h"

#include "report/html.h"
#include "report/page.h"
#include "results/comparison_text.h"
#include "results/device_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_IN_HEADING = 2 };

/* "none", or a hash of the table (bench_save.c). */
static const char *tuning_text(const json_t *run)
{
    const char *tuning = results_text(run, "tuning");
    if (!strcmp(results_text(run, "device.family"), "C"))
        return ""; /* has nothing to tune */
    return !strcmp(tuning, "none") ? "with default kernels: weft tune was not run"
                                   : tuning;
}

/* Full name, driver, versions and provenance of a run; its file unless the label contains
 * it. */
static void write_facts(FILE *out, const struct results *r, int index)
{
    const json_t *run = results_run(r, index);
    const char *tuning = tuning_text(run), *file = results_text(run, "file");
    char label[RESULTS_LABEL_BYTES];
    results_label(r, index, label);
    const struct {
        const char *name, *text;
    } facts[] = {{"", results_text(run, "device.name")},
                 {"driver ", results_text(run, "device.driver")},
                 {"", results_text(run, "device.version")},
                 {"kernels ", results_text(run, "device.family")},
                 {strchr(tuning, ' ') ? "" : "tuned, table ", tuning},
                 {"on ", results_text(run, "host.processor")},
                 {"weft ", results_text(run, "weft")},
                 {"commit ", results_text(run, "commit")},
                 {"", results_text(run, "created")},
                 {"", strstr(label, file) ? "" : file}};
    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        if (!*facts[i].text || !strcmp(facts[i].text, label))
            continue;
        fprintf(out, "<span>%s", facts[i].name);
        html_write_escaped(out, facts[i].text);
        fputs("</span> ", out);
    }
}

/* One sentence for all runs: how many times as fast as each of the others. */
static void write_headline(FILE *out, const struct results *r, int fastest)
{
    struct comparison_pair c;
    double batch = NAN;
    char times[64];
    fputs("<p class=\"lede\">", out);
    report_write_label(out, r, fastest);
    for (int i = 0; i < results_count(r); i++) {
        if (i == fastest || !comparison_of(r, fastest, i, &c))
            continue;
        double other = results_number(c.row, "batch");
        if (isnan(batch)) {
            fprintf(out, " %s ", c.verb);
            html_write_escaped(out, results_text(c.row, "net"));
            fprintf(out, " (batch %.0f)", other);
        }
        comparison_format_ratio(&c.ratio, times);
        fprintf(out,
                isnan(batch) ? " <b>%s</b> times as fast as "
                             : ", <b>%s</b> times as fast as ",
                times);
        fprintf(out, "<b class=\"key c%d\">%s</b>", report_color(i), results_letter(i));
        if (isnan(batch))
            batch = other;
        if (other != batch)
            fprintf(out, " (batch %.0f)", other);
        if (c.same_build)
            fputs(" (the same device and build: noise)", out);
        else if (!c.significant)
            fputs(" (not significant)", out);
    }
    fputs(".</p>\n", out);
}

static void write_comparison(FILE *out, const struct results *r)
{
    char sentence[COMPARISON_SENTENCE_BYTES];
    int fastest = comparison_fastest_run(r), count = results_count(r), comparisons = 0;
    struct comparison_pair c;
    for (int i = 0; fastest >= 0 && i < count; i++)
        comparisons += i != fastest && comparison_of(r, fastest, i, &c);
    if (comparisons > 1)
        write_headline(out, r, fastest);
    for (int i = 0; comparisons == 1 && i < count; i++)
        if (i != fastest && comparison_sentence(r, fastest, i, sentence)) {
            fputs("<p class=\"lede\">", out);
            html_write_escaped(out, sentence);
            fputs("</p>\n", out);
        }
    if (count > 1)
        fprintf(out, "<p class=\"soft\">%s</p>\n", COMPARISON_NOISE);
}

static char *title_of(const struct results *r)
{
    enum { MOST_NAMED = 4 };
    char *title = term_format_or_exit("weft bench"), label[RESULTS_LABEL_BYTES];
    int count = results_count(r);
    for (int i = 0; i < count && i < MOST_NAMED; i++) {
        results_label(r, i, label);
        char *longer = term_format_or_exit("%s%s%s", title, i ? ", " : ": ", label);
        free(title);
        title = longer;
    }
    if (count <= MOST_NAMED)
        return title;
    char *longer = term_format_or_exit("%s and %d others", title, count - MOST_NAMED);
    free(title);
    return longer;
}

static void write_run(FILE *out, const struct results *r, int i)
{
    const json_t *run = results_run(r, i);
    char noise[DEVICE_TABLE_NOISE_BYTES];
    fprintf(out, "<p><span class=\"key c%d\">", report_color(i));
    report_write_label(out, r, i);
    fputs("</span><br><span class=\"soft facts\">", out);
    write_facts(out, r, i);
    fputs("</span>", out);
    const char *problems[] = {results_text(run, "error"),
                              device_table_noise(run, noise) ? noise : ""};
    for (int k = 0; k < 2; k++)
        if (*problems[k]) {
            fputs("<br><span class=\"wrong\">Warning: ", out);
            html_write_escaped(out, problems[k]);
            fputs("</span>", out);
        }
    fputs("</p>\n", out);
}

static void write_head(FILE *out, const struct results *r)
{
    char *title = title_of(r);
    page_begin(out, title, 0);
    fputs("<h1>", out);
    if (results_count(r) <= MOST_IN_HEADING)
        html_write_escaped(out, title);
    else
        fprintf(out, "weft bench: %d runs", results_count(r));
    fputs("</h1>\n", out);
    free(title);
    write_comparison(out, r);
    fputs("<div class=\"broad\">\n", out);
    for (int i = 0; i < results_count(r); i++)
        write_run(out, r, i);
    fputs("</div>\n", out);
}

/* The table of `weft bench -d all`, transposed to fit narrow screens. */
static void write_overview(FILE *out, const struct results *r)
{
    struct table t;
    char about[DEVICE_TABLE_LEGEND_BYTES];
    device_table_build(&t, r, TABLE_HUMAN);
    device_table_legend(r, about);
    fputs("<div class=\"whole\">", out);
    html_open_wide(out, "Devices");
    fputs("<table><thead><tr><th>", out);
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
    fputs("</tbody></table></div></div>\n<p class=\"soft\">", out);
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
