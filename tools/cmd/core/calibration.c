/* SPDX-License-Identifier: Apache-2.0 */
/* Temperature, threshold and prediction sets, from images with known classes. */
#include "core/calibration.h"

#include "core/term.h"

#include <math.h>
#include <stdlib.h>

double calibration_error(const struct weft_prediction *predictions, const int32_t *labels,
                         int count, struct calibration_bin bins[CALIBRATION_BINS])
{
    int used = 0;
    double error = 0;
    for (int b = 0; b < CALIBRATION_BINS; b++)
        bins[b] = (struct calibration_bin){0};
    for (int i = 0; i < count; i++) {
        const struct weft_prediction *p = &predictions[i];
        if (p->label < 0)
            continue;
        int at = (int)((double)p->probability * CALIBRATION_BINS);
        struct calibration_bin *bin =
            &bins[at < CALIBRATION_BINS ? at : CALIBRATION_BINS - 1];
        bin->count++;
        bin->correct += p->label == labels[i];
        bin->probability += (double)p->probability;
        used++;
    }
    for (int b = 0; b < CALIBRATION_BINS; b++)
        error += fabs(bins[b].correct - bins[b].probability);
    return used ? error / used : NAN;
}

/* The loss of softmax(beta z), and its first and second derivatives by beta. */
struct slope {
    double loss, first, second;
};

/* One image: log sum exp(beta z) - beta z_y, E[z] - z_y, Var[z], with z from the largest
 * logit on. */
static struct slope slope_of_row(const float *z, int classes, int label, double beta)
{
    double largest = (double)z[0], sum = 0, mean = 0, square = 0;
    for (int k = 1; k < classes; k++)
        largest = fmax(largest, (double)z[k]);
    for (int k = 0; k < classes; k++) {
        double x = (double)z[k] - largest, e = exp(beta * x);
        sum += e;
        mean += e * x;
        square += e * x * x;
    }
    double y = (double)z[label] - largest;
    mean /= sum;
    return (struct slope){log(sum) - beta * y, mean - y, square / sum - mean * mean};
}

static struct slope slope_of(const struct calibration_rows *rows, double beta)
{
    struct slope total = {0, 0, 0};
    for (int i = 0; i < rows->count; i++) {
        struct slope s = slope_of_row(rows->logits + (size_t)i * (size_t)rows->classes,
                                      rows->classes, rows->labels[i], beta);
        total.loss += s.loss;
        total.first += s.first;
        total.second += s.second;
    }
    return total;
}

double calibration_loss(const struct calibration_rows *rows, double temperature)
{
    return slope_of(rows, 1 / temperature).loss / rows->count;
}

/* The loss is convex in beta = 1 / T: Newton's method for the zero of its derivative,
 * within an interval that has it. */
double calibration_temperature(const struct calibration_rows *rows)
{
    enum { MOST_STEPS = 100 };
    double low = 1 / CALIBRATION_WARMEST, high = 1 / CALIBRATION_COLDEST, beta = 1;
    if (slope_of(rows, high).first <= 0)
        return CALIBRATION_COLDEST;
    if (slope_of(rows, low).first >= 0)
        return CALIBRATION_WARMEST;
    for (int step = 0; step < MOST_STEPS; step++) {
        struct slope s = slope_of(rows, beta);
        *(s.first > 0 ? &high : &low) = beta;
        double next = beta - s.first / s.second;
        if (!(next > low && next < high))
            next = sqrt(low * high);
        if (fabs(next - beta) <= 1e-9 * beta)
            return 1 / next;
        beta = next;
    }
    return 1 / beta;
}

/* The probability of at most `errors` in `answers`, each with probability p, which is at
 * least errors / answers: the terms fall from j = errors on down. */
static double binomial_tail(int errors, int answers, double p)
{
    double n = answers, k = errors, sum = 1, term = 1;
    if (p >= 1)
        return errors < answers ? 0 : 1;
    double first =
        lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + (n - k) * log1p(-p);
    first += errors ? k * log(p) : 0;
    for (double j = k; j > 0 && term > 1e-17 * sum; j--) {
        term *= j * (1 - p) / ((n - j + 1) * p);
        sum += term;
    }
    return exp(first) * sum;
}

double calibration_error_bound(int errors, int answers, double alpha)
{
    enum { HALVINGS = 60 };
    if (errors >= answers)
        return 1;
    double low = (double)errors / answers, high = 1;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;
        *(binomial_tail(errors, answers, middle) > alpha ? &low : &high) = middle;
    }
    return high;
}

struct answer {
    float probability;
    bool wrong;
};

static int by_probability(const void *a, const void *b)
{
    const struct answer *x = a, *y = b;
    return (x->probability < y->probability) - (x->probability > y->probability);
}

/* The threshold that the first `answers` images have, or more that are as probable. */
static struct calibration_threshold threshold_of(const struct answer *sorted, int count,
                                                 const int *errors, int answers,
                                                 double alpha)
{
    float lowest = sorted[answers - 1].probability;
    while (answers < count && sorted[answers].probability >= lowest)
        answers++;
    return (struct calibration_threshold){
        lowest, answers, errors[answers],
        calibration_error_bound(errors[answers], answers, alpha)};
}

static int log2_above(int count)
{
    int bits = 0;
    while (bits < 31 && (int64_t)1 << bits < count)
        bits++;
    return bits;
}

bool calibration_select(const struct weft_prediction *predictions, const int32_t *labels,
                        int count, double max_error, double confidence,
                        struct calibration_threshold *out)
{
    struct answer *sorted = term_realloc_or_exit(NULL, (size_t)count * sizeof(*sorted));
    int *errors = term_realloc_or_exit(NULL, ((size_t)count + 1) * sizeof(*errors));
    bool found = false;
    for (int i = 0; i < count; i++)
        sorted[i] = (struct answer){predictions[i].probability,
                                    predictions[i].label != labels[i]};
    qsort(sorted, (size_t)count, sizeof(*sorted), by_probability);
    errors[0] = 0;
    for (int i = 0; i < count; i++)
        errors[i + 1] = errors[i] + sorted[i].wrong;
    int most = log2_above(count), tried = 0;
    double alpha = (1 - confidence) / most;
    /* Fewer answers than this have a larger bound also without an error. */
    double least = ceil(log(alpha) / log1p(-max_error));
    int low = 0, high = least < count ? count - (int)fmax(least, 1) : 0;
    *out = (struct calibration_threshold){.bound = INFINITY};
    while (tried < most && (low < high || !found)) {
        int left_out = low + (high - low) / 2; /* images without an answer */
        struct calibration_threshold t =
            threshold_of(sorted, count, errors, count - left_out, alpha);
        bool holds = t.bound <= max_error;
        if (holds || (!found && t.bound < out->bound))
            *out = t;
        found = found || holds;
        tried++;
        if (low == high)
            break;
        *(holds ? &high : &low) = holds ? left_out : left_out + 1;
    }
    free(sorted);
    free(errors);
    return found;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* Rounding of the decimal fractions that users give must not add 1. */
static const double slack = 1e-9;

bool calibration_set_limit(float *probabilities, int count, double coverage, float *out)
{
    double rank = ceil((count + 1) * coverage - slack);
    qsort(probabilities, (size_t)count, sizeof(*probabilities), by_value);
    if (rank > count || rank < 1)
        return false;
    *out = probabilities[(int)rank - 1];
    return true;
}

int calibration_least_images(double coverage)
{
    return (int)ceil(coverage / (1 - coverage) - slack);
}
