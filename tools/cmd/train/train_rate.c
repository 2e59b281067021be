/* SPDX-License-Identifier: Apache-2.0 */
/* The search for a learning rate: steps with a rate that grows from 1e-7 to 10, and the
 * rate where the loss falls longest (Smith 2017, arXiv:1506.01186; the valley of
 * Gugger and others, fastai). Nothing is saved. */
#define _GNU_SOURCE
#include "train/train.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 100, SHOWN_STEPS = 5 };
static const double first_rate = 1e-7, last_rate = 10, smoothing = 0.98, worst_ratio = 4;

static const struct table_column columns[] = {
    {.key = "step", .title = "Step"},
    {.key = "learning_rate", .title = "Rate"},
    {.key = "loss", .title = "Loss"},
    {.key = "smoothed_loss", .title = "Smoothed"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct search {
    struct train_session *session;
    int count; /* steps that are done */
    double rates[STEPS], losses[STEPS], smoothed[STEPS];
    double suggestion; /* NaN: the loss never falls */
};

/* A run of STEPS steps with a rate for each, else like the one that is searched for. */
static enum weft_status begin(struct train_session *session)
{
    struct weft_dataset_info data;
    struct weft_net_info net;
    weft_dataset_info(session->train, &data);
    weft_net_info(session->net, &net);
    int batch = session->batch ? session->batch : net.batch ? net.batch : 128;
    int steps = data.count > batch ? data.count / batch : 1; /* of an epoch */
    session->epochs = (STEPS + steps - 1) / steps;
    session->schedule = NULL;
    session->rates = term_realloc_or_exit(NULL, STEPS * sizeof(*session->rates));
    session->rate_count = STEPS;
    session->rate_unit = "step";
    for (int i = 0; i < STEPS; i++)
        session->rates[i] = (struct weft_rate_point){
            i,
            (float)(first_rate * pow(last_rate / first_rate, (double)i / (STEPS - 1)))};
    return train_create_trainer(session);
}

static enum weft_status run_steps(struct search *s)
{
    double average = 0, best = INFINITY;
    for (int i = 0; i < STEPS; i++) {
        struct weft_progress p;
        enum weft_status status = weft_trainer_run(s->session->trainer, 1);
        if (!status)
            status = weft_trainer_progress(s->session->trainer, &p);
        if (status)
            return status;
        term_progress("step %d of %d  rate %.3g  loss %s", i + 1, STEPS,
                      (double)p.learning_rate, app_loss_text(p.last_loss));
        if (!isfinite(p.last_loss))
            break;
        average = smoothing * average + (1 - smoothing) * p.last_loss;
        s->rates[i] = (double)p.learning_rate;
        s->losses[i] = p.last_loss;
        s->smoothed[i] = average / (1 - pow(smoothing, i + 1));
        s->count = i + 1;
        if (s->smoothed[i] > worst_ratio * best)
            break;
        best = fmin(best, s->smoothed[i]);
    }
    return WEFT_OK;
}

/* The middle of the longest falling sequence of losses, of which others are left out
 * (longest decreasing subsequence); without the first tenth and the last five. */
static double find_valley(const struct search *s)
{
    int first = s->count / 10, n = s->count - 5 - first, end = 0;
    const double *loss = s->smoothed + first;
    if (n < 3)
        return NAN;
    int *length = term_realloc_or_exit(NULL, (size_t)n * sizeof(*length));
    for (int i = 0; i < n; i++) {
        length[i] = 1;
        for (int k = 0; k < i; k++)
            if (loss[i] < loss[k] && length[i] < length[k] + 1)
                length[i] = length[k] + 1;
        end = length[i] > length[end] ? i : end;
    }
    int start = end - length[end], section = length[end] / 3;
    double rate = length[end] < 3
                      ? NAN
                      : s->rates[first + (start < 0 ? 0 : start) + section + section / 2];
    free(length);
    return rate;
}

static void report(const struct search *s)
{
    struct table t;
    enum table_format format = (enum table_format)s->session->app->options->format;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    for (int i = 0; i < s->count; i++) {
        if (!format && i % SHOWN_STEPS && i < s->count - 1)
            continue;
        table_int(&t, i + 1);
        table_double(&t, s->rates[i], "%.3g", s->rates[i]);
        table_double(&t, s->losses[i], "%s", app_loss_text(s->losses[i]));
        table_double(&t, s->smoothed[i], "%s", app_loss_text(s->smoothed[i]));
    }
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(s->session->app, &j, "weft.rate/1");
        emit_double(&j, "suggestion", s->suggestion);
        table_json(&t, &j, "steps");
        emit_end(&j);
    } else
        table_write(&t);
    table_free(&t);
    if (isfinite(s->suggestion))
        term_print("Suggested learning rate: --lr %.2g", s->suggestion);
    else
        term_print("No suggestion: the loss falls at no rate from %.0e to %g", first_rate,
                   last_rate);
}

enum app_exit train_find_rate(struct train_session *session)
{
    struct app *app = session->app;
    struct search s = {.session = session};
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status = begin(session);
    term_wait_end();
    if (!status)
        status = run_steps(&s);
    term_progress_clear();
    if (!status) {
        s.suggestion = find_valley(&s);
        report(&s);
    }
    return status ? app_report_error(app, APP_WORK, status) : app_flush_stdout(app);
}
