/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a training run, and its learning curves. */
#include "report/run_page.h"

#include "core/run_log.h"
#include "report/html.h"
#include "report/page.h"

#include <math.h>
#include <string.h>

enum { RELOAD_SECONDS = 10, CURVES = 2 };
static const double most_drawn = 1e30; /* differences have finite coordinates */

static const struct plot {
    const char *title, *y_name, *about;
    struct {
        const char *key, *label;
    } curves[CURVES];
    double factor;
    bool from_0;
} plots[] = {
    {"Loss",
     "loss",
     "Loss by epoch",
     {{"loss", "training"}, {"val_loss", "validation"}},
     1,
     false},
    {"Accuracy",
     "%",
     "Accuracy by epoch",
     {{"accuracy", "training"}, {"val_accuracy", "validation"}},
     100,
     false},
    {"Learning rate", "", "Learning rate by epoch", {{"learning_rate", ""}}, 1, true},
};
enum { PLOTS = sizeof(plots) / sizeof(*plots) };

/* Mean, lowest and highest value of the runs at the epoch of `line`, which is the first
 * one's. False: it has none. Only several runs are searched: a page is written again and
 * again while one trains. */
static bool values_at(const struct run_page *page, const json_t *line, const char *key,
                      double out[3])
{
    double epoch = run_log_number(line, "epoch"), value = run_log_number(line, key);
    int count = 1;
    if (!(fabs(value) <= most_drawn))
        return false;
    out[0] = out[1] = out[2] = value;
    for (int r = 1; r < page->log_count; r++)
        for (size_t i = 0; i < json_array_size(page->logs[r]); i++) {
            const json_t *other = json_array_get(page->logs[r], i);
            value = run_log_number(other, key);
            if (run_log_number(other, "epoch") != epoch || !(fabs(value) <= most_drawn))
                continue;
            out[0] += value;
            out[1] = fmin(out[1], value);
            out[2] = fmax(out[2], value);
            count++;
        }
    out[0] /= count;
    return true;
}

struct curve {
    FILE *out;
    struct html_plot *plot;
    double x, y; /* the last point; NaN: none */
    int which;   /* of `values_at` */
    bool begun;
};

/* Calls `use` for the epochs of the first run in which `key` has a value; backwards if
 * `step` is -1. */
static void each_epoch(const struct run_page *page, const char *key, double factor,
                       int step, struct curve *c,
                       void (*use)(struct curve *, double, const double *))
{
    size_t count = json_array_size(page->logs[0]);
    for (size_t n = 0; n < count; n++) {
        const json_t *line = json_array_get(page->logs[0], step > 0 ? n : count - 1 - n);
        double epoch = run_log_number(line, "epoch"), values[3];
        if (!run_log_is_epoch(line) || !values_at(page, line, key, values))
            continue;
        for (int i = 0; i < 3; i++)
            values[i] *= factor;
        use(c, epoch, values);
        c->x = epoch;
        c->y = values[0];
    }
}

static void extend(struct curve *c, double epoch, const double *values)
{
    for (int i = 0; i < 3; i++)
        html_plot_extend(c->plot, epoch, values[i]);
}

static void draw(struct curve *c, double epoch, const double *values)
{
    fprintf(c->out, "%c%.1f %.1f", c->begun ? 'L' : 'M', html_plot_x(c->plot, epoch),
            html_plot_y(c->plot, values[c->which]));
    c->begun = true;
}

/* One curve of a plot. */
struct line {
    struct run_page page; /* of its runs */
    const char *key, *label;
    double factor;
    int color;
};

/* Draws it, of several runs with their range; without `out`, extends the plot's range and
 * adds the label. */
static void write_line(FILE *out, const struct line *line, struct html_plot *p)
{
    const struct run_page *page = &line->page;
    struct curve c = {.out = out, .plot = p, .x = NAN};
    if (!out) {
        each_epoch(page, line->key, line->factor, 1, &c, extend);
        if (isfinite(c.x) && *line->label)
            html_plot_add_label(p, line->color, c.x, c.y, line->label);
        return;
    }
    if (page->log_count > 1) {
        fprintf(out, "<path class=\"band c%d\" d=\"", line->color);
        c.which = 1;
        each_epoch(page, line->key, line->factor, 1, &c, draw);
        c.which = 2;
        each_epoch(page, line->key, line->factor, -1, &c, draw);
        fputs("Z\"/>\n", out);
    }
    c = (struct curve){.out = out, .plot = p, .x = NAN};
    fprintf(out, "<path class=\"curve c%d\" d=\"", line->color);
    each_epoch(page, line->key, line->factor, 1, &c, draw);
    fputs("\"/>", out);
    if (isfinite(c.x))
        fprintf(out, "<circle class=\"point c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n",
                line->color, html_plot_x(p, c.x), html_plot_y(p, c.y));
}

static bool has_values(const struct run_page *page, const char *key)
{
    for (size_t i = 0; key && i < json_array_size(page->logs[0]); i++)
        if (isfinite(run_log_number(json_array_get(page->logs[0], i), key)))
            return true;
    return false;
}

/* Training and validation of one run, or of repetitions; of several runs a curve of each,
 * of validation where it has one. */
static void write_lines(FILE *out, const struct run_page *page, const struct plot *plot,
                        struct html_plot *p)
{
    struct line line = {.page = *page, .factor = plot->factor};
    for (int k = 0; k < CURVES && !page->names; k++) {
        line.key = plot->curves[k].key;
        line.label = plot->curves[k].label;
        line.color = k;
        if (line.key)
            write_line(out, &line, p);
    }
    line.page.log_count = 1;
    for (int r = 0; r < page->log_count && page->names; r++) {
        line.page.logs = &page->logs[r];
        line.key = plot->curves[has_values(&line.page, plot->curves[1].key)].key;
        line.label = page->names[r];
        line.color = r % 6;
        write_line(out, &line, p);
    }
}

static void write_curves(FILE *out, const struct run_page *page)
{
    fputs("<h2>Learning curves</h2>\n<p class=\"soft\">Training values are means over an "
          "epoch, while the weights change and with augmentation; validation values are "
          "those after it.",
          out);
    if (page->names)
        fputs(" Curves are those of validation, of runs without it of training.", out);
    else if (page->log_count > 1)
        fprintf(out,
                " Curves are means over %d runs, between the lowest and the highest.",
                page->log_count);
    fputs("</p>\n<div class=\"plots\">\n", out);
    for (int i = 0; i < PLOTS; i++) {
        struct html_plot p = {.linear = {true, true}, .least_step = {1, 0}};
        write_lines(NULL, page, &plots[i], &p);
        if (!p.used[1])
            continue;
        if (plots[i].from_0)
            html_plot_extend(&p, NAN, 0);
        fprintf(out, "<figure>\n<figcaption><b>%s</b></figcaption>\n", plots[i].title);
        html_plot_begin(&p, out, plots[i].about, "epoch", plots[i].y_name);
        write_lines(out, page, &plots[i], &p);
        html_plot_end(&p, out);
        fputs("</figure>\n", out);
    }
    fputs("</div>\n", out);
}

static void write_epochs(FILE *out, const struct run_page *page)
{
    static const struct {
        const char *title, *key;
        double factor;
    } columns[] = {{"Loss", "loss", 1},          {"Train %", "accuracy", 100},
                   {"Val loss", "val_loss", 1},  {"Val %", "val_accuracy", 100},
                   {"Rate", "learning_rate", 1}, {"Images/s", "images_per_second", 1}};
    enum { COLUMNS = sizeof(columns) / sizeof(*columns) };
    fputs("<details><summary>All epochs</summary>\n", out);
    html_open_wide(out, "All epochs");
    fputs("<table><thead><tr><th class=\"n\">Epoch", out);
    for (int c = 0; c < COLUMNS; c++)
        fprintf(out, "<th class=\"n\">%s", columns[c].title);
    fputs("</thead><tbody>\n", out);
    for (size_t i = 0; i < json_array_size(page->logs[0]); i++) {
        const json_t *line = json_array_get(page->logs[0], i);
        if (!run_log_is_epoch(line))
            continue;
        fprintf(out, "<tr><td class=\"n\">%.0f", run_log_number(line, "epoch"));
        for (int c = 0; c < COLUMNS; c++) {
            double value = columns[c].factor * run_log_number(line, columns[c].key);
            fputs("<td class=\"n\">", out);
            if (columns[c].factor > 1 && isfinite(value))
                fprintf(out, "%.2f", value);
            else
                html_write_number(out, value);
        }
        fputc('\n', out);
    }
    fputs("</tbody></table></div></details>\n", out);
}

/* The values of the log's header, with what they are. */
static void write_facts(FILE *out, const json_t *header)
{
    static const struct {
        const char *name, *object, *key;
    } facts[] = {
        {"network ", NULL, "net"},
        {"", NULL, "known_as"},
        {"images ", NULL, "images"},
        {"batch ", NULL, "batch"},
        {"rate ", NULL, "learning_rate"},
        {"schedule ", NULL, "schedule"},
        {"augmentation ", NULL, "augment"},
        {"phases ", NULL, "phases"},
        {"precision ", NULL, "precision"},
        {"seed ", NULL, "seed"},
        {"epochs ", NULL, "epochs"},
        {"device ", "device", "name"},
        {"driver ", "device", "driver"},
        {"kernels ", "device", "family"},
        {"weft ", NULL, "weft"},
    };
    fputs("<p class=\"soft facts\">", out);
    for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
        const json_t *from =
            facts[i].object ? json_object_get(header, facts[i].object) : header;
        const char *text = run_log_text(from, facts[i].key);
        double number = run_log_number(from, facts[i].key);
        if (!*text && !isfinite(number))
            continue;
        fprintf(out, "<span>%s", facts[i].name);
        if (*text)
            html_write_escaped(out, text);
        else
            fprintf(out, "%.9g", number);
        fputs("</span> ", out);
    }
    fputs("</p>\n", out);
}

static void write_head(FILE *out, const struct run_page *page)
{
    const json_t *header = json_array_get(page->logs[0], 0);
    double epochs = run_log_number(header, "epochs"), done = 0;
    for (size_t i = 0; i < json_array_size(page->logs[0]); i++)
        done = fmax(done, run_log_number(json_array_get(page->logs[0], i), "epoch"));
    page_begin(out, page->title, page->running ? RELOAD_SECONDS : 0);
    fputs("<h1>", out);
    html_write_escaped(out, page->title);
    fputs("</h1>\n", out);
    if (page->running || (page->log_count == 1 && done < epochs))
        fprintf(out, "<p class=\"lede\">Epoch %.0f of %.0f is done.%s</p>\n", done,
                epochs,
                page->running ? " This page is loaded again every few seconds." : "");
    if (page->names)
        return;
    fputs("<p><code>", out);
    html_write_escaped(out, run_log_text(header, "command"));
    fputs("</code></p>\n", out);
    write_facts(out, header);
}

void run_page_write(FILE *out, const void *priv)
{
    const struct run_page *page = priv;
    write_head(out, page);
    if (page->results)
        page_write_table(out, page->results, "Runs");
    if (page->evaluation)
        report_write_result(out, page->evaluation);
    write_curves(out, page);
    if (page->evaluation)
        report_write_evaluation(out, page->evaluation);
    if (page->train)
        report_write_data(out, page->train);
    if (page->net)
        report_write_net(out, page->net);
    if (page->times)
        report_write_layer_times(out, page->times);
    if (page->log_count == 1)
        write_epochs(out, page);
    page_end(out);
}
