/* SPDX-License-Identifier: Apache-2.0 */
/* Time by layer: where the time of a step goes. */
#include "report/layer_times.h"

#include "core/device_name.h"
#include "report/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 30, MOST_KINDS = 4 };

static const double least_share = 0.01; /* of a kind that is named */

enum direction { FORWARD, BACKWARD, OTHER, DIRECTIONS };

static enum direction direction_of(const struct step_part *p)
{
    if (!strcmp(p->phase, "forward") || !strcmp(p->phase, "apply"))
        return FORWARD;
    return *p->layer ? BACKWARD : OTHER;
}

/* All parts of a layer; of the batch or the optimizer its only one. */
struct row {
    const char *name, *text;
    double seconds[DIRECTIONS], total, roofline;
    bool shown;
};

static const char *name_of(const struct step_part *p)
{
    return *p->layer ? p->layer : p->phase;
}

static int collect(const struct step_timing *t, struct row *rows)
{
    int count = 0;
    for (int i = 0; i < t->count; i++) {
        const struct step_part *p = &t->parts[i];
        int at = 0;
        while (at < count && strcmp(rows[at].name, name_of(p)) != 0)
            at++;
        if (at == count)
            rows[count++] = (struct row){.name = name_of(p), .text = p->layer_text};
        rows[at].seconds[direction_of(p)] += p->t.median;
        rows[at].total += p->t.median;
        rows[at].roofline += p->t.roofline_seconds;
    }
    return count;
}

static int by_total(const void *a, const void *b)
{
    const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
    return (x->total < y->total) - (x->total > y->total);
}

/* Marks the costliest rows. */
static void select_rows(struct row *rows, int count)
{
    struct row **sorted =
        term_realloc_or_exit(NULL, (size_t)count * sizeof(struct row *));
    for (int i = 0; i < count; i++)
        sorted[i] = &rows[i];
    qsort(sorted, (size_t)count, sizeof(*sorted), by_total);
    for (int i = 0; i < count && i < MOST_ROWS; i++)
        sorted[i]->shown = true;
    free(sorted);
}

/* "conv 71 %, dense 14 %": the kinds of ops that take most of the time. */
static void write_kinds(FILE *out, const struct row *rows, int count, double seconds)
{
    struct row *kinds = term_realloc_or_exit(NULL, (size_t)count * sizeof(*kinds));
    struct row **sorted =
        term_realloc_or_exit(NULL, (size_t)count * sizeof(struct row *));
    int found = 0;
    for (int i = 0; i < count; i++) {
        const char *kind = *rows[i].text ? rows[i].text : rows[i].name;
        size_t length = strcspn(kind, " ");
        int at = 0;
        while (at < found && (strncmp(kinds[at].name, kind, length) != 0 ||
                              strcspn(kinds[at].name, " ") != length))
            at++;
        if (at == found) {
            sorted[found] = &kinds[found];
            kinds[found++] = (struct row){.name = kind};
        }
        kinds[at].total += rows[i].total;
    }
    qsort(sorted, (size_t)found, sizeof(*sorted), by_total);
    for (int i = 0; i < found && i < MOST_KINDS; i++) {
        double share = sorted[i]->total / seconds;
        if (i && share < least_share)
            break;
        char *kind = term_format_or_exit("%.*s", (int)strcspn(sorted[i]->name, " "),
                                         sorted[i]->name);
        fputs(i ? ", " : "", out);
        html_write_escaped(out, kind);
        fprintf(out, " %.0f&nbsp;%%", 100 * share);
        free(kind);
    }
    free(sorted);
    free(kinds);
}

static void write_fraction(FILE *out, double roofline, double seconds)
{
    fputs("<td class=\"n\">", out);
    if (roofline > 0)
        fprintf(out, "%.0f %%", 100 * roofline / seconds);
    else
        fputs("&ndash;", out);
}

static void write_row(FILE *out, const struct row *row, double most, double seconds)
{
    fputs("<tr><th scope=\"row\">", out);
    html_write_escaped(out, row->name);
    fputs("<td class=\"more\">", out);
    html_write_escaped(out, row->text);
    fputs("<td><div class=\"track\">", out);
    for (int d = 0; d < DIRECTIONS; d++)
        if (row->seconds[d] > 0)
            fprintf(out, "<div class=\"bar c%d\" style=\"width:%.2f%%\"></div>", d,
                    100 * row->seconds[d] / most);
    fputs("</div><td class=\"n\">", out);
    html_write_number(out, 1e3 * row->total);
    fprintf(out, "<td class=\"n\">%.1f %%", 100 * row->total / seconds);
    write_fraction(out, row->roofline, row->total);
    fputc('\n', out);
}

static void write_rows(FILE *out, const struct step_timing *t, struct row *rows,
                       int count)
{
    struct row rest = {.name = "others", .text = ""};
    double most = 0;
    int others = 0;
    select_rows(rows, count);
    for (int i = 0; i < count; i++)
        most = fmax(most, rows[i].total);
    fputs("<table class=\"times\"><thead><tr><th>Layer<th class=\"more\">Text<th>", out);
    if (t->training)
        fputs("<span class=\"key\"><span class=\"swatch c0\"></span>forward</span> "
              "<span class=\"key\"><span class=\"swatch c1\"></span>backward</span>",
              out);
    fputs(
        "<th class=\"n\">ms<th class=\"n\">Time<th class=\"n\">Roofline</thead><tbody>\n",
        out);
    for (int i = 0; i < count; i++) {
        if (rows[i].shown)
            write_row(out, &rows[i], most, t->seconds);
        others += !rows[i].shown;
        rest.total += rows[i].shown ? 0 : rows[i].total;
        rest.roofline += rows[i].shown ? 0 : rows[i].roofline;
    }
    if (others) {
        char *name = term_format_or_exit("%d others", others);
        rest.name = name;
        rest.seconds[OTHER] = rest.total;
        write_row(out, &rest, fmax(most, rest.total), t->seconds);
        free(name);
    }
    fputs("</tbody></table>\n", out);
}

static void write_parts(FILE *out, const struct step_timing *t)
{
    fputs("<details><summary>Parts of the step</summary>\n", out);
    html_open_wide(out, "Parts of the step");
    fputs("<table>"
          "<thead><tr><th>Layer<th>Phase<th class=\"n\">ms<th class=\"n more\">GFLOP/s"
          "<th class=\"n\">Roofline<th class=\"more\">Bound<th class=\"more\">Kernels"
          "</thead><tbody>\n",
          out);
    for (int i = 0; i < t->count; i++) {
        const struct step_part *p = &t->parts[i];
        fputs("<tr><th scope=\"row\">", out);
        html_write_escaped(out, p->layer);
        fputs("<td>", out);
        html_write_escaped(out, p->phase);
        fputs("<td class=\"n\">", out);
        html_write_number(out, 1e3 * p->t.median);
        fputs("<td class=\"n more\">", out);
        html_write_number(out, p->t.flops > 0 ? 1e-9 * p->t.flops / p->t.median : NAN);
        write_fraction(out, p->t.roofline_seconds, p->t.median);
        fprintf(out, "<td class=\"more\">%s<td class=\"more\">",
                p->t.memory_bound ? "memory" : "compute");
        html_write_escaped(out, p->kernels);
        fputc('\n', out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

void report_write_layer_times(FILE *out, const struct report_layer_times *times)
{
    const struct step_timing *t = times->timing;
    char device[DEVICE_NAME_BYTES];
    if (!(t->seconds > 0))
        return;
    struct row *rows = term_realloc_or_exit(NULL, (size_t)t->count * sizeof(*rows));
    int count = collect(t, rows);
    device_short_name(times->device, device);
    fputs("<h2>Time by layer</h2>\n<p>By kind: ", out);
    write_kinds(out, rows, count, t->seconds);
    fprintf(out, ".</p>\n<p class=\"soft\">A step of %s with a batch of %d on ",
            t->training ? "training" : "inference", t->step.batch);
    html_write_escaped(out, device);
    fputs(": ", out);
    html_write_number(out, 1e3 * t->seconds);
    fputs(" ms, the sum of its parts, each timed by itself. Roofline: the time that the "
          "measured peak of the device allows, as a share of the time taken; Winograd "
          "convolutions, which need fewer operations, may exceed it.</p>\n",
          out);
    write_rows(out, t, rows, count);
    write_parts(out, t);
    free(rows);
}
