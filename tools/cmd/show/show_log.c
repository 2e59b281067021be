/* SPDX-License-Identifier: Apache-2.0 */
/* weft show: the epochs in the log of a training run. */
#include "show/show.h"

#include "core/run_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {.key = "epoch", .title = "Epoch"},
    {.key = "step", .title = "Step"},
    {.key = "learning_rate", .title = "Rate"},
    {.key = "loss", .title = "Loss"},
    {.key = "accuracy", .title = "Train %"},
    {.key = "val_accuracy", .title = "Val %"},
    {.key = "val_loss", .title = "Val loss"},
    {.key = "images_per_second", .title = "Images/s"},
    {.key = "best", .title = "Best", .left = true},
};

enum { MAX_RATE = 8 }; /* characters */

static void add_epoch(struct table *t, const json_t *line, double rate)
{
    double values[] = {
        run_log_number(line, "loss"), 100 * run_log_number(line, "accuracy"),
        100 * run_log_number(line, "val_accuracy"), run_log_number(line, "val_loss"),
        run_log_number(line, "images_per_second")};
    table_int(t, (int64_t)run_log_number(line, "epoch"));
    table_int(t, (int64_t)run_log_number(line, "step"));
    /* As typed; the rates of a schedule have more digits. */
    const char *typed = isfinite(rate) ? app_rate_text(rate) : "-";
    if (strlen(typed) <= MAX_RATE)
        table_double(t, rate, "%s", typed);
    else
        table_double(t, rate, "%.4g", rate);
    table_double(t, values[0], "%s", app_loss_text(values[0]));
    table_double(t, values[1] / 100, "%.2f", values[1]);
    table_double(t, values[2] / 100, isfinite(values[2]) ? "%.2f" : "-", values[2]);
    table_double(t, values[3], "%s",
                 isfinite(values[3]) ? app_loss_text(values[3]) : "-");
    table_double(t, values[4], "%s", table_thousands(values[4]));
    bool best = json_is_true(json_object_get(line, "best"));
    table_bool(t, best, best ? "*" : "");
}

enum app_exit show_log(struct app *app, const struct show_options *o, const char *path)
{
    struct table t;
    double rate = NAN;
    char *why;
    json_t *lines = run_log_load(path, &why);
    if (!lines) {
        enum app_exit code = app_error(app, APP_BAD_INPUT, "%s", why);
        free(why);
        return code;
    }
    table_init(&t, stdout, (enum table_format)o->app.format, columns,
               sizeof(columns) / sizeof(*columns), false);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        double given = run_log_number(line, "learning_rate");
        rate = isfinite(given) ? given : rate;
        if (run_log_is_epoch(line))
            add_epoch(&t, line, rate);
    }
    json_decref(lines);
    if (o->app.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.show/2");
        emit_text(&j, "kind", "log");
        table_json(&t, &j, "epochs");
        emit_end(&j);
    } else
        table_write(&t);
    table_free(&t);
    return app_flush_stdout(app);
}
