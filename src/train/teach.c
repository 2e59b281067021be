/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching: features of photographs by the backbone of a model, and a linear classifier
 * of them. */
#include "device/process.h"
#include "inference/inference.h"
#include "model/examples.h"
#include "train/feature_files.h"
#include "train/head_fit.h"
#include "util/clock.h"

#include <weft/train.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double ridges[] = {0.03, 0.1, 0.3, 1, 3};

/* The examples of all classes, old and new, and what follows from them. */
struct lesson {
    weft_context *ctx;
    weft_model *backbone;
    struct weft_model_examples *examples;
    const char **names; /* of the classes, borrowed */
    int classes;
    double *x; /* features of length 1, in rows */
    int32_t *labels;
    struct weft_teach_report report;
};

/* The class called `name`, added if there is none. */
static int class_of(struct lesson *lesson, const char *name)
{
    int k = 0;
    while (k < lesson->classes && strcmp(lesson->names[k], name) != 0)
        k++;
    if (k == lesson->classes)
        lesson->names[lesson->classes++] = name;
    return k;
}

/* The features of the images of `data`. */
static enum weft_status compute(struct lesson *lesson, weft_device *device,
                                const weft_dataset *data,
                                const struct weft_teach_params *p, float *values)
{
    const struct weft_model *from = lesson->backbone;
    const struct weft_normalization normalization =
        weft_normalize(from->mean, from->stddev);
    struct weft_mem *weights = NULL;
    struct weft_inference *body = NULL;
    enum weft_status status = weft_inference_create_with_weights(
        device, from->net, from->weights, &normalization,
        p->batch ? p->batch : WEFT_FEATURES_BATCH, WEFT_FLOAT32, &weights, &body);
    const struct weft_feature_maker maker = {
        .body = body,
        .net = from->net,
        .nodes = from->net->graph.count,
        .weights = weft_features_hash(&from->net->graph, from->weights),
        .normalization = &normalization,
        .count = (size_t)lesson->examples->features,
        .dir = p->features_dir};
    if (!status)
        status = weft_features_make(&maker, data, values);
    weft_inference_destroy(&body);
    if (weights)
        device->backend->free(device, weights);
    return status;
}

/* They stand behind those of the model. */
static enum weft_status gather(struct lesson *lesson, weft_device *device,
                               const struct weft_model *model, const weft_dataset *images,
                               const struct weft_dataset_info *data,
                               const struct weft_teach_params *p)
{
    weft_context *ctx = lesson->ctx;
    struct weft_model_examples *old = NULL;
    struct weft_net_info net;
    weft_net_info(lesson->backbone->net, &net);
    if (p->add)
        WEFT_TRY(weft_model_examples_of(model, &old));
    int before = old ? old->count : 0;
    enum weft_status status =
        old && old->features != net.classes
            ? weft_fail(ctx, WEFT_ERR_FORMAT,
                        "the model has %d features for an example, its backbone %d: "
                        "teach it again without adding",
                        old->features, net.classes)
            : weft_model_examples_create(ctx, before + data->count, net.classes,
                                         &lesson->examples);
    if (!status) {
        struct weft_model_examples *all = lesson->examples;
        if (old) {
            memcpy(all->values, old->values,
                   (size_t)before * (size_t)old->features * sizeof(float));
            memcpy(all->labels, old->labels, (size_t)before * sizeof(float));
        }
        for (int i = 0; i < data->count; i++)
            all->labels[before + i] =
                (float)class_of(lesson, data->class_names[data->labels[i]]);
        status = compute(lesson, device, images, p,
                         all->values + (size_t)before * (size_t)all->features);
    }
    weft_model_examples_destroy(&old);
    return status;
}

/* Rows of length 1 in double precision. */
static enum weft_status normalize(struct lesson *lesson)
{
    const struct weft_model_examples *e = lesson->examples;
    const size_t d = (size_t)e->features;
    lesson->x = malloc((size_t)e->count * d * sizeof(*lesson->x));
    lesson->labels = malloc((size_t)e->count * sizeof(*lesson->labels));
    if (!lesson->x || !lesson->labels)
        return weft_out_of_memory(lesson->ctx, "examples",
                                  (size_t)e->count * d * sizeof(*lesson->x));
    for (int i = 0; i < e->count; i++) {
        const float *from = e->values + (size_t)i * d;
        double square = 0;
        for (size_t f = 0; f < d; f++)
            square += (double)from[f] * (double)from[f];
        if (!isfinite(square))
            return weft_fail(lesson->ctx, WEFT_ERR_FORMAT,
                             "example %d has features that are not finite: the model is "
                             "damaged, or its weights overflow",
                             i + 1);
        for (size_t f = 0; f < d; f++)
            lesson->x[(size_t)i * d + f] =
                square > 0 ? (double)from[f] / sqrt(square) : 0;
        lesson->labels[i] = (int32_t)e->labels[i];
    }
    return WEFT_OK;
}

static enum weft_status check_classes(const struct lesson *lesson,
                                      const struct head_examples *e)
{
    if (e->classes < 2 || e->classes > WEFT_MAX_CLASSES)
        return weft_fail(lesson->ctx, WEFT_ERR_ARG,
                         "teaching takes 2 to %d classes, these are %d", WEFT_MAX_CLASSES,
                         e->classes);
    for (int k = 0; k < e->classes; k++) {
        int i = 0;
        while (i < e->count && e->labels[i] != k)
            i++;
        if (i == e->count)
            return weft_fail(lesson->ctx, WEFT_ERR_ARG,
                             "class \"%s\" has no example; add one, or remove the class",
                             lesson->names[k]);
    }
    return WEFT_OK;
}

/* The fit with the highest accuracy of those that the method allows; at first the more
 * constrained one. */
static enum weft_status choose(struct lesson *lesson, const struct head_examples *e,
                               enum weft_teach_method method, struct head_fit *best)
{
    struct weft_teach_report *r = &lesson->report;
    struct head_fit fit;
    double *gram = NULL;
    r->means_accuracy = r->ridge_accuracy = NAN;
    WEFT_TRY(head_fit_init(lesson->ctx, e, best));
    WEFT_TRY(head_fit_init(lesson->ctx, e, &fit));
    double accuracy = -1;
    if (method != WEFT_TEACH_RIDGE) {
        head_fit_means(e, best);
        r->means_accuracy = accuracy = head_accuracy(e, best);
        r->method = WEFT_TEACH_MEANS;
    }
    enum weft_status status =
        method != WEFT_TEACH_MEANS ? head_gram(lesson->ctx, e, &gram) : WEFT_OK;
    for (size_t i = WEFT_ARRAY_SIZE(ridges); gram && !status && i-- > 0;) {
        if ((status = head_fit_ridge(lesson->ctx, e, gram, ridges[i], &fit)))
            break;
        double found = head_accuracy(e, &fit);
        if (!(found <= r->ridge_accuracy)) {
            r->ridge_accuracy = found;
            r->ridge = ridges[i];
        }
        if (found > accuracy) {
            struct head_fit other = *best;
            *best = fit;
            fit = other;
            accuracy = found;
            r->method = WEFT_TEACH_RIDGE;
        }
    }
    free(gram);
    head_fit_finish(&fit);
    r->accuracy = accuracy;
    r->macro_recall = head_macro_recall(e, best);
    return status;
}

/* The length of the features of each example, which the logits are proportional to. */
static double length_of(const struct weft_model_examples *e, int i)
{
    double square = 0;
    for (int f = 0; f < e->features; f++) {
        double value = (double)e->values[(size_t)i * (size_t)e->features + (size_t)f];
        square += value * value;
    }
    return sqrt(square);
}

/* The mean loss of the held-out examples with logits `scale` times as large. */
static double loss_at(const struct head_examples *e, const double *lengths,
                      const struct head_fit *fit, double scale)
{
    double loss = 0;
    int count = 0;
    for (int i = 0; i < e->count; i++) {
        const double *products = fit->held_out + (size_t)i * (size_t)e->classes;
        double largest = -INFINITY, sum = 0, factor = scale * lengths[i];
        for (int k = 0; k < e->classes; k++)
            largest = fmax(largest, factor * products[k]);
        for (int k = 0; k < e->classes; k++)
            sum += exp(factor * products[k] - largest);
        double own = largest + log(sum) - factor * products[e->labels[i]];
        if (isfinite(own)) { /* not the only example of its class */
            loss += own;
            count++;
        }
    }
    return count ? loss / count : 0;
}

/* Temperature scaling (Guo et al. 2017, arXiv:1706.04599) on the held-out examples: the
 * factor of the weights with the smallest loss, by golden-section search in log scale. */
static enum weft_status calibrate(struct lesson *lesson, const struct head_examples *e,
                                  const struct head_fit *fit, double *out)
{
    const double golden = 0.6180339887498949;
    double *lengths = malloc((size_t)e->count * sizeof(*lengths));
    if (!lengths)
        return weft_out_of_memory(lesson->ctx, "examples",
                                  (size_t)e->count * sizeof(*lengths));
    for (int i = 0; i < e->count; i++)
        lengths[i] = length_of(lesson->examples, i);
    double low = log(1e-3), high = log(1e3);
    for (int step = 0; step < 40; step++) {
        double a = high - golden * (high - low), b = low + golden * (high - low);
        if (loss_at(e, lengths, fit, exp(a)) < loss_at(e, lengths, fit, exp(b)))
            high = b;
        else
            low = a;
    }
    free(lengths);
    *out = exp((low + high) / 2);
    return WEFT_OK;
}

static enum weft_status make_model(struct lesson *lesson, const struct head_examples *e,
                                   const struct head_fit *fit, weft_model **out)
{
    size_t count = (size_t)e->classes * (size_t)e->features;
    double scale = 1;
    WEFT_TRY(calibrate(lesson, e, fit, &scale));
    float *weights = malloc(count * sizeof(*weights));
    if (!weights)
        return weft_out_of_memory(lesson->ctx, "classifier", count * sizeof(*weights));
    for (size_t i = 0; i < count; i++)
        weights[i] = (float)(scale * fit->weights[i]);
    enum weft_status status = weft_model_with_head(
        lesson->backbone,
        weft_head_params(.classes = e->classes, .class_names = lesson->names,
                         .weights = weights),
        out);
    free(weights);
    if (status)
        return status;
    (*out)->examples = lesson->examples;
    lesson->examples = NULL;
    return WEFT_OK;
}

static enum weft_status run_lesson(struct lesson *lesson, weft_device *device,
                                   const struct weft_model *model,
                                   const weft_dataset *images,
                                   const struct weft_dataset_info *data,
                                   const struct weft_teach_params *p, weft_model **out)
{
    struct head_fit fit = {0};
    double start = weft_clock_seconds();
    size_t known = p->add ? json_array_size(model->classes) : 0;
    lesson->names = malloc((known + (size_t)data->classes) * sizeof(*lesson->names));
    if (!lesson->names)
        return weft_out_of_memory(lesson->ctx, "classes", known * sizeof(char *));
    for (size_t k = 0; k < known; k++)
        lesson->names[lesson->classes++] = model->class_names[k];
    for (int k = 0; k < data->classes; k++)
        class_of(lesson, data->class_names[k]);
    WEFT_TRY(weft_model_backbone(model, &lesson->backbone));
    WEFT_TRY(gather(lesson, device, model, images, data, p));
    WEFT_TRY(normalize(lesson));
    double fitted_from = weft_clock_seconds();
    const struct head_examples e = {
        .count = lesson->examples->count,
        .features = lesson->examples->features,
        .classes = lesson->classes,
        .x = lesson->x,
        .labels = lesson->labels,
    };
    WEFT_TRY(check_classes(lesson, &e));
    enum weft_status status = choose(lesson, &e, p->method, &fit);
    if (!status)
        status = make_model(lesson, &e, &fit, out);
    head_fit_finish(&fit);
    lesson->report.examples = e.count;
    lesson->report.classes = e.classes;
    lesson->report.features = e.features;
    lesson->report.feature_seconds = fitted_from - start;
    lesson->report.fit_seconds = weft_clock_seconds() - fitted_from;
    return status;
}

enum weft_status(weft_teach)(weft_device *device, const weft_model *model,
                             const weft_dataset *data,
                             const struct weft_teach_params *params, weft_model **out,
                             struct weft_teach_report *report, size_t size)
{
    struct weft_teach_params p;
    struct weft_dataset_info info;
    WEFT_REQUIRE_DEVICE(device);
    weft_context *ctx = device->context;
    WEFT_REQUIRE_POINTER(ctx, model, "model");
    WEFT_REQUIRE_POINTER(ctx, data, "data");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_REQUIRE_POINTER(ctx, report, "report");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, &p));
    WEFT_REQUIRE(ctx, (unsigned)p.method <= WEFT_TEACH_RIDGE,
                 "method must be a value of enum weft_teach_method");
    WEFT_REQUIRE(ctx, p.batch >= 0, "batch must be 0 or more");
    weft_dataset_info(data, &info);
    const struct weft_shape input = model->net->input;
    if (info.height != input.h || info.width != input.w || info.channels != input.c)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "images of %dx%dx%d for a model of %dx%dx%d; open the data with "
                         "the preprocessing of the model",
                         info.height, info.width, info.channels, input.h, input.w,
                         input.c);
    struct lesson lesson = {.ctx = ctx};
    enum weft_status status = run_lesson(&lesson, device, model, data, &info, &p, out);
    if (!status)
        WEFT_WRITE_INFO(report, size, &lesson.report);
    weft_model_destroy(&lesson.backbone);
    weft_model_examples_destroy(&lesson.examples);
    free(lesson.names);
    free(lesson.x);
    free(lesson.labels);
    return status;
}
