/* SPDX-License-Identifier: Apache-2.0 */
/* The table of tuning results, in memory. */
#include "device/tuning_table.h"

#include <stdlib.h>
#include <string.h>

const char *const weft_tuning_entry_states[WEFT_TUNING_STATE_COUNT] = {
    [WEFT_TUNING_BEST] = "best",
    [WEFT_TUNING_DEFAULT] = "default",
    [WEFT_TUNING_BUNDLED] = "bundled",
    [WEFT_TUNING_WRONG] = "wrong",
    [WEFT_TUNING_BUILD_FAILED] = "build-failed",
    [WEFT_TUNING_CRASHED] = "crashed",
    [WEFT_TUNING_HUNG] = "hung",
};

static void entry_free(struct weft_tuning_entry *row)
{
    free(row->problem);
    free(row->config);
    free(row->parsed);
}

/* The row that a new one replaces; NULL: none. */
static struct weft_tuning_entry *replaced_row(struct weft_tuning *t,
                                              const struct weft_tuning_entry *row)
{
    for (int i = t->bundled; i < t->count; i++) {
        struct weft_tuning_entry *old = &t->rows[i];
        if (strcmp(old->problem, row->problem))
            continue;
        bool rejected = weft_tuning_entry_rejected(row);
        if (rejected == weft_tuning_entry_rejected(old) &&
            (!rejected || !strcmp(old->config, row->config)))
            return old;
    }
    return NULL;
}

enum weft_status weft_tuning_set(weft_context *ctx, struct weft_tuning *t,
                                 const struct weft_tuning_entry *row)
{
    struct weft_tuning_entry copy = *row;
    copy.problem = strdup(row->problem);
    copy.config = strdup(row->config);
    copy.parsed = malloc(sizeof(*copy.parsed));
    struct weft_tuning_entry *place =
        row->state == WEFT_TUNING_BUNDLED ? NULL : replaced_row(t, row);
    bool whole = copy.problem && copy.config && copy.parsed;
    if (whole && !place && t->count == t->room) {
        int room = t->room ? 2 * t->room : 64;
        struct weft_tuning_entry *rows = realloc(t->rows, (size_t)room * sizeof(*rows));
        whole = rows != NULL;
        if (rows) {
            t->rows = rows;
            t->room = room;
        }
    }
    if (!whole) {
        entry_free(&copy);
        return weft_out_of_memory(ctx, "tuning", sizeof(copy));
    }
    if (!weft_problem_parse(copy.problem, copy.parsed)) {
        free(copy.parsed);
        copy.parsed = NULL;
    }
    if (place)
        entry_free(place);
    else
        place = &t->rows[t->count++];
    *place = copy;
    return WEFT_OK;
}

bool weft_tuning_rejects(const struct weft_tuning *t, const struct weft_problem *problem,
                         const char *config, uint64_t fingerprint)
{
    for (int i = 0; i < t->count; i++) {
        const struct weft_tuning_entry *row = &t->rows[i];
        if (weft_tuning_entry_rejected(row) && row->fingerprint == fingerprint &&
            row->parsed && !strcmp(row->config, config) &&
            weft_problem_batch_ratio(row->parsed, problem) == 1)
            return true;
    }
    return false;
}

void weft_tuning_forget(struct weft_tuning *t)
{
    while (t->count > t->bundled)
        entry_free(&t->rows[--t->count]);
}

void weft_tuning_destroy(struct weft_tuning **tuning)
{
    struct weft_tuning *t = *tuning;
    if (!t)
        return;
    t->bundled = 0;
    weft_tuning_forget(t);
    free(t->rows);
    free(t->path);
    free(t);
    *tuning = NULL;
}
