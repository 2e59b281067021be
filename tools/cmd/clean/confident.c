/* SPDX-License-Identifier: Apache-2.0 */
/* Confident learning, and the choice of images to label. */
#include "clean/clean.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CANDIDATES = 10 };

static const float *row_of(const struct clean_data *data, int image)
{
    return data->probabilities + (size_t)image * (size_t)data->classes;
}

static void find_thresholds(const struct clean_data *data, struct clean_result *result)
{
    for (int i = 0; i < data->count; i++) {
        int label = data->labels[i];
        result->thresholds[label] += (double)row_of(data, i)[label];
        result->images[label]++;
    }
    for (int c = 0; c < data->classes; c++)
        result->thresholds[c] =
            result->images[c] ? result->thresholds[c] / result->images[c] : INFINITY;
}

/* The most likely of the classes that reach their threshold; -1: none does. */
static int confident_class(const struct clean_data *data,
                           const struct clean_result *result, const float *p)
{
    int best = -1;
    for (int c = 0; c < data->classes; c++)
        if ((double)p[c] >= result->thresholds[c] && (best < 0 || p[c] > p[best]))
            best = c;
    return best;
}

static double margin_of(const struct clean_data *data, const float *p, int label)
{
    float other = -1;
    for (int c = 0; c < data->classes; c++)
        if (c != label && p[c] > other)
            other = p[c];
    return (double)p[label] - (double)other;
}

static int by_margin(const void *a, const void *b)
{
    const struct clean_suspect *x = a, *y = b;
    if (x->margin < y->margin || x->margin > y->margin)
        return x->margin < y->margin ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

static int by_likelihood(const void *a, const void *b)
{
    const struct clean_suspect *x = a, *y = b;
    if (x->likelihood < y->likelihood || x->likelihood > y->likelihood)
        return x->likelihood < y->likelihood ? -1 : 1;
    return (x->image > y->image) - (x->image < y->image);
}

static int most_likely(const struct clean_data *data, const float *p)
{
    int best = 0;
    for (int c = 1; c < data->classes; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

/* Row k: the share of each label among the images that are classified as k. */
static double *find_label_shares(const struct clean_data *data)
{
    size_t classes = (size_t)data->classes;
    double *shares = term_realloc_or_exit(NULL, classes * classes * sizeof(*shares));
    int *images = term_realloc_or_exit(NULL, classes * sizeof(*images));
    memset(images, 0, classes * sizeof(*images));
    for (size_t i = 0; i < classes * classes; i++)
        shares[i] = 0;
    for (int i = 0; i < data->count; i++) {
        size_t found = (size_t)most_likely(data, row_of(data, i));
        shares[found * classes + (size_t)data->labels[i]]++;
        images[found]++;
    }
    for (size_t i = 0; i < classes * classes; i++)
        shares[i] /= images[i / classes] ? images[i / classes] : 1;
    free(images);
    return shares;
}

/* All images whose most likely class is not their label, ranked. */
static void rank_suspects(const struct clean_data *data, struct clean_result *result)
{
    size_t classes = (size_t)data->classes;
    double *shares = find_label_shares(data);
    for (int i = 0; i < data->count; i++) {
        const float *p = row_of(data, i);
        int label = data->labels[i], found = most_likely(data, p);
        double likelihood = 0;
        for (size_t k = 0; k < classes; k++)
            likelihood += (double)p[k] * shares[k * classes + (size_t)label];
        if (found != label)
            result->suspects[result->suspect_count++] = (struct clean_suspect){
                i, label, found, likelihood, margin_of(data, p, label)};
    }
    free(shares);
    qsort(result->suspects, (size_t)result->suspect_count, sizeof(*result->suspects),
          by_likelihood);
}

/* Fills the counts; returns those off the diagonal. */
static int count_confident(const struct clean_data *data, struct clean_result *result)
{
    size_t classes = (size_t)data->classes;
    int wrong = 0;
    for (int i = 0; i < data->count; i++) {
        int label = data->labels[i];
        int found = confident_class(data, result, row_of(data, i));
        if (found < 0)
            continue;
        result->counts[(size_t)label * classes + (size_t)found]++;
        wrong += found != label;
    }
    return wrong;
}

void clean_find(const struct clean_data *data, struct clean_result *result)
{
    size_t classes = (size_t)data->classes, count = (size_t)data->count;
    *result = (struct clean_result){0};
    result->thresholds = term_realloc_or_exit(NULL, classes * sizeof(double));
    result->images = term_realloc_or_exit(NULL, classes * sizeof(int));
    result->counts = term_realloc_or_exit(NULL, classes * classes * sizeof(int));
    result->suspects =
        term_realloc_or_exit(NULL, (count + 1) * sizeof(*result->suspects));
    memset(result->images, 0, classes * sizeof(int));
    memset(result->counts, 0, classes * classes * sizeof(int));
    for (size_t c = 0; c < classes; c++)
        result->thresholds[c] = 0;
    find_thresholds(data, result);
    int wrong = count_confident(data, result);
    rank_suspects(data, result);
    if (result->suspect_count > wrong)
        result->suspect_count = wrong;
}

void clean_result_free(struct clean_result *result)
{
    free(result->suspects);
    free(result->thresholds);
    free(result->counts);
    free(result->images);
    free(result->next);
    *result = (struct clean_result){0};
}

double clean_noise_of(const struct clean_data *data, const struct clean_result *result,
                      int label)
{
    const int *row = result->counts + (size_t)label * (size_t)data->classes;
    int64_t counted = 0;
    for (int c = 0; c < data->classes; c++)
        counted += row[c];
    return counted ? 1 - (double)row[label] / (double)counted : NAN;
}

double clean_noise(const struct clean_data *data, const struct clean_result *result)
{
    double wrong = 0;
    for (int c = 0; c < data->classes; c++) {
        double noise = clean_noise_of(data, result, c);
        wrong += isnan(noise) ? 0 : noise * result->images[c];
    }
    return wrong / data->count;
}

int clean_mostly(const struct clean_data *data, const struct clean_result *result,
                 int label)
{
    const int *row = result->counts + (size_t)label * (size_t)data->classes;
    int best = -1;
    for (int c = 0; c < data->classes; c++)
        if (c != label && row[c] && (best < 0 || row[c] > row[best]))
            best = c;
    return best;
}

/* Images by the margin between their two most likely classes; without suspects, which
 * are reviewed already. */
static int rank_by_doubt(const struct clean_data *data, const struct clean_result *result,
                         struct clean_suspect *ranked)
{
    bool *reviewed = term_realloc_or_exit(NULL, (size_t)data->count);
    int count = 0;
    memset(reviewed, 0, (size_t)data->count);
    for (int i = 0; i < result->suspect_count; i++)
        reviewed[result->suspects[i].image] = true;
    for (int i = 0; i < data->count; i++) {
        const float *p = row_of(data, i);
        int best = most_likely(data, p);
        if (!reviewed[i])
            ranked[count++] =
                (struct clean_suspect){i, best, best, 0, margin_of(data, p, best)};
    }
    free(reviewed);
    qsort(ranked, (size_t)count, sizeof(*ranked), by_margin);
    return count;
}

static double squared_distance(const float *a, const float *b, int dimensions)
{
    double sum = 0;
    for (int i = 0; i < dimensions; i++) {
        double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum;
}

void clean_choose_next(const struct clean_data *data, const float *vectors,
                       int dimensions, int count, struct clean_result *result)
{
    struct clean_suspect *ranked =
        term_realloc_or_exit(NULL, (size_t)data->count * sizeof(*ranked));
    int candidates = rank_by_doubt(data, result, ranked);
    if (candidates > CANDIDATES * count)
        candidates = CANDIDATES * count;
    double *nearest =
        term_realloc_or_exit(NULL, ((size_t)candidates + 1) * sizeof(double));
    result->next = term_realloc_or_exit(NULL, ((size_t)count + 1) * sizeof(int));
    for (int i = 0; i < candidates; i++)
        nearest[i] = INFINITY;
    for (int at = 0; result->next_count < count && result->next_count < candidates;) {
        int chosen = ranked[at].image;
        result->next[result->next_count++] = chosen;
        nearest[at] = -1;
        int farthest = 0;
        for (int i = 0; i < candidates; i++) {
            double d = squared_distance(
                vectors + (size_t)ranked[i].image * (size_t)dimensions,
                vectors + (size_t)chosen * (size_t)dimensions, dimensions);
            if (nearest[i] >= 0 && d < nearest[i])
                nearest[i] = d;
            if (nearest[i] > nearest[farthest])
                farthest = i;
        }
        at = farthest;
    }
    free(nearest);
    free(ranked);
}
