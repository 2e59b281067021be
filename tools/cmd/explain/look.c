/* SPDX-License-Identifier: Apache-2.0 */
/* weft explain MODEL IMAGE: reads both and measures everything. */
#include "explain/explain.h"

#include "core/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PIXELS = 1 << 26, TOP = 3, COPIES = 32 };
/* For the outputs and gradients of a batch. */
static const double batch_bytes = 256e6;

static enum app_exit read_image(struct look *look, const char *path)
{
    const struct image_path file = {.path = (char *)(uintptr_t)path};
    char *why = NULL;
    bool read = image_file_open(&look->file, &file, &why);
    look->file.purpose = &look->preprocess;
    for (int i = 0; read && i <= look->options->index; i++)
        read = image_file_next(look->app->context, &look->file, &why);
    if (read)
        return APP_OK;
    enum app_exit code =
        why ? app_error(look->app, APP_BAD_INPUT, "%s", why)
            : app_error(look->app, APP_BAD_INPUT, "%s: has no image %d, it has %d", path,
                        look->options->index, look->file.count);
    free(why);
    return code;
}

static enum app_exit make_input(struct look *look, const char *path)
{
    struct weft_preprocess_params *p = &look->preprocess;
    const struct weft_net_info *net = &look->net;
    if (net->channels != 1 && net->channels != 3)
        return app_error(look->app, APP_BAD_INPUT,
                         "%s: the model expects %d channels, but image files have 1 "
                         "(grey) or 3 (colour)",
                         look->model_path, net->channels);
    if ((size_t)net->height * (size_t)net->width > MAX_PIXELS)
        return app_error(look->app, APP_BAD_INPUT,
                         "%s: the model expects images of %dx%d pixels, more than the %d "
                         "of the largest image that can be read",
                         look->model_path, net->height, net->width, MAX_PIXELS);
    *p = *look->info.preprocess;
    app_apply_preprocess(&look->options->app, p);
    enum app_exit code = read_image(look, path);
    if (code)
        return code;
    if (look->file.idx && p->invert == WEFT_INVERT_AUTO)
        p->invert = WEFT_INVERT_NO;
    look->input = term_realloc_or_exit(NULL, look->values);
    if (weft_image_preprocess(look->app->context, &look->file.image, p, look->input,
                              &look->made))
        return app_error(look->app, APP_BAD_INPUT, "%s: %s", look->file.path,
                         weft_error(look->app->context));
    return APP_OK;
}

/* As many images at a time as their layers fit into batch_bytes. */
static int choose_batch(const struct look *look)
{
    struct weft_layer_info layer;
    double values = 2 * (double)look->values;
    for (int i = 0; i < look->net.layers && !weft_net_layer(look->info.net, i, &layer);
         i++)
        values += 2.0 * layer.height * layer.width * layer.channels;
    double fit = batch_bytes / (2 * sizeof(float) * values);
    return fit < 1 ? 1 : fit > LOOK_MOST_BATCH ? LOOK_MOST_BATCH : (int)fit;
}

void look_describe(struct look *look)
{
    weft_model_info(look->model, &look->info);
    weft_net_info(look->info.net, &look->net);
    look->values =
        (size_t)look->net.height * (size_t)look->net.width * (size_t)look->net.channels;
}

enum app_exit look_create_explainer(struct look *look, int images)
{
    look->batch = images ? images : choose_batch(look);
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status = weft_explainer_create(
        look->app->device, look->model, weft_explainer_params(.batch = look->batch),
        &look->explainer);
    term_wait_end();
    if (status == WEFT_ERR_ARG)
        return app_error(look->app, APP_BAD_INPUT, "%s: %s", look->model_path,
                         weft_error(look->app->context));
    if (status)
        return app_report_error(look->app, APP_WORK, status);
    size_t batch = (size_t)look->batch, classes = (size_t)look->net.classes;
    look->pixels = term_realloc_or_exit(NULL, batch * look->values * sizeof(float));
    look->logits = term_realloc_or_exit(NULL, batch * classes * sizeof(float));
    look->probabilities = term_realloc_or_exit(NULL, classes * sizeof(double));
    return APP_OK;
}

enum app_exit look_run(struct look *look, int count, const int32_t *classes)
{
    enum weft_status status =
        weft_explainer_run(look->explainer, look->pixels, count, classes, look->logits);
    return status ? app_report_error(look->app, APP_WORK, status) : APP_OK;
}

int look_softmax(const struct look *look, int i, double *out)
{
    int classes = look->net.classes, best = 0;
    const float *logits = look->logits + (size_t)i * (size_t)classes;
    double sum = 0;
    for (int c = 1; c < classes; c++)
        best = logits[c] > logits[best] ? c : best;
    for (int c = 0; c < classes; c++)
        sum += out[c] = exp((double)logits[c] - (double)logits[best]);
    for (int c = 0; c < classes; c++)
        out[c] /= sum;
    return best;
}

/* The most likely classes, and the one to explain. */
static enum app_exit choose_class(struct look *look)
{
    const char *name = look->options->class_name;
    int classes = look->net.classes, best = look_softmax(look, 0, look->probabilities);
    const double *p = look->probabilities;
    if (!isfinite(p[best]))
        return app_report_nonfinite(look->app, 1, 1, WEFT_PRECISION_FLOAT32);
    look->top = look->options->top < classes ? look->options->top : classes;
    look->order = term_realloc_or_exit(NULL, (size_t)classes * sizeof(*look->order));
    for (int c = 0; c < classes; c++) { /* by insertion: few are printed */
        int at = c < look->top ? c : look->top;
        for (; at > 0 && p[c] > p[look->order[at - 1]]; at--)
            if (at < look->top)
                look->order[at] = look->order[at - 1];
        if (at < look->top)
            look->order[at] = c;
    }
    look->class = look->order[0];
    if (!name)
        return APP_OK;
    for (int c = 0; c < classes; c++)
        if (!strcmp(look->info.class_names[c], name)) {
            look->class = c;
            return APP_OK;
        }
    char *end;
    long number = strtol(name, &end, 10);
    if (end == name || *end || number < 0 || number >= classes)
        return app_error(
            look->app, APP_BAD_INPUT,
            "%s: has no class \"%s\"; give a name that `weft show` lists, or "
            "a number from 0 to %d",
            look->model_path, name, classes - 1);
    look->class = (int)number;
    return APP_OK;
}

static enum app_exit measure(struct look *look)
{
    for (size_t i = 0; i < look->values; i++)
        look->pixels[i] = look->input[i];
    enum app_exit code = look_run(look, 1, NULL);
    if (!code)
        code = choose_class(look);
    const int32_t class = look->class;
    if (!code)
        code = look_run(look, 1, &class);
    if (!code)
        code = look_layers(look);
    if (!code)
        code = look_cam(look);
    if (!code)
        code = look_occlude(look);
    if (!code)
        code = look_smooth(look);
    return code || !look->options->shift ? code : look_shift(look);
}

static enum app_exit explain(struct look *look, const char *image)
{
    struct app *app = look->app;
    enum app_exit code = app_open_device(app);
    if (!code)
        code = app_load_model(app, look->model_path, &look->model);
    if (code)
        return code;
    look_describe(look);
    if ((code = make_input(look, image)) || (code = look_create_explainer(look, 0)))
        return code;
    term_wait_begin("Explaining");
    code = measure(look);
    term_wait_end();
    if (code)
        return code;
    look_write(look);
    if (look->options->html)
        code = look_write_page(look);
    return code ? code : app_flush_stdout(app);
}

void look_forget(struct look *look)
{
    struct look_map *const maps[] = {&look->occlusion, &look->cam, &look->smooth};
    for (int i = 0; i < look->layer_count; i++) {
        free(look->layers[i].values);
        free(look->layers[i].kept_at);
    }
    free(look->layers);
    look->layers = NULL;
    look->layer_count = 0;
    for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
        free(maps[i]->at);
        *maps[i] = (struct look_map){.at = NULL};
    }
}

void look_release(struct look *look)
{
    look_forget(look);
    free(look->order);
    free(look->probabilities);
    free(look->logits);
    free(look->pixels);
    free(look->input);
    image_file_close(&look->file);
    weft_explainer_destroy(&look->explainer);
    weft_model_destroy(&look->model);
}

enum app_exit look_main(struct app *app, const struct explain_options *options,
                        const char *model, const char *image)
{
    struct explain_options own = *options;
    own.top = own.top ? own.top : TOP;
    own.copies = own.copies ? own.copies : COPIES;
    own.seed = own.seed == ARGS_SEED_UNSET ? 1 : own.seed;
    struct look look = {.app = app, .options = &own, .model_path = model, .spatial = -1};
    enum app_exit code = explain(&look, image);
    look_release(&look);
    return code;
}
