/* SPDX-License-Identifier: Apache-2.0 */
/* Heat maps: what the network looks at, by occlusion, which measures it, or where that
 * takes too long by Grad-CAM, which estimates it. A thread of low priority makes them,
 * with a context, device and model of its own, so that requests without one do not wait;
 * its explainer is created for the first. */
#include "serve/serve.h"

#include "explain/explain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { NICE = 10, BATCH = 8 };
/* Seconds: of occlusion, about; of a request before its heat map is begun. */
static const double longest_occlusion = 1, longest_wait = 5;

struct heater {
    struct serve *serve;
    struct app app;
    struct explain_options options;
    struct look look;
    bool failed, occludes;
};

/* By the time of a run, after one that is not typical. */
static enum app_exit choose_method(struct heater *h)
{
    struct look *look = &h->look;
    const int method = h->serve->options->heat;
    double begin = 0;
    h->occludes = method == SERVE_OCCLUSION;
    if (method != SERVE_HEAT_AUTO)
        return APP_OK;
    look_place_patches(look);
    memset(look->pixels, 0, BATCH * look->values * sizeof(*look->pixels));
    for (int i = 0; i < 2; i++) {
        begin = term_seconds();
        enum app_exit code = look_run(look, BATCH, NULL);
        if (code)
            return code;
    }
    double seconds = (term_seconds() - begin) * look->patches / BATCH;
    h->occludes = seconds <= longest_occlusion;
    return APP_OK;
}

static enum app_exit open_look(struct heater *h)
{
    const struct app *of = h->serve->app;
    const struct app_options *options = of->options;
    const struct weft_device_params params =
        *weft_device_params(.family = (enum weft_kernel_family)options->family,
                            .avoid = options->avoid,
                            .gemm = (enum weft_gemm_provider)options->gemm,
                            .no_tuning = options->tuning == APP_TUNING_OFF);
    h->look = (struct look){.app = &h->app,
                            .options = &h->options,
                            .model_path = h->serve->operand,
                            .spatial = -1};
    enum weft_status status =
        weft_device_open(h->app.context, of->device_index, &params, &h->app.device);
    if (status)
        return app_report_error(&h->app, APP_DEVICE, status);
    enum app_exit code = app_load_model(&h->app, h->serve->operand, &h->look.model);
    if (code)
        return code;
    look_describe(&h->look);
    h->look.order = term_realloc_or_exit(NULL, sizeof(*h->look.order));
    code = look_create_explainer(&h->look, BATCH);
    return code ? code : choose_method(h);
}

/* The map of the most likely class. */
static enum app_exit measure(struct heater *h, const struct serve_request *r)
{
    struct look *look = &h->look;
    look->input = r->pixels;
    for (size_t i = 0; i < look->values; i++)
        look->pixels[i] = look->input[i];
    look->class = 0;
    for (int c = 1; c < look->net.classes; c++)
        look->class = r->outputs[c] > r->outputs[look->class] ? c : look->class;
    look->order[0] = look->class;
    const int32_t class = look->class;
    enum app_exit code = look_run(look, 1, h->occludes ? NULL : &class);
    if (code)
        return code;
    look_softmax(look, 0, look->probabilities);
    if (h->occludes)
        return look_occlude(look);
    code = look_layers(look);
    return code ? code : look_cam(look);
}

static void make_heat(struct heater *h, struct serve_request *r)
{
    struct look *look = &h->look;
    if (!h->look.explainer && !h->failed)
        h->failed = open_look(h) != APP_OK;
    if (h->failed || measure(h, r)) {
        r->heat.why = strdup(weft_error(h->app.context));
        return;
    }
    const struct look_map *map = h->occludes ? &look->occlusion : &look->cam;
    uint8_t *pixels = look_overlay(look, map);
    r->heat.image = serve_encode(pixels, look->net.height, look->net.width, 3);
    r->heat.sentence =
        h->occludes ? look_evidence_sentence(look) : look_map_sentence(look, map);
    r->heat.method = h->occludes ? "occlusion" : "grad_cam";
    free(pixels);
}

static void *make_heats(void *priv)
{
    struct heater *h = priv;
    struct serve *s = h->serve;
#ifdef __linux__
    setpriority(PRIO_PROCESS, 0,
                NICE); /* that of the thread; elsewhere, of the process */
#endif
    pthread_mutex_lock(&s->mutex);
    while (!s->stopping) {
        struct serve_request *r = serve_take_first(&s->heats);
        if (!r) {
            pthread_cond_wait(&s->heatable, &s->mutex);
            continue;
        }
        pthread_mutex_unlock(&s->mutex);
        if (term_seconds() - r->ready > longest_wait)
            r->heat.why = strdup("too many requests wait for a heat map");
        else
            make_heat(h, r);
        look_forget(&h->look);
        r->kind->reply(r);
        serve_free(r);
        pthread_mutex_lock(&s->mutex);
        s->heat_count--;
    }
    pthread_mutex_unlock(&s->mutex);
    h->look.input = NULL; /* it is the request's */
    look_release(&h->look);
    weft_device_close(&h->app.device);
    weft_context_destroy(&h->app.context);
    free(h);
    return NULL;
}

enum app_exit serve_start_heats(struct serve *s)
{
    struct heater *h = term_realloc_or_exit(NULL, sizeof(*h));
    sigset_t all, before;
    *h = (struct heater){.serve = s, .app = {.name = s->app->name}};
    h->app.options = s->app->options;
    enum app_exit code =
        app_create_context(&h->app, s->app->info.kind != WEFT_DEVICE_HOST, false);
    pthread_cond_init(&s->heatable, NULL);
    sigfillset(&all); /* signals are for the main thread */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    s->heats_started = !code && !pthread_create(&s->heater, NULL, make_heats, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (s->heats_started)
        return APP_OK;
    weft_context_destroy(&h->app.context);
    free(h);
    return code ? code : app_error(s->app, APP_FAILED, "no thread can be started");
}

void serve_stop_heats(struct serve *s)
{
    if (!s->heats_started)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->heatable);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->heater, NULL);
    s->heats_started = false;
}

bool serve_queue_heat(struct serve *s, struct serve_request *r)
{
    size_t bytes = (size_t)s->net.classes * sizeof(*r->outputs);
    r->own_outputs = memcpy(term_realloc_or_exit(NULL, bytes), r->outputs, bytes);
    r->outputs = r->own_outputs;
    pthread_mutex_lock(&s->mutex);
    bool full = s->heat_count >= SERVE_HEATS;
    if (!full) {
        s->heat_count++;
        serve_append(&s->heats, r);
        pthread_cond_signal(&s->heatable);
    }
    pthread_mutex_unlock(&s->mutex);
    if (full)
        r->heat.why = strdup("too many requests wait for a heat map");
    return !full;
}
