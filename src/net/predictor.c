/* SPDX-License-Identifier: Apache-2.0 */
/* Using trained models: on the device that was asked for, or on the faster of two. */
#include "infer.h"
#include "model.h"

#include "../util/clock.h"

#include <stdlib.h>

/* The model on one device. */
struct seat {
    struct weft_device *device;
    struct weft_mem *weights;
    struct weft_infer *infer;
};

struct weft_predictor {
    struct seat seat;            /* who serves */
    struct weft_device *builtin; /* ours, if it does; else NULL */
};

static void seat_finish(struct seat *seat)
{
    weft_infer_destroy(&seat->infer);
    if (seat->weights)
        seat->device->backend->free(seat->device, seat->weights);
}

static enum weft_status seat_init(struct seat *seat, struct weft_device *device,
                                  const struct weft_model *model, int batch)
{
    size_t bytes = weft_graph_floats(&model->net->graph) * sizeof(float);
    struct weft_normalization normalization =
        weft_normalize(model->mean, model->deviation);
    *seat = (struct seat){.device = device};
    enum weft_status status;
    if ((status = device->backend->alloc(device, bytes, &seat->weights)) ||
        (status =
             device->backend->write(device, seat->weights, 0, model->weights, bytes)) ||
        (status = weft_infer_create(device, model->net, seat->weights, &normalization,
                                    batch, &seat->infer)))
        seat_finish(seat);
    return status;
}

enum weft_status weft_predictor_create(weft_device *device, const weft_model *model,
                                       int batch, weft_predictor **out)
{
    WEFT_REQUIRE(device->context, batch >= 1);
    struct weft_predictor *p = calloc(1, sizeof(*p));
    if (!p)
        return weft_out_of_memory(device->context, "predictor", sizeof(*p));
    enum weft_status status = seat_init(&p->seat, device, model, batch);
    if (status)
        free(p);
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

/* A batch of black pictures, once: the seconds. */
static enum weft_status take_time(const struct seat *seat, const uint8_t *pixels,
                                  double *seconds)
{
    double start = weft_clock_seconds();
    enum weft_status status =
        weft_infer_run(seat->infer, pixels, seat->infer->batch, seat->infer->rows);
    *seconds = weft_clock_seconds() - start;
    return status;
}

static int by_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* In turns, so that both meet the same machine; a rival that is far behind at once is not
 * waited for. */
enum { ROUNDS = 25, WARM = 4, FAR_BEHIND = 4 };
static enum weft_status race(const struct seat *seats[2], bool *second_wins)
{
    const struct weft_infer *infer = seats[0]->infer;
    double seconds[2][ROUNDS];
    uint8_t *pixels = calloc((size_t)infer->batch, infer->picture_bytes);
    if (!pixels)
        return weft_out_of_memory(infer->device->context, "predictor",
                                  (size_t)infer->batch * infer->picture_bytes);
    enum weft_status status = WEFT_OK;
    bool far = false;
    for (int round = 0; round < ROUNDS + WARM && !status && !far; round++) {
        int at = round < WARM ? 0 : round - WARM;
        for (int k = 0; k < 2 && !status; k++)
            status = take_time(seats[k], pixels, &seconds[k][at]);
        far = round > 0 && !status && seconds[1][at] > FAR_BEHIND * seconds[0][at];
    }
    free(pixels);
    *second_wins = false;
    if (status || far)
        return status;
    for (int k = 0; k < 2; k++)
        qsort(seconds[k], ROUNDS, sizeof(**seconds), by_seconds);
    *second_wins = seconds[1][ROUNDS / 2] < seconds[0][ROUNDS / 2];
    return WEFT_OK;
}

enum weft_status weft_predictor_choose(weft_predictor *p, const weft_model *model,
                                       bool *builtin)
{
    struct weft_device *device = NULL;
    struct seat rival;
    bool wins = false;
    *builtin = p->builtin || p->seat.device->info.kind == WEFT_DEVICE_BUILTIN;
    if (*builtin || p->seat.device->info.kind != WEFT_DEVICE_CPU)
        return WEFT_OK;
    WEFT_TRY(weft_device_open_builtin(p->seat.device->context, &device));
    enum weft_status status = seat_init(&rival, device, model, p->seat.infer->batch);
    if (!status) {
        status = race((const struct seat *[]){&p->seat, &rival}, &wins);
        struct seat loser = wins ? p->seat : rival;
        if (wins) {
            p->seat = rival;
            p->builtin = device;
        }
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
