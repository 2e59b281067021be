/* SPDX-License-Identifier: Apache-2.0 */
/* Preprocessing and cache of the image files of a dataset. */
#define _GNU_SOURCE
#include "core/app.h"
#include "core/preprocess.h"

#include <stdlib.h>
#include <string.h>

const struct args_option app_data_options[] = {
    {.name = "cache",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct app_options, cache),
     .value = "DIR",
     .help = "where decoded image files are kept for the next run, or none; default: "
             "weft/images in $XDG_CACHE_HOME or ~/.cache"},
    {0},
};

/* The size in a network's text. What is wrong with it is found when it is read. */
static enum app_exit read_input_size(struct app *app, const char *spec,
                                     struct weft_preprocess_params *p)
{
    weft_context *context = NULL; /* the app's may follow */
    weft_net *net = NULL;
    struct weft_net_info info;
    char *text;
    enum app_exit code = app_load_net_text(app, spec, &text);
    if (code)
        return code;
    if (!weft_context_create(&context, weft_context_params(.no_opencl = true)) &&
        !weft_net_create(context, text, NULL, &net)) {
        weft_net_info(net, &info);
        p->height = info.height;
        p->width = info.width;
        p->channels = info.channels;
    }
    weft_net_destroy(&net);
    weft_context_destroy(&context);
    free(text);
    return APP_OK;
}

static const char *choose_cache(const struct app *app, struct app_images *images)
{
    const char *given = app->options->cache;
    char cache[PATHS_MAX];
    if (given)
        return strcmp(given, "none") ? given : NULL;
    return paths_cache(cache) && paths_join(images->cache, cache, "images")
               ? images->cache
               : NULL;
}

enum app_exit app_choose_images(struct app *app, struct app_images *images,
                                const struct weft_preprocess_params *given,
                                const char *input, const char *net)
{
    struct weft_preprocess_params *p = &images->preprocess;
    struct weft_dataset_info shape;
    enum app_exit code = APP_OK;
    *p = given ? *given : *weft_preprocess_params(.fit = WEFT_FIT_PAD);
    if (input) {
        if ((code = app_parse_input(app, input, &shape)))
            return code;
        p->height = shape.height;
        p->width = shape.width;
        p->channels = shape.channels;
    } else if (!given && net && (code = read_input_size(app, net, p)))
        return code;
    if (p->channels && p->channels != 1 && p->channels != 3) /* not of image files */
        p->height = p->width = p->channels = 0;
    app_apply_preprocess(app->options, p);
    images->params = *weft_dataset_open_params(.preprocess = p,
                                               .cache_dir = choose_cache(app, images));
    app->images = images;
    return APP_OK;
}

bool app_is_single_file(const char *spec)
{
    size_t length = strlen(spec);
    bool npz = length > 4 && !strcmp(spec + length - 4, ".npz");
    return paths_exists(spec) && !paths_is_folder(spec) && !npz;
}

void app_print_decoding(const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    if (info.decoded)
        term_print("Decoded %s image files in %.3g s, %s/s%s",
                   table_thousands(info.decoded), info.decode_seconds,
                   table_thousands(info.decoded / info.decode_seconds),
                   info.decoding ? "; the others in the first epoch" : "");
}
