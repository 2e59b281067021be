/* SPDX-License-Identifier: Apache-2.0 */
/* Results of a model on a dataset: accuracy, classes, predictions, calibration. */
#include "report/evaluation.h"

#include "core/app.h"
#include "core/calibration.h"
#include "report/html.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>

enum { SHOWN = 25, MOST_CLASSES = 100 };

struct calibration {
    struct calibration_bin bins[CALIBRATION_BINS];
    double error;
};

static struct calibration calibration_of(const struct report_evaluation *e,
                                         const struct weft_prediction *predictions)
{
    struct calibration c;
    struct weft_dataset_info data;
    weft_dataset_info(e->data, &data);
    c.error = calibration_error(predictions, data.labels, data.count, c.bins);
    return c;
}

static void write_percent(FILE *out, double fraction)
{
    if (isfinite(fraction))
        fprintf(out, "%.2f", 100 * fraction);
    else
        fputs("&ndash;", out);
}

void report_write_result(FILE *out, const struct report_evaluation *e)
{
    const struct weft_eval *eval = e->eval;
    fprintf(out, "<p class=\"lede\"><b>%.2f &plusmn; %.2f %%</b> of %s images of ",
            100 * eval->accuracy, 100 * eval->standard_error,
            table_thousands(eval->count));
    html_write_escaped(out, e->images);
    fputs(" are classified correctly.</p>\n<p class=\"soft facts\"><span>loss ", out);
    fputs(app_loss_text(eval->loss), out);
    fputs("</span> <span>expected calibration error ", out);
    write_percent(out, calibration_of(e, e->predictions).error);
    fputs(" %", out);
    if (e->temperature) {
        fputs(", ", out);
        write_percent(out, calibration_of(e, e->temperature->before).error);
        fputs(" % before calibration", out);
    }
    fputs("</span>", out);
    if (*e->tta)
        fprintf(out, " <span>%s</span>", e->tta);
    if (e->decisions && *e->decisions) {
        fputs(" <span>", out);
        html_write_escaped(out, e->decisions);
        fputs("</span>", out);
    }
    if (eval->nonfinite)
        fprintf(out,
                " <span class=\"wrong\">%s images have outputs that are not numbers"
                "</span>",
                table_thousands(eval->nonfinite));
    fputs("</p>\n", out);
}

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

static double f1_of(const struct confusion_class *c)
{
    return ratio(2 * c->correct, c->images + c->predicted);
}

static void write_class(FILE *out, const struct report_evaluation *e, int c)
{
    const struct confusion_class *of = &e->confusion->of[c];
    fputs("<tr><th scope=\"row\">", out);
    html_write_escaped(out, e->names[c]);
    const double values[] = {ratio(of->correct, of->predicted),
                             ratio(of->correct, of->images), f1_of(of)};
    for (int i = 0; i < 3; i++) {
        fputs("<td class=\"n\">", out);
        write_percent(out, values[i]);
    }
    fprintf(out, "<td class=\"n more\">%s<td>", table_thousands((double)of->images));
    if (of->worst >= 0) {
        html_write_escaped(out, e->names[of->worst]);
        fprintf(out, " %.1f %%", 100 * ratio(of->worst_count, of->images));
    }
    fputc('\n', out);
}

struct ranked {
    double value;
    int index;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value < y->value || x->value > y->value)
        return x->value < y->value ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* In their order; of many classes those with the lowest F1. */
static void write_classes(FILE *out, const struct report_evaluation *e)
{
    int classes = e->confusion->classes;
    int shown = classes < MOST_CLASSES ? classes : MOST_CLASSES;
    struct ranked *ranks = term_realloc_or_exit(NULL, (size_t)classes * sizeof(*ranks));
    for (int c = 0; c < classes; c++) {
        double f1 = f1_of(&e->confusion->of[c]);
        ranks[c] = (struct ranked){isnan(f1) ? 1 : f1, c};
    }
    if (shown < classes)
        qsort(ranks, (size_t)classes, sizeof(*ranks), by_value);
    fputs("<h2>Classes</h2>\n", out);
    if (shown < classes)
        fprintf(out, "<p class=\"soft\">The %d of %s with the lowest F1.</p>\n", shown,
                table_thousands(classes));
    html_open_wide(out, "Classes");
    fputs("<table><thead><tr><th>Class<th class=\"n\">Precision %"
          "<th class=\"n\">Recall %<th class=\"n\">F1 %<th class=\"n more\">Images"
          "<th>Most often confused with</thead><tbody>\n",
          out);
    for (int i = 0; i < shown; i++)
        write_class(out, e, ranks[i].index);
    fputs("</tbody></table></div>\n", out);
    free(ranks);
}

static const char *name_of(const struct report_evaluation *e, int label)
{
    return label < 0 ? "not a number" : e->names[label];
}

static void write_prediction(FILE *out, const struct report_evaluation *e, int index)
{
    struct weft_dataset_info data;
    weft_dataset_info(e->data, &data);
    const struct weft_prediction *p = &e->predictions[index];
    int label = data.labels[index];
    char *alt = term_format_or_exit("image %d: %s, classified as %s", index,
                                    name_of(e, label), name_of(e, p->label));
    fputs("<figure>", out);
    report_write_image(out, e->data, index, alt);
    free(alt);
    bool right = p->label == label;
    fprintf(out, "<figcaption><span class=\"%s\">%s ", right ? "right" : "wrong",
            right ? "&#10003;" : "&#10007;");
    html_write_escaped(out, name_of(e, p->label));
    if (p->label >= 0)
        fprintf(out, " %.1f&nbsp;%%", 100 * (double)p->probability);
    fputs("</span>", out);
    if (!right) {
        fputs("<br>is ", out);
        html_write_escaped(out, name_of(e, label));
    }
    if (e->files) {
        fputs("<br>", out);
        html_write_escaped(out, paths_basename(e->files[index]));
    }
    fputs("</figcaption></figure>\n", out);
}

static void write_predictions(FILE *out, const struct report_evaluation *e)
{
    int count = e->eval->count, shown = count < SHOWN ? count : SHOWN;
    fputs("<h2>Predictions</h2>\n<p class=\"soft\">Images at equal distances, with the "
          "most likely class and its probability.</p>\n",
          out);
    fputs("<div class=\"images\">\n", out);
    for (int i = 0; i < shown; i++)
        write_prediction(out, e, (int)((int64_t)i * count / shown));
    fputs("</div>\n", out);
}

static void write_mistakes(FILE *out, const struct report_evaluation *e)
{
    struct weft_dataset_info data;
    weft_dataset_info(e->data, &data);
    int count = 0;
    struct ranked *wrong =
        term_realloc_or_exit(NULL, ((size_t)data.count + 1) * sizeof(*wrong));
    for (int i = 0; i < data.count; i++) {
        const struct weft_prediction *p = &e->predictions[i];
        if (p->label >= 0 && p->label != data.labels[i])
            wrong[count++] = (struct ranked){-(double)p->probability, i};
    }
    qsort(wrong, (size_t)count, sizeof(*wrong), by_value);
    if (count) {
        fprintf(
            out,
            "<h2>Most confident mistakes</h2>\n<p class=\"soft\">Of %s: the network is "
            "surest of these, and some of their labels may be wrong.</p>\n",
            table_thousands(count));
        fputs("<div class=\"images\">\n", out);
        for (int i = 0; i < count && i < SHOWN; i++)
            write_prediction(out, e, wrong[i].index);
        fputs("</div>\n", out);
    }
    free(wrong);
}

static double percent_of(double sum, int count)
{
    return 100 * sum / count;
}

/* Draws the curve; without `out`, extends the plot's range and adds the label. */
static void write_curve(FILE *out, struct html_plot *p, const struct calibration *c,
                        int color, const char *label)
{
    double x = NAN, y = NAN;
    char sign = 'M';
    if (out)
        fprintf(out, "<path class=\"curve c%d\" d=\"", color);
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &c->bins[b];
        if (!bin->count)
            continue;
        x = percent_of(bin->probability, bin->count);
        y = percent_of(bin->correct, bin->count);
        if (out)
            fprintf(out, "%c%.1f %.1f", sign, html_plot_x(p, x), html_plot_y(p, y));
        else {
            html_plot_extend(p, x, x);
            html_plot_extend(p, NAN, y);
        }
        sign = 'L';
    }
    if (out)
        fputs("\"/>\n", out);
    else if (*label)
        html_plot_add_label(p, color, x, y, label);
}

static void write_points(FILE *out, const struct html_plot *p,
                         const struct calibration *c, int color)
{
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &c->bins[b];
        if (!bin->count)
            continue;
        double x = percent_of(bin->probability, bin->count);
        double y = percent_of(bin->correct, bin->count);
        fprintf(out,
                "<circle class=\"point c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>"
                "%s images at %.1f %%: %.1f %% are right</title></circle>\n",
                color, html_plot_x(p, x), html_plot_y(p, y), table_thousands(bin->count),
                x, y);
    }
}

static void write_temperature(FILE *out, const struct report_temperature *t,
                              double before, double after)
{
    fprintf(out,
            "<p>The outputs are divided by a temperature of %.4g, which %s the "
            "probability of the most likely class and changes no answer. The expected "
            "calibration error is %.2f %% without it and <b>%.2f %%</b> with it. Of the "
            "%s images that it was fit to: %.2f %% and %.2f %%.</p>\n",
            t->temperature, t->temperature > 1 ? "lowers" : "raises", 100 * before,
            100 * after, table_thousands(t->images), 100 * t->error[0],
            100 * t->error[1]);
}

static void write_calibration(FILE *out, const struct report_evaluation *e)
{
    enum { AFTER, DIAGONAL, BEFORE };
    struct html_plot p = {.linear = {true, true}};
    struct calibration before, after = calibration_of(e, e->predictions);
    if (!isfinite(after.error))
        return;
    if (e->temperature) {
        before = calibration_of(e, e->temperature->before);
        write_curve(NULL, &p, &before, BEFORE, "before");
    }
    write_curve(NULL, &p, &after, AFTER, e->temperature ? "calibrated" : "");
    html_plot_extend(&p, 100, 100);
    char *title = term_format_or_exit(
        "Share of right predictions against their probability; the expected calibration "
        "error is %.2f %%",
        100 * after.error);
    fputs("<h2>Calibration</h2>\n", out);
    if (e->temperature)
        write_temperature(out, e->temperature, before.error, after.error);
    fputs("<p class=\"soft\">Where a curve is below the dashed line the network is too "
          "sure of itself. Predictions are grouped by fifteenths of probability; the "
          "expected calibration error is the mean distance, weighed by images.</p>\n"
          "<div class=\"plots\"><figure>\n",
          out);
    html_plot_begin(&p, out, title, "probability, %", "right, %");
    double from = fmax(p.low[0], p.low[1]), to = fmin(p.high[0], p.high[1]);
    fprintf(out, "<path class=\"roof c%d\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", DIAGONAL,
            html_plot_x(&p, from), html_plot_y(&p, from), html_plot_x(&p, to),
            html_plot_y(&p, to));
    if (e->temperature) {
        write_curve(out, &p, &before, BEFORE, "");
        write_points(out, &p, &before, BEFORE);
    }
    write_curve(out, &p, &after, AFTER, "");
    write_points(out, &p, &after, AFTER);
    html_plot_end(&p, out);
    fputs("</figure></div>\n", out);
    free(title);
}

void report_write_evaluation(FILE *out, const struct report_evaluation *e)
{
    write_classes(out, e);
    report_write_confusion(out, e->confusion, e->names);
    write_predictions(out, e);
    write_mistakes(out, e);
    write_calibration(out, e);
}

void report_write_model(FILE *out, const void *priv)
{
    const struct report_model *model = priv;
    page_begin(out, model->title, 0);
    fputs("<h1>", out);
    html_write_escaped(out, model->title);
    fputs("</h1>\n", out);
    report_write_result(out, model->evaluation);
    report_write_evaluation(out, model->evaluation);
    if (model->times)
        report_write_layer_times(out, model->times);
    page_end(out);
}
