/* SPDX-License-Identifier: Apache-2.0 */
/* Hill climbing over kernel configs, most expensive problems first: from the default of
 * every algorithm in steps of one tunable. */
#include "tune/tune.h"

#include "util/clock.h"
#include "util/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Largest time, relative to the default, of a config that wins the final comparison. */
static const double margin = 0.97;
/* Largest time, relative to the best so far, of a step that is taken. */
static const double worth = 0.985;

enum {
    QUICK_ROUNDS = 3,
    FULL_ROUNDS = 5,
    FINAL_ROUNDS = 15,
    MAX_TRIALS = 512, /* configs of one problem */
    MAX_WORKER_CRASHES = 30
};

/* The search of one problem. */
struct problem_search {
    struct tune_search *search;
    const struct tune_problem *problem;
    struct weft_kernel_config baseline, best;
    double ratio;                  /* of the best time so far to the default's */
    double seconds, usual_seconds; /* measured by the last trial */
    char (*tried)[WEFT_PROBLEM_TEXT];
    int tried_count, rounds;
    double deadline; /* end of exploration, by the clock */
    bool stopped;    /* no more trials: stopped or no worker */
};

static bool should_continue(void *priv)
{
    struct tune_search *s = priv;
    s->progress.seconds = weft_clock_seconds() - s->begin;
    if (s->progress.seconds > s->progress.time_limit ||
        (s->params->report && !s->params->report(s->params->priv, &s->progress)))
        s->result->stopped = true;
    return !s->result->stopped;
}

static double reply_timeout(const struct tune_search *s)
{
    return s->params->trial_timeout > 0 ? s->params->trial_timeout : 30;
}

/* Sets the problem up in the worker; false if that fails. */
static bool load_problem(struct tune_search *s, const char *problem)
{
    char line[TUNE_LINE_BYTES], reply[TUNE_LINE_BYTES] = "";
    snprintf(line, sizeof(line), "problem %s", problem);
    enum tune_outcome outcome = tune_worker_process_request(
        &s->worker, line, weft_clock_seconds() + reply_timeout(s), reply);
    if (outcome == TUNE_REPLIED && !strcmp(reply, "ok"))
        return true;
    if (outcome != TUNE_CANCELLED)
        weft_log_message(s->device->context, WEFT_LOG_WARN, "tuning: %s: skipped: %s",
                         problem,
                         outcome == TUNE_WORKER_DIED ? "its default crashes"
                         : outcome == TUNE_TIMED_OUT ? "its default does not finish"
                                                     : reply);
    return false;
}

static enum weft_status reject_config(struct problem_search *h,
                                      const struct weft_kernel_config *config,
                                      enum weft_tuning_entry_state state)
{
    struct weft_tuning_entry row = {.problem = (char *)h->problem->text,
                                    .config = (char *)config->text,
                                    .state = state,
                                    .fingerprint = config->fingerprint};
    weft_context *ctx = h->search->device->context;
    weft_log_message(ctx, WEFT_LOG_DEBUG, "tuning: %s: %s: %s", row.problem, row.config,
                     weft_tuning_entry_states[state]);
    h->search->result->rejected++;
    h->search->progress.rejected++;
    WEFT_TRY(weft_tuning_set(ctx, h->search->device->tuning, &row));
    return weft_tuning_save(ctx, h->search->device->tuning);
}

/* After a crash: a new process with the problem set up. */
static enum weft_status restart_worker(struct problem_search *h)
{
    struct tune_search *s = h->search;
    WEFT_TRY(tune_worker_process_start(&s->worker, reply_timeout(s)));
    if (s->result->stopped || !load_problem(s, h->problem->text))
        h->stopped = true;
    return WEFT_OK;
}

/* Parses the reply to `try`: times, or a rejection. */
static enum weft_status parse_reply(struct problem_search *h,
                                    const struct weft_kernel_config *config,
                                    const char *reply, bool *right)
{
    char *end;
    *right = false;
    if (!strncmp(reply, "time ", 5)) {
        h->seconds = weft_number_read(reply + 5, &end);
        h->usual_seconds = weft_number_read(end, &end);
        *right = h->seconds > 0 && h->usual_seconds > 0;
        return WEFT_OK;
    }
    int status = !strncmp(reply, "failed ", 7) ? atoi(reply + 7) : WEFT_ERR_DEVICE;
    weft_log_message(h->search->device->context, WEFT_LOG_DEBUG, "tuning: %s: %s",
                     config->text, reply);
    WEFT_TRY(reject_config(h, config,
                           status == WEFT_ERR_MISMATCH ? WEFT_TUNING_WRONG
                                                       : WEFT_TUNING_BUILD_FAILED));
    if (status != WEFT_ERR_DEVICE)
        return WEFT_OK;
    /* The driver failed: its process cannot be used further. */
    if (h->search->worker.command)
        tune_worker_process_stop(&h->search->worker);
    return h->search->worker.command ? restart_worker(h) : WEFT_OK;
}

/* Runs a trial of one config; `right`: it is valid and its times are known. */
static enum weft_status run_trial(struct problem_search *h,
                                  const struct weft_kernel_config *config, int rounds,
                                  bool *right)
{
    struct tune_search *s = h->search;
    struct weft_tuning *tuning = s->device->tuning;
    char line[TUNE_LINE_BYTES], reply[TUNE_LINE_BYTES] = "";
    *right = false;
    s->progress.config = config->text;
    if (h->stopped || !should_continue(s)) {
        h->stopped = true;
        return WEFT_OK;
    }
    WEFT_TRY(weft_journal_write(s->device->context, tuning, h->problem->text,
                                config->text, config->fingerprint));
    snprintf(line, sizeof(line), "try %d %s", rounds, config->text);
    enum tune_outcome outcome = tune_worker_process_request(
        &s->worker, line, weft_clock_seconds() + reply_timeout(s), reply);
    weft_journal_clear(tuning);
    s->result->tried++;
    s->progress.tried++;
    if (outcome == TUNE_REPLIED)
        return parse_reply(h, config, reply, right);
    if (outcome == TUNE_CANCELLED) {
        h->stopped = true;
        return WEFT_OK;
    }
    WEFT_TRY(reject_config(
        h, config, outcome == TUNE_WORKER_DIED ? WEFT_TUNING_CRASHED : WEFT_TUNING_HUNG));
    if (s->result->rejected > MAX_WORKER_CRASHES)
        h->stopped = true;
    return h->stopped ? WEFT_OK : restart_worker(h);
}

/* True: the config is neither tried nor rejected, and there is time. */
static bool is_untried(struct problem_search *h, const struct weft_kernel_config *config)
{
    if (h->stopped || h->tried_count == MAX_TRIALS || weft_clock_seconds() > h->deadline)
        return false;
    for (int i = 0; i < h->tried_count; i++)
        if (!strcmp(h->tried[i], config->text))
            return false;
    memcpy(h->tried[h->tried_count++], config->text, WEFT_PROBLEM_TEXT);
    return !weft_tuning_rejects(h->search->device->tuning, &h->problem->typed,
                                config->text, config->fingerprint);
}

/* Runs a trial of a new config; `better`: it is the best now. */
static enum weft_status explore_configs(struct problem_search *h,
                                        const struct weft_kernel_config *config,
                                        bool *better)
{
    bool right;
    *better = false;
    if (!is_untried(h, config))
        return WEFT_OK;
    WEFT_TRY(run_trial(h, config, h->rounds, &right));
    double ratio = right ? h->seconds / h->usual_seconds : INFINITY;
    if (ratio < worth * h->ratio) {
        h->best = *config;
        h->ratio = ratio;
        *better = true;
    }
    return WEFT_OK;
}

/* Steps from the best config while one of its neighbours is better. */
static enum weft_status hill_climb(struct problem_search *h)
{
    const struct weft_tuner *tuner = h->search->device->backend->tuner;
    struct weft_kernel_config beside[WEFT_MAX_CONFIGS];
    bool better = true;
    while (better && !h->stopped) {
        int count =
            tuner->configs(h->search->device, h->problem->text, h->best.text, beside);
        better = false;
        for (int i = 0; i < count && !better; i++)
            WEFT_TRY(explore_configs(h, &beside[i], &better));
    }
    return WEFT_OK;
}

/* Configs of other rows come first: measured with another driver, bundled, or cached from
 * before. */
static enum weft_status explore_rows(struct problem_search *h)
{
    const struct weft_tuning *tuning = h->search->device->tuning;
    bool better;
    for (int i = 0; i < tuning->count; i++) {
        struct weft_kernel_config config = {{0}, h->baseline.fingerprint};
        const struct weft_tuning_entry *row = &tuning->rows[i];
        if (weft_tuning_entry_rejected(row) || strcmp(row->problem, h->problem->text))
            continue;
        snprintf(config.text, sizeof(config.text), "%s", row->config);
        config.fingerprint = h->search->device->backend->tuner->fingerprint(
            h->search->device, h->problem->text, config.text);
        if (config.fingerprint)
            WEFT_TRY(explore_configs(h, &config, &better));
    }
    return WEFT_OK;
}

/* A winner must also build and compute in a process that has not tuned it. */
static enum weft_status begin_fresh_process(struct problem_search *h)
{
    if (!h->search->worker.command)
        return WEFT_OK;
    tune_worker_process_stop(&h->search->worker);
    return restart_worker(h);
}

/* The final comparison with the default decides and is stored. */
static enum weft_status final_comparison(struct problem_search *h)
{
    struct tune_search *s = h->search;
    bool right = false;
    struct weft_tuning_entry row = {.problem = (char *)h->problem->text,
                                    .config = h->baseline.text,
                                    .state = WEFT_TUNING_DEFAULT,
                                    .seconds = h->usual_seconds,
                                    .baseline = h->usual_seconds,
                                    .fingerprint = h->baseline.fingerprint};
    bool ahead = strcmp(h->best.text, h->baseline.text) && h->ratio < margin;
    if (ahead)
        WEFT_TRY(begin_fresh_process(h));
    if (ahead)
        WEFT_TRY(run_trial(h, &h->best, FINAL_ROUNDS, &right));
    if (ahead && !right)
        return WEFT_OK; /* not decided */
    if (right && h->seconds <= margin * h->usual_seconds) {
        row.config = h->best.text;
        row.fingerprint = h->best.fingerprint;
        row.state = WEFT_TUNING_BEST;
        row.seconds = h->seconds;
        s->result->improved++;
        s->progress.improved++;
    }
    row.baseline = h->usual_seconds;
    if (row.state == WEFT_TUNING_DEFAULT)
        row.seconds = row.baseline;
    s->result->baseline += h->problem->count * row.baseline;
    s->result->best += h->problem->count * row.seconds;
    WEFT_TRY(weft_tuning_set(s->device->context, s->device->tuning, &row));
    return weft_tuning_save(s->device->context, s->device->tuning);
}

static enum weft_status problem_search(struct problem_search *h)
{
    struct tune_search *s = h->search;
    const struct weft_tuner *tuner = s->device->backend->tuner;
    struct weft_kernel_config starts[WEFT_MAX_CONFIGS];
    bool better, right;
    int count = tuner->configs(s->device, h->problem->text, NULL, starts);
    if (!count)
        return WEFT_OK;
    WEFT_TRY(tune_worker_process_start(&s->worker, reply_timeout(s)));
    if (s->result->stopped || !load_problem(s, h->problem->text))
        return WEFT_OK;
    h->baseline = h->best = starts[0];
    h->ratio = 1;
    memcpy(h->tried[h->tried_count++], h->baseline.text, WEFT_PROBLEM_TEXT);
    WEFT_TRY(run_trial(h, &h->baseline, 1, &right));
    if (!right)
        return WEFT_OK;
    WEFT_TRY(explore_rows(h));
    for (int i = 1; i < count; i++)
        WEFT_TRY(explore_configs(h, &starts[i], &better));
    WEFT_TRY(hill_climb(h));
    /* A long search also steps from the algorithms that do not lead. */
    struct weft_kernel_config leader = h->best;
    double ratio = h->ratio;
    for (int i = 0; s->params->full && i < count; i++) {
        h->best = starts[i];
        h->ratio = ratio;
        WEFT_TRY(hill_climb(h));
        if (h->ratio < ratio) {
            leader = h->best;
            ratio = h->ratio;
        }
    }
    h->best = leader;
    h->ratio = ratio;
    return final_comparison(h);
}

/* True: a row measured with these kernels and this driver answers the problem. */
static bool is_already_tuned(const struct tune_search *s,
                             const struct tune_problem *problem)
{
    const struct weft_tuning *t = s->device->tuning;
    for (int i = t->bundled; i < t->count; i++) {
        const struct weft_tuning_entry *row = &t->rows[i];
        if (!weft_tuning_entry_rejected(row) && !strcmp(row->problem, problem->text))
            return s->device->backend->tuner->fingerprint(
                       s->device, row->problem, row->config) == row->fingerprint;
    }
    return false;
}

/* Estimated share of a step, because small problems run at a lower rate. */
static double problem_cost(const struct tune_problem *problem)
{
    return problem->count * pow(problem->work + 1, 0.75);
}

static int compare_by_cost(const void *a, const void *b)
{
    double x = problem_cost(a), y = problem_cost(b);
    return (x < y) - (x > y);
}

/* Removes problems with known answers, and sorts. */
static void select_problems(struct tune_search *s)
{
    struct tune_problems *p = &s->problems;
    int kept = 0;
    s->result->problems = p->count;
    for (int i = 0; i < p->count; i++) {
        bool known = !s->params->full && is_already_tuned(s, &p->items[i]);
        s->result->cached += known;
        if (!known)
            p->items[kept++] = p->items[i];
    }
    p->count = kept;
    qsort(p->items, (size_t)kept, sizeof(*p->items), compare_by_cost);
}

enum weft_status tune_search_run(struct tune_search *s)
{
    enum weft_status status = WEFT_OK;
    double left = 0;
    select_problems(s);
    s->progress.problems = s->problems.count;
    s->worker.should_continue = should_continue;
    s->worker.priv = s;
    for (int i = 0; i < s->problems.count; i++)
        left += problem_cost(&s->problems.items[i]);
    char(*tried)[WEFT_PROBLEM_TEXT] = malloc(MAX_TRIALS * sizeof(*tried));
    if (!tried)
        return weft_out_of_memory(s->device->context, "tuning",
                                  MAX_TRIALS * sizeof(*tried));
    for (int i = 0; i < s->problems.count && !status && !s->result->stopped; i++) {
        const struct tune_problem *problem = &s->problems.items[i];
        double now = weft_clock_seconds(), weight = problem_cost(problem);
        struct problem_search h = {
            .search = s,
            .problem = problem,
            .tried = tried,
            .rounds = s->params->full ? FULL_ROUNDS : QUICK_ROUNDS,
            /* A fifth of the time is for the final comparison. */
            .deadline =
                s->params->full ? s->end : now + 0.8 * (s->end - now) * weight / left,
        };
        s->progress.done = i;
        s->progress.problem = problem->text;
        s->progress.config = "";
        status = problem_search(&h);
        left -= weight;
    }
    free(tried);
    return status;
}
