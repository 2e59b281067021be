/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict --labels: predictions beside the classes that are known. */
#include "predict/predict.h"

#include "core/confusion.h"
#include "core/csv_file.h"
#include "core/statistics.h"
#include "report/evaluation.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Reduced images for the page; those that follow are not on it. */
enum { MOST_PIXELS = 512 << 20 };

static const char *without_dot(const char *path)
{
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    return path;
}

static void add_label(struct predict_score *s, const char *folder, const char *path,
                      const char *label)
{
    size_t n = s->list_count++;
    if (!(n & (n - 1)))
        s->list = term_realloc_or_exit(s->list, (n ? 2 * n : 1) * sizeof(*s->list));
    s->list[n] = (struct predict_label){
        .path = term_format_or_exit("%s%s", folder, without_dot(path)),
        .label = term_format_or_exit("%s", label),
        .below = *folder != '\0'};
}

/* Paths as they were written come before the same ones below the CSV's folder. */
static int by_path(const void *a, const void *b)
{
    const struct predict_label *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    return order ? order : x->below - y->below;
}

static enum app_exit check_list(const struct app *app, const char *file,
                                const struct predict_score *s)
{
    for (size_t i = 1; i < s->list_count; i++) {
        const struct predict_label *a = &s->list[i - 1], *b = &s->list[i];
        if (!by_path(a, b) && strcmp(a->label, b->label) != 0)
            return app_error(app, APP_BAD_INPUT,
                             "%s: the image %s has two labels, %s and %s", file, a->path,
                             a->label, b->label);
    }
    return APP_OK;
}

enum app_exit predict_read_labels(struct prediction *prediction)
{
    static const char *const paths[] = {"path", "file", "filename", "image", NULL};
    static const char *const labels[] = {"label", "class", "category", NULL};
    struct predict_score *s = &prediction->score;
    const char *file = prediction->options->labels;
    struct csv_file csv;
    if (!file || !strcmp(file, "folders"))
        return APP_OK;
    enum app_exit code = csv_file_read(prediction->app, file, &csv);
    int path = code ? -1 : csv_file_column_of(&csv, paths);
    int label = code ? -1 : csv_file_column_of(&csv, labels);
    bool titled = path >= 0 && label >= 0;
    if (!code && !titled && csv.columns != 2)
        code =
            app_error(prediction->app, APP_BAD_INPUT,
                      "%s: has no columns called path and label in its first line", file);
    char *folder = term_format_or_exit("%.*s", (int)(paths_basename(file) - file),
                                       without_dot(file));
    for (int row = titled; !code && row < csv.rows; row++) {
        const char *name = csv_file_cell(&csv, row, titled ? path : 0);
        const char *class = csv_file_cell(&csv, row, titled ? label : 1);
        add_label(s, "", name, class);
        if (*folder && *name != '/')
            add_label(s, folder, name, class);
    }
    free(folder);
    csv_file_free(&csv);
    if (code)
        return code;
    qsort(s->list, s->list_count, sizeof(*s->list), by_path);
    return check_list(prediction->app, file, s);
}

/* The name of the folder that a file is in, valid until the next call; NULL: none. */
static const char *folder_name(struct predict_score *s, const char *file)
{
    const char *end = strrchr(file, '/'), *begin = end;
    while (begin && begin > file && begin[-1] != '/')
        begin--;
    free(s->folder);
    s->folder = NULL;
    if (end)
        s->folder = term_format_or_exit("%.*s", (int)(end - begin), begin);
    return s->folder;
}

static const char *listed_label(const struct predict_score *s, const char *file)
{
    size_t low = 0, high = s->list_count;
    file = without_dot(file);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->list[middle].path, file) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->list_count && !strcmp(s->list[low].path, file) ? s->list[low].label
                                                                   : NULL;
}

void predict_find_label(struct prediction *prediction, struct predict_result *r)
{
    const char *labels = prediction->options->labels;
    r->actual = -1;
    if (!labels)
        return;
    r->label = strcmp(labels, "folders") ? listed_label(&prediction->score, r->item->file)
                                         : folder_name(&prediction->score, r->item->file);
    for (int c = 0; r->label && r->actual < 0 && c < prediction->net.classes; c++)
        if (!strcmp(r->label, prediction->names[c]) ||
            !strcmp(r->label, prediction->folders[c]))
            r->actual = c;
}

/* Keeps what the page shows. */
static void keep(struct prediction *prediction, const struct predict_result *r)
{
    struct predict_score *s = &prediction->score;
    const struct weft_dataset_info input = {.height = prediction->net.height,
                                            .width = prediction->net.width,
                                            .channels = prediction->net.channels};
    struct report_thumbnail t = report_reduce(r->pixels, &input);
    size_t bytes = (size_t)t.height * (size_t)t.width * (size_t)t.channels;
    size_t n = (size_t)s->shown, room = n ? 2 * n : 1;
    s->extents = (struct weft_dataset_info){
        .height = t.height, .width = t.width, .channels = t.channels};
    if ((n + 1) * bytes <= MOST_PIXELS) {
        if (!(n & (n - 1))) {
            s->predictions =
                term_realloc_or_exit(s->predictions, room * sizeof(*s->predictions));
            s->labels = term_realloc_or_exit(s->labels, room * sizeof(*s->labels));
            s->files = term_realloc_or_exit(s->files, room * sizeof(*s->files));
            s->pixels = term_realloc_or_exit(s->pixels, room * bytes);
        }
        s->predictions[n] = (struct weft_prediction){r->order[0], r->p[r->order[0]]};
        s->labels[n] = r->actual;
        s->files[n] = term_format_or_exit("%s", r->item->file);
        memcpy(s->pixels + n * bytes, t.pixels, bytes);
        s->loss -= log(fmax((double)r->p[r->actual], 1e-30));
        s->shown++;
    }
    free(t.pixels);
}

void predict_score_result(struct prediction *prediction, const struct predict_result *r)
{
    struct predict_score *s = &prediction->score;
    if (!prediction->options->labels)
        return;
    bool right = r->actual == r->order[0], known = r->actual >= 0;
    s->unlabelled += !r->label;
    s->other += r->label && !known;
    s->other_unsure += r->label && !known && r->unsure;
    s->images += known;
    s->right += known && right;
    s->sure += known && !r->unsure;
    s->sure_right += known && !r->unsure && right;
    if (known && prediction->options->report)
        keep(prediction, r);
}

void predict_print_score(const struct prediction *prediction)
{
    const struct predict_score *s = &prediction->score;
    double range[2];
    if (!prediction->options->labels)
        return;
    if (s->images) {
        statistics_wilson(s->right, s->images, range);
        term_print("%.2f %% of %s labelled images are right, 95 %% interval %.2f to "
                   "%.2f %%",
                   100.0 * s->right / s->images, table_thousands(s->images),
                   100 * range[0], 100 * range[1]);
    }
    if (s->sure < s->images)
        term_print("%s of them are unsure; of the others %.2f %% are right",
                   table_thousands(s->images - s->sure),
                   s->sure ? 100.0 * s->sure_right / s->sure : 0.0);
    if (s->other)
        term_print("%s images have labels that are no class of the model; %.1f %% of "
                   "them are unsure",
                   table_thousands(s->other), 100.0 * s->other_unsure / s->other);
    if (s->unlabelled)
        term_print("%s images have no label", table_thousands(s->unlabelled));
}

void predict_json_score(const struct prediction *prediction, struct json *j)
{
    const struct predict_score *s = &prediction->score;
    double range[2], accuracy = s->images ? (double)s->right / s->images : NAN;
    statistics_wilson(s->right, s->images, range);
    emit_object(j, "labels");
    emit_int(j, "images", s->images);
    emit_int(j, "right", s->right);
    emit_double(j, "accuracy", accuracy);
    emit_double(j, "standard_error", sqrt(accuracy * (1 - accuracy) / s->images));
    emit_double(j, "low", range[0]);
    emit_double(j, "high", range[1]);
    emit_int(j, "sure", s->sure);
    emit_int(j, "sure_right", s->sure_right);
    emit_int(j, "other", s->other);
    emit_int(j, "other_unsure", s->other_unsure);
    emit_int(j, "unlabelled", s->unlabelled);
    emit_end(j);
}

static enum app_exit save_page(const struct prediction *prediction,
                               const weft_dataset *data)
{
    const struct predict_score *s = &prediction->score;
    struct weft_eval eval = {.count = s->shown,
                             .classes = prediction->net.classes,
                             .loss = s->loss / s->shown};
    struct confusion confusion;
    for (int i = 0; i < s->shown; i++)
        eval.correct += s->predictions[i].label == s->labels[i];
    eval.accuracy = (double)eval.correct / s->shown;
    eval.standard_error = sqrt(eval.accuracy * (1 - eval.accuracy) / s->shown);
    confusion_init(&confusion, prediction->net.classes, s->labels, s->predictions,
                   s->shown);
    char *title = term_format_or_exit("%s on %s", app_model_path(prediction->model_path),
                                      prediction->source);
    const struct report_evaluation page = {
        .images = prediction->source,
        .tta = tta_text(&prediction->tta),
        .eval = &eval,
        .data = data,
        .predictions = s->predictions,
        .confusion = &confusion,
        .names = prediction->names,
        .files = (const char *const *)s->files,
    };
    enum app_exit code =
        page_save(prediction->app, prediction->options->report, report_write_model,
                  &(struct report_model){.title = title, .evaluation = &page});
    free(title);
    confusion_free(&confusion);
    return code;
}

enum app_exit predict_save_report(const struct prediction *prediction)
{
    const struct predict_score *s = &prediction->score;
    weft_dataset *data = NULL;
    if (!s->shown)
        return app_error(
            prediction->app, APP_BAD_INPUT,
            "%s: no image has a label that is a class of the model, so there "
            "is nothing to report",
            prediction->options->labels);
    if (s->shown < s->images)
        term_warn("%s has the first %s of %s images, because those of 512 MiB are kept "
                  "for it",
                  prediction->options->report, table_thousands(s->shown),
                  table_thousands(s->images));
    enum weft_status status = weft_dataset_from_memory(
        prediction->app->context,
        weft_dataset_params(.count = s->shown, .height = s->extents.height,
                            .width = s->extents.width, .channels = s->extents.channels,
                            .classes = prediction->net.classes, .pixels = s->pixels,
                            .labels = s->labels, .class_names = prediction->names),
        &data);
    enum app_exit code = status ? app_report_error(prediction->app, APP_WORK, status)
                                : save_page(prediction, data);
    weft_dataset_destroy(&data);
    return code;
}

void predict_free_score(struct predict_score *s)
{
    for (size_t i = 0; i < s->list_count; i++) {
        free(s->list[i].path);
        free(s->list[i].label);
    }
    for (int i = 0; i < s->shown; i++)
        free(s->files[i]);
    free(s->list);
    free(s->folder);
    free(s->predictions);
    free(s->labels);
    free(s->files);
    free(s->pixels);
}
