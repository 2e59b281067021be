/* SPDX-License-Identifier: Apache-2.0 */
/* Temperature, threshold, prediction sets and confusion of a model. */
#include "calibrate/fit.h"

#include "core/calibration.h"
#include "core/plain_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *row_of(const struct fit_images *images, int i)
{
    return images->logits + (size_t)i * (size_t)images->classes;
}

/* softmax(z / temperature), in place. */
static void make_probabilities(const struct fit_images *images, double temperature)
{
    for (int i = 0; i < images->count; i++) {
        float *z = row_of(images, i);
        double largest = (double)z[0], sum = 0;
        for (int k = 1; k < images->classes; k++)
            largest = fmax(largest, (double)z[k]);
        for (int k = 0; k < images->classes; k++)
            sum += exp(((double)z[k] - largest) / temperature);
        for (int k = 0; k < images->classes; k++)
            z[k] = (float)(exp(((double)z[k] - largest) / temperature) / sum);
    }
}

static void find_predictions(const struct fit_images *images, struct weft_prediction *out)
{
    for (int i = 0; i < images->count; i++) {
        const float *p = row_of(images, i);
        int best = 0;
        for (int k = 1; k < images->classes; k++)
            best = p[k] > p[best] ? k : best;
        out[i] = (struct weft_prediction){best, p[best]};
    }
}

/* The expected calibration error of logits divided by 1: the probabilities of the most
 * likely classes, without changing the logits. */
static double error_before(const struct fit_images *images, struct weft_prediction *room)
{
    struct calibration_bin bins[CALIBRATION_BINS];
    find_predictions(images, room);
    for (int i = 0; i < images->count; i++) {
        const float *z = row_of(images, i);
        double sum = 0;
        for (int k = 0; k < images->classes; k++)
            sum += exp((double)z[k] - (double)room[i].probability);
        room[i].probability = (float)(1 / sum);
    }
    return calibration_error(room, images->labels, images->count, bins);
}

static enum app_exit fit_temperature(const struct app *app,
                                     const struct fit_images *images, double *out)
{
    const struct calibration_rows rows = {images->logits, images->labels, images->count,
                                          images->classes};
    *out = calibration_temperature(&rows);
    if (*out > CALIBRATION_COLDEST && *out < CALIBRATION_WARMEST)
        return APP_OK;
    return app_error(app, APP_VERIFICATION_FAILED,
                     *out <= CALIBRATION_COLDEST
                         ? "%s: no temperature: the model makes too few mistakes in %d "
                           "images to say how sure it may be; use more images, or "
                           "--keep-temperature"
                         : "%s: no temperature: the model's probabilities say nothing "
                           "about the classes of these %d images; use images of its "
                           "classes",
                     images->source, images->count);
}

static enum app_exit fit_threshold(const struct app *app,
                                   const struct fit_request *request,
                                   const struct fit_images *images,
                                   const struct weft_prediction *predictions,
                                   struct decision *out)
{
    struct calibration_threshold t;
    bool found = calibration_select(predictions, images->labels, images->count,
                                    request->max_error, request->confidence, &t);
    out->threshold = t.threshold;
    out->max_error = request->max_error;
    out->confidence = request->confidence;
    out->bound = t.bound;
    out->share = (double)t.answers / images->count;
    out->has_threshold = found;
    if (found)
        return APP_OK;
    return app_error(
        app, APP_VERIFICATION_FAILED,
        "%s: no threshold keeps errors at most %.4g %% with %.4g %% confidence: the "
        "lowest bound that %d images prove is %.2f %%, for the %.1f %% of images with a "
        "probability of %.4f or more; use more images, or a larger --max-error",
        images->source, 100 * request->max_error, 100 * request->confidence,
        images->count, ceil(1e4 * t.bound) / 100, 100 * out->share, (double)t.threshold);
}

/* The limit from the images of one class; `only` -1: of all. */
static bool fit_limit(const struct fit_images *images, int only, double coverage,
                      float *room, float *out, int *count)
{
    *count = 0;
    for (int i = 0; i < images->count; i++)
        if (only < 0 || images->labels[i] == only)
            room[(*count)++] = row_of(images, i)[images->labels[i]];
    return calibration_set_limit(room, *count, coverage, out);
}

static void measure_sets(const struct fit_images *images, struct decision *out)
{
    int64_t members = 0;
    for (int i = 0; i < images->count; i++)
        for (int k = 0; k < images->classes; k++)
            members += row_of(images, i)[k] >= out->limits[k];
    out->set_size = (double)members / images->count;
}

static enum app_exit fit_sets(const struct app *app, const struct fit_request *request,
                              const struct fit_images *images, struct decision *out)
{
    size_t classes = (size_t)images->classes;
    float *room = term_realloc_or_exit(NULL, (size_t)images->count * sizeof(*room));
    out->limits = term_realloc_or_exit(NULL, classes * sizeof(*out->limits));
    out->coverage = request->coverage;
    out->by_class = request->by_class;
    int only = -1, count = 0;
    bool fits = true;
    for (int k = 0; k < images->classes && fits; k++) {
        only = request->by_class ? k : -1;
        if (k && only < 0)
            out->limits[k] = out->limits[0];
        else
            fits =
                fit_limit(images, only, request->coverage, room, &out->limits[k], &count);
    }
    free(room);
    if (fits) {
        measure_sets(images, out);
        return APP_OK;
    }
    int least = calibration_least_images(request->coverage);
    if (only < 0)
        return app_error(app, APP_VERIFICATION_FAILED,
                         "%s: --coverage %.4g%% needs at least %d images; there are %d",
                         images->source, 100 * request->coverage, least, count);
    return app_error(app, APP_VERIFICATION_FAILED,
                     "%s: --coverage %.4g%% --by-class needs at least %d images of each "
                     "class; there are %d of \"%s\"; use more images, or no --by-class",
                     images->source, 100 * request->coverage, least, count,
                     images->names[only]);
}

/* The answers to the images of each class; the last column: none. */
static void count_answers(const struct fit_images *images,
                          const struct weft_prediction *predictions, struct decision *out)
{
    size_t columns = (size_t)images->classes + 1;
    size_t bytes = (size_t)images->classes * columns * sizeof(*out->confusion);
    if (images->classes > DECISION_MAX_CONFUSION)
        return;
    out->confusion = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    for (int i = 0; i < images->count; i++) {
        bool unsure = decision_is_unsure(out, predictions[i].probability);
        int answer = unsure ? images->classes : predictions[i].label;
        out->confusion[(size_t)images->labels[i] * columns + (size_t)answer]++;
    }
}

enum app_exit fit_decision(const struct app *app, const struct fit_request *request,
                           struct fit_images *images, double *scale, struct decision *out)
{
    const struct calibration_rows rows = {images->logits, images->labels, images->count,
                                          images->classes};
    struct calibration_bin bins[CALIBRATION_BINS];
    struct weft_prediction *predictions =
        term_realloc_or_exit(NULL, (size_t)images->count * sizeof(*predictions));
    enum app_exit code = APP_OK;
    *scale = 1;
    if (!request->keep_temperature)
        code = fit_temperature(app, images, scale);
    if (!code) {
        out->calibrated = true;
        out->images = images->count;
        out->loss[0] = calibration_loss(&rows, 1);
        out->loss[1] = calibration_loss(&rows, *scale);
        out->error[0] = error_before(images, predictions);
        make_probabilities(images, *scale);
        find_predictions(images, predictions);
        out->error[1] =
            calibration_error(predictions, images->labels, images->count, bins);
    }
    if (!code && request->max_error > 0)
        code = fit_threshold(app, request, images, predictions, out);
    if (!code && request->coverage > 0)
        code = fit_sets(app, request, images, out);
    if (!code)
        count_answers(images, predictions, out);
    free(predictions);
    return code;
}
