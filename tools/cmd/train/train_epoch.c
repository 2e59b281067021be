/* SPDX-License-Identifier: Apache-2.0 */
/* Results of an epoch: table, log. */
#include "train/train.h"

#include <math.h>
#include <stdio.h>

static const struct table_column columns[] = {
    {.key = "epoch", .title = "epoch", .width = 7},
    {.key = "step"},
    {.key = "learning_rate"},
    {.key = "loss", .title = "loss", .width = 7},
    {.key = "accuracy", .title = "train %", .width = 7},
    {.key = "val_accuracy", .title = "val %", .width = 12},
    {.key = "val_standard_error"},
    {.key = "val_loss"},
    {.key = "images_per_second", .title = "images/s", .width = 11},
    {.key = "seconds", .title = "time", .width = 8},
    {.key = "best", .title = "best", .left = true, .width = 4},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

void train_table_init(struct table *table, FILE *out, enum table_format format)
{
    table_init(table, out, format, columns, COLUMN_COUNT, true);
}

void train_log_epoch(struct json *j, const void *priv)
{
    const struct train_epoch *e = priv;
    emit_object(j, NULL);
    emit_int(j, "epoch", e->number);
    emit_int(j, "step", e->step);
    emit_double(j, "learning_rate", e->learning_rate);
    emit_double(j, "loss", e->loss);
    emit_double(j, "accuracy", e->accuracy);
    emit_double(j, "val_accuracy", e->val_accuracy);
    emit_double(j, "val_standard_error", e->val_error);
    emit_double(j, "val_loss", e->val_loss);
    if (!isnan(e->clipped)) {
        emit_double(j, "gradient_norm", e->gradient_norm);
        emit_double(j, "clipped", e->clipped);
    }
    emit_double(j, "images_per_second", e->images_per_second);
    emit_double(j, "seconds", e->seconds);
    if (!isnan(e->stall_seconds)) {
        emit_double(j, "stall_seconds", e->stall_seconds);
        emit_double(j, "stall_fraction", e->stall_seconds / e->seconds);
    }
    emit_bool(j, "best", e->best);
    emit_end(j);
}

void train_add_row(struct table *t, const struct train_epoch *e, int epochs)
{
    table_double(t, e->number, "%d/%d", e->number, epochs);
    table_int(t, e->step);
    table_double(t, e->learning_rate, "%s", app_rate_text(e->learning_rate));
    table_double(t, e->loss, "%s", app_loss_text(e->loss));
    table_double(t, e->accuracy, "%.2f", 100 * e->accuracy);
    if (isnan(e->val_accuracy))
        table_double(t, NAN, "-");
    else
        table_double(t, e->val_accuracy, "%.2f %s%.2f", 100 * e->val_accuracy,
                     term_plus_minus(), 100 * e->val_error);
    table_double(t, e->val_error, "%.4f", e->val_error);
    table_double(t, e->val_loss, "%s", app_loss_text(e->val_loss));
    table_double(t, e->images_per_second, "%s", table_thousands(e->images_per_second));
    table_double(t, e->seconds, "%.1f s", e->seconds);
    table_bool(t, e->best, e->best ? "*" : "");
}

void train_show_epoch(struct train_session *session, const struct train_epoch *e)
{
    train_add_row(&session->table, e, session->epochs);
    if (session->table.format != TABLE_JSON)
        return;
    char validation[32] = "";
    if (!isnan(e->val_accuracy))
        snprintf(validation, sizeof(validation), "val %.2f %%  ", 100 * e->val_accuracy);
    term_print("epoch %d/%d  loss %s  train %.2f %%  %s%s images/s", e->number,
               session->epochs, app_loss_text(e->loss), 100 * e->accuracy, validation,
               table_thousands(e->images_per_second));
}
