/* SPDX-License-Identifier: Apache-2.0 */
/* weft sweep: the best of a grid of training options by successive halving (Jamieson and
 * Talwalkar 2016, arXiv:1502.07943), by their accuracy on validation images. */
#define _GNU_SOURCE
#include "train/train.h"
#include "core/preprocess.h"
#include "core/tta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_EPOCHS = 8, MAX_SETTINGS = 1000, MAX_VALUES = 64 };

static const struct args_option *const shared_options[] = {
    app_model_options,     app_preprocess_options, app_data_options,
    app_precision_options, app_tuning_options,     app_tta_options,
    app_device_options,    app_output_options,     NULL};

static const struct table_column columns[] = {
    {.key = "epochs", .title = "Epochs"},
    {.key = "settings", .title = "Settings", .left = true},
    {.key = "val_accuracy", .title = "Val %"},
    {.key = "val_loss", .title = "Val loss"},
    {.key = "seconds", .title = "Time"},
    {.key = "kept", .title = "Kept", .left = true},
    {.key = "folder"},
    {.key = "tta"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* One point of the grid, and the results of its last run. */
struct setting {
    int number;
    char *text, *command; /* "lr=0.1 batch=64", "--lr 0.1 --batch 64" */
    struct train_options options;
    double accuracy, loss, seconds;
};

struct grid {
    struct app *app;
    const struct train_options *options;
    char folder[PATHS_MAX];
    struct setting *settings, *running;
    int count;
    char **values; /* texts that options refer to */
    int value_count;
    struct table table;
};

static void grid_free(struct grid *g)
{
    for (int i = 0; i < g->count; i++) {
        free(g->settings[i].text);
        free(g->settings[i].command);
    }
    for (int i = 0; i < g->value_count; i++)
        free(g->values[i]);
    free(g->values);
    free(g->settings);
    table_free(&g->table);
}

static void add_setting(struct grid *g, const struct setting *setting)
{
    g->settings =
        term_realloc_or_exit(g->settings, (size_t)(g->count + 1) * sizeof(*g->settings));
    g->settings[g->count++] = *setting;
    g->settings[g->count - 1].number = g->count;
}

static const char *keep_value(struct grid *g, const char *text, size_t length)
{
    g->values = term_realloc_or_exit(g->values,
                                     (size_t)(g->value_count + 1) * sizeof(*g->values));
    return g->values[g->value_count++] = term_format_or_exit("%.*s", (int)length, text);
}

/* The options that may differ between runs: not those that decide what is compared, such
 * as the images of --val-split, or how long. */
static const char *const varied[] = {"net",   "from",      "freeze",     "layer-rates",
                                     "input", "batch",     "accumulate", "lr",
                                     "rates", "schedule",  "augment",    "class-weights",
                                     "seed",  "precision", "patience"};
enum { VARIED = sizeof(varied) / sizeof(*varied) };

static enum app_exit check_varied(const struct grid *g, const char *name)
{
    char names[256] = "";
    for (int i = 0; i < VARIED; i++) {
        size_t used = strlen(names);
        if (!strcmp(varied[i], name))
            return APP_OK;
        snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", varied[i]);
    }
    char close[WEFT_SUGGESTION];
    return app_error(g->app, APP_USAGE,
                     "%s: is no option of weft train that runs of a sweep may differ in; "
                     "these are %s%s",
                     name, names, weft_suggestion(name, varied, VARIED, close));
}

/* A setting with one more option. */
static enum app_exit extend(struct grid *g, const struct setting *base, const char *name,
                            const char *value)
{
    struct setting next = {.options = base ? base->options : *g->options};
    enum app_exit code = check_varied(g, name);
    if (code)
        return code;
    const char *wrong = args_store(&cmd_sweep.args, name, value, &next.options);
    if (wrong)
        return app_error(g->app, APP_USAGE, "%s=%s: must be %s", name, value, wrong);
    next.text = term_format_or_exit("%s%s%s=%s", base ? base->text : "", base ? " " : "",
                                    name, value);
    next.command = term_format_or_exit("%s --%s %s", base ? base->command : "", name,
                                       paths_shell_quoted(value));
    add_setting(g, &next);
    return APP_OK;
}

/* Every setting so far with each value of KEY=VALUE,... */
static enum app_exit multiply(struct grid *g, const char *operand)
{
    size_t length = strcspn(operand, "=");
    struct grid old = *g;
    enum app_exit code = APP_OK;
    if (!length || !operand[length] || !operand[length + 1])
        return app_error(g->app, APP_USAGE,
                         "'%s' must be an option and its values, like lr=0.01,0.1",
                         operand);
    const char *name = keep_value(g, operand, length);
    g->settings = NULL;
    g->count = 0;
    for (int i = 0; (i < old.count || (!i && !old.count)) && !code; i++)
        for (const char *at = operand + length + 1; at && !code;) {
            size_t n = strcspn(at, ",");
            const char *value = keep_value(g, at, n);
            code =
                g->count < MAX_SETTINGS
                    ? extend(g, old.count ? &old.settings[i] : NULL, name, value)
                    : app_error(g->app, APP_USAGE, "more than %d settings", MAX_SETTINGS);
            at = at[n] ? at + n + 1 : NULL;
        }
    for (int i = 0; i < old.count; i++) {
        free(old.settings[i].text);
        free(old.settings[i].command);
    }
    free(old.settings);
    return code;
}

static enum app_exit keep_results(struct train_session *session, void *priv)
{
    struct setting *s = ((struct grid *)priv)->running;
    const struct train_result *val = &session->outcome.val;
    if (!val->done)
        return app_error(session->app, APP_USAGE,
                         "weft sweep needs validation images: leave out --val-split 0");
    s->accuracy = val->eval.nonfinite ? -1 : val->eval.accuracy;
    s->loss = val->eval.loss;
    return APP_OK;
}

/* A run that diverges has the accuracy -1: it is the worst. */
static enum app_exit run_setting(struct grid *g, struct setting *s, int epochs)
{
    char folder[PATHS_MAX], last[PATHS_MAX];
    struct train_options options = s->options;
    struct train_job job = {.use = keep_results, .priv = g, .quiet = true};
    char *name = term_format_or_exit("%d-epochs-%d", s->number, epochs);
    bool fits = paths_join(folder, g->folder, name) &&
                paths_join(last, folder, "last.safetensors");
    free(name);
    if (!fits)
        return app_error(g->app, APP_USAGE, "--out: the path is too long");
    double start = term_seconds();
    options.out = folder;
    options.epochs = epochs;
    options.resume = options.resume && paths_exists(last);
    options.test = "none";
    s->accuracy = -1;
    s->loss = NAN;
    g->running = s;
    term_print("%sSetting %d%s  %s, %d epochs", term_style_begin(stderr, TERM_BOLD),
               s->number, term_style_end(stderr), s->text, epochs);
    enum app_exit code = train_run(g->app, &options, &job);
    s->seconds = term_seconds() - start;
    return code == APP_FAILED && job.diverged ? APP_OK : code;
}

static int compare(const void *a, const void *b)
{
    const struct setting *x = a, *y = b;
    if (x->accuracy != y->accuracy)
        return x->accuracy < y->accuracy ? 1 : -1;
    return x->loss != y->loss ? (x->loss > y->loss ? 1 : -1) : x->number - y->number;
}

static void add_row(struct grid *g, const struct setting *s, int epochs, bool kept)
{
    struct table *t = &g->table;
    char *folder = term_format_or_exit("%s/%d-epochs-%d", g->folder, s->number, epochs);
    table_int(t, epochs);
    table_text(t, s->text);
    if (s->accuracy < 0)
        table_double(t, NAN, "diverged");
    else
        table_double(t, s->accuracy, "%.2f", 100 * s->accuracy);
    table_double(t, s->loss, "%s", app_loss_text(s->loss));
    table_double(t, s->seconds, "%.1f s", s->seconds);
    table_bool(t, kept, kept ? "*" : "");
    table_text(t, folder);
    table_text(t, tta_name(&(struct tta){.kind = (enum tta_kind)g->options->app.tta}));
    free(folder);
}

/* Each round trains the better half of the last one from the beginning, so that every
 * schedule ends, with twice the epochs; the last has all of them, and more than one
 * setting if there are too few epochs to halve. */
static enum app_exit halve(struct grid *g)
{
    int epochs = g->options->epochs ? g->options->epochs : DEFAULT_EPOCHS, rounds = 0;
    enum app_exit code = APP_OK;
    while (1 << rounds < g->count && epochs >> (rounds + 1) > 0)
        rounds++;
    for (int r = 0, count = g->count; r <= rounds; r++, count = (count + 1) / 2) {
        int part = epochs >> (rounds - r), better = r < rounds ? (count + 1) / 2 : 1;
        for (int i = 0; i < count && !code; i++)
            code = run_setting(g, &g->settings[i], part);
        if (code)
            return code;
        qsort(g->settings, (size_t)count, sizeof(*g->settings), compare);
        for (int i = 0; i < count; i++)
            add_row(g, &g->settings[i], part, i < better);
    }
    return APP_OK;
}

static void report(struct grid *g)
{
    const struct setting *best = &g->settings[0];
    if (g->table.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(g->app, &j, "weft.sweep/1");
        emit_text(&j, "folder", g->folder);
        emit_text(&j, "best", best->text);
        emit_double(&j, "val_accuracy", best->accuracy);
        table_json(&g->table, &j, "runs");
        emit_end(&j);
    } else
        table_write(&g->table);
    term_print(
        "Best    %s: %.2f %% of the validation images. With the other options of this "
        "command, train with:",
        best->text, 100 * best->accuracy);
    term_print("  weft train%s", best->command);
}

static void choose_folder(struct grid *g)
{
    bool taken = !g->options->out;
    snprintf(g->folder, sizeof(g->folder), "%s", taken ? "" : g->options->out);
    for (int k = 1; taken; k++) {
        snprintf(g->folder, sizeof(g->folder), "runs/sweep-%d", k);
        taken = paths_exists(g->folder);
    }
}

static enum app_exit sweep_main(struct app *app, const void *given, int count,
                                char **operands)
{
    struct grid g = {.app = app, .options = given};
    enum app_exit code = APP_OK;
    if (g.options->seeds || g.options->folds || g.options->find_rate)
        code = app_error(app, APP_USAGE,
                         "--seeds, --folds and --find-rate are options of weft train");
    for (int i = 0; i < count && !code; i++)
        code = multiply(&g, operands[i]);
    table_init(&g.table, stdout, (enum table_format)g.options->app.format, columns,
               COLUMN_COUNT, false);
    choose_folder(&g);
    if (!code)
        code = halve(&g);
    if (code == APP_INTERRUPTED)
        term_print("The sweep continues with the same command, --resume and --out %s",
                   paths_shell_quoted(g.folder));
    if (!code) {
        report(&g);
        code = app_flush_stdout(app);
    }
    grid_free(&g);
    train_watch_end();
    return code;
}

const struct app_command cmd_sweep = {
    .args =
        {
            .name = "sweep",
            .operands = "OPTION=VALUE,...",
            .summary = "trains a grid of options and keeps the better half, again and "
                       "again",
            .examples = "  weft sweep lr=0.001,0.003,0.01 batch=64,128 --net small -e 8\n"
                        "  weft sweep \"augment=none,flip shift=1\" --data photos",
            .about =
                "Trains every combination of the values for a part of --epochs (8), the "
                "better half of them from the beginning for twice as many, and so on, "
                "until some are trained for all. The accuracy on the validation images "
                "after "
                "the last epoch decides; no test images are read. Values are those of "
                "options of weft train, "
                "which are given to all runs too. --resume continues.",
            .options = train_option_table,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = -1,
        },
    .defaults = &(const struct train_options){.seed = ARGS_SEED_UNSET,
                                              .val_split = {-1, true},
                                              .app.precision = TRAIN_NO_PRECISION},
    .options_size = sizeof(struct train_options),
    .run = sweep_main,
};
