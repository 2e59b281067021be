/* SPDX-License-Identifier: Apache-2.0 */
/* Several runs in one command, one after the other, with the mean and the standard
 * deviation of their results. */
#define _GNU_SOURCE
#include "train/train.h"

#include "core/run_log.h"
#include "report/page.h"
#include "report/run_page.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {.key = "run", .title = "Run", .left = true},
    {.key = "epochs", .title = "Epochs"},
    {.key = "val_accuracy", .title = "Val %"},
    {.key = "val_loss", .title = "Val loss"},
    {.key = "test_accuracy", .title = "Test %"},
    {.key = "test_loss", .title = "Test loss"},
    {.key = "seconds", .title = "Time"},
    {.key = "folder", .title = "Folder", .left = true},
    {.key = "tta"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* Results of the last weights; NaN: there are none. */
enum { VAL_ACCURACY, VAL_LOSS, TEST_ACCURACY, TEST_LOSS, FIGURES };
static const char *const figure_names[FIGURES] = {"val_accuracy", "val_loss",
                                                  "test_accuracy", "test_loss"};

struct row {
    char name[32], folder[PATHS_MAX];
    int epochs;
    double figures[FIGURES], seconds;
    char tta[128];
};

struct several {
    struct app *app;
    const struct train_options *options;
    const char *word;       /* "seed" */
    char folder[PATHS_MAX]; /* of the folders of the runs */
    struct row *rows;
    int count, done;
};

static void set_figures(const struct train_result *result, double *accuracy, double *loss)
{
    *accuracy = result->done ? result->eval.accuracy : NAN;
    *loss = result->done ? result->eval.loss : NAN;
}

static enum app_exit keep_results(struct train_session *session, void *priv)
{
    struct several *s = priv;
    struct row *row = &s->rows[s->done++];
    set_figures(&session->outcome.val, &row->figures[VAL_ACCURACY],
                &row->figures[VAL_LOSS]);
    set_figures(&session->outcome.last, &row->figures[TEST_ACCURACY],
                &row->figures[TEST_LOSS]);
    row->epochs = session->epochs_done;
    row->seconds = term_seconds() - session->start;
    snprintf(row->folder, sizeof(row->folder), "%s", session->run.folder);
    snprintf(row->tta, sizeof(row->tta), "%s", session->outcome.last.tta);
    return APP_OK;
}

/* The mean, or the standard deviation of a sample, of the runs that are done. */
static double mean(const struct several *s, int figure)
{
    double sum = 0;
    for (int i = 0; i < s->done; i++)
        sum += s->rows[i].figures[figure];
    return sum / s->done;
}

static double deviation(const struct several *s, int figure)
{
    double sum = 0, center = mean(s, figure);
    for (int i = 0; i < s->done; i++)
        sum += pow(s->rows[i].figures[figure] - center, 2);
    return s->done > 1 ? sqrt(sum / (s->done - 1)) : NAN;
}

static void add_figures(struct table *t, const double *figures)
{
    for (int f = 0; f < FIGURES; f++) {
        double value = figures[f];
        if (!isfinite(value))
            table_double(t, NAN, "-");
        else if (f == VAL_LOSS || f == TEST_LOSS)
            table_double(t, value, "%s", app_loss_text(value));
        else
            table_double(t, value, "%.2f", 100 * value);
    }
}

static void add_row(struct table *t, const struct row *row)
{
    table_text(t, row->name);
    table_int(t, row->epochs);
    add_figures(t, row->figures);
    table_double(t, row->seconds, "%.1f s", row->seconds);
    table_text(t, row->folder);
    table_text(t, *row->tta ? row->tta : "none");
}

static void add_summary(struct table *t, const struct several *s, const char *name,
                        double (*of)(const struct several *, int))
{
    double figures[FIGURES];
    for (int f = 0; f < FIGURES; f++)
        figures[f] = of(s, f);
    table_text(t, name);
    table_double(t, NAN, "-");
    add_figures(t, figures);
    table_double(t, NAN, "-");
    table_text(t, "");
    table_text(t, *s->rows[0].tta ? s->rows[0].tta : "none");
}

static void add_summaries(struct table *t, const struct several *s)
{
    add_summary(t, s, "mean", mean);
    add_summary(t, s, "deviation", deviation);
}

static void emit_summary(struct json *j, const struct several *s, const char *name,
                         double (*of)(const struct several *, int))
{
    emit_object(j, name);
    for (int f = 0; f < FIGURES; f++)
        emit_double(j, figure_names[f], of(s, f));
    emit_end(j);
}

/* report.html of all runs, beside their folders. A failure is a warning. */
static void write_page(const struct several *s)
{
    struct table t;
    char path[PATHS_MAX];
    struct run_page page = {.results = &t};
    json_t **logs = term_realloc_or_exit(NULL, (size_t)s->done * sizeof(*logs));
    for (int i = 0; i < s->done; i++) {
        char *why = NULL;
        json_t *log = paths_join(path, s->rows[i].folder, "log.jsonl")
                          ? run_log_load(path, &why)
                          : NULL;
        if (log)
            logs[page.log_count++] = log;
        else
            term_warn("report.html is without a run: %s", why ? why : path);
        free(why);
        json_t *last = page.log_count ? logs[page.log_count - 1] : NULL;
        if (json_array_size(last) > json_array_size(logs[0])) { /* the first has most */
            logs[page.log_count - 1] = logs[0];
            logs[0] = last;
        }
    }
    const json_t *header = page.log_count ? json_array_get(logs[0], 0) : NULL;
    const char *known_as = run_log_text(header, "known_as");
    char *title = term_format_or_exit("%s on %s, %d %ss", run_log_text(header, "net"),
                                      *known_as ? known_as : run_log_text(header, "data"),
                                      s->done, s->word);
    page.title = title;
    page.logs = logs;
    table_init(&t, stdout, TABLE_HUMAN, columns, COLUMN_COUNT, false);
    for (int i = 0; i < s->done; i++)
        add_row(&t, &s->rows[i]);
    add_summaries(&t, s);
    if (!page.log_count || !paths_join(path, s->folder, "report.html"))
        term_warn("%s gets no report.html", s->folder);
    else if (page_write_file(path, run_page_write, &page)) {
        train_watch_page(path);
        app_print_written(path);
    } else
        term_warn("%s cannot be written: %s", path, strerror(errno));
    table_free(&t);
    for (int i = 0; i < page.log_count; i++)
        json_decref(logs[i]);
    free(logs);
    free(title);
}

static enum app_exit report(const struct several *s)
{
    struct table t;
    enum table_format format = (enum table_format)s->options->app.format;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    for (int i = 0; i < s->done; i++)
        add_row(&t, &s->rows[i]);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(s->app, &j, "weft.runs/1");
        emit_text(&j, "folder", s->folder);
        table_json(&t, &j, "runs");
        emit_summary(&j, s, "mean", mean);
        emit_summary(&j, s, "deviation", deviation);
        emit_end(&j);
    } else {
        add_summaries(&t, s);
        if (!format)
            putchar('\n');
        table_write(&t);
    }
    table_free(&t);
    write_page(s);
    return app_flush_stdout(s->app);
}

/* The folder of all runs: --out, or the first unused runs/NET-WORDs-K. */
static void choose_folder(struct several *s)
{
    const struct train_options *o = s->options;
    const char *net = paths_basename(o->net ? o->net : o->from ? o->from : "small");
    bool taken = !o->out;
    snprintf(s->folder, sizeof(s->folder), "%s", o->out ? o->out : "");
    for (int k = 1; taken; k++) {
        snprintf(s->folder, sizeof(s->folder), "runs/%.200s-%ss-%d", net, s->word, k);
        taken = paths_exists(s->folder);
    }
}

/* One run, in a folder of its own; a finished one is only tested. */
static enum app_exit run_one(struct several *s, struct train_options options,
                             uint64_t number, struct train_job *job)
{
    char folder[PATHS_MAX], last[PATHS_MAX];
    struct row *row = &s->rows[s->done];
    snprintf(row->name, sizeof(row->name), "%s %llu", s->word,
             (unsigned long long)number);
    char *name = term_format_or_exit("%s-%llu", s->word, (unsigned long long)number);
    bool fits = paths_join(folder, s->folder, name) &&
                paths_join(last, folder, "last.safetensors");
    free(name);
    if (!fits)
        return app_error(s->app, APP_USAGE, "--out: the path is too long");
    options.out = folder;
    options.resume = options.resume && paths_exists(last);
    job->use = keep_results;
    job->priv = s;
    term_print("%sRun %d of %d%s: %s", term_style_begin(stderr, TERM_BOLD), s->done + 1,
               s->count, term_style_end(stderr), row->name);
    enum app_exit code = train_run(s->app, &options, job);
    if (code == APP_INTERRUPTED)
        term_print("All runs continue with the same command, --resume and --out %s",
                   paths_shell_quoted(s->folder));
    return code;
}

static struct several begin(struct app *app, const struct train_options *o,
                            const char *word, int count)
{
    struct several s = {.app = app, .options = o, .word = word, .count = count};
    s.rows = term_realloc_or_exit(NULL, (size_t)count * sizeof(*s.rows));
    choose_folder(&s);
    return s;
}

enum app_exit train_seeds(struct app *app, const struct train_options *o)
{
    struct several s = begin(app, o, "seed", o->seeds);
    enum app_exit code = APP_OK, missed = APP_OK;
    for (int i = 0; i < s.count && !code; i++) {
        struct train_options one = *o;
        struct train_job job = {0};
        one.seed = (o->seed == ARGS_SEED_UNSET ? 1 : o->seed) + (uint64_t)i;
        code = run_one(&s, one, one.seed, &job);
        if (code == APP_VERIFICATION_FAILED) { /* a target that was missed */
            missed = code;
            code = APP_OK;
        }
    }
    if (!code)
        code = report(&s);
    free(s.rows);
    return code ? code : missed;
}

enum app_exit train_folds(struct app *app, const struct train_options *o)
{
    char path[PATHS_MAX];
    struct train_out_of_fold out = {.count = 0};
    struct several s = begin(app, o, "fold", o->folds);
    enum app_exit code = APP_OK;
    for (int i = 0; i < s.count && !code; i++) {
        struct train_job job = {.fold = i + 1, .out_of_fold = &out};
        code = run_one(&s, *o, (uint64_t)i + 1, &job);
    }
    if (!code)
        code = report(&s);
    if (!code)
        code = paths_join(path, s.folder, "out-of-fold.csv")
                   ? train_write_out_of_fold(app, &out, path)
                   : app_error(app, APP_USAGE, "--out: the path is too long");
    train_out_of_fold_free(&out);
    free(s.rows);
    return code;
}
