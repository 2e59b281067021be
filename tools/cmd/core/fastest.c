/* SPDX-License-Identifier: Apache-2.0 */
/* -d fastest: each device runs the network for 0.3 seconds; the result is kept for the
 * network, the devices and their drivers. */
#include "core/app.h"
#include "core/fnv1a.h"

#include <stdlib.h>
#include <string.h>

static const double measured_seconds = 0.3;

/* Work of the devices: predictions of a model, or training steps. */
struct contest {
    struct app *app;
    weft_model *model; /* NULL: training */
    weft_net *net;     /* of training */
    weft_dataset *data;
    uint8_t *pixels; /* a batch */
    struct weft_net_info info;
    int batch;
};

static enum weft_status predict_batch(struct contest *c, weft_predictor *p)
{
    size_t bytes = (size_t)c->batch * c->info.output_values * sizeof(float);
    float *results = term_realloc_or_exit(NULL, bytes);
    enum weft_status status = weft_predictor_run(p, c->pixels, c->batch, results);
    free(results);
    return status;
}

static enum weft_status train_step(weft_trainer *t)
{
    struct weft_progress progress;
    enum weft_status status = weft_trainer_run(t, 1);
    return status ? status : weft_trainer_progress(t, &progress);
}

/* The least time of a batch; the first is not counted. */
static enum weft_status time_batches(struct contest *c, weft_predictor *p,
                                     weft_trainer *t, double *seconds)
{
    double end = 0;
    for (int i = 0; i < 3 || term_seconds() < end; i++) {
        double begin = term_seconds();
        enum weft_status status = p ? predict_batch(c, p) : train_step(t);
        double taken = term_seconds() - begin;
        if (status)
            return status;
        if (!i)
            end = term_seconds() + measured_seconds;
        if (i == 1 || (i && taken < *seconds))
            *seconds = taken;
    }
    return WEFT_OK;
}

static enum weft_status time_device(struct contest *c, int index, double *seconds)
{
    weft_device *device = NULL;
    weft_predictor *predictor = NULL;
    weft_trainer *trainer = NULL;
    struct weft_device_params params = app_device_params(c->app);
    enum weft_status status = weft_device_open(c->app->context, index, &params, &device);
    if (!status && c->model)
        status = weft_predictor_create(
            device, c->model, weft_predictor_params(.batch = c->batch), &predictor);
    else if (!status)
        status = weft_trainer_create(device, c->net, c->data,
                                     weft_train_params(.batch = c->batch), &trainer);
    if (!status)
        status = time_batches(c, predictor, trainer, seconds);
    weft_predictor_destroy(&predictor);
    weft_trainer_destroy(&trainer);
    weft_device_close(&device);
    return status;
}

/* A device that fails does not win. */
static enum app_exit measure(struct contest *c, int *index)
{
    struct weft_device_info d;
    double best = 0, seconds = 0;
    *index = -1;
    for (int i = 0; !weft_device_info(c->app->context, i, &d); i++) {
        if (d.same_as >= 0)
            continue;
        if (time_device(c, i, &seconds)) {
            term_warn("%s is not measured: %s", d.name, weft_error(c->app->context));
            continue;
        }
        term_print("Measured  %d  %s: %.3g ms for %d images of %dx%dx%d", i, d.name,
                   1e3 * seconds, c->batch, c->info.height, c->info.width,
                   c->info.channels);
        if (*index < 0 || seconds < best) {
            best = seconds;
            *index = i;
        }
    }
    return *index >= 0 ? APP_OK : app_report_error(c->app, APP_DEVICE, WEFT_ERR_DEVICE);
}

/* The file of the result; false: there is no folder for it. */
static bool result_path(const struct contest *c, char path[PATHS_MAX])
{
    char state[PATHS_MAX], folder[PATHS_MAX], name[64];
    struct weft_device_info d;
    uint64_t hash = fnv1a_text(FNV1A_BEGIN, weft_version());
    hash = fnv1a_text(hash, c->info.canonical_text);
    for (int i = 0; !weft_device_info(c->app->context, i, &d); i++)
        hash = fnv1a_text(fnv1a_text(fnv1a_text(hash, d.id), d.driver), d.version);
    snprintf(name, sizeof(name), "%s-%d-%016llx", c->model ? "predict" : "train",
             c->batch, (unsigned long long)hash);
    return paths_state(state) && paths_join(folder, state, "fastest") &&
           paths_make_folders(folder, 0700) && paths_join(path, folder, name);
}

/* The device of a kept result, or -1. */
static int kept_result(const struct contest *c, const char *path)
{
    struct weft_device_info d;
    size_t size;
    char *id =
        paths_exists(path) ? paths_read_file(path, sizeof(d.id), &size, NULL) : NULL;
    int found = -1;
    for (int i = 0; id && found < 0 && !weft_device_info(c->app->context, i, &d); i++)
        if (!strcmp(d.id, id))
            found = i;
    free(id);
    return found;
}

static enum app_exit make_data(struct contest *c)
{
    size_t image =
        (size_t)c->info.height * (size_t)c->info.width * (size_t)c->info.channels;
    size_t bytes = image * (size_t)c->batch;
    uint32_t state = 1;
    c->pixels = term_realloc_or_exit(NULL, bytes);
    for (size_t i = 0; i < bytes; i++)
        c->pixels[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    if (c->model)
        return APP_OK;
    int32_t *labels = term_realloc_or_exit(NULL, (size_t)c->batch * sizeof(*labels));
    for (int i = 0; i < c->batch; i++)
        labels[i] = i % c->info.classes;
    enum weft_status status = weft_dataset_from_memory(
        c->app->context,
        weft_dataset_params(.count = c->batch, .height = c->info.height,
                            .width = c->info.width, .channels = c->info.channels,
                            .classes = c->info.classes, .pixels = c->pixels,
                            .labels = labels),
        &c->data);
    free(labels);
    return status ? app_report_error(c->app, APP_WORK, status) : APP_OK;
}

static enum app_exit load(struct contest *c)
{
    struct app *app = c->app;
    struct weft_model_info info;
    struct weft_dataset_info shape = {.classes = 10}, *given = NULL;
    enum app_exit code = APP_OK;
    if (app->train_input &&
        (code = app_parse_input(app, app->train_input, given = &shape)))
        return code;
    if (app->model_spec && !(code = app_load_model(app, app->model_spec, &c->model))) {
        weft_model_info(c->model, &info);
        weft_net_info(info.net, &c->info);
    } else if (app->train_spec &&
               !(code = app_load_net(app, app->train_spec, given, &c->net))) {
        weft_net_info(c->net, &c->info);
    } else if (!code) {
        return app_error(app, APP_USAGE,
                         "-d fastest: there is no network to measure; choose a device of "
                         "`weft devices`");
    }
    c->batch = c->info.batch && !c->model ? c->info.batch : 128;
    return code;
}

enum app_exit app_find_fastest(struct app *app, int *index, const char **reason)
{
    struct contest c = {.app = app};
    char path[PATHS_MAX];
    struct weft_device_info d;
    enum app_exit code = load(&c);
    bool keeps = !code && result_path(&c, path);
    *index = keeps ? kept_result(&c, path) : -1;
    *reason = "fastest with this network when last measured";
    if (!code && *index < 0) {
        *reason = "fastest with this network";
        code = make_data(&c);
        if (!code)
            code = measure(&c, index);
        if (!code && keeps && !weft_device_info(app->context, *index, &d))
            paths_write(path, d.id, strlen(d.id));
    }
    free(c.pixels);
    weft_dataset_destroy(&c.data);
    weft_net_destroy(&c.net);
    weft_model_destroy(&c.model);
    return code;
}
