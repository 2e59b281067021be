/* SPDX-License-Identifier: Apache-2.0 */
/* report.html of a run: while it trains, and at its end. */
#include "train/train.h"

#include "core/run_log.h"
#include "report/page.h"
#include "report/run_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Seconds between the pages of a run that continues. */
static const double pause_seconds = 5;
/* The shortest run whose layers are measured: it must cost little of it. */
static const double least_seconds = 10;
enum { LEAST_STEPS = 100 };

void train_keep_predictions(struct train_result *result, const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    result->data = data;
    result->predictions = term_realloc_or_exit(
        result->predictions, (size_t)info.count * sizeof(*result->predictions));
}

void train_measure_layers(struct train_session *session)
{
    struct weft_progress at;
    int parts = session->accumulate > 1 ? session->accumulate : 1;
    if (session->job || term_seconds() - session->start < least_seconds ||
        weft_trainer_progress(session->trainer, &at) || at.step < LEAST_STEPS)
        return;
    weft_trainer_destroy(&session->trainer);
    const struct weft_step_params step =
        *weft_step_params(.batch = session->batch / parts, .training = true,
                          .precision = session->precision);
    term_wait_begin("Measuring the layers");
    if (step_timing_measure_shortly(session->app, session->net, &step, &session->timing))
        step_timing_free(&session->timing); /* the page does without */
    term_wait_end();
}

/* The test, else the validation. */
static const struct train_result *result_of(const struct train_session *session)
{
    const struct train_result *const results[] = {
        &session->outcome.last, &session->outcome.val, &session->validated};
    for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
        if (results[i]->done && results[i]->predictions)
            return results[i];
    return NULL;
}

/* Without `result`: curves only. */
static bool write_page(const struct train_session *session,
                       const struct train_result *result, struct run_page *page)
{
    struct weft_dataset_info data;
    struct confusion confusion = {.classes = 0};
    if (result) {
        weft_dataset_info(result->data, &data);
        confusion_init(&confusion, result->eval.classes, data.labels, result->predictions,
                       data.count);
    }
    const char *part = result == &session->outcome.last ? "test" : "validation";
    /* The names of known datasets have the part. */
    char *images = !result          ? NULL
                   : *data.known_as ? term_format_or_exit("%s", data.known_as)
                                    : term_format_or_exit("%s, %s", data.source, part);
    const struct report_evaluation evaluation = {
        .images = images,
        .tta = result ? result->tta : "",
        .eval = result ? &result->eval : NULL,
        .data = result ? result->data : NULL,
        .predictions = result ? result->predictions : NULL,
        .confusion = &confusion,
        .names = result ? data.class_names : NULL,
    };
    page->evaluation = result ? &evaluation : NULL;
    bool done = page_write_file(session->run.page, run_page_write, page);
    int why = errno;
    confusion_free(&confusion);
    free(images);
    errno = why;
    return done;
}

/* A FIFO would wait for a reader. */
static bool is_file_or_absent(const char *path)
{
    struct stat info;
    return stat(path, &info) ? errno == ENOENT : S_ISREG(info.st_mode);
}

void train_write_page(struct train_session *session, bool running)
{
    struct weft_net_info net;
    struct weft_dataset_info data;
    double now = term_seconds();
    if (running && session->page_time > 0 && now - session->page_time < pause_seconds)
        return;
    session->page_time = now;
    weft_net_info(session->net, &net);
    weft_dataset_info(session->train, &data);
    const struct train_result *result = result_of(session);
    /* The network may have outputs that are no classes of the data. */
    if (result && result->eval.classes != data.classes)
        result = NULL;
    char *why,
        *title = term_format_or_exit("%s on %s", net.name,
                                     *data.known_as ? data.known_as : session->data_spec);
    json_t *log = run_log_load(session->run.log, &why);
    const struct report_layer_times times = {.timing = &session->timing,
                                             .device = &session->app->info};
    struct run_page page = {.title = title,
                            .logs = &log,
                            .log_count = 1,
                            .running = running,
                            .train = running ? NULL : session->train,
                            .net = running ? NULL : session->net,
                            .times = running ? NULL : &times};
    session->page_written = false;
    if (!log)
        term_warn("%s is not written: %s", session->run.page, why);
    else if (!is_file_or_absent(session->run.page))
        term_warn("%s is not written: it exists and is no file", session->run.page);
    else if (!write_page(session, result, &page))
        term_warn("%s cannot be written: %s", session->run.page, strerror(errno));
    else
        session->page_written = true;
    json_decref(log);
    free(title);
    free(why);
}
