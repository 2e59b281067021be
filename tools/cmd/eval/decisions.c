/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: answers above the threshold, and prediction sets. */
#include "eval/decisions.h"

#include <math.h>
#include <stdlib.h>

/* Rows of logits to sets. */
struct sets {
    struct eval_decisions *counts;
    const int32_t *labels;
    float *probabilities; /* of one row */
    int *set;
};

static enum app_exit count_sets(void *priv, const double *logits, int first, int count)
{
    struct sets *s = priv;
    const struct decision *d = s->counts->decision;
    for (int i = 0; i < count; i++, logits += d->classes) {
        double largest = logits[0], sum = 0;
        for (int k = 1; k < d->classes; k++)
            largest = fmax(largest, logits[k]);
        for (int k = 0; k < d->classes; k++)
            sum += exp(logits[k] - largest);
        for (int k = 0; k < d->classes; k++)
            s->probabilities[k] = (float)(exp(logits[k] - largest) / sum);
        int size = decision_set(d, s->probabilities, s->set);
        for (int k = 0; k < size; k++)
            s->counts->covered += s->set[k] == s->labels[first + i];
        s->counts->members += size;
        s->counts->unique += size == 1;
    }
    return APP_OK;
}

enum app_exit eval_measure_decisions(struct tta *tta, const struct decision *d,
                                     const weft_dataset *data,
                                     const struct weft_prediction *predictions,
                                     struct eval_decisions *out)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    *out = (struct eval_decisions){.decision = d, .images = info.count};
    decision_check_tta(d, tta_name(tta));
    for (int i = 0; i < info.count && d->has_threshold; i++) {
        bool answered = predictions[i].label >= 0 &&
                        !decision_is_unsure(d, predictions[i].probability);
        out->answered += answered;
        out->wrong += answered && predictions[i].label != info.labels[i];
    }
    if (d->coverage <= 0)
        return APP_OK;
    size_t classes = (size_t)d->classes;
    struct sets sets = {out, info.labels,
                        term_realloc_or_exit(NULL, classes * sizeof(float)),
                        term_realloc_or_exit(NULL, classes * sizeof(int))};
    struct tta again = *tta; /* counts its images once */
    enum app_exit code = tta_run_dataset(&again, data, count_sets, &sets);
    free(sets.probabilities);
    free(sets.set);
    return code;
}

struct hotter {
    double temperature;
    int classes;
    struct weft_prediction *predictions;
};

static enum app_exit use_hotter(void *priv, const double *logits, int first, int count)
{
    const struct hotter *h = priv;
    for (int i = 0; i < count; i++, logits += h->classes) {
        struct weft_prediction *p = &h->predictions[first + i];
        double sum = 0;
        for (int k = 0; k < h->classes && p->label >= 0; k++)
            sum += exp((logits[k] - logits[p->label]) * h->temperature);
        p->probability = (float)(1 / sum);
    }
    return APP_OK;
}

enum app_exit eval_undo_temperature(struct tta *tta, const struct decision *d,
                                    const weft_dataset *data, struct weft_prediction *out)
{
    struct hotter hotter = {d->temperature, d->classes, out};
    struct tta again = *tta; /* counts its images once */
    return tta_run_dataset(&again, data, use_hotter, &hotter);
}

static double part(int64_t count, int64_t whole)
{
    return whole ? (double)count / (double)whole : NAN;
}

void eval_print_decisions(const struct eval_decisions *e)
{
    const struct decision *d = e->decision;
    if (d->has_threshold && e->answered)
        term_line(10,
                  "Answers   %.1f %% of images; %.2f %% of them are wrong, calibrated "
                  "for at most %.4g %%",
                  100 * part(e->answered, e->images), 100 * part(e->wrong, e->answered),
                  100 * d->max_error);
    else if (d->has_threshold)
        term_line(10, "Answers   none: all images are unsure");
    if (d->coverage > 0)
        term_line(10,
                  "Sets      have the true class of %.2f %% of images, calibrated for "
                  "%.4g %%; %.2f classes in the mean, one in %.1f %%",
                  100 * part(e->covered, e->images), 100 * d->coverage,
                  (double)e->members / (double)e->images,
                  100 * part(e->unique, e->images));
}

char *eval_decisions_text(const struct eval_decisions *e)
{
    const struct decision *d = e->decision;
    char *answers =
        !d->has_threshold ? term_format_or_exit("%s", "")
        : !e->answered
            ? term_format_or_exit("all images are unsure")
            : term_format_or_exit("%.1f %% answered, %.2f %% of the answers wrong, "
                                  "calibrated for at most %.4g %%",
                                  100 * part(e->answered, e->images),
                                  100 * part(e->wrong, e->answered), 100 * d->max_error);
    if (d->coverage <= 0)
        return answers;
    char *both = term_format_or_exit(
        "%s%s%.2f %% of sets have the true class, calibrated for %.4g %%", answers,
        d->has_threshold ? "; " : "", 100 * part(e->covered, e->images),
        100 * d->coverage);
    free(answers);
    return both;
}

void eval_json_decisions(const struct eval_decisions *e, struct json *j)
{
    const struct decision *d = e->decision;
    if (d->has_threshold) {
        emit_double(j, "threshold", (double)d->threshold);
        emit_int(j, "answered", e->answered);
        emit_double(j, "answered_fraction", part(e->answered, e->images));
        emit_double(j, "error_of_answers", part(e->wrong, e->answered));
        emit_double(j, "max_error", d->max_error);
    }
    if (d->coverage > 0) {
        emit_double(j, "sets_with_true_class", part(e->covered, e->images));
        emit_double(j, "set_coverage", d->coverage);
        emit_double(j, "set_size", (double)e->members / (double)e->images);
        emit_double(j, "sets_of_one_class", part(e->unique, e->images));
    }
}
