/* SPDX-License-Identifier: Apache-2.0 */
/* weft serve: a model as a page and as a service. */
#define _GNU_SOURCE
#include "serve/serve.h"

#include "core/decision.h"
#include "core/preprocess.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nothing but the server's own files; images may also be those that a script holds. */
#define POLICY                                                                       \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: " \
    "data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "               \
    "frame-ancestors 'none'"

enum { SMALL_BATCH = 8, ROUTES = 12, MEGABYTE = 1000000 };
static const double unsure_below = 0.5; /* as weft predict has it */
static const double idle_seconds = 0.2, drain_seconds = 0.02;

#define SERVE_OPTION(type, field) \
    .kind = (type), .offset = offsetof(struct serve_options, field)

static const struct args_option options[] = {
    {.name = "listen",
     SERVE_OPTION(ARGS_TEXT, listen),
     .value = "ADDRESS",
     .help = "a numeric address of this computer; default 127.0.0.1, which this computer "
             "alone reaches; 0.0.0.0: all, for everyone on the network"},
    {.name = "port",
     SERVE_OPTION(ARGS_INT, port),
     .value = "N",
     .help = "default 8080; 0: any that is free; stdout has the address",
     .min = 0,
     .max = 65535},
    {.name = "name",
     SERVE_OPTION(ARGS_TEXT, name),
     .value = "NAME",
     .help = "of the model; default: that of its file or folder"},
    {.name = "unsure-below",
     SERVE_OPTION(ARGS_FRACTION, unsure_below),
     .value = "P",
     .help = "the answer is `not sure` where the largest probability is less; default: "
             "the threshold of a model after `weft calibrate`, else 50%"},
    {.name = "batch",
     .letter = 'b',
     SERVE_OPTION(ARGS_INT, batch),
     .value = "N",
     .help = "images that are classified together, at most; default 32",
     .min = 1,
     .max = 4096},
    {.name = "batch-wait",
     SERVE_OPTION(ARGS_DOUBLE, batch_wait),
     .value = "MS",
     .help = "milliseconds that a request waits for others that have begun; default 2",
     .min = 0,
     .max = 10000},
    {.name = "queue",
     SERVE_OPTION(ARGS_INT, queue),
     .value = "N",
     .help = "requests that wait at most; more are answered with 503; default 256",
     .min = 1,
     .max = 65536},
    {.name = "heat",
     SERVE_OPTION(ARGS_CHOICE, heat),
     .value = "auto|occlusion|grad-cam",
     .help = "how heat maps are made: by covering parts of the image, or by gradients; "
             "auto: by covering, where that takes a second or less"},
    {.name = "max-size",
     SERVE_OPTION(ARGS_DOUBLE, most_bytes),
     .value = "MB",
     .help = "size of a request; larger ones are answered with 413; default 20",
     .min = 0.001,
     .max = 200},
    {.name = "timeout",
     SERVE_OPTION(ARGS_DURATION, timeout),
     .value = "T",
     .help = "time for a request to come in, and for its reply to be read; default 30s"},
    {.name = "verbose",
     .letter = 'v',
     SERVE_OPTION(ARGS_FLAG, app.verbose),
     .help = "log every kernel build and selection on stderr"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,  app_preprocess_options,    app_precision_options,
    app_device_options, app_cached_tuning_options, NULL};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    if (stopped)
        _exit(APP_INTERRUPTED);
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

size_t serve_most_bytes(const struct serve *s)
{
    return (size_t)(s->options->most_bytes * MEGABYTE);
}

void serve_reply_json(struct http_exchange *exchange, int status,
                      void (*write)(struct json *json, const void *priv),
                      const void *priv)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        struct json json = {.out = out, .lines = true};
        emit_object(&json, NULL);
        write(&json, priv);
        emit_end(&json);
    }
    if (!out || fclose(out)) {
        free(text);
        http_reply_error(exchange, 503, "out of memory");
    } else
        http_reply(exchange, status, "application/json", text, size);
}

/* The numbers of one moment. */
struct health {
    const char *name;
    int64_t requests, refused, images, batches;
};

static void write_health(struct json *j, const void *priv)
{
    const struct health *now = priv;
    emit_text(j, "status", "ok");
    emit_text(j, "weft", weft_version());
    emit_text(j, "model", now->name);
    emit_int(j, "requests", now->requests);
    emit_int(j, "refused", now->refused);
    emit_int(j, "images", now->images);
    emit_int(j, "batches", now->batches);
}

static void send_health(struct http_exchange *exchange, void *priv)
{
    struct serve *s = priv;
    pthread_mutex_lock(&s->mutex);
    const struct health now = {s->name, s->requests, s->refused, s->images, s->batches};
    pthread_mutex_unlock(&s->mutex);
    serve_reply_json(exchange, 200, write_health, &now);
}

static void write_server(struct json *j, const void *priv)
{
    (void)priv;
    emit_text(j, "name", "weft");
    emit_text(j, "version", weft_version());
    emit_list(j, "extensions");
    emit_end(j);
}

static void send_server(struct http_exchange *exchange, void *priv)
{
    serve_reply_json(exchange, 200, write_server, priv);
}

static void write_live(struct json *j, const void *priv)
{
    (void)priv;
    emit_bool(j, "live", true);
}

static void send_live(struct http_exchange *exchange, void *priv)
{
    serve_reply_json(exchange, 200, write_live, priv);
}

/* A server that ends answers with 503. */
static void write_ready(struct json *j, const void *priv)
{
    const struct serve *s = priv;
    emit_text(j, "name", s->name);
    emit_bool(j, "ready", true);
}

static void send_ready(struct http_exchange *exchange, void *priv)
{
    serve_reply_json(exchange, 200, write_ready, priv);
}

static void queue_predict(struct http_exchange *exchange, void *priv)
{
    serve_queue(priv, &serve_predict, exchange);
}

static void queue_infer(struct http_exchange *exchange, void *priv)
{
    serve_queue(priv, &serve_infer, exchange);
}

static enum app_exit create_predictor(struct serve *s, int batch)
{
    struct serve_predictor *p = &s->predictors[s->predictor_count];
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = batch,
                               .precision =
                                   (enum weft_precision)s->options->app.precision);
    enum weft_status status =
        weft_predictor_create(s->app->device, s->model, &params, &p->predictor);
    if (status)
        return app_report_error(s->app, APP_WORK, status);
    p->batch = batch;
    s->predictor_count++;
    return APP_OK;
}

/* For one image, for a few, and for as many as --batch. */
static enum app_exit create_predictors(struct serve *s)
{
    int batches[SERVE_SIZES] = {s->options->batch, SMALL_BATCH, 1}, last = 0;
    enum app_exit code = APP_OK;
    term_wait_begin("Compiling kernels (cached for the next run)");
    for (int i = 0; i < SERVE_SIZES && !code; i++)
        if (!last || batches[i] < last)
            code = create_predictor(s, last = batches[i]);
    term_wait_end();
    return code;
}

/* The name of the file, or of the run's folder. */
static char *choose_name(const struct serve *s)
{
    static const char end[] = ".safetensors";
    char *path = term_format_or_exit("%s", s->operand);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    char *name = term_format_or_exit("%s", s->options->name ? s->options->name
                                                            : paths_basename(path));
    free(path);
    length = strlen(name);
    if (length > sizeof(end) - 1 && !strcmp(name + length - (sizeof(end) - 1), end))
        name[length - (sizeof(end) - 1)] = '\0';
    return name;
}

/* That of the option, of a calibrated model, or the default. */
static enum app_exit choose_threshold(struct serve *s)
{
    struct decision decision;
    enum app_exit code = decision_read(s->app, s->model, &decision);
    s->threshold = s->options->unsure_below > 0 ? s->options->unsure_below
                   : decision.has_threshold     ? (double)decision.threshold
                                                : unsure_below;
    decision_free(&decision);
    return code;
}

static enum app_exit open_model(struct serve *s)
{
    struct weft_model_info info;
    enum app_exit code = app_open_device(s->app);
    if (code || (code = app_load_model(s->app, s->operand, &s->model)))
        return code;
    weft_model_info(s->model, &info);
    weft_net_info(info.net, &s->net);
    if (s->net.channels != 1 && s->net.channels != 3)
        return app_error(s->app, APP_BAD_INPUT,
                         "%s: the model expects %d channels, but photographs have 1 "
                         "(grey) or 3 (colour)",
                         s->operand, s->net.channels);
    s->names = info.class_names;
    s->preprocess = *info.preprocess;
    app_apply_preprocess(&s->options->app, &s->preprocess);
    s->image_bytes =
        (size_t)s->net.height * (size_t)s->net.width * (size_t)s->net.channels;
    s->name = choose_name(s);
    code = choose_threshold(s);
    return code ? code : create_predictors(s);
}

/* The images of the requests, in order, through the predictors: one of a larger batch
 * takes as long for fewer images. */
static enum weft_status classify(const struct serve *s, const uint8_t *pixels, int count,
                                 float *outputs)
{
    size_t classes = (size_t)s->net.classes;
    enum weft_status status = WEFT_OK;
    float *rows = term_realloc_or_exit(NULL, (size_t)s->predictors[0].batch *
                                                 s->net.output_values * sizeof(*rows));
    for (int at = 0, n; at < count && !status; at += n) {
        int left = count - at, i = 0;
        while (i + 1 < s->predictor_count && 2 * left <= s->predictors[i].batch)
            i++;
        n = left < s->predictors[i].batch ? left : s->predictors[i].batch;
        status = weft_predictor_run(s->predictors[i].predictor,
                                    pixels + (size_t)at * s->image_bytes, n, rows);
        memcpy(outputs + (size_t)at * classes, rows, (size_t)n * classes * sizeof(*rows));
    }
    free(rows);
    return status;
}

/* Classifies the images of a list of requests, and replies. */
static enum app_exit answer(struct serve *s, struct serve_request *batch)
{
    int count = 0, at = 0;
    for (struct serve_request *r = batch; r; r = r->next)
        count += r->count;
    uint8_t *pixels = term_realloc_or_exit(NULL, (size_t)count * s->image_bytes);
    float *outputs = term_realloc_or_exit(NULL, (size_t)count * (size_t)s->net.classes *
                                                    sizeof(*outputs));
    for (struct serve_request *r = batch; r; r = r->next) {
        memcpy(pixels + (size_t)at * s->image_bytes, r->pixels,
               (size_t)r->count * s->image_bytes);
        r->outputs = outputs + (size_t)at * (size_t)s->net.classes;
        at += r->count;
    }
    enum weft_status status = classify(s, pixels, count, outputs);
    pthread_mutex_lock(&s->mutex);
    s->images += status ? 0 : count;
    s->batches++;
    pthread_mutex_unlock(&s->mutex);
    while (batch) {
        struct serve_request *r = batch;
        batch = r->next;
        if (status)
            http_reply_error(r->exchange, 500, "%s", weft_error(s->app->context));
        else if (r->show_heat && r->images && serve_queue_heat(s, r))
            continue;
        else
            r->kind->reply(r);
        serve_free(r);
    }
    free(pixels);
    free(outputs);
    return status ? app_report_error(s->app, APP_WORK, status) : APP_OK;
}

/* Until a signal, or a failure of the device; then until all requests are answered. */
static enum app_exit answer_all(struct serve *s)
{
    enum app_exit code = APP_OK;
    double end = 0;
    while (!end || (http_is_busy(s->http) && term_seconds() < end)) {
        struct serve_request *batch =
            serve_take_batch(s, end > 0 ? drain_seconds : idle_seconds, &stopped);
        enum app_exit failed = batch ? answer(s, batch) : APP_OK;
        code = code ? code : failed;
        if (!end && (stopped || code)) {
            http_drain(s->http);
            end = term_seconds() + s->options->timeout;
            if (http_is_busy(s->http))
                term_print("Answering the requests that have begun; Ctrl-C ends at once");
        }
    }
    return code;
}

static enum app_exit print_start(const struct serve *s)
{
    term_print("Serving %s  %s: %d classes; photographs are made %dx%dx%d, %s", s->name,
               s->operand, s->net.classes, s->net.height, s->net.width, s->net.channels,
               app_preprocess_text(&s->preprocess));
    if (!http_is_loopback(s->http))
        term_warn("everyone who can reach this computer's network address can send "
                  "photographs: there is neither password nor encryption");
    printf("%s\n", http_url(s->http));
    return app_flush_stdout(s->app);
}

static enum app_exit serve(struct serve *s)
{
    size_t most = serve_most_bytes(s);
    size_t json = most < SERVE_JSON_BYTES ? most : SERVE_JSON_BYTES;
    enum app_exit code = open_model(s);
    if (code || (code = serve_start_decoders(s)) || (code = serve_start_heats(s)))
        return code;
    s->page = serve_make_page(s);
    if (!s->page)
        return app_error(s->app, APP_FAILED, "out of memory");
    char *model = term_format_or_exit("/v2/models/%s", s->name);
    char *ready = term_format_or_exit("%s/ready", model);
    char *infer = term_format_or_exit("%s/infer", model);
    const struct http_route routes[] = {
        {"GET", "/", 0, false, serve_send_page},
        {"GET", "/page.js", 0, false, serve_send_script},
        {"GET", "/style.css", 0, false, serve_send_style},
        {"GET", "/health", 0, false, send_health},
        {"POST", "/predict", most, true, queue_predict},
        {"GET", "/v2", 0, false, send_server},
        {"GET", "/v2/health/live", 0, false, send_live},
        {"GET", "/v2/health/ready", 0, false, send_ready},
        {"GET", model, 0, false, serve_describe_model},
        {"GET", ready, 0, false, send_ready},
        {"POST", infer, json, true, queue_infer},
    };
    const struct http_params params = {.address = s->options->listen,
                                       .port = s->options->port,
                                       .timeout = s->options->timeout,
                                       .policy = POLICY,
                                       .routes = routes,
                                       .route_count = sizeof(routes) / sizeof(*routes),
                                       .priv = s};
    catch_signals();
    if (!(code = http_start(s->app, &params, &s->http))) {
        code = print_start(s);
        if (!code)
            code = answer_all(s);
        serve_stop_decoders(s);
        serve_stop_heats(s);
        serve_refuse_all(s);
        http_stop(&s->http);
        term_print("Served  %s images in %s requests", table_thousands((double)s->images),
                   table_thousands((double)s->requests));
    }
    free(model);
    free(ready);
    free(infer);
    return code;
}

static enum app_exit serve_main(struct app *app, const void *given, int count,
                                char **operands)
{
    (void)count;
    struct serve s = {.app = app, .options = given, .operand = operands[0]};
    enum app_exit code = serve(&s);
    serve_stop_decoders(&s);
    serve_stop_heats(&s);
    for (int i = 0; i < s.predictor_count; i++)
        weft_predictor_destroy(&s.predictors[i].predictor);
    weft_model_destroy(&s.model);
    free(s.name);
    free(s.page);
    return code;
}

const struct app_command cmd_serve = {
    .args =
        {
            .name = "serve",
            .operands = "MODEL",
            .summary = "a page to drop photographs on, and a service for programs",
            .examples = "  weft serve runs/a/best.safetensors\n"
                        "  curl --data-binary @shoe.jpg http://127.0.0.1:8080/predict",
            .about =
                "MODEL is a model file or the folder of a run. GET / is the page; POST "
                "/predict takes an image, or several parts with an image each; GET "
                "/health is for monitors; GET /v2, GET /v2/models/NAME and POST "
                "/v2/models/NAME/infer are those of the Open Inference Protocol. Ctrl-C "
                "or SIGTERM answers the requests that have begun, and ends; a second one "
                "ends at once. No file is read but the model, none is written, and "
                "nothing is loaded from elsewhere.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults = &(const struct serve_options){.listen = "127.0.0.1",
                                              .port = 8080,
                                              .batch = 32,
                                              .batch_wait = 2,
                                              .queue = 256,
                                              .most_bytes = 20,
                                              .timeout = 30},
    .options_size = sizeof(struct serve_options),
    .run = serve_main,
};
