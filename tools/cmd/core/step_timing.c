/* SPDX-License-Identifier: Apache-2.0 */
/* Timings of a step's parts, kept beyond the callback that reports them. */
#include "core/step_timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 2048, DEFAULT_BATCH = 128, PHASES = 3 };

static void receive(void *priv, const struct weft_timing *t)
{
    struct step_timing *timing = priv;
    if (timing->count == MAX_PARTS)
        return;
    struct step_part *p = &timing->parts[timing->count++];
    p->t = *t;
    snprintf(p->layer, sizeof(p->layer), "%s", t->name);
    snprintf(p->layer_text, sizeof(p->layer_text), "%s", t->layer_text);
    snprintf(p->phase, sizeof(p->phase), "%s", t->phase);
    snprintf(p->kernels, sizeof(p->kernels), "%s", t->kernels);
    timing->seconds += t->count ? t->median : 0;
    term_progress("%s %s", p->layer, p->phase);
}

/* One batch of black images. */
static enum weft_status make_images(const struct app *app, const weft_net *net, int batch,
                                    weft_dataset **out)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    int count = batch ? batch : info.batch ? info.batch : DEFAULT_BATCH;
    size_t bytes =
        (size_t)count * (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    uint8_t *pixels = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    enum weft_status status = weft_dataset_from_memory(
        app->context,
        weft_dataset_params(.count = count, .height = info.height, .width = info.width,
                            .channels = info.channels, .classes = info.classes,
                            .pixels = pixels),
        out);
    free(pixels);
    return status;
}

enum weft_status step_timing_measure(const struct app *app, const weft_net *net,
                                     const weft_dataset *data,
                                     const struct weft_step_params *params,
                                     double seconds, struct step_timing *out)
{
    weft_dataset *images = NULL;
    weft_bench *probes = NULL;
    struct weft_step_params own = *params;
    *out = (struct step_timing){.training = params->training};
    out->parts = term_realloc_or_exit(NULL, MAX_PARTS * sizeof(*out->parts));
    own.report = receive;
    own.priv = out;
    enum weft_status status =
        data ? WEFT_OK : make_images(app, net, params->batch, &images);
    if (!status)
        status = weft_bench_create(
            app->device, weft_bench_params(.seconds = seconds, .seed = 1), &probes);
    if (!status)
        status = weft_bench_step(probes, net, data ? data : images, &own, &out->step);
    if (!status)
        weft_bench_roofline(probes, &out->roofline);
    term_progress_clear();
    weft_bench_destroy(&probes);
    weft_dataset_destroy(&images);
    return status;
}

enum weft_status step_timing_measure_shortly(const struct app *app, const weft_net *net,
                                             const struct weft_step_params *params,
                                             struct step_timing *out)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    double parts = info.layers * (params->training ? PHASES : 1);
    return step_timing_measure(app, net, NULL, params, STEP_TIMING_SECONDS / (parts + 1),
                               out);
}

void step_timing_free(struct step_timing *timing)
{
    free(timing->parts);
    *timing = (struct step_timing){0};
}
