/* SPDX-License-Identifier: Apache-2.0 */
/* weft audience: the table, and the document in JSON. */
#include "audience/audience.h"

#include "core/plain_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 3, SHARE_NAME = 64 };

static const struct table_column first_columns[] = {
    {.key = "customer", .title = "Customer", .left = true},
    {.key = "images", .title = "Images"},
    {.key = "unsure", .title = "Unsure"},
    {.key = "unread"},
    {.key = "leading_category"},
    {.key = "leading_share"},
    {.key = "leading_low"},
    {.key = "leading_high"},
    {.title = "Leading category, 95 % interval", .left = true},
    {.title = "Largest shares", .left = true},
};
enum { FIRST_COLUMNS = sizeof(first_columns) / sizeof(*first_columns) };

/* "share_t_shirt_top" for "T-shirt/top": small letters, digits and underscores, which any
 * program takes as the name of a column, and no other column's. */
static void name_column(const struct audience *a, int class, char (*names)[SHARE_NAME])
{
    char *out = names[class];
    size_t used = (size_t)snprintf(out, SHARE_NAME, "share");
    bool gap = true, letters = false;
    for (const char *c = a->names[class]; *c && used + 16 < SHARE_NAME; c++) {
        char small = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        bool plain = (small >= 'a' && small <= 'z') || (small >= '0' && small <= '9');
        if (plain && gap)
            out[used++] = '_';
        if (plain)
            out[used++] = small;
        gap = !plain;
        letters = letters || plain;
    }
    out[used] = '\0';
    bool taken = !letters;
    for (int k = 0; k < class && !taken; k++)
        taken = !strcmp(names[k], out);
    if (taken)
        snprintf(out + used, SHARE_NAME - used, "_class_%d", class);
}

/* The classes with the largest shares above 0. */
static int largest(const struct audience *a, const struct customer *c, int out[TOP])
{
    int count = 0;
    for (; count < TOP; count++) {
        int best = -1;
        for (int k = 0; k < a->net.classes; k++) {
            bool listed = false;
            for (int n = 0; n < count; n++)
                listed = listed || out[n] == k;
            if (!listed && c->shares[k].value > 0.0005 &&
                (best < 0 || c->shares[k].value > c->shares[best].value))
                best = k;
        }
        if (best < 0)
            break;
        out[count] = best;
    }
    return count;
}

/* Digits that mean something. */
static double rounded(double share)
{
    return round(1e4 * share) / 1e4;
}

static void add_row(struct table *t, const struct audience *a, const struct customer *c)
{
    int top[TOP], count = largest(a, c, top);
    char shares[512] = "", interval[256] = "";
    const struct share none = {NAN, NAN, NAN},
                       *leading = c->leader < 0 ? &none : &c->shares[c->leader];
    for (int n = 0; n < count; n++) {
        size_t used = strlen(shares);
        snprintf(shares + used, sizeof(shares) - used, "%s%.100s %.0f %%", n ? ", " : "",
                 a->names[top[n]], 100 * c->shares[top[n]].value);
    }
    if (c->leader >= 0)
        snprintf(interval, sizeof(interval), "%.160s %.0f %%, %.0f to %.0f",
                 a->names[c->leader], 100 * leading->value, 100 * leading->low,
                 100 * leading->high);
    table_text(t, c->name);
    table_int(t, c->images);
    table_int(t, c->answers[a->net.classes]);
    table_int(t, c->unread);
    table_text(t, c->leader < 0 ? "" : a->names[c->leader]);
    table_double(t, rounded(leading->value), "%.4f", leading->value);
    table_double(t, rounded(leading->low), "%.4f", leading->low);
    table_double(t, rounded(leading->high), "%.4f", leading->high);
    table_text(t, interval);
    table_text(t, shares);
    for (int k = 0; k < a->net.classes; k++)
        table_double(t, rounded(c->shares[k].value), "%.4f", c->shares[k].value);
}

static void write_table(const struct audience *a, enum table_format format)
{
    int classes = a->net.classes, count = FIRST_COLUMNS + classes;
    struct table t;
    struct table_column *columns =
        term_realloc_or_exit(NULL, (size_t)count * sizeof(*columns));
    char(*names)[SHARE_NAME] =
        term_realloc_or_exit(NULL, (size_t)classes * sizeof(*names));
    memcpy(columns, first_columns, sizeof(first_columns));
    for (int k = 0; k < classes; k++) {
        name_column(a, k, names);
        columns[FIRST_COLUMNS + k] = (struct table_column){.key = names[k]};
    }
    table_init(&t, stdout, format, columns, count, false);
    for (int i = 0; i < a->customer_count; i++)
        add_row(&t, a, &a->customers[i]);
    table_write(&t);
    table_free(&t);
    free(columns);
    free(names);
}

static void emit_customer(struct json *j, const char *key, const struct audience *a,
                          const struct customer *c)
{
    emit_object(j, key);
    emit_text(j, "customer", c->name);
    emit_int(j, "images", c->images);
    emit_int(j, "unsure", c->answers[a->net.classes]);
    emit_int(j, "unread", c->unread);
    emit_text(j, "leading_category", c->leader < 0 ? NULL : a->names[c->leader]);
    emit_list(j, "shares");
    for (int k = 0; k < a->net.classes; k++) {
        emit_object(j, NULL);
        emit_text(j, "category", a->names[k]);
        emit_int(j, "answers", c->answers[k]);
        emit_double(j, "share", c->shares[k].value);
        emit_double(j, "low", c->shares[k].low);
        emit_double(j, "high", c->shares[k].high);
        emit_end(j);
    }
    emit_end(j);
    emit_end(j);
}

static void write_json(const struct audience *a)
{
    struct json j = {.out = stdout};
    app_json_begin(a->app, &j, "weft.audience/1");
    emit_text(&j, "model", a->model_path);
    emit_text(&j, "source", a->source);
    emit_text(&j, "by", a->options->by);
    emit_bool(&j, "corrected", a->rates != NULL);
    tta_json(&a->tta, &j);
    decision_json(&a->decision, &j);
    emit_int(&j, "without_customer", a->homeless);
    emit_customer(&j, "all", a, &a->all);
    emit_list(&j, "customers");
    for (int i = 0; i < a->customer_count; i++)
        emit_customer(&j, NULL, a, &a->customers[i]);
    emit_end(&j);
    emit_end(&j);
}

/* The number of customers by leading category. */
static void print_segments(const struct audience *a)
{
    printf("\n%sSegments%s, by leading category\n", term_style_begin(stdout, TERM_BOLD),
           term_style_end(stdout));
    for (int k = -1; k < a->net.classes; k++) {
        int count = 0;
        for (int i = 0; i < a->customer_count; i++)
            count += a->customers[i].leader == k;
        if (count)
            term_line(10, "%8s  %s", table_thousands(count),
                      k < 0 ? "none: no category is above the others with certainty"
                            : plain_text(a->names[k]));
    }
}

void audience_write(const struct audience *a)
{
    enum table_format format = (enum table_format)a->options->app.format;
    term_progress_clear();
    if (format == TABLE_JSON) {
        write_json(a);
        return;
    }
    write_table(a, format);
    if (format == TABLE_HUMAN)
        print_segments(a);
}
