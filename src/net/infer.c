/* SPDX-License-Identifier: Apache-2.0 */
/* Running a network forward. */
#include "infer.h"

#include "../util/clock.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

struct weft_normalization weft_normalize(const double *mean, const double *deviation)
{
    struct weft_normalization n;
    for (int c = 0; c < WEFT_MAX_CHANNELS; c++) {
        double spread = deviation[c] > 0 ? deviation[c] : 1.0;
        n.scale[c] = (float)(1.0 / (255.0 * spread));
        n.shift[c] = (float)(-mean[c] / spread);
    }
    return n;
}

enum weft_status weft_plan_alloc(struct weft_device *device, const struct weft_net *net,
                                 const struct weft_plan *plan, struct weft_mem **out)
{
    uint64_t limit = device->info.max_alloc_bytes;
    const uint64_t spare = WEFT_SLACK + WEFT_ALIGN; /* what a backend may add */
    if (limit && plan->bytes + spare > limit) {
        size_t room = limit > spare ? (size_t)(limit - spare) : 0;
        int fits = weft_plan_fit(net, plan->batch, plan->training, plan->type, room);
        return weft_fail(
            device->context, WEFT_ERR_NOMEM,
            "%s at batch %d needs a buffer of %.1f MiB, %.1f MiB more than %s "
            "gives; a batch of %d would fit",
            net->name, plan->batch, (double)plan->bytes / 1048576,
            (double)(plan->bytes + spare - limit) / 1048576, device->info.name, fits);
    }
    return device->backend->alloc(device, plan->bytes, out);
}

static enum weft_status lower(struct weft_infer *infer, const struct weft_net *net,
                              const struct weft_normalization *normalization)
{
    struct weft_device *device = infer->device;
    struct weft_input_args input = {
        .n = infer->batch,
        .count = infer->batch,
        .pixels = (int)infer->picture_bytes,
        .channels = net->input.c,
        .bytes = {infer->pixels, 0, (size_t)infer->batch * infer->picture_bytes},
        .x = weft_plan_step_view(infer->plan, &infer->roles, SPAN_X),
    };
    for (int c = 0; c < WEFT_MAX_CHANNELS; c++) {
        input.scale[c] = normalization->scale[c];
        input.shift[c] = normalization->shift[c];
    }
    WEFT_TRY(device->backend->list_create(device, &infer->list));
    infer->list->frozen = infer->list->stale = true;
    WEFT_TRY(weft_list_mark(infer->list, -1, WEFT_PHASE_INPUT));
    WEFT_TRY(device->backend->input(infer->list, &input));
    WEFT_TRY(weft_plan_forward(infer->plan, &infer->roles, infer->list));
    return device->backend->list_seal(infer->list);
}

static enum weft_status prepare(struct weft_infer *infer)
{
    struct weft_device *device = infer->device;
    size_t bytes = infer->plan->graph.prepared * sizeof(float);
    if (!bytes)
        return WEFT_OK;
    WEFT_TRY(device->backend->alloc(device, bytes, &infer->roles.prepared));
    WEFT_TRY(device->backend->list_create(device, &infer->prepare));
    WEFT_TRY(weft_plan_prepare(infer->plan, &infer->roles, infer->prepare));
    WEFT_TRY(device->backend->list_seal(infer->prepare));
    return weft_infer_refresh(infer);
}

enum weft_status weft_infer_create(struct weft_device *device, const struct weft_net *net,
                                   struct weft_mem *weights,
                                   const struct weft_normalization *normalization,
                                   int batch, enum weft_type type,
                                   struct weft_infer **out)
{
    struct weft_infer *infer = calloc(1, sizeof(*infer));
    if (!infer)
        return weft_out_of_memory(device->context, "predictor", sizeof(*infer));
    infer->device = device;
    infer->batch = batch;
    infer->classes = net->graph.nodes[net->graph.count - 1].out.c;
    infer->picture_bytes = weft_shape_count(net->input);
    infer->roles.weights = weights;
    size_t rows = (size_t)batch * (size_t)infer->classes;
    enum weft_status status =
        weft_plan_create(net, batch, false, false, type, &infer->plan);
    if (status)
        goto fail;
    infer->rows = malloc(rows * sizeof(*infer->rows));
    if (!infer->rows) {
        status = weft_out_of_memory(device->context, "predictor", rows * sizeof(float));
        goto fail;
    }
    if ((status = weft_plan_alloc(device, net, infer->plan, &infer->roles.activations)) ||
        (status = device->backend->alloc(device, (size_t)batch * infer->picture_bytes,
                                         &infer->pixels)) ||
        (status = prepare(infer)) || (status = lower(infer, net, normalization)))
        goto fail;
    *out = infer;
    return WEFT_OK;

fail:
    weft_infer_destroy(&infer);
    return status;
}

/* In float16 what was prepared stands for the weights. */
static enum weft_status settle(struct weft_infer *infer, struct weft_mem **weights)
{
    const struct weft_backend *backend = infer->device->backend;
    if (infer->plan->type != WEFT_FLOAT16)
        return WEFT_OK;
    WEFT_TRY(backend->wait(infer->device));
    if (infer->prepare)
        backend->list_destroy(infer->prepare);
    backend->free(infer->device, *weights);
    infer->prepare = NULL;
    infer->roles.weights = *weights = NULL;
    return WEFT_OK;
}

enum weft_status weft_infer_place(struct weft_device *device, const struct weft_net *net,
                                  const float *from,
                                  const struct weft_normalization *normalization,
                                  int batch, enum weft_type type,
                                  struct weft_mem **weights, struct weft_infer **out)
{
    const struct weft_backend *backend = device->backend;
    size_t bytes = weft_graph_floats(&net->graph) * sizeof(float);
    *weights = NULL;
    *out = NULL;
    WEFT_TRY(backend->alloc(device, bytes, weights));
    enum weft_status status = backend->write(device, *weights, 0, from, bytes);
    if (!status)
        status =
            weft_infer_create(device, net, *weights, normalization, batch, type, out);
    if (!status)
        status = settle(*out, weights);
    if (!status)
        return WEFT_OK;
    weft_infer_destroy(out);
    if (*weights)
        backend->free(device, *weights);
    *weights = NULL;
    return status;
}

bool weft_infer_agrees(const float *half, const float *full, int rows, int classes,
                       double *difference)
{
    static const double most = 0x1p-6;
    *difference = 0;
    for (int i = 0; i < rows; i++, half += classes, full += classes) {
        int best = 0;
        for (int c = 0; c < classes; c++) {
            double off = fabs((double)half[c] - (double)full[c]);
            if (!(off <= *difference)) /* NaN too */
                *difference = isfinite(off) ? off : INFINITY;
            best = half[c] > half[best] ? c : best;
        }
        for (int c = 0; c < classes; c++)
            if ((double)full[c] - (double)full[best] > most)
                *difference = INFINITY;
    }
    return *difference <= most;
}

enum weft_status weft_infer_refresh(struct weft_infer *infer)
{
    if (infer->list)
        infer->list->stale = true;
    return infer->prepare ? infer->device->backend->replay(infer->prepare) : WEFT_OK;
}

void weft_infer_destroy(struct weft_infer **infer)
{
    struct weft_infer *i = *infer;
    if (!i)
        return;
    if (i->list)
        i->device->backend->list_destroy(i->list);
    if (i->prepare)
        i->device->backend->list_destroy(i->prepare);
    if (i->roles.prepared)
        i->device->backend->free(i->device, i->roles.prepared);
    if (i->pixels)
        i->device->backend->free(i->device, i->pixels);
    if (i->roles.activations)
        i->device->backend->free(i->device, i->roles.activations);
    weft_plan_destroy(&i->plan);
    free(i->rows);
    free(i);
    *infer = NULL;
}

/* At most one batch. What is left of the batch keeps older pictures; their rows are not
 * read. */
static enum weft_status run_batch(struct weft_infer *infer, const uint8_t *pixels,
                                  int count, float *probabilities)
{
    const struct weft_backend *backend = infer->device->backend;
    struct weft_view out = weft_plan_output(infer->plan, &infer->roles);
    size_t row = (size_t)infer->classes * sizeof(float);
    WEFT_TRY(backend->send(infer->device, infer->pixels, 0, pixels,
                           (size_t)count * infer->picture_bytes));
    WEFT_TRY(backend->replay(infer->list));
    return backend->read(infer->device, probabilities, out.mem,
                         out.offset * sizeof(float), (size_t)count * row);
}

enum weft_status weft_infer_run(struct weft_infer *infer, const uint8_t *pixels,
                                int count, float *probabilities)
{
    for (int done = 0, n; done < count; done += n) {
        n = count - done < infer->batch ? count - done : infer->batch;
        WEFT_TRY(run_batch(infer, pixels + (size_t)done * infer->picture_bytes, n,
                           probabilities + (size_t)done * (size_t)infer->classes));
    }
    return WEFT_OK;
}

/* Enters one row of probabilities and its true class; the loss of the row. */
static double judge(struct weft_eval *eval, const float *row, int label)
{
    int best = 0;
    for (int c = 1; c < eval->classes; c++)
        if (row[c] > row[best])
            best = c;
    eval->correct += best == label;
    eval->confusion[(size_t)label * (size_t)eval->classes + (size_t)best]++;
    /* A NaN must stay one; a probability that underflowed must not make an infinity. */
    return -log(row[label] < FLT_MIN ? (double)FLT_MIN : (double)row[label]);
}

enum weft_status weft_infer_evaluate(struct weft_infer *infer, const weft_data *data,
                                     struct weft_eval *out)
{
    weft_context *ctx = infer->device->context;
    struct weft_data_info info;
    weft_data_info(data, &info);
    const struct weft_shape *in = &infer->plan->input;
    if (info.height != in->h || info.width != in->w || info.channels != in->c)
        return weft_fail(ctx, WEFT_ERR_ARG,
                         "%s: pictures of %dx%dx%d do not fit a network for %dx%dx%d",
                         info.source, info.height, info.width, info.channels, in->h,
                         in->w, in->c);
    size_t classes = (size_t)infer->classes;
    struct weft_eval eval = {.count = info.count, .classes = infer->classes};
    eval.confusion = calloc(classes * classes, sizeof(*eval.confusion));
    if (!eval.confusion)
        return weft_out_of_memory(ctx, "evaluation", classes * classes * sizeof(int64_t));
    const uint8_t *pixels = weft_data_pixels(data);
    const int32_t *labels = weft_data_labels(data);
    enum weft_status status = WEFT_OK;
    double start = weft_clock_seconds(), loss = 0;
    for (int i = 0, n; i < info.count && !status; i += n) {
        n = info.count - i < infer->batch ? info.count - i : infer->batch;
        status =
            run_batch(infer, pixels + (size_t)i * infer->picture_bytes, n, infer->rows);
        for (int k = 0; k < n && !status; k++) {
            if (labels[i + k] < 0 || labels[i + k] >= infer->classes)
                status =
                    weft_fail(ctx, WEFT_ERR_ARG,
                              "%s: picture %d is of class %d, the network knows 0 to %d",
                              info.source, i + k, labels[i + k], infer->classes - 1);
            else
                loss += judge(&eval, infer->rows + (size_t)k * classes, labels[i + k]);
        }
    }
    if (status) {
        weft_eval_finish(&eval);
        return status;
    }
    eval.seconds = weft_clock_seconds() - start;
    eval.accuracy = (double)eval.correct / info.count;
    eval.standard_error = sqrt(eval.accuracy * (1 - eval.accuracy) / info.count);
    eval.loss = loss / info.count;
    *out = eval;
    return WEFT_OK;
}

void weft_eval_finish(struct weft_eval *eval)
{
    free(eval->confusion);
    *eval = (struct weft_eval){0};
}
