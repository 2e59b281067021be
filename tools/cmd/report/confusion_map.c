/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix on a page. */
#include "report/evaluation.h"

#include "core/term.h"
#include "report/html.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_MAPPED = 40, MOST_LISTED = 30 };
static const double darkest = 0.6; /* of a cell: its text stays readable */

/* The share of the images of both classes that are taken for the other one. */
static double similarity(const struct confusion *c, int a, int b)
{
    double images = (double)(c->of[a].images + c->of[b].images);
    double confused = (double)(confusion_count(c, a, b) + confusion_count(c, b, a));
    return images > 0 ? confused / images : 0;
}

/* A chain that begins with the two classes that are most similar, and grows at either end
 * by the class that is most similar to it. Equal ones in their order. */
static void order_classes(const struct confusion *c, int *order)
{
    bool used[MOST_MAPPED] = {false};
    int first = 0, last = 0, count = 0;
    int chain[2 * MOST_MAPPED]; /* grows from its middle */
    double best = -1;
    for (int a = 0; a < c->classes; a++)
        for (int b = a + 1; b < c->classes; b++)
            if (similarity(c, a, b) > best) {
                best = similarity(c, a, b);
                first = a;
                last = b;
            }
    int low = MOST_MAPPED - 1, high = MOST_MAPPED;
    chain[low] = first;
    chain[high] = last;
    used[first] = used[last] = true;
    for (count = 2; count < c->classes; count++) {
        int next = -1;
        bool front = false;
        best = -1;
        for (int k = 0; k < c->classes; k++)
            for (int end = 0; end < 2 && !used[k]; end++) {
                double s = similarity(c, k, chain[end ? low : high]);
                if (s > best) {
                    best = s;
                    next = k;
                    front = end;
                }
            }
        chain[front ? --low : ++high] = next;
        used[next] = true;
    }
    for (int i = 0; i < c->classes; i++)
        order[i] = chain[low + i];
}

static void write_cell(FILE *out, const struct confusion *c, int actual, int predicted)
{
    int64_t count = confusion_count(c, actual, predicted), of = c->of[actual].images;
    double share = of ? (double)count / (double)of : 0;
    if (!count) {
        fputs("<td class=\"heat soft\">&middot;", out);
        return;
    }
    /* By the root, which shows small shares too. */
    fprintf(out, "<td class=\"heat%s\" style=\"--heat:%.2f\">%s",
            actual == predicted ? " right" : "", darkest * sqrt(share),
            table_thousands((double)count));
}

static void write_map(FILE *out, const struct confusion *c, const char *const *names)
{
    int order[MOST_MAPPED];
    order_classes(c, order);
    fputs("<p class=\"soft\">Rows are true classes, columns predictions; the darker, the "
          "larger the share of the row. Classes that are confused stand together.</p>\n",
          out);
    html_open_wide(out, "Confusion matrix");
    fputs("<table class=\"map\"><thead><tr><th>", out);
    for (int i = 0; i < c->classes; i++) {
        fputs("<th scope=\"col\"><span>", out);
        html_write_escaped(out, names[order[i]]);
        fputs("</span>", out);
    }
    fputs("</thead><tbody>\n", out);
    for (int i = 0; i < c->classes; i++) {
        fputs("<tr><th scope=\"row\">", out);
        html_write_escaped(out, names[order[i]]);
        for (int k = 0; k < c->classes; k++)
            write_cell(out, c, order[i], order[k]);
        fputc('\n', out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_list(FILE *out, const struct confusion *c, const char *const *names)
{
    size_t count;
    struct confusion_cell *cells = confusion_mistakes(c, &count);
    fputs("<table><thead><tr><th class=\"n\">Images<th>True class<th>Classified as"
          "</thead><tbody>\n",
          out);
    for (size_t i = 0; i < count && i < MOST_LISTED; i++) {
        fprintf(out, "<tr><td class=\"n\">%s<td>",
                table_thousands((double)cells[i].count));
        html_write_escaped(out, names[cells[i].actual]);
        fputs("<td>", out);
        html_write_escaped(out, names[cells[i].predicted]);
        fputc('\n', out);
    }
    fputs("</tbody></table>\n", out);
    free(cells);
}

void report_write_confusion(FILE *out, const struct confusion *c,
                            const char *const *names)
{
    bool map = c->classes <= MOST_MAPPED;
    fprintf(out, "<h2>%s</h2>\n", map ? "Confusion matrix" : "Most frequent confusions");
    if (map)
        write_map(out, c, names);
    else
        write_list(out, c, names);
}
