/* SPDX-License-Identifier: Apache-2.0 */
/* weft compare of training runs. */
#include "bench/compare_runs.h"

#include "core/run_log.h"
#include "report/page.h"
#include "report/run_page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {.key = "run", .title = "Run", .left = true},
    {.key = "net", .title = "Network", .left = true},
    {.key = "settings", .title = "Differs in", .left = true},
    {.key = "epochs", .title = "Epochs"},
    {.key = "loss", .title = "Loss"},
    {.key = "val_accuracy", .title = "Val %"},
    {.key = "test_accuracy", .title = "Test %"},
    {.key = "images_per_second", .title = "Images/s"},
    {.key = "seconds", .title = "Time"},
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

/* Keys of the header; those whose values differ are named. */
static const char *const settings[] = {
    "known_as",    "images",        "batch",  "learning_rate", "schedule",
    "augment",     "balance",       "epochs", "precision",     "seed",
    "layer_rates", "class_weights", "phases", "fold",          "accumulate"};
enum { SETTINGS = sizeof(settings) / sizeof(*settings), MAX_SETTINGS_TEXT = 400 };

static bool log_path(const char *operand, char out[PATHS_MAX])
{
    if (paths_is_folder(operand))
        return paths_join(out, operand, "log.jsonl");
    return snprintf(out, PATHS_MAX, "%s", operand) < PATHS_MAX;
}

bool compare_is_run(const char *operand)
{
    char path[PATHS_MAX];
    return log_path(operand, path) && paths_exists(path) &&
           !strcmp(paths_basename(path), "log.jsonl");
}

/* A setting as text; "": absent. */
static void write_setting(const json_t *header, const char *key, char *out, size_t size)
{
    const json_t *value = json_object_get(header, key);
    if (json_is_string(value))
        snprintf(out, size, "%s", json_string_value(value));
    else if (json_is_number(value))
        snprintf(out, size, "%.9g", json_number_value(value));
    else
        snprintf(out, size, "%s", json_is_true(value) ? "yes" : "");
}

static bool differs(json_t *const *logs, int count, const char *key)
{
    char first[MAX_SETTINGS_TEXT], other[MAX_SETTINGS_TEXT];
    write_setting(json_array_get(logs[0], 0), key, first, sizeof(first));
    for (int r = 1; r < count; r++) {
        write_setting(json_array_get(logs[r], 0), key, other, sizeof(other));
        if (strcmp(first, other) != 0)
            return true;
    }
    return false;
}

static void describe(json_t *const *logs, int count, int run, char *out, size_t size)
{
    size_t at = 0;
    *out = '\0';
    for (int s = 0; s < SETTINGS; s++) {
        char value[MAX_SETTINGS_TEXT];
        write_setting(json_array_get(logs[run], 0), settings[s], value, sizeof(value));
        if (!*value || !differs(logs, count, settings[s]) || at + 1 >= size)
            continue;
        int n =
            snprintf(out + at, size - at, "%s%s %s", at ? ", " : "", settings[s], value);
        at += (size_t)n < size - at ? (size_t)n : size - at - 1;
    }
}

static void add_percent(struct table *t, double fraction)
{
    table_double(t, fraction, isfinite(fraction) ? "%.2f" : "-", 100 * fraction);
}

static void add_run(struct table *t, json_t *const *logs, int count, int run,
                    const char *name)
{
    const json_t *last = NULL, *test = NULL;
    double seconds = 0;
    char text[MAX_SETTINGS_TEXT];
    for (size_t i = 0; i < json_array_size(logs[run]); i++) {
        const json_t *line = json_array_get(logs[run], i);
        if (run_log_is_epoch(line)) {
            last = line;
            double took = run_log_number(line, "seconds");
            seconds += isfinite(took) ? took : 0;
        }
        test = json_object_get(json_object_get(line, "results"), "test");
    }
    describe(logs, count, run, text, sizeof(text));
    table_text(t, name);
    table_text(t, run_log_text(json_array_get(logs[run], 0), "net"));
    table_text(t, text);
    table_int(t, last ? (int64_t)run_log_number(last, "epoch") : 0);
    double loss = run_log_number(last, "loss"),
           rate = run_log_number(last, "images_per_second");
    table_double(t, loss, "%s", isfinite(loss) ? app_loss_text(loss) : "-");
    add_percent(t, run_log_number(last, "val_accuracy"));
    add_percent(t, run_log_number(test, "accuracy"));
    table_double(t, rate, "%s", isfinite(rate) ? table_thousands(rate) : "-");
    table_double(t, seconds, "%.1f s", seconds);
}

static enum app_exit load(const struct app *app, int count, char **operands,
                          json_t **logs, const char **names)
{
    for (int r = 0; r < count; r++) {
        char path[PATHS_MAX], *why = NULL;
        if (!compare_is_run(operands[r]) || !log_path(operands[r], path))
            return app_error(app, APP_BAD_INPUT,
                             "%s: is not the folder of a run, as %s is: it has no "
                             "log.jsonl",
                             operands[r], operands[0]);
        if (!(logs[r] = run_log_load(path, &why))) {
            enum app_exit code = app_error(app, APP_BAD_INPUT, "%s", why);
            free(why);
            return code;
        }
        names[r] = operands[r];
    }
    return APP_OK;
}

enum app_exit compare_runs(const struct app *app, int count, char **operands,
                           const char *report)
{
    struct table t;
    enum table_format format = (enum table_format)app->options->format;
    json_t **logs = term_realloc_or_exit(NULL, (size_t)count * sizeof(*logs));
    const char **names = term_realloc_or_exit(NULL, (size_t)count * sizeof(*names));
    memset(logs, 0, (size_t)count * sizeof(*logs));
    table_init(&t, stdout, format, columns, COLUMNS, false);
    enum app_exit code = load(app, count, operands, logs, names);
    for (int r = 0; r < count && !code; r++)
        add_run(&t, logs, count, r, names[r]);
    if (!code && report)
        code = page_save(app, report, run_page_write,
                         &(struct run_page){.title = "Training runs",
                                            .logs = logs,
                                            .log_count = count,
                                            .names = names,
                                            .results = &t});
    if (!code && format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.compare_runs/1");
        table_json(&t, &j, "runs");
        emit_end(&j);
    } else if (!code)
        table_write(&t);
    table_free(&t);
    for (int r = 0; r < count; r++)
        json_decref(logs[r]);
    free(logs);
    free(names);
    return code ? code : app_flush_stdout(app);
}
