/* SPDX-License-Identifier: Apache-2.0 */
/* The search: over problems, those with most work first, and for each over choices, from
 * the default of every algorithm on by steps in one number. */
#include "tune.h"

#include "../util/clock.h"
#include "../util/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A choice must be so much faster than the default in the last race. */
static const double margin = 0.97;
/* A step must bring so much to be taken. */
static const double worth = 0.985;

enum {
    QUICK_ROUNDS = 3,
    FULL_ROUNDS = 5,
    LAST_ROUNDS = 15,
    MOST_TRIED = 512, /* choices of one problem */
    MOST_DEATHS = 30
};

/* One problem under way. */
struct hunt {
    struct tune_search *search;
    const struct weft_problem *problem;
    struct weft_choice usual, best;
    double ratio;                  /* of the best so far, to the default */
    double seconds, usual_seconds; /* as the last trial measured */
    char (*tried)[WEFT_TUNING_TEXT];
    int tried_count, rounds;
    double until; /* of the clock, for exploring */
    bool over;    /* no more trials: stopped, or no worker */
};

static bool go_on(void *priv)
{
    struct tune_search *s = priv;
    s->progress.seconds = weft_clock_seconds() - s->begin;
    if (s->progress.seconds > s->progress.limit ||
        (s->params->report && !s->params->report(s->params->priv, &s->progress)))
        s->result->stopped = true;
    return !s->result->stopped;
}

static double patience_of(const struct tune_search *s)
{
    return s->params->patience > 0 ? s->params->patience : 30;
}

/* Sets the problem up where it is tried. False: it cannot be. */
static bool present(struct tune_search *s, const char *problem)
{
    char line[TUNE_LINE], reply[TUNE_LINE] = "";
    snprintf(line, sizeof(line), "problem %s", problem);
    enum tune_outcome outcome =
        tune_link_ask(&s->link, line, weft_clock_seconds() + patience_of(s), reply);
    if (outcome == TUNE_ANSWERED && !strcmp(reply, "ok"))
        return true;
    if (outcome != TUNE_STOPPED)
        weft_say(s->device->context, WEFT_LOG_WARN, "tuning: %s: left out: %s", problem,
                 outcome == TUNE_DIED   ? "its default crashes"
                 : outcome == TUNE_LATE ? "its default does not finish"
                                        : reply);
    return false;
}

static enum weft_status deny(struct hunt *h, const struct weft_choice *choice,
                             enum weft_row_state state)
{
    struct weft_row row = {.problem = (char *)h->problem->text,
                           .choice = (char *)choice->text,
                           .state = state,
                           .stamp = choice->stamp};
    weft_context *ctx = h->search->device->context;
    weft_say(ctx, WEFT_LOG_DEBUG, "tuning: %s: %s: %s", row.problem, row.choice,
             weft_row_states[state]);
    h->search->result->denied++;
    h->search->progress.denied++;
    WEFT_TRY(weft_tuning_set(ctx, h->search->device->tuning, &row));
    return weft_tuning_save(ctx, h->search->device->tuning);
}

/* After a death: a new process that knows the problem. */
static enum weft_status revive(struct hunt *h)
{
    struct tune_search *s = h->search;
    WEFT_TRY(tune_link_start(&s->link, patience_of(s)));
    if (s->result->stopped || !present(s, h->problem->text))
        h->over = true;
    return WEFT_OK;
}

/* What an answer to `try` means; fills in the times. */
static enum weft_status judge(struct hunt *h, const struct weft_choice *choice,
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
    weft_say(h->search->device->context, WEFT_LOG_DEBUG, "tuning: %s: %s", choice->text,
             reply);
    WEFT_TRY(
        deny(h, choice, status == WEFT_ERR_CHECK ? WEFT_ROW_WRONG : WEFT_ROW_REFUSED));
    if (status != WEFT_ERR_DEVICE)
        return WEFT_OK;
    /* The driver failed: its process is of no more use. */
    if (h->search->link.command)
        tune_link_stop(&h->search->link);
    return h->search->link.command ? revive(h) : WEFT_OK;
}

/* Tries one choice; `right`: it may be used, and its times are known. */
static enum weft_status attempt(struct hunt *h, const struct weft_choice *choice,
                                int rounds, bool *right)
{
    struct tune_search *s = h->search;
    struct weft_tuning *tuning = s->device->tuning;
    char line[TUNE_LINE], reply[TUNE_LINE] = "";
    *right = false;
    s->progress.choice = choice->text;
    if (h->over || !go_on(s)) {
        h->over = true;
        return WEFT_OK;
    }
    WEFT_TRY(weft_journal_write(s->device->context, tuning, h->problem->text,
                                choice->text, choice->stamp));
    snprintf(line, sizeof(line), "try %d %s", rounds, choice->text);
    enum tune_outcome outcome =
        tune_link_ask(&s->link, line, weft_clock_seconds() + patience_of(s), reply);
    weft_journal_clear(tuning);
    s->result->tried++;
    s->progress.tried++;
    if (outcome == TUNE_ANSWERED)
        return judge(h, choice, reply, right);
    if (outcome == TUNE_STOPPED) {
        h->over = true;
        return WEFT_OK;
    }
    WEFT_TRY(deny(h, choice, outcome == TUNE_DIED ? WEFT_ROW_CRASHED : WEFT_ROW_HUNG));
    if (s->result->denied > MOST_DEATHS)
        h->over = true;
    return h->over ? WEFT_OK : revive(h);
}

/* Whether the choice is worth a trial: not tried yet, not denied, and there is time. */
static bool is_new(struct hunt *h, const struct weft_choice *choice)
{
    if (h->over || h->tried_count == MOST_TRIED || weft_clock_seconds() > h->until)
        return false;
    for (int i = 0; i < h->tried_count; i++)
        if (!strcmp(h->tried[i], choice->text))
            return false;
    memcpy(h->tried[h->tried_count++], choice->text, WEFT_TUNING_TEXT);
    return !weft_tuning_denies(h->search->device->tuning, h->problem->text, choice->text,
                               choice->stamp);
}

/* Tries it if it is new; `better`: it leads now. */
static enum weft_status explore(struct hunt *h, const struct weft_choice *choice,
                                bool *better)
{
    bool right;
    *better = false;
    if (!is_new(h, choice))
        return WEFT_OK;
    WEFT_TRY(attempt(h, choice, h->rounds, &right));
    double ratio = right ? h->seconds / h->usual_seconds : INFINITY;
    if (ratio < worth * h->ratio) {
        h->best = *choice;
        h->ratio = ratio;
        *better = true;
    }
    return WEFT_OK;
}

/* Steps from the leader as long as one of its neighbours takes the lead. */
static enum weft_status climb(struct hunt *h)
{
    const struct weft_tuner *tuner = h->search->device->backend->tuner;
    struct weft_choice beside[WEFT_MOST_CHOICES];
    bool better = true;
    while (better && !h->over) {
        int count =
            tuner->choices(h->search->device, h->problem->text, h->best.text, beside);
        better = false;
        for (int i = 0; i < count && !better; i++)
            WEFT_TRY(explore(h, &beside[i], &better));
    }
    return WEFT_OK;
}

/* What other rows say of the problem comes first: measured with another driver, shipped,
 * or kept from before. */
static enum weft_status explore_rows(struct hunt *h)
{
    const struct weft_tuning *tuning = h->search->device->tuning;
    bool better;
    for (int i = 0; i < tuning->count; i++) {
        struct weft_choice choice = {{0}, h->usual.stamp};
        const struct weft_row *row = &tuning->rows[i];
        if (weft_row_denied(row) || strcmp(row->problem, h->problem->text))
            continue;
        snprintf(choice.text, sizeof(choice.text), "%s", row->choice);
        choice.stamp = h->search->device->backend->tuner->stamp(
            h->search->device, h->problem->text, choice.text);
        if (choice.stamp)
            WEFT_TRY(explore(h, &choice, &better));
    }
    return WEFT_OK;
}

/* The last race decides, and is kept. */
static enum weft_status conclude(struct hunt *h)
{
    struct tune_search *s = h->search;
    bool right = false;
    struct weft_row row = {.problem = (char *)h->problem->text,
                           .choice = h->usual.text,
                           .state = WEFT_ROW_DEFAULT,
                           .seconds = h->usual_seconds,
                           .usual = h->usual_seconds,
                           .stamp = h->usual.stamp};
    bool ahead = strcmp(h->best.text, h->usual.text) && h->ratio < margin;
    if (ahead)
        WEFT_TRY(attempt(h, &h->best, LAST_ROUNDS, &right));
    if (ahead && !right)
        return WEFT_OK; /* not decided */
    if (right && h->seconds <= margin * h->usual_seconds) {
        row.choice = h->best.text;
        row.stamp = h->best.stamp;
        row.state = WEFT_ROW_BEST;
        row.seconds = h->seconds;
        s->result->better++;
        s->progress.better++;
    }
    row.usual = h->usual_seconds;
    if (row.state == WEFT_ROW_DEFAULT)
        row.seconds = row.usual;
    s->result->usual += h->problem->count * row.usual;
    s->result->best += h->problem->count * row.seconds;
    WEFT_TRY(weft_tuning_set(s->device->context, s->device->tuning, &row));
    return weft_tuning_save(s->device->context, s->device->tuning);
}

static enum weft_status hunt(struct hunt *h)
{
    struct tune_search *s = h->search;
    const struct weft_tuner *tuner = s->device->backend->tuner;
    struct weft_choice starts[WEFT_MOST_CHOICES];
    bool better, right;
    int count = tuner->choices(s->device, h->problem->text, NULL, starts);
    if (!count)
        return WEFT_OK;
    WEFT_TRY(tune_link_start(&s->link, patience_of(s)));
    if (s->result->stopped || !present(s, h->problem->text))
        return WEFT_OK;
    h->usual = h->best = starts[0];
    h->ratio = 1;
    memcpy(h->tried[h->tried_count++], h->usual.text, WEFT_TUNING_TEXT);
    WEFT_TRY(attempt(h, &h->usual, 1, &right));
    if (!right)
        return WEFT_OK;
    WEFT_TRY(explore_rows(h));
    for (int i = 1; i < count; i++)
        WEFT_TRY(explore(h, &starts[i], &better));
    WEFT_TRY(climb(h));
    /* A long search also steps from the algorithms that do not lead. */
    struct weft_choice leader = h->best;
    double ratio = h->ratio;
    for (int i = 0; s->params->full && i < count; i++) {
        h->best = starts[i];
        h->ratio = ratio;
        WEFT_TRY(climb(h));
        if (h->ratio < ratio) {
            leader = h->best;
            ratio = h->ratio;
        }
    }
    h->best = leader;
    h->ratio = ratio;
    return conclude(h);
}

/* Whether a measured row of today's kernels and driver answers the problem. */
static bool is_known(const struct tune_search *s, const struct weft_problem *problem)
{
    const struct weft_tuning *t = s->device->tuning;
    for (int i = t->curated; i < t->count; i++) {
        const struct weft_row *row = &t->rows[i];
        if (!weft_row_denied(row) && !strcmp(row->problem, problem->text))
            return s->device->backend->tuner->stamp(s->device, row->problem,
                                                    row->choice) == row->stamp;
    }
    return false;
}

/* What a problem is likely to take of a step, roughly: small ones run at a lower rate. */
static double weight_of(const struct weft_problem *problem)
{
    return problem->count * pow(problem->work + 1, 0.75);
}

static int by_weight(const void *a, const void *b)
{
    double x = weight_of(a), y = weight_of(b);
    return (x < y) - (x > y);
}

/* Leaves out what is known, and sorts. */
static void select_problems(struct tune_search *s)
{
    struct weft_problems *p = &s->problems;
    int kept = 0;
    s->result->problems = p->count;
    for (int i = 0; i < p->count; i++) {
        bool known = !s->params->full && is_known(s, &p->items[i]);
        s->result->known += known;
        if (!known)
            p->items[kept++] = p->items[i];
    }
    p->count = kept;
    qsort(p->items, (size_t)kept, sizeof(*p->items), by_weight);
}

enum weft_status tune_search_run(struct tune_search *s)
{
    enum weft_status status = WEFT_OK;
    double left = 0;
    select_problems(s);
    s->progress.problems = s->problems.count;
    s->link.go_on = go_on;
    s->link.priv = s;
    for (int i = 0; i < s->problems.count; i++)
        left += weight_of(&s->problems.items[i]);
    char(*tried)[WEFT_TUNING_TEXT] = malloc(MOST_TRIED * sizeof(*tried));
    if (!tried)
        return weft_out_of_memory(s->device->context, "tuning",
                                  MOST_TRIED * sizeof(*tried));
    for (int i = 0; i < s->problems.count && !status && !s->result->stopped; i++) {
        const struct weft_problem *problem = &s->problems.items[i];
        double now = weft_clock_seconds(), weight = weight_of(problem);
        struct hunt h = {
            .search = s,
            .problem = problem,
            .tried = tried,
            .rounds = s->params->full ? FULL_ROUNDS : QUICK_ROUNDS,
            /* A fifth is kept for the last race. */
            .until =
                s->params->full ? s->end : now + 0.8 * (s->end - now) * weight / left,
        };
        s->progress.done = i;
        s->progress.problem = problem->text;
        s->progress.choice = "";
        status = hunt(&h);
        left -= weight;
    }
    free(tried);
    return status;
}
