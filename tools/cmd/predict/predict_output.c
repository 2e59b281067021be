/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: output, by format. */
#include "predict/predict.h"

#include "core/npy_file.h"
#include "core/plain_text.h"
#include "core/preprocess.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 128, MOST_IN_SET = 3 };

/* The last ones only with --labels. */
static const struct table_column columns[] = {
    {.key = "file", .title = "File", .left = true},
    {.key = "rank", .title = "Rank"},
    {.key = "class_id", .title = "Id"},
    {.key = "class", .title = "Class", .left = true},
    {.key = "probability", .title = "Probability"},
    {.key = "margin", .title = "Margin"},
    {.key = "unsure"},
    {.key = "notes", .title = "Notes", .left = true},
    {.key = "tta"},
    {.key = "set"},
    {.key = "label", .title = "Label", .left = true},
    {.key = "right", .title = "Right", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns), LABEL_COLUMNS = 2 };

static void format_notes(char out[NOTES], const struct predict_result *r)
{
    app_preprocess_notes(&r->item->preprocessing, out, NOTES);
    size_t at = strlen(out);
    if (r->unsure)
        snprintf(out + at, NOTES - at, "%sunsure", at ? "; " : "");
}

/* The names of a set, "" without sets; allocated. */
static char *set_text(const struct prediction *prediction, const struct predict_result *r,
                      int most)
{
    char *text = term_format_or_exit("%s", r->set_count ? "" : "none");
    int shown = r->set_count < most ? r->set_count : most;
    for (int k = 0; k < shown; k++) {
        char *shorter = text;
        text = term_format_or_exit("%s%s%s", shorter, k ? "; " : "",
                                   prediction->names[r->set[k]]);
        free(shorter);
    }
    if (shown < r->set_count) {
        char *shorter = text;
        text = term_format_or_exit("%s; and %d more", shorter, r->set_count - shown);
        free(shorter);
    }
    return text;
}

static bool is_right(const struct predict_result *r)
{
    return r->actual == r->order[0];
}

/* The widths of the columns of files and classes. */
static void measure(const struct prediction *prediction, int *file_width,
                    int *class_width)
{
    enum { LEAST = 4, MOST_FILE = 36, MOST_CLASS = 24 };
    *file_width = LEAST;
    *class_width = 0;
    for (int i = 0; i < prediction->item_count; i++) {
        int w = term_columns(prediction->items[i].file);
        *file_width = w > *file_width ? w : *file_width;
    }
    *file_width = *file_width > MOST_FILE ? MOST_FILE : *file_width;
    for (int c = 0; c < prediction->net.classes; c++) {
        int w = term_columns(prediction->names[c]);
        *class_width = w > *class_width && w <= MOST_CLASS ? w : *class_width;
    }
}

static void write_human(struct prediction *prediction, const struct predict_result *r)
{
    int width = prediction->widths[0], class_width = prediction->widths[1];
    const char *file = plain_text(r->item->file);
    int columns_wide = term_columns(file), cut = columns_wide - width;
    char note[NOTES];
    format_notes(note, r);
    /* The end of the path is kept. */
    char *line =
        term_format_or_exit("%s%s%*s  %s%-*s %5.1f %%%s", cut > 0 ? "..." : "",
                            cut > 0 ? term_tail(file, width - 3) : file,
                            cut > 0 ? 0 : -cut, "", term_style_begin(stdout, TERM_BOLD),
                            class_width, plain_text(prediction->names[r->order[0]]),
                            100.0 * (double)r->p[r->order[0]], term_style_end(stdout));
    for (int k = 1; k < r->top; k++) {
        char *shorter = line;
        line = term_format_or_exit("%s   %s %.1f", shorter,
                                   plain_text(prediction->names[r->order[k]]),
                                   100.0 * (double)r->p[r->order[k]]);
        free(shorter);
    }
    bool wrong = r->label && !is_right(r);
    bool other_set = r->set_count >= 0 && r->set_count != 1;
    char *set = set_text(prediction, r, MOST_IN_SET);
    if (*note || wrong || other_set)
        term_line(width + 2, "%s   %s(%s%s%s%s%s%s%s)%s", line,
                  term_style_begin(stdout, TERM_DIM), note,
                  *note && other_set ? "; " : "", other_set ? "set: " : "",
                  other_set ? plain_text(set) : "",
                  (*note || other_set) && wrong ? "; " : "", wrong ? "labelled " : "",
                  wrong ? plain_text(r->label) : "", term_style_end(stdout));
    else
        term_line(width + 2, "%s", line);
    free(line);
    free(set);
}

static void emit_result(const struct prediction *prediction,
                        const struct predict_result *r, struct json *j)
{
    emit_object(j, NULL);
    emit_text(j, "file", r->item->file);
    emit_list(j, "predictions");
    for (int k = 0; k < r->top; k++) {
        emit_object(j, NULL);
        emit_int(j, "class_id", r->order[k]);
        emit_text(j, "class", prediction->names[r->order[k]]);
        emit_double(j, "probability", (double)r->p[r->order[k]]);
        emit_end(j);
    }
    emit_end(j);
    emit_double(j, "margin", r->margin);
    emit_bool(j, "unsure", r->unsure);
    if (r->set_count >= 0) {
        emit_list(j, "set");
        for (int k = 0; k < r->set_count; k++)
            emit_text(j, NULL, prediction->names[r->set[k]]);
        emit_end(j);
    }
    app_json_preprocess_info(&r->item->preprocessing, j);
    if (prediction->options->labels) {
        emit_text(j, "label", r->label);
        emit_bool(j, "right", is_right(r));
    }
    emit_end(j);
}

static void write_json(struct prediction *prediction, const struct predict_result *r)
{
    emit_result(prediction, r, &prediction->json);
}

static void write_json_line(struct prediction *prediction, const struct predict_result *r)
{
    struct json line = {.out = stdout, .lines = true};
    emit_result(prediction, r, &line);
}

static void write_failed_line(struct prediction *prediction, const char *file,
                              const char *why)
{
    struct json line = {.out = stdout, .lines = true};
    (void)prediction;
    emit_object(&line, NULL);
    emit_text(&line, "file", file);
    emit_text(&line, "error", why);
    emit_end(&line);
}

static void write_rows(struct prediction *prediction, const struct predict_result *r)
{
    struct table *t = &prediction->table;
    char notes[NOTES];
    format_notes(notes, r);
    char *set = set_text(prediction, r, prediction->net.classes);
    for (int k = 0; k < r->top; k++) {
        double p = (double)r->p[r->order[k]];
        table_text(t, r->item->file);
        table_int(t, k + 1);
        table_int(t, r->order[k]);
        table_text(t, prediction->names[r->order[k]]);
        table_double(t, p, "%.4f", p);
        table_double(t, r->margin, "%.4f", r->margin);
        table_bool(t, r->unsure, r->unsure ? "yes" : "no");
        table_text(t, notes);
        table_text(t, tta_name(&prediction->tta));
        table_text(t, set);
        if (prediction->options->labels) {
            table_text(t, r->label ? r->label : "");
            table_bool(t, is_right(r), is_right(r) ? "yes" : "no");
        }
    }
    free(set);
}

/* A row of probabilities; NULL: of NaN. */
static void add_row(struct prediction *prediction, const float *p)
{
    size_t classes = (size_t)prediction->net.classes;
    if (prediction->row_count == prediction->row_room) {
        prediction->row_room = prediction->row_room ? 2 * prediction->row_room : 256;
        prediction->rows = term_realloc_or_exit(
            prediction->rows, prediction->row_room * classes * sizeof(*prediction->rows));
    }
    float *row = prediction->rows + prediction->row_count++ * classes;
    for (size_t c = 0; c < classes; c++)
        row[c] = p ? p[c] : NAN;
}

static void write_npy_row(struct prediction *prediction, const struct predict_result *r)
{
    add_row(prediction, r->p);
}

static void write_npy_failed(struct prediction *prediction, const char *file,
                             const char *why)
{
    (void)file;
    (void)why;
    add_row(prediction, NULL);
}

static void begin_json(struct prediction *prediction)
{
    app_json_begin(prediction->app, &prediction->json, "weft.predict/2");
    emit_text(&prediction->json, "model", prediction->model_path);
    emit_list(&prediction->json, "classes");
    for (int c = 0; c < prediction->net.classes; c++)
        emit_text(&prediction->json, NULL, prediction->names[c]);
    emit_end(&prediction->json);
    app_json_preprocess(&prediction->preprocess, &prediction->json);
    decision_json(&prediction->decision, &prediction->json);
    emit_list(&prediction->json, "images");
}

static void emit_kinds(const struct image_list *list, struct json *j)
{
    for (int i = 0; i < list->kind_count; i++) {
        emit_object(j, NULL);
        emit_text(j, "ending", list->kinds[i].ending);
        emit_int(j, "files", list->kinds[i].files);
        emit_end(j);
    }
}

static enum app_exit end_json(struct prediction *prediction)
{
    struct json *j = &prediction->json;
    emit_end(j);
    tta_json(&prediction->tta, j);
    if (prediction->options->labels)
        predict_json_score(prediction, j);
    emit_list(j, "failed");
    for (int i = 0; i < prediction->failed; i++)
        emit_text(j, NULL, prediction->errors[i]);
    emit_end(j);
    emit_list(j, "skipped");
    emit_kinds(&prediction->paths.operands, j);
    emit_kinds(&prediction->paths.lines, j);
    emit_end(j);
    emit_end(j);
    return APP_OK;
}

static enum app_exit end_npy(struct prediction *prediction)
{
    const char *out = prediction->options->out ? prediction->options->out : "-";
    if (!npy_file_write(out, prediction->rows, prediction->row_count,
                        (size_t)prediction->net.classes))
        return app_error(prediction->app, APP_FAILED, "%s cannot be written: %s",
                         prediction->options->out ? out : "stdout", strerror(errno));
    if (prediction->options->out)
        app_print_written(out);
    return APP_OK;
}

/* Lines for what could not be read before the first image. */
static void begin_json_lines(struct prediction *prediction)
{
    for (int i = 0; i < prediction->failed; i++)
        write_failed_line(prediction, NULL, prediction->errors[i]);
}

static const struct writer {
    void (*begin)(struct prediction *prediction);
    void (*result)(struct prediction *prediction, const struct predict_result *result);
    void (*unread)(struct prediction *prediction, const char *file, const char *why);
    enum app_exit (*end)(struct prediction *prediction);
} writers[] = {
    [TABLE_HUMAN] = {NULL, write_human, NULL, NULL},
    [TABLE_MD] = {NULL, write_rows, NULL, NULL},
    [TABLE_CSV] = {NULL, write_rows, NULL, NULL},
    [TABLE_JSON] = {begin_json, write_json, NULL, end_json},
    [PREDICT_JSONL] = {begin_json_lines, write_json_line, write_failed_line, NULL},
    [PREDICT_NPY] = {NULL, write_npy_row, write_npy_failed, end_npy},
};

static const struct writer *writer_of(const struct prediction *prediction)
{
    return &writers[prediction->options->app.format];
}

void predict_begin_output(struct prediction *prediction)
{
    int format = prediction->options->app.format;
    bool table = format == TABLE_MD || format == TABLE_CSV;
    int count = COLUMN_COUNT - (prediction->options->labels ? 0 : LABEL_COLUMNS);
    table_init(&prediction->table, stdout,
               table ? (enum table_format)format : TABLE_HUMAN, columns, count, true);
    if (writer_of(prediction)->begin)
        writer_of(prediction)->begin(prediction);
}

void predict_begin_batch(struct prediction *prediction)
{
    measure(prediction, &prediction->widths[0], &prediction->widths[1]);
}

void predict_write_result(struct prediction *prediction, const struct predict_result *r)
{
    writer_of(prediction)->result(prediction, r);
}

void predict_write_unread(struct prediction *prediction, const char *file,
                          const char *why)
{
    if (writer_of(prediction)->unread)
        writer_of(prediction)->unread(prediction, file, why);
}

enum app_exit predict_end_output(struct prediction *prediction)
{
    return writer_of(prediction)->end ? writer_of(prediction)->end(prediction) : APP_OK;
}

void predict_add_failure(struct prediction *prediction, const char *why)
{
    prediction->errors =
        term_realloc_or_exit(prediction->errors, ((size_t)prediction->failed + 1) *
                                                     sizeof(*prediction->errors));
    prediction->errors[prediction->failed++] = term_format_or_exit("%s", why);
}
