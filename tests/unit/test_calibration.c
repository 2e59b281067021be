/* SPDX-License-Identifier: Apache-2.0 */
/* Temperature, bounds and prediction sets of `weft calibrate`, and shares of `weft
 * audience`: against exact small cases, and against what they promise. */
#include "audience/shares.h"
#include "core/calibration.h"
#include "core/statistics.h"
#include "unit/test.h"

#include <float.h>
#include <math.h>

/* Uniform in 0..1. */
static double draw(void)
{
    static uint64_t state = 7;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* The binomial tail term by term. */
static double tail(int errors, int answers, double p)
{
    long double sum = 0, choose = 1;
    for (int j = 0; j <= errors; j++) {
        sum += choose * powl((long double)p, j) * powl(1 - (long double)p, answers - j);
        choose = choose * (answers - j) / (j + 1);
    }
    return (double)sum;
}

static void test_bounds(void)
{
    static const double alphas[] = {0.05, 0.01, 0.01 / 14, 0.5};
    /* Three logarithms of factorials of up to 30 are up to 75; the tail of n answers
     * changes up to n times as much. */
    const double off = 3 * 75 * DBL_EPSILON;
    for (int a = 0; a < 4; a++) {
        double alpha = alphas[a];
        for (int n = 1; n <= 30; n++) {
            CHECK_NEAR(calibration_error_bound(0, n, alpha), 1 - pow(alpha, 1.0 / n),
                       off);
            CHECK_NEAR(calibration_error_bound(n - 1, n, alpha), pow(1 - alpha, 1.0 / n),
                       off);
            CHECK(calibration_error_bound(n, n, alpha) == 1);
            for (int k = 0; k < n; k++) {
                double bound = calibration_error_bound(k, n, alpha);
                if (bound > (double)k / n + off)
                    CHECK_NEAR(tail(k, n, bound) / alpha, 1, n * off / (1 - bound));
            }
        }
        CHECK_NEAR(tail(97, 2000, calibration_error_bound(97, 2000, alpha)) / alpha, 1,
                   2000 * off);
    }
    /* The upper end of the interval of Clopper and Pearson for 10 of 100. */
    CHECK_NEAR(calibration_error_bound(10, 100, 0.025), 0.17622, 5e-6);
}

enum { ROWS = 20000, CLASSES = 4 };

/* Logits whose probabilities are right at a temperature: labels are drawn from them. */
static void draw_rows(double temperature, float *logits, int32_t *labels)
{
    for (int i = 0; i < ROWS; i++) {
        double p[CLASSES], sum = 0;
        for (int k = 0; k < CLASSES; k++) {
            logits[i * CLASSES + k] = (float)(12 * draw() - 6);
            sum += p[k] = exp((double)logits[i * CLASSES + k] / temperature);
        }
        double u = draw() * sum;
        int label = 0;
        for (; label + 1 < CLASSES && u >= p[label]; label++)
            u -= p[label];
        labels[i] = label;
    }
}

static void test_temperature(void)
{
    static float logits[ROWS * CLASSES];
    static int32_t labels[ROWS];
    const struct calibration_rows rows = {logits, labels, ROWS, CLASSES};
    static const double temperatures[] = {0.6, 1, 1.7, 4};
    for (int i = 0; i < 4; i++) {
        draw_rows(temperatures[i], logits, labels);
        double found = calibration_temperature(&rows);
        CHECK_NEAR(found / temperatures[i], 1, 0.05);
        double least = calibration_loss(&rows, found);
        CHECK(least < calibration_loss(&rows, found * 1.001));
        CHECK(least < calibration_loss(&rows, found / 1.001));
    }
    /* A row by hand. */
    const struct calibration_rows one = {(const float[]){1, 3}, (const int32_t[]){0}, 1,
                                         2};
    CHECK_NEAR(calibration_loss(&one, 2), log(1 + exp(1)), 4 * DBL_EPSILON);
    /* Everything right, and everything wrong. */
    const struct calibration_rows right = {(const float[]){1, 3, 5, 2},
                                           (const int32_t[]){1, 0}, 2, 2};
    const struct calibration_rows wrong = {(const float[]){1, 3, 5, 2},
                                           (const int32_t[]){0, 1}, 2, 2};
    CHECK(calibration_temperature(&right) == CALIBRATION_COLDEST);
    CHECK(calibration_temperature(&wrong) == CALIBRATION_WARMEST);
}

static void test_calibration_error(void)
{
    struct weft_prediction predictions[21];
    int32_t labels[21] = {0};
    struct calibration_bin bins[CALIBRATION_BINS];
    for (int i = 0; i < 10; i++)
        predictions[i] = (struct weft_prediction){i < 8 ? 0 : 1, 0.95f};
    for (int i = 10; i < 20; i++)
        predictions[i] = (struct weft_prediction){i < 15 ? 0 : 1, i % 2 ? 0.6f : 0.65f};
    predictions[20] = (struct weft_prediction){-1, NAN};
    CHECK_NEAR(calibration_error(predictions, labels, 21, bins),
               (10 * 0.15 + 10 * 0.125) / 20, FLT_EPSILON / 2);
    CHECK_INT(bins[14].count, 10);
    CHECK_INT(bins[14].correct, 8);
    CHECK_INT(bins[9].count, 10);
    predictions[0].probability = 1;
    calibration_error(predictions, labels, 1, bins);
    CHECK_INT(bins[14].count, 1);
    CHECK(isnan(calibration_error(predictions + 20, labels, 1, bins)));
}

enum { IMAGES = 1024 };
static struct weft_prediction images[IMAGES];
static int32_t zeros[IMAGES];

/* `count` images of which the most probable are right with probability `above`, the
 * others with `below`. */
static void draw_images(int count, double above, double below)
{
    for (int i = 0; i < count; i++) {
        double p = draw();
        images[i] = (struct weft_prediction){draw() > (p > 0.5 ? above : below),
                                             (float)(0.5 + p / 2)};
    }
}

static void test_thresholds(void)
{
    struct calibration_threshold t;
    /* All are right: 1 - (alpha / 7)^(1 / 100) for the 7 thresholds of a search. */
    for (int i = 0; i < IMAGES; i++)
        images[i] = (struct weft_prediction){0, (float)(i + 1) / IMAGES};
    double bound = 1 - pow(0.01 / 7, 0.01);
    CHECK(calibration_select(images, zeros, 100, bound + 1e-9, 0.99, &t));
    CHECK_INT(t.answers, 100);
    CHECK_NEAR(t.bound, bound, 1e-12);
    CHECK(t.threshold == images[0].probability);
    /* Without the division it would hold: 1 - alpha^(1 / 100) is 4.5 %. */
    CHECK(!calibration_select(images, zeros, 100, 0.05, 0.99, &t));
    CHECK_INT(t.answers, 100);
    CHECK_NEAR(t.bound, bound, 1e-12);
    /* Equal probabilities are answered together: all of those with 0.6, or none. */
    for (int i = 0; i < 100; i++)
        images[i] = (struct weft_prediction){i >= 80, i < 60 ? 0.9f : 0.6f};
    CHECK(calibration_select(images, zeros, 100, 0.11, 0.99, &t));
    CHECK_INT(t.answers, 60);
    CHECK_INT(t.errors, 0);
    CHECK(t.threshold == 0.9f);
    /* The lowest one: half of the images are always right, of the others two thirds. */
    draw_images(IMAGES, 1, 2.0 / 3);
    CHECK(calibration_select(images, zeros, IMAGES, 0.05, 0.99, &t));
    CHECK(t.answers > IMAGES / 2 && t.answers < IMAGES * 6 / 10 && t.bound <= 0.05);
    /* The promise: where every threshold has slightly more errors than are allowed, one
     * is found with a probability of at most 10 %. */
    enum { TRIALS = 1000 };
    int found = 0;
    for (int i = 0; i < TRIALS; i++) {
        draw_images(500, 0.8, 0.8);
        found += calibration_select(images, zeros, 500, 0.199, 0.9, &t);
    }
    CHECK(found <= TRIALS / 10);
    CHECK(found > 0);
}

static void test_sets(void)
{
    float p[40], limit;
    static const struct {
        int count;
        double coverage;
        int rank; /* of the limit, from the largest; 0: too few images */
    } cases[] = {{8, 0.9, 0},    {9, 0.9, 9},    {10, 0.9, 10},  {18, 0.95, 0},
                 {19, 0.95, 19}, {20, 0.95, 20}, {39, 0.95, 38}, {40, 0.9, 37},
                 {3, 0.5, 2},    {1, 0.5, 1}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        int n = cases[c].count;
        for (int i = 0; i < n; i++)
            p[i] = (float)(i * 7 % n + 1) / 64; /* 7 and n have no common factor */
        bool fits = calibration_set_limit(p, n, cases[c].coverage, &limit);
        CHECK(fits == (cases[c].rank > 0));
        CHECK(fits == (n >= calibration_least_images(cases[c].coverage)));
        if (fits)
            CHECK(limit == (float)(n + 1 - cases[c].rank) / 64);
    }
    CHECK_INT(calibration_least_images(0.99), 99);
    /* The promise, exactly: a new image of the same kind is as likely in each of the
     * places between the others. */
    enum { TRIALS = 20000, OTHERS = 20 };
    int covered = 0;
    for (int i = 0; i < TRIALS; i++) {
        for (int k = 0; k < OTHERS; k++)
            p[k] = (float)draw();
        CHECK(calibration_set_limit(p, OTHERS, 0.9, &limit));
        covered += (float)draw() >= limit;
    }
    /* ceil(21 x 0.9) / 21, within 4 standard errors */
    CHECK_NEAR((double)covered / TRIALS, 19.0 / 21, 4 * sqrt(0.1 * 0.9 / TRIALS));
}

enum { KINDS = 3 };
/* Rates of answers of a poor classifier, in percent: the last one is none. */
static const int percents[KINDS][KINDS + 1] = {
    {70, 20, 0, 10}, {25, 60, 5, 10}, {0, 10, 50, 40}};

static double *poor_rates(void)
{
    int counts[KINDS * (KINDS + 1)];
    for (int i = 0; i < KINDS * (KINDS + 1); i++)
        counts[i] = 1000000 * percents[i / (KINDS + 1)][i % (KINDS + 1)];
    return shares_rates(counts, KINDS);
}

static void test_exact_shares(void)
{
    struct share shares[KINDS];
    double range[2];
    /* No confusions: the counts, with their intervals. */
    const int perfect[] = {1 << 30, 0, 0, 0, 1 << 30, 0};
    double *rates = shares_rates(perfect, 2);
    shares_adjusted(rates, 2, (const int[]){30, 10, 0}, shares);
    statistics_wilson(30, 40, range);
    CHECK_NEAR(shares[0].value, 0.75, 1e-8);
    CHECK_NEAR(shares[0].low, range[0], 1e-6);
    CHECK_NEAR(shares[0].high, range[1], 1e-6);
    free(rates);
    /* 0.9 x 0.8 + 0.1 x 0.3 of the answers are the first class; by its rule the variance
     * of its share is that of the answers over (0.8 - 0.3)^2. */
    const int two[] = {800000000, 200000000, 0, 300000000, 700000000, 0};
    enum { MANY = 1000000 };
    rates = shares_rates(two, 2);
    shares_adjusted(rates, 2, (const int[]){MANY * 3 / 4, MANY / 4, 0}, shares);
    CHECK_NEAR(shares[0].value, 0.9, 1e-5);
    double error = sqrt(0.75 * 0.25 / MANY) / (0.8 - 0.3);
    CHECK_NEAR((shares[0].high - shares[0].low) / (2 * 1.959964 * error), 1, 1e-3);
    /* Fewer answers of the first class than its errors alone give: none are. */
    shares_adjusted(rates, 2, (const int[]){20, 80, 0}, shares);
    CHECK_NEAR(shares[0].value, 0, 1e-4);
    free(rates);
    /* Answers, and none, as they come from 0.2, 0.3 and 0.5 of three classes. */
    int answers[KINDS + 1] = {0};
    const int tenths[KINDS] = {2, 3, 5};
    for (int i = 0; i < KINDS * (KINDS + 1); i++)
        answers[i % (KINDS + 1)] +=
            tenths[i / (KINDS + 1)] * percents[i / (KINDS + 1)][i % (KINDS + 1)];
    rates = poor_rates();
    shares_adjusted(rates, KINDS, answers, shares);
    for (int k = 0; k < KINDS; k++)
        CHECK_NEAR(shares[k].value, tenths[k] / 10.0, 1e-4);
    free(rates);
}

/* The true share is in the interval as often as is said, for few images too. */
static void test_share_intervals(void)
{
    enum { TRIALS = 1500, IMAGES_EACH = 40 };
    static const double exact[KINDS] = {0.15, 0.3, 0.55};
    struct share shares[KINDS];
    double *rates = poor_rates(), bias[KINDS] = {0};
    int covered = 0;
    for (int t = 0; t < TRIALS; t++) {
        int answers[KINDS + 1] = {0};
        for (int i = 0; i < IMAGES_EACH; i++) {
            double u = draw(), v = 100 * draw();
            int class = u < exact[0] ? 0 : u < exact[0] + exact[1] ? 1 : 2, answer = 0;
            while (answer < KINDS && v >= percents[class][answer])
                v -= percents[class][answer++];
            answers[answer]++;
        }
        shares_adjusted(rates, KINDS, answers, shares);
        for (int k = 0; k < KINDS; k++) {
            covered += shares[k].low <= exact[k] && exact[k] <= shares[k].high;
            bias[k] += (shares[k].value - exact[k]) / TRIALS;
        }
    }
    double part = (double)covered / (TRIALS * KINDS);
    CHECK(part > 0.935 && part < 0.985);
    for (int k = 0; k < KINDS; k++)
        CHECK_NEAR(bias[k], 0, 0.02);
    free(rates);
}

static void test_leaders(void)
{
    struct share shares[KINDS];
    shares_counted(KINDS, (const int[]){0, 5, 0, 3}, shares);
    CHECK_INT(shares_leader(shares, KINDS), 1);
    CHECK(shares[1].value == 1);
    shares_counted(KINDS, (const int[]){1, 4, 0, 0}, shares);
    CHECK_INT(shares_leader(shares, KINDS), -1);
    shares_counted(KINDS, (const int[]){0, 0, 0, 9}, shares);
    CHECK(isnan(shares[0].value) && isnan(shares[0].low));
    CHECK_INT(shares_leader(shares, KINDS), -1);
}

int main(void)
{
    test_bounds();
    test_temperature();
    test_calibration_error();
    test_thresholds();
    test_sets();
    test_exact_shares();
    test_share_intervals();
    test_leaders();
    return test_end();
}
