/* SPDX-License-Identifier: Apache-2.0 */
/* Using trained models: on the device that was asked for, or on the faster of two, and in
 * float32, float16 or the faster of these. */
#include "infer.h"
#include "model.h"
#include "race.h"
#include "random.h"

#include <stdlib.h>
#include <string.h>

/* The model on one device. */
struct seat {
    struct weft_device *device;
    struct weft_mem *weights; /* NULL in float16 */
    struct weft_infer *infer;
    const uint8_t *pixels; /* of a race under way */
};

struct weft_predictor {
    struct seat seat;            /* who serves */
    struct weft_device *builtin; /* ours, if it does; else NULL */
    double difference, speedup;  /* of float16, if it was tried */
};

static void seat_finish(struct seat *seat)
{
    weft_infer_destroy(&seat->infer);
    if (seat->weights)
        seat->device->backend->free(seat->device, seat->weights);
}

static enum weft_status seat_init(struct seat *seat, struct weft_device *device,
                                  const struct weft_model *model, int batch,
                                  enum weft_type type)
{
    struct weft_normalization normalization =
        weft_normalize(model->mean, model->deviation);
    *seat = (struct seat){.device = device};
    return weft_infer_place(device, model->net, model->weights, &normalization, batch,
                            type, &seat->weights, &seat->infer);
}

/* A batch, once. */
static enum weft_status run_seat(void *runner)
{
    const struct seat *seat = runner;
    const uint8_t *pixels = seat->pixels;
    return weft_infer_run(seat->infer, pixels, seat->infer->batch, seat->infer->rows);
}

static enum weft_status race(struct seat *first, struct seat *second,
                             const uint8_t *pixels, struct weft_race *out)
{
    first->pixels = second->pixels = pixels;
    enum weft_status status = weft_race(run_seat, (void *[]){first, second}, out);
    first->pixels = second->pixels = NULL;
    return status;
}

/* A batch of the pictures that were given, over and over; or of noise, each picture
 * weaker than the one before, eight times, and then from black and white on again. */
static enum weft_status make_pictures(const struct weft_infer *infer,
                                      const struct weft_predictor_params *params,
                                      uint8_t **out)
{
    size_t picture = infer->picture_bytes, bytes = (size_t)infer->batch * picture;
    uint8_t *pixels = malloc(bytes);
    if (!pixels)
        return weft_out_of_memory(infer->device->context, "predictor", bytes);
    for (size_t i = 0; i < bytes; i++) {
        struct weft_random r = weft_philox(0, 0, (uint32_t)(i / 4), 0, 0, RANDOM_CHECK);
        unsigned weaker = (unsigned)(i / picture % 9);
        unsigned noise = r.v[i % 4] >> 24;
        pixels[i] = (uint8_t)(weaker ? noise >> (weaker - 1) : noise & 128 ? 255 : 0);
    }
    if (params->pixels && params->pixel_count > 0)
        for (int i = 0; i < infer->batch; i++)
            memcpy(pixels + (size_t)i * picture,
                   params->pixels + (size_t)(i % params->pixel_count) * picture, picture);
    *out = pixels;
    return WEFT_OK;
}

/* Whether `half` answers as `full` does. */
static enum weft_status compare(const struct seat *full, const struct seat *half,
                                const uint8_t *pixels, double *difference, bool *agrees)
{
    struct weft_infer *a = full->infer, *b = half->infer;
    WEFT_TRY(weft_infer_run(a, pixels, a->batch, a->rows));
    WEFT_TRY(weft_infer_run(b, pixels, b->batch, b->rows));
    *agrees = weft_infer_agrees(b->rows, a->rows, a->batch, a->classes, difference);
    return WEFT_OK;
}

/* Float32 serves; float16 takes its place if it is right and faster. */
static enum weft_status choose_precision(struct weft_predictor *p,
                                         const struct weft_model *model,
                                         const struct weft_predictor_params *params)
{
    struct seat half;
    uint8_t *pixels = NULL;
    struct weft_race result = {0};
    bool agrees = false;
    WEFT_TRY(seat_init(&half, p->seat.device, model, p->seat.infer->batch, WEFT_FLOAT16));
    enum weft_status status = make_pictures(p->seat.infer, params, &pixels);
    if (!status)
        status = compare(&p->seat, &half, pixels, &p->difference, &agrees);
    if (!status && agrees)
        status = race(&p->seat, &half, pixels, &result);
    struct seat loser = half;
    p->speedup = result.speedup;
    if (!status && weft_race_decided(&result)) {
        loser = p->seat;
        p->seat = half;
    }
    free(pixels);
    seat_finish(&loser);
    return status;
}

enum weft_status weft_predictor_create(weft_device *device, const weft_model *model,
                                       const struct weft_predictor_params *params,
                                       weft_predictor **out)
{
    static const struct weft_predictor_params none = {0};
    params = params ? params : &none;
    WEFT_REQUIRE(device->context, params->batch >= 0);
    struct weft_predictor *p = calloc(1, sizeof(*p));
    if (!p)
        return weft_out_of_memory(device->context, "predictor", sizeof(*p));
    enum weft_type type =
        params->precision == WEFT_PRECISION_FLOAT16 ? WEFT_FLOAT16 : WEFT_FLOAT32;
    enum weft_status status =
        seat_init(&p->seat, device, model, params->batch ? params->batch : 1, type);
    if (!status && params->precision == WEFT_PRECISION_AUTO)
        status = choose_precision(p, model, params);
    if (status)
        weft_predictor_destroy(&p);
    else
        *out = p;
    return status;
}

void weft_predictor_destroy(weft_predictor **predictor)
{
    if (!*predictor)
        return;
    seat_finish(&(*predictor)->seat);
    weft_device_close(&(*predictor)->builtin);
    free(*predictor);
    *predictor = NULL;
}

void weft_predictor_info(const weft_predictor *p, struct weft_predictor_info *out)
{
    const struct weft_plan *plan = p->seat.infer->plan;
    bool half = plan->type == WEFT_FLOAT16;
    size_t kept = half ? 0 : weft_graph_floats(&plan->graph);
    *out = (struct weft_predictor_info){
        .precision = half ? WEFT_PRECISION_FLOAT16 : WEFT_PRECISION_FLOAT32,
        .builtin = p->seat.device->info.kind == WEFT_DEVICE_BUILTIN,
        .weight_bytes = (kept + plan->graph.prepared) * sizeof(float),
        .activation_bytes = plan->bytes,
        .difference = p->difference,
        .speedup = p->speedup,
    };
}

enum weft_status weft_predictor_choose(weft_predictor *p, const weft_model *model,
                                       bool *builtin)
{
    static const struct weft_predictor_params none = {0};
    struct weft_device *device = NULL;
    struct seat rival;
    uint8_t *pixels = NULL;
    struct weft_race result = {0};
    bool wins = false;
    *builtin = p->builtin || p->seat.device->info.kind == WEFT_DEVICE_BUILTIN;
    if (*builtin || p->seat.device->info.kind != WEFT_DEVICE_CPU)
        return WEFT_OK;
    WEFT_TRY(weft_device_open_builtin(p->seat.device->context, &device));
    enum weft_status status =
        seat_init(&rival, device, model, p->seat.infer->batch, WEFT_FLOAT32);
    if (!status) {
        status = make_pictures(p->seat.infer, &none, &pixels);
        if (!status)
            status = race(&p->seat, &rival, pixels, &result);
        wins = !status && result.speedup > 1;
        struct seat loser = wins ? p->seat : rival;
        if (wins) {
            p->seat = rival;
            p->builtin = device;
        }
        free(pixels);
        seat_finish(&loser);
    }
    if (!wins)
        weft_device_close(&device);
    *builtin = wins;
    return status;
}

enum weft_status weft_predict(weft_predictor *predictor, const uint8_t *pixels, int count,
                              float *probabilities)
{
    WEFT_REQUIRE(predictor->seat.device->context, count >= 0);
    return weft_infer_run(predictor->seat.infer, pixels, count, probabilities);
}

enum weft_status weft_evaluate(weft_predictor *predictor, const weft_data *data,
                               struct weft_eval *out)
{
    return weft_infer_evaluate(predictor->seat.infer, data, out);
}
