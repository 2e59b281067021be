/* SPDX-License-Identifier: Apache-2.0 */
/* Speedups between runs. */
#include "results/comparison_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Workloads that rank devices, in order of preference. */
static const struct {
    const char *workload, *verb;
} rankings[] = {{"train", "trained"}, {"inference", "ran"}};
enum { RANKINGS = sizeof(rankings) / sizeof(*rankings) };

struct statistics_ratio comparison_speedup(const json_t *from, const json_t *to)
{
    double *a, *b;
    int count_a = results_samples(from, &a), count_b = results_samples(to, &b);
    struct statistics_ratio ratio =
        statistics_speedup(a, count_a, b, count_b, results_is_time(from));
    free(a);
    free(b);
    return ratio;
}

/* Digits after the point that show a difference of `step`. */
static int digits_of(double step)
{
    int digits = (int)ceil(-log10(step / 1.95));
    return digits < 0 ? 0 : digits > 4 ? 4 : digits;
}

void comparison_format_ratio(const struct statistics_ratio *r, char out[64])
{
    if (!isfinite(r->ratio))
        snprintf(out, 64, "-");
    else if (!isfinite(r->low))
        snprintf(out, 64, "about %.2g", r->ratio);
    else if (r->high > 2 * r->low)
        snprintf(out, 64, "%.2g [%.2g - %.2g]", r->ratio, r->low, r->high);
    else {
        /* One digit of the error, two if it starts with 1; at least two of the ratio. */
        int digits = digits_of(fmax((r->high - r->low) / 2, r->ratio * 1e-4));
        snprintf(out, 64, "%.*f [%.*f - %.*f]", digits, r->ratio, digits, r->low, digits,
                 r->high);
    }
}

bool comparison_same_build(const json_t *a, const json_t *b)
{
    static const char *const fields[] = {
        "device.id", "device.driver", "device.family", "host.processor",
        "weft",      "commit",        "tuning"};
    const char *commit = results_text(a, "commit");
    if (!*commit || strstr(commit, "dirty") || !strcmp(commit, "unknown"))
        return false;
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (strcmp(results_text(a, fields[i]), results_text(b, fields[i])))
            return false;
    return true;
}

/* The best row of `workload` in `a` among those that `b` also has. */
static const json_t *best_common(const json_t *a, const json_t *b, const char *workload)
{
    const json_t *rows = json_object_get(a, "rows"), *best = NULL;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (!strcmp(results_text(row, "workload"), workload) &&
            results_find_same(a, row) == row && results_find_same(b, row) &&
            (!best || results_number(row, "median") > results_number(best, "median")))
            best = row;
    }
    return best;
}

bool comparison_of(const struct results *r, int a, int b, struct comparison_pair *out)
{
    const json_t *from = results_run(r, b), *to = results_run(r, a);
    for (int i = 0; i < RANKINGS; i++) {
        const json_t *row = best_common(to, from, rankings[i].workload);
        if (!row)
            continue;
        *out = (struct comparison_pair){
            .row = row,
            .verb = rankings[i].verb,
            .ratio = comparison_speedup(results_find_same(from, row), row),
            .same_build = comparison_same_build(to, from)};
        out->significant = !(out->ratio.low <= 1 && out->ratio.high >= 1);
        return true;
    }
    return false;
}

bool comparison_sentence(const struct results *r, int a, int b,
                         char out[COMPARISON_SENTENCE_BYTES])
{
    char name_a[RESULTS_LABEL_BYTES], name_b[RESULTS_LABEL_BYTES], times[64];
    struct comparison_pair c;
    if (!comparison_of(r, a, b, &c))
        return false;
    bool slower = c.ratio.ratio < 1 && !c.same_build;
    const struct statistics_ratio ratio =
        slower ? (struct statistics_ratio){1 / c.ratio.ratio, 1 / c.ratio.high,
                                           1 / c.ratio.low}
               : c.ratio;
    results_label(r, slower ? b : a, name_a);
    results_label(r, slower ? a : b, name_b);
    if (c.same_build) {
        snprintf(out, COMPARISON_SENTENCE_BYTES,
                 "%s and %s are the same device and build, so there is no difference: "
                 "%.60s (batch %.0f) differs by %.1f %%, the noise between runs.",
                 name_a, name_b, results_text(c.row, "net"),
                 results_number(c.row, "batch"), 100 * fabs(ratio.ratio - 1));
        return true;
    }
    comparison_format_ratio(&ratio, times);
    snprintf(out, COMPARISON_SENTENCE_BYTES,
             c.significant ? "%s %s %.60s (batch %.0f) %s times faster than %s."
                           : "%s %s %.60s (batch %.0f) %s times as fast as %s: not a "
                             "significant difference.",
             name_a, c.verb, results_text(c.row, "net"), results_number(c.row, "batch"),
             times, name_b);
    return true;
}

int comparison_fastest_run(const struct results *r)
{
    int fastest = -1;
    for (int i = 0; i < results_count(r); i++) {
        for (int k = 0; k < RANKINGS; k++) {
            const json_t *mine = results_run(r, i);
            const json_t *row =
                fastest < 0
                    ? best_common(mine, mine, rankings[k].workload)
                    : best_common(results_run(r, fastest), mine, rankings[k].workload);
            if (!row)
                continue;
            if (fastest < 0 || results_number(results_find_same(mine, row), "median") >
                                   results_number(row, "median"))
                fastest = i;
            break;
        }
    }
    return fastest;
}

void comparison_print(const struct results *r, enum table_format format)
{
    char sentence[COMPARISON_SENTENCE_BYTES];
    int fastest = comparison_fastest_run(r);
    for (int i = 0; fastest >= 0 && i < results_count(r); i++)
        if (i != fastest && comparison_sentence(r, fastest, i, sentence))
            table_line(stdout, format, sentence);
}
