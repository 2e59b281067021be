/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: output. */
#include "predict/predict.h"

#include "core/plain_text.h"
#include "core/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 128 };

static const struct table_column columns[] = {
    {.key = "file", .title = "File", .left = true},
    {.key = "rank", .title = "Rank"},
    {.key = "class_id", .title = "Id"},
    {.key = "class", .title = "Class", .left = true},
    {.key = "probability", .title = "Probability"},
    {.key = "notes", .title = "Notes", .left = true},
    {.key = "tta"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

static void top_classes(const float *p, int classes, int top, int *out)
{
    for (int n = 0; n < top; n++) {
        int best = -1;
        for (int c = 0; c < classes; c++) {
            bool listed = false;
            for (int k = 0; k < n && !listed; k++)
                listed = out[k] == c;
            if (!listed && (best < 0 || p[c] > p[best]))
                best = c;
        }
        out[n] = best;
    }
}

static void format_notes(char out[NOTES], const struct weft_preprocess_info *info,
                         float best)
{
    app_preprocess_notes(info, out, NOTES);
    size_t at = strlen(out);
    if (best < 0.5f)
        snprintf(out + at, NOTES - at, "%suncertain", at ? "; " : "");
}

static void print_text(const struct prediction *prediction,
                       const struct predict_item *item, const float *p, const int *order,
                       int top, int width, int class_width)
{
    const char *label = plain_text(item->label);
    int columns_wide = term_columns(label), cut = columns_wide - width;
    char note[NOTES];
    format_notes(note, &item->preprocessing, p[order[0]]);
    /* The end of the path is kept. */
    char *line =
        term_format_or_exit("%s%s%*s  %s%-*s %5.1f %%%s", cut > 0 ? "..." : "",
                            cut > 0 ? term_tail(label, width - 3) : label,
                            cut > 0 ? 0 : -cut, "", term_style_begin(stdout, TERM_BOLD),
                            class_width, plain_text(prediction->names[order[0]]),
                            100.0 * (double)p[order[0]], term_style_end(stdout));
    for (int k = 1; k < top; k++) {
        char *shorter = line;
        line = term_format_or_exit("%s   %s %.1f", shorter,
                                   plain_text(prediction->names[order[k]]),
                                   100.0 * (double)p[order[k]]);
        free(shorter);
    }
    if (*note)
        term_line(width + 2, "%s   %s(%s)%s", line, term_style_begin(stdout, TERM_DIM),
                  note, term_style_end(stdout));
    else
        term_line(width + 2, "%s", line);
    free(line);
}

static void write_json(struct prediction *prediction, const struct predict_item *item,
                       const float *p, const int *order, int top)
{
    struct json *j = &prediction->json;
    emit_object(j, NULL);
    emit_text(j, "file", item->label);
    emit_list(j, "predictions");
    for (int k = 0; k < top; k++) {
        emit_object(j, NULL);
        emit_int(j, "class_id", order[k]);
        emit_text(j, "class", prediction->names[order[k]]);
        emit_double(j, "probability", (double)p[order[k]]);
        emit_end(j);
    }
    emit_end(j);
    app_json_preprocess_info(&item->preprocessing, j);
    emit_end(j);
}

static void write_rows(struct prediction *prediction, const struct predict_item *item,
                       const float *p, const int *order, int top)
{
    struct table *t = &prediction->table;
    char notes[NOTES];
    format_notes(notes, &item->preprocessing, p[order[0]]);
    for (int k = 0; k < top; k++) {
        table_text(t, item->label);
        table_int(t, k + 1);
        table_int(t, order[k]);
        table_text(t, prediction->names[order[k]]);
        table_double(t, (double)p[order[k]], "%.4f", (double)p[order[k]]);
        table_text(t, notes);
        table_text(t, tta_name(&prediction->tta));
    }
}

void predict_add_failure(struct prediction *prediction, const char *why)
{
    prediction->errors =
        term_realloc_or_exit(prediction->errors, ((size_t)prediction->failed + 1) *
                                                     sizeof(*prediction->errors));
    size_t size = strlen(why) + 1;
    prediction->errors[prediction->failed++] =
        memcpy(term_realloc_or_exit(NULL, size), why, size);
}

/* False: an output is not a number, so no class is the most likely one. */
static bool check_outputs(struct prediction *prediction, const struct predict_item *item,
                          const float *p)
{
    int c = 0;
    while (c < prediction->net.classes && isfinite(p[c]))
        c++;
    if (c == prediction->net.classes)
        return true;
    char *why = term_format_or_exit("%s: the outputs of the network are not numbers",
                                    item->label);
    predict_add_failure(prediction, why);
    app_error(prediction->app, APP_FAILED, "%s", why);
    free(why);
    prediction->nonfinite++;
    return false;
}

void predict_write_batch(struct prediction *prediction)
{
    int classes = prediction->net.classes, width = 4, class_width = 0,
        order[PREDICT_MAX_TOP];
    int top = prediction->options->top < classes ? prediction->options->top : classes;
    for (int i = 0; i < prediction->count; i++) {
        int w = term_columns(prediction->items[i].label);
        width = w > width ? w : width;
    }
    width = width > 36 ? 36 : width;
    for (int c = 0; c < classes; c++) {
        int w = term_columns(prediction->names[c]);
        class_width = w > class_width && w <= 24 ? w : class_width;
    }
    term_progress_clear();
    for (int i = 0; i < prediction->count; i++) {
        const float *p = prediction->probabilities + (size_t)i * (size_t)classes;
        if (!check_outputs(prediction, &prediction->items[i], p))
            continue;
        prediction->done++;
        top_classes(p, classes, top, order);
        if (prediction->options->app.format == TABLE_HUMAN)
            print_text(prediction, &prediction->items[i], p, order, top, width,
                       class_width);
        else if (prediction->options->app.format == TABLE_JSON)
            write_json(prediction, &prediction->items[i], p, order, top);
        else
            write_rows(prediction, &prediction->items[i], p, order, top);
    }
    term_flush_stdout();
}

void predict_begin_output(struct prediction *prediction)
{
    enum table_format format = (enum table_format)prediction->options->app.format;
    table_init(&prediction->table, stdout, format, columns, COLUMN_COUNT, true);
    if (format != TABLE_JSON)
        return;
    app_json_begin(prediction->app, &prediction->json, "weft.predict/2");
    emit_text(&prediction->json, "model", prediction->model_path);
    emit_list(&prediction->json, "classes");
    for (int c = 0; c < prediction->net.classes; c++)
        emit_text(&prediction->json, NULL, prediction->names[c]);
    emit_end(&prediction->json);
    app_json_preprocess(&prediction->preprocess, &prediction->json);
    emit_list(&prediction->json, "images");
}

void predict_end_output(struct prediction *prediction)
{
    if (prediction->options->app.format == TABLE_JSON) {
        emit_end(&prediction->json);
        tta_json(&prediction->tta, &prediction->json);
        emit_list(&prediction->json, "failed");
        for (int i = 0; i < prediction->failed; i++)
            emit_text(&prediction->json, NULL, prediction->errors[i]);
        emit_end(&prediction->json);
        emit_list(&prediction->json, "skipped");
        for (int i = 0; i < prediction->list.kind_count; i++) {
            emit_object(&prediction->json, NULL);
            emit_text(&prediction->json, "ending", prediction->list.kinds[i].ending);
            emit_int(&prediction->json, "files", prediction->list.kinds[i].files);
            emit_end(&prediction->json);
        }
        emit_end(&prediction->json);
        emit_end(&prediction->json);
    }
}
