/* SPDX-License-Identifier: Apache-2.0 */
/* Predictors: a model on the requested or the faster device, in the requested or the
 * faster precision. */
#include "inference/inference.h"
#include "device/process.h"
#include "model/model.h"
#include "lab/timing.h"
#include "shared/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The model on one device. */
struct engine {
    struct weft_device *device;
    struct weft_mem *weights; /* NULL in float16 */
    struct weft_inference *inference;
    const uint8_t *pixels; /* of the comparison in progress */
};

struct weft_predictor {
    struct engine engine;              /* in use */
    struct weft_device *host;          /* owned host device, if it is in use; else NULL */
    double difference, noise, speedup; /* of float16, if it was compared */
    bool logits;                       /* instead of probabilities */
};

static void engine_free(struct engine *engine)
{
    weft_inference_destroy(&engine->inference);
    if (engine->weights)
        engine->device->backend->free(engine->device, engine->weights);
}

static enum weft_status engine_init(struct engine *engine, struct weft_device *device,
                                    const struct weft_model *model, int batch,
                                    enum weft_type type)
{
    struct weft_normalization normalization = weft_normalize(model->mean, model->stddev);
    *engine = (struct engine){.device = device};
    return weft_inference_create_with_weights(device, model->net, model->weights,
                                              &normalization, batch, type,
                                              &engine->weights, &engine->inference);
}

/* Runs one batch. */
static enum weft_status run_engine(void *runner)
{
    const struct engine *engine = runner;
    const uint8_t *pixels = engine->pixels;
    return weft_inference_run(engine->inference, pixels, engine->inference->batch,
                              engine->inference->rows);
}

static enum weft_status ab_compare(struct engine *first, struct engine *second,
                                   const uint8_t *pixels, struct lab_ab_result *out)
{
    first->pixels = second->pixels = pixels;
    enum weft_status status = lab_ab_compare(run_engine, (void *[]){first, second}, out);
    first->pixels = second->pixels = NULL;
    return status;
}

/* One batch: the given images, repeated; or noise, whose amplitude halves eight times
 * from image to image, starting with black and white. */
static enum weft_status make_images(const struct weft_inference *inference,
                                    const struct weft_predictor_params *params,
                                    uint8_t **out)
{
    size_t image = inference->image_bytes, bytes = (size_t)inference->batch * image;
    uint8_t *pixels = malloc(bytes);
    if (!pixels)
        return weft_out_of_memory(inference->device->context, "predictor", bytes);
    for (size_t i = 0; i < bytes; i++) {
        struct weft_random r = weft_philox(0, 0, (uint32_t)(i / 4), 0, 0, RANDOM_VERIFY);
        unsigned weaker = (unsigned)(i / image % 9);
        unsigned noise = r.v[i % 4] >> 24;
        pixels[i] = (uint8_t)(weaker ? noise >> (weaker - 1) : noise & 128 ? 255 : 0);
    }
    if (params->pixels && params->pixel_count > 0)
        for (int i = 0; i < inference->batch; i++)
            memcpy(pixels + (size_t)i * image,
                   params->pixels + (size_t)(i % params->pixel_count) * image, image);
    *out = pixels;
    return WEFT_OK;
}

/* Compares the probabilities of `half` with those of float32; and these with those of
 * images whose pixels differ by one level, which are the same to a user. Where no
 * probability moves more in float16, no class overtakes another that it does not overtake
 * there. Changes the images. */
static enum weft_status compare(struct weft_predictor *p, const struct engine *half,
                                uint8_t *pixels)
{
    struct weft_inference *a = p->engine.inference, *b = half->inference;
    size_t count = (size_t)a->batch * (size_t)a->classes;
    WEFT_TRY(weft_inference_run(a, pixels, a->batch, a->rows));
    WEFT_TRY(weft_inference_run(b, pixels, b->batch, b->rows));
    p->difference = weft_probabilities_distance(b->rows, a->rows, count);
    for (size_t i = 0; i < (size_t)a->batch * a->image_bytes; i++)
        pixels[i] ^= 1;
    memcpy(b->rows, a->rows, count * sizeof(*a->rows));
    WEFT_TRY(weft_inference_run(a, pixels, a->batch, a->rows));
    p->noise = weft_probabilities_distance(b->rows, a->rows, count);
    return WEFT_OK;
}

/* Keeps float32, or float16 if it is accurate and faster. */
static enum weft_status choose_precision(struct weft_predictor *p,
                                         const struct weft_model *model,
                                         const struct weft_predictor_params *params)
{
    struct engine half;
    uint8_t *pixels = NULL;
    struct lab_ab_result result = {0};
    WEFT_TRY(engine_init(&half, p->engine.device, model, p->engine.inference->batch,
                         WEFT_FLOAT16));
    enum weft_status status = make_images(p->engine.inference, params, &pixels);
    if (!status)
        status = compare(p, &half, pixels);
    if (!status && p->difference <= p->noise && isfinite(p->difference))
        status = ab_compare(&p->engine, &half, pixels, &result);
    struct engine discarded = half;
    p->speedup = result.speedup;
    if (!status && lab_ab_significant(&result)) {
        discarded = p->engine;
        p->engine = half;
    }
    free(pixels);
    engine_free(&discarded);
    return status;
}

/* Keeps the device, or the host backend if it is faster. */
static enum weft_status choose_backend(struct weft_predictor *p,
                                       const struct weft_model *model,
                                       const struct weft_predictor_params *params)
{
    struct weft_device *host = NULL;
    struct engine candidate;
    uint8_t *pixels = NULL;
    struct lab_ab_result result = {0};
    WEFT_TRY(weft_device_open(p->engine.device->context, WEFT_HOST_DEVICE, NULL, &host));
    enum weft_status status =
        engine_init(&candidate, host, model, p->engine.inference->batch, WEFT_FLOAT32);
    if (status) {
        weft_device_close(&host);
        return status;
    }
    status = make_images(p->engine.inference, params, &pixels);
    if (!status)
        status = ab_compare(&p->engine, &candidate, pixels, &result);
    struct engine discarded = candidate;
    if (!status && result.speedup > 1) {
        discarded = p->engine;
        p->engine = candidate;
        p->host = host;
    }
    free(pixels);
    engine_free(&discarded);
    if (!p->host)
        weft_device_close(&host);
    return status;
}

enum weft_status weft_predictor_create(weft_device *device, const weft_model *model,
                                       const struct weft_predictor_params *params,
                                       weft_predictor **out)
{
    WEFT_REQUIRE_DEVICE(device);
    weft_context *ctx = device->context;
    struct weft_predictor_params own;
    WEFT_REQUIRE_POINTER(ctx, model, "model");
    WEFT_REQUIRE_POINTER(ctx, out, "out");
    WEFT_TRY(WEFT_READ_PARAMS(ctx, params, &own));
    WEFT_REQUIRE(ctx, own.batch >= 0, "batch must be 0 or more");
    WEFT_REQUIRE(ctx, (unsigned)own.precision <= WEFT_PRECISION_AUTO,
                 "precision must be a value of enum weft_precision");
    struct weft_predictor *p = calloc(1, sizeof(*p));
    if (!p)
        return weft_out_of_memory(ctx, "predictor", sizeof(*p));
    p->logits = own.logits;
    enum weft_type type =
        own.precision == WEFT_PRECISION_FLOAT16 ? WEFT_FLOAT16 : WEFT_FLOAT32;
    enum weft_status status =
        engine_init(&p->engine, device, model, own.batch ? own.batch : 1, type);
    if (!status && own.precision == WEFT_PRECISION_AUTO)
        status = choose_precision(p, model, &own);
    if (!status && own.autoselect_backend && device->info.kind == WEFT_DEVICE_CPU)
        status = choose_backend(p, model, &own);
    if (!status && own.logits)
        status = weft_inference_require_softmax(p->engine.inference, "predictor",
                                                "has no logits");
    if (status)
        weft_predictor_destroy(&p);
    else
        *out = p;
    return status;
}

void weft_predictor_destroy(weft_predictor **predictor)
{
    if (!predictor || !*predictor)
        return;
    if (!weft_device_is_lost((*predictor)->engine.device))
        engine_free(&(*predictor)->engine);
    weft_device_close(&(*predictor)->host);
    free(*predictor);
    *predictor = NULL;
}

void(weft_predictor_info)(const weft_predictor *p, struct weft_predictor_info *out,
                          size_t size)
{
    if (!p) {
        weft_info_write(out, size, NULL, 0);
        return;
    }
    const struct weft_plan *plan = p->engine.inference->plan;
    bool half = plan->type == WEFT_FLOAT16;
    size_t kept = half ? 0 : weft_graph_floats(&plan->graph);
    const struct weft_predictor_info info = {
        .precision = half ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32,
        .host = p->engine.device->info.kind == WEFT_DEVICE_HOST,
        .weight_bytes = (kept + plan->prepared_floats) * sizeof(float),
        .activation_bytes = plan->bytes,
        .difference = p->difference,
        .speedup = p->speedup,
        .noise = p->noise,
    };
    WEFT_WRITE_INFO(out, size, &info);
}

enum weft_status weft_predictor_run(weft_predictor *predictor, const uint8_t *pixels,
                                    int count, float *probabilities)
{
    WEFT_REQUIRE_POINTER(NULL, predictor, "predictor");
    WEFT_REQUIRE_DEVICE(predictor->engine.device);
    weft_context *ctx = predictor->engine.device->context;
    WEFT_REQUIRE(ctx, count >= 0, "count must be 0 or more");
    WEFT_REQUIRE(ctx, pixels || !count, "pixels must not be NULL");
    WEFT_REQUIRE(ctx, probabilities || !count, "probabilities must not be NULL");
    return predictor->logits ? weft_inference_run_logits(predictor->engine.inference,
                                                         pixels, count, probabilities)
                             : weft_inference_run(predictor->engine.inference, pixels,
                                                  count, probabilities);
}

enum weft_status(weft_predictor_evaluate)(weft_predictor *predictor,
                                          const weft_dataset *data,
                                          struct weft_prediction *predictions,
                                          struct weft_eval *out, size_t size)
{
    WEFT_REQUIRE_POINTER(NULL, predictor, "predictor");
    WEFT_REQUIRE_DEVICE(predictor->engine.device);
    WEFT_REQUIRE_POINTER(predictor->engine.device->context, data, "data");
    WEFT_REQUIRE_POINTER(predictor->engine.device->context, out, "out");
    return weft_inference_evaluate(predictor->engine.inference, data, NULL, predictions,
                                   out, size);
}
