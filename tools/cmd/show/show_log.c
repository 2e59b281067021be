/* SPDX-License-Identifier: Apache-2.0 */
/* weft show: the epochs in the log of a training run. */
#include "show/show.h"

#include "core/paths.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LOG_BYTES = 1 << 28 };

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

static double number(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void add_epoch(struct table *t, const json_t *line, double rate)
{
    double values[] = {number(line, "loss"), 100 * number(line, "accuracy"),
                       100 * number(line, "val_accuracy"), number(line, "val_loss"),
                       number(line, "images_per_second")};
    table_int(t, (int64_t)number(line, "epoch"));
    table_int(t, (int64_t)number(line, "step"));
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
    size_t size;
    struct table t;
    double rate = NAN;
    int number_of_line = 0;
    enum app_exit code = APP_OK;
    const char *why;
    char *text = paths_read_file(path, MAX_LOG_BYTES, &size, &why);
    if (!text)
        return app_error(app, APP_BAD_INPUT, "%s: %s", path, why);
    if (strlen(text) < size) {
        free(text);
        return app_error(app, APP_BAD_INPUT, "%s: is damaged: it has zero bytes", path);
    }
    table_init(&t, stdout, (enum table_format)o->app.format, columns,
               sizeof(columns) / sizeof(*columns), false);
    for (char *line = text, *end; !code && *line; line = end) {
        end = line + strcspn(line, "\n");
        json_t *entry = json_loadb(line, (size_t)(end - line), 0, NULL);
        end += *end == '\n';
        number_of_line++;
        if (!json_is_object(entry))
            code = app_error(app, APP_BAD_INPUT,
                             "%s, line %d: is no line of the log of a run", path,
                             number_of_line);
        else if (isfinite(number(entry, "learning_rate")))
            rate = number(entry, "learning_rate");
        if (!code && isfinite(number(entry, "epoch")) && isfinite(number(entry, "step")))
            add_epoch(&t, entry, rate);
        json_decref(entry);
    }
    free(text);
    if (!code && o->app.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.show/2");
        emit_text(&j, "kind", "log");
        table_json(&t, &j, "epochs");
        emit_end(&j);
    } else if (!code) {
        table_write(&t);
    }
    table_free(&t);
    return code ? code : app_flush_stdout(app);
}
