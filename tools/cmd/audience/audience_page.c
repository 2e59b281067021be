/* SPDX-License-Identifier: Apache-2.0 */
/* weft audience: a page for readers who know customers, not networks. */
#include "audience/audience.h"

#include "report/html.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CUSTOMERS = 500, MOST_BARS = 4 };

/* A bar of a share with its interval. */
static void write_share(FILE *out, const char *name, const struct share *s, int color)
{
    fputs("<div class=\"who\">", out);
    html_write_escaped(out, name);
    fprintf(out,
            "</div><div class=\"value\">%.0f %%, %.0f to %.0f</div>"
            "<div class=\"track c%d\"><div class=\"bar\" style=\"width:%.2f%%\"></div>"
            "<div class=\"span\" style=\"left:%.2f%%;width:%.2f%%\"></div></div>\n",
            100 * s->value, 100 * s->low, 100 * s->high, color, 100 * s->value,
            100 * s->low, 100 * (s->high - s->low));
}

struct ranked {
    double value;
    int index;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value < y->value || x->value > y->value)
        return x->value < y->value ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The largest shares; of a customer not those that round to 0. */
static void write_shares(FILE *out, const struct audience *a, const struct customer *c,
                         int most)
{
    int classes = a->net.classes;
    struct ranked *ranks = term_realloc_or_exit(NULL, (size_t)classes * sizeof(*ranks));
    for (int k = 0; k < classes; k++)
        ranks[k] = (struct ranked){c->shares[k].value, k};
    qsort(ranks, (size_t)classes, sizeof(*ranks), by_value);
    fputs("<div class=\"bars\">\n", out);
    for (int n = 0; n < classes && n < most && ranks[n].value >= 0.005; n++) {
        int k = ranks[n].index;
        write_share(out, a->names[k], &c->shares[k], k == c->leader ? 2 : 0);
    }
    fputs("</div>\n", out);
    free(ranks);
}

static void write_customer(FILE *out, const struct audience *a, const struct customer *c)
{
    int unsure = c->answers[a->net.classes];
    fputs("<div class=\"whole\">\n<h3>", out);
    html_write_escaped(out, c->name);
    fputs("</h3>\n<p class=\"soft\">", out);
    if (c->leader >= 0) {
        fputs("<b class=\"right\">", out);
        html_write_escaped(out, a->names[c->leader]);
        fputs("</b> leads; ", out);
    } else
        fputs("no category leads with certainty; ", out);
    fprintf(out, "%s image%s", table_thousands(c->images), c->images == 1 ? "" : "s");
    if (unsure)
        fprintf(out, ", %s not recognized with certainty", table_thousands(unsure));
    if (c->unread)
        fprintf(out, ", %s more could not be read", table_thousands(c->unread));
    fputs("</p>\n", out);
    if (c->images > unsure)
        write_shares(out, a, c, MOST_BARS);
    fputs("</div>\n", out);
}

static void write_segments(FILE *out, const struct audience *a)
{
    fputs("<h2>Segments</h2>\n<p class=\"soft\">Customers by the category that leads "
          "among their images.</p>\n",
          out);
    html_open_wide(out, "Segments");
    fputs("<table><thead><tr><th>Leading "
          "category<th class=\"n\">Customers<th class=\"n\">Share</thead><tbody>\n",
          out);
    for (int pass = 0; pass <= a->net.classes; pass++) {
        int class = pass < a->net.classes ? pass : -1, count = 0;
        for (int i = 0; i < a->customer_count; i++)
            count += a->customers[i].leader == class;
        if (!count)
            continue;
        fputs("<tr><th scope=\"row\">", out);
        html_write_escaped(out, class < 0 ? "none with certainty" : a->names[class]);
        fprintf(out, "<td class=\"n\">%s<td class=\"n\">%.0f %%\n",
                table_thousands(count), 100.0 * count / a->customer_count);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_customers(FILE *out, const struct audience *a)
{
    int count = a->customer_count,
        shown = count < MOST_CUSTOMERS ? count : MOST_CUSTOMERS;
    struct ranked *ranks = term_realloc_or_exit(NULL, (size_t)count * sizeof(*ranks));
    for (int i = 0; i < count; i++)
        ranks[i] = (struct ranked){shown < count ? a->customers[i].images : 0, i};
    qsort(ranks, (size_t)count, sizeof(*ranks), by_value);
    fputs("<h2>Customers</h2>\n", out);
    if (shown < count)
        fprintf(out,
                "<p class=\"soft\">The %d of %s with the most images; the table has "
                "all.</p>\n",
                shown, table_thousands(count));
    for (int i = 0; i < shown; i++)
        write_customer(out, a, &a->customers[ranks[i].index]);
    free(ranks);
}

static void write_reading(FILE *out, const struct audience *a)
{
    fputs("<h2>How to read this</h2>\n<p>A bar is the share of a category among the "
          "images of a customer. The bracket is the range in which the true share "
          "is with 95&nbsp;% confidence: the fewer images, the wider. A category <b "
          "class=\"right\">leads</b> only if its range is above those of all others; "
          "without that, treat a customer as undecided.</p>\n<p>",
          out);
    fputs(a->rates ? "Shares are corrected for the mistakes that the model is known to "
                     "make, such as shirts that look like coats to it."
                   : "Shares are those of the model's answers, with its mistakes: it was "
                     "not calibrated.",
          out);
    if (a->decision.has_threshold)
        fprintf(
            out,
            " The model gives no answer where it is unsure, so that at most %.4g&nbsp;%% "
            "of its answers are wrong, with %.4g&nbsp;%% confidence, for images like "
            "those that it was calibrated on.",
            100 * a->decision.max_error, 100 * a->decision.confidence);
    fputs("</p>\n<p><b>Privacy.</b> All images were read and classified on the machine "
          "that made this page, and nothing was sent anywhere. Photographs of people, "
          "and what is derived from them about a customer, are personal data: use them "
          "as the law and the consent of these customers allow.</p>\n",
          out);
}

void audience_write_page(FILE *out, const void *priv)
{
    const struct audience *a = priv;
    int leaders = 0;
    for (int i = 0; i < a->customer_count; i++)
        leaders += a->customers[i].leader >= 0;
    page_begin(out, "Audience by category", 0);
    fputs("<h1>Audience by category</h1>\n<p class=\"lede\">", out);
    fprintf(out, "<b>%s of %s customers</b> have a leading category, from ",
            table_thousands(leaders), table_thousands(a->customer_count));
    fprintf(out, "%s images of ", table_thousands(a->all.images));
    html_write_escaped(out, a->source);
    fputs(".</p>\n", out);
    write_segments(out, a);
    fputs("<h2>All images</h2>\n", out);
    if (a->all.images > a->all.answers[a->net.classes])
        write_shares(out, a, &a->all, a->net.classes);
    write_reading(out, a);
    write_customers(out, a);
    page_end(out);
}
