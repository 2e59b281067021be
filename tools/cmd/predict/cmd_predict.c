/* SPDX-License-Identifier: Apache-2.0 */
/* weft predict: classifies images. */
#include "predict/predict.h"

#include "core/image_stream.h"
#include "core/preprocess.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A batch's images and outputs take at most BATCH_BYTES, which bounds what the network
 * computes of them too, and so do the images that are decoded meanwhile; those of which
 * fewer than FEWEST fit are decoded one by one. */
enum { BATCH_BYTES = 8 << 20, MAX_PIXELS = 1 << 26, FEWEST = 4 };

#define PREDICT_OPTION(type, field) \
    .kind = (type), .offset = offsetof(struct predict_options, field)

static const struct args_option options[] = {
    {.name = "format",
     .letter = 'f',
     PREDICT_OPTION(ARGS_CHOICE, app.format),
     .value = PREDICT_FORMATS,
     .help = "format of the results on stdout; jsonl: a JSON object a line, as soon as a "
             "batch is done; npy: images x classes probabilities in float32; default "
             "human, which has at most the columns of the terminal or of COLUMNS"},
    {.name = "out",
     .letter = 'o',
     PREDICT_OPTION(ARGS_TEXT, out),
     .value = "FILE",
     .help = "with -f npy: the file that is written, instead of stdout"},
    {.name = "top",
     .letter = 'k',
     PREDICT_OPTION(ARGS_INT, top),
     .value = "K",
     .help = "classes to print per image; default 3",
     .min = 1,
     .max = PREDICT_MAX_TOP},
    {.name = "unsure-below",
     PREDICT_OPTION(ARGS_FRACTION, unsure_below),
     .value = "P",
     .help = "an image is unsure if its largest probability is below P; default: the "
             "threshold that `weft calibrate` gave the model, or 50 %"},
    {.name = "unsure-margin",
     PREDICT_OPTION(ARGS_FRACTION, unsure_margin),
     .value = "M",
     .help = "or if the next class is closer than M; default 0"},
    {.name = "labels",
     PREDICT_OPTION(ARGS_TEXT, labels),
     .value = "folders|FILE",
     .help = "classes that are known, to compare with: the name of each image's folder, "
             "or a CSV of paths and labels"},
    {.name = "report",
     PREDICT_OPTION(ARGS_TEXT, report),
     .value = "FILE",
     .help = "with --labels: a page of accuracy, classes and mistakes"},
    {.name = "sort-into",
     PREDICT_OPTION(ARGS_TEXT, sort_into),
     .value = "DIR",
     .help = "link each image in the folder of its class in DIR; no file is replaced"},
    {.name = "review",
     PREDICT_OPTION(ARGS_TEXT, review),
     .value = "DIR",
     .help = "the same for those that are unsure, which --sort-into then leaves out"},
    {.name = "copy", PREDICT_OPTION(ARGS_FLAG, copy), .help = "copies instead of links"},
    {.name = "preview",
     PREDICT_OPTION(ARGS_TEXT, preview),
     .value = "DIR",
     .help = "write each image as the network sees it, as PNG"},
    {0},
};

static const struct args_option *const shared_options[] = {app_model_options,
                                                           app_preprocess_options,
                                                           app_precision_options,
                                                           app_cached_tuning_options,
                                                           app_tta_options,
                                                           app_device_options,
                                                           app_output_options +
                                                               1, /* all but --format */
                                                           NULL};

void predict_skip(void *priv, const char *why)
{
    struct prediction *prediction = priv;
    app_error(prediction->app, APP_BAD_INPUT, "%s; skipped", why);
    predict_add_failure(prediction, why);
}

/* Adds the current image of a file that is read here. */
static enum app_exit add_image(struct prediction *prediction,
                               const struct image_file *file, uint8_t *pixels)
{
    struct weft_preprocess_params preprocess = prediction->preprocess;
    struct weft_preprocess_info info;
    if (file->idx && preprocess.invert == WEFT_INVERT_AUTO)
        preprocess.invert = WEFT_INVERT_NO;
    enum weft_status status = weft_image_preprocess(
        prediction->app->context, &file->image, &preprocess, pixels, &info);
    if (status == WEFT_ERR_NOMEM)
        return app_report_error(prediction->app, APP_WORK, status);
    char *name = file->idx ? term_format_or_exit("%s[%d]", file->path, file->next - 1)
                           : term_format_or_exit("%s", file->path);
    struct stat s;
    bool own = !file->idx && !stat(file->path, &s) && S_ISREG(s.st_mode);
    if (!status)
        return predict_add_image(prediction, name,
                                 own ? term_format_or_exit("%s", file->path) : NULL,
                                 pixels, &info);
    char *why = term_format_or_exit("%s: %s", name, weft_error(prediction->app->context));
    enum app_exit code = predict_add_unread(prediction, name, why);
    free(why);
    free(name);
    return code;
}

/* Reads a file here: one with several images, standard input, or a large one. */
static enum app_exit add_file(struct prediction *prediction,
                              const struct image_path *path)
{
    struct image_file file;
    char *why;
    enum app_exit code = APP_OK;
    uint8_t *pixels = term_realloc_or_exit(NULL, prediction->image_bytes);
    bool opened = image_file_open(&file, path, &why);
    file.purpose = &prediction->preprocess;
    while (opened && !code && image_file_next(prediction->app->context, &file, &why))
        code = add_image(prediction, &file, pixels);
    if (why && !code)
        code = predict_add_unread(prediction, file.path, why);
    free(why);
    free(pixels);
    image_file_close(&file);
    return code;
}

static enum app_exit add_input(struct prediction *prediction,
                               const struct image_input *input)
{
    if (input->left)
        return add_file(prediction, &input->path);
    if (input->no_memory)
        return app_error(prediction->app, APP_FAILED, "%s", input->why);
    if (input->why)
        return predict_add_unread(prediction, input->path.path, input->why);
    return predict_add_image(prediction, term_format_or_exit("%s", input->path.path),
                             term_format_or_exit("%s", input->path.path), input->pixels,
                             &input->preprocessing);
}

/* At most; INT_MAX where standard input may name more. */
static int count_files(const struct prediction *prediction)
{
    const struct image_list *list = &prediction->paths.operands;
    for (int i = 0; i < list->count; i++)
        if (!list->paths[i].listed && !strcmp(list->paths[i].path, "-"))
            return INT_MAX;
    return list->count;
}

static void show_progress(const struct prediction *prediction, int files)
{
    const struct input_paths *paths = &prediction->paths;
    if (paths->line)
        term_progress("%s files", table_thousands(files));
    else
        term_progress("%s of %s files", table_thousands(files),
                      table_thousands(paths->operands.count));
}

/* Images are decoded in threads while a batch runs. A program that writes paths may wait
 * for the answers to those that it has written. */
static enum app_exit predict_in_threads(struct prediction *prediction)
{
    enum app_exit code = APP_OK;
    bool ended = false;
    int ahead = prediction->capacity;
    if (count_files(prediction) < ahead)
        ahead = count_files(prediction);
    struct image_stream *stream =
        image_stream_start(prediction->app->context, &prediction->preprocess,
                           IMAGE_STREAM_PIXELS, ahead + 1);
    for (int files = 0; !code; files++) {
        const struct image_path *path = NULL;
        while (!ended && image_stream_has_room(stream)) {
            bool idle = image_stream_is_empty(stream) && !prediction->item_count;
            if (!(path = input_paths_next(&prediction->paths, idle, &ended)))
                break;
            image_stream_put(stream, path);
        }
        show_progress(prediction, files);
        if (!image_stream_is_empty(stream))
            code = add_input(prediction, image_stream_take(stream));
        else if (ended)
            break;
        else
            code = predict_flush(prediction);
    }
    image_stream_stop(&stream);
    return code;
}

static enum app_exit predict_one_by_one(struct prediction *prediction)
{
    enum app_exit code = APP_OK;
    bool ended = false;
    for (int files = 0; !code && !ended;) {
        const struct image_path *path =
            input_paths_next(&prediction->paths, !prediction->item_count, &ended);
        show_progress(prediction, files);
        files += path != NULL;
        if (path)
            code = add_file(prediction, path);
        else if (!ended)
            code = predict_flush(prediction);
    }
    return code;
}

/* The threshold of the options, of the model, or one half; and room for the model's
 * sets. */
static void choose_threshold(struct prediction *prediction)
{
    const struct decision *d = &prediction->decision;
    double given = prediction->options->unsure_below;
    prediction->unsure_below = given > 0          ? given
                               : d->has_threshold ? (double)d->threshold
                                                  : 0.5;
    if (d->coverage > 0)
        prediction->set = term_realloc_or_exit(NULL, (size_t)prediction->net.classes *
                                                         sizeof(*prediction->set));
}

static enum app_exit prepare(struct prediction *prediction, const char *model)
{
    struct app *app = prediction->app;
    struct weft_model_info info;
    app->model_spec = model;
    enum app_exit code = app_open_device(app);
    if (code || (code = app_load_model(app, model, &prediction->model)))
        return code;
    if ((code = decision_read(app, prediction->model, &prediction->decision)))
        return code;
    weft_model_info(prediction->model, &info);
    weft_net_info(info.net, &prediction->net);
    choose_threshold(prediction);
    if (prediction->net.channels != 1 && prediction->net.channels != 3)
        return app_error(
            app, APP_BAD_INPUT,
            "%s: the model expects %d channels, but image files have 1 (grey) or "
            "3 (colour); use `weft eval` with an NPY file",
            model, prediction->net.channels);
    prediction->names = info.class_names;
    prediction->preprocess = *info.preprocess;
    app_apply_preprocess(&prediction->options->app, &prediction->preprocess);
    size_t pixels = (size_t)prediction->net.height * (size_t)prediction->net.width;
    if (pixels > MAX_PIXELS)
        return app_error(app, APP_BAD_INPUT,
                         "%s: the model expects images of %dx%d pixels, more than the "
                         "%d of the largest image that can be read",
                         model, prediction->net.height, prediction->net.width,
                         MAX_PIXELS);
    prediction->image_bytes = pixels * (size_t)prediction->net.channels;
    size_t fit = BATCH_BYTES / (prediction->image_bytes +
                                prediction->net.output_values * sizeof(float));
    prediction->capacity = predict_batch_size(fit < INT_MAX ? (int)fit : INT_MAX);
    predict_name_folders(prediction);
    return predict_read_labels(prediction);
}

/* Options that exclude or need each other. */
static enum app_exit check_options(const struct app *app, const struct predict_options *o)
{
    if (o->out && o->app.format != PREDICT_NPY)
        return app_error(app, APP_USAGE,
                         "--out needs -f npy; the other formats are written to stdout");
    if (!o->out && o->app.format == PREDICT_NPY && isatty(STDOUT_FILENO))
        return app_error(app, APP_USAGE,
                         "-f npy is no text for a terminal; name a file with --out FILE");
    if (o->report && !o->labels)
        return app_error(app, APP_USAGE,
                         "--report needs --labels folders or --labels FILE");
    if (o->copy && !o->sort_into && !o->review)
        return app_error(app, APP_USAGE, "--copy needs --sort-into or --review");
    return tta_check_options(app);
}

static enum app_exit report_failures(const struct prediction *prediction)
{
    int unread = prediction->failed - prediction->nonfinite;
    int images = prediction->failed + prediction->done;
    struct weft_predictor_info precision = {.precision = WEFT_PRECISION_FLOAT32};
    if (unread)
        term_print("%d of %d images could not be read", unread, images);
    if (prediction->predictor)
        weft_predictor_info(prediction->predictor, &precision);
    enum app_exit code = app_report_nonfinite(prediction->app, prediction->nonfinite,
                                              images - unread, precision.precision);
    return code ? code : unread ? APP_BAD_INPUT : APP_OK;
}

static enum app_exit finish(struct prediction *prediction)
{
    /* In this order, which they have in JSON too. */
    char *skipped[] = {image_list_skipped(&prediction->paths.operands),
                       image_list_skipped(&prediction->paths.lines)};
    enum app_exit code = predict_end_output(prediction);
    if (!code && *tta_text(&prediction->tta))
        term_print("With %s", tta_text(&prediction->tta));
    for (int i = 0; i < 2; i++) {
        if (!code && skipped[i])
            term_print("%s", skipped[i]);
        free(skipped[i]);
    }
    if (code)
        return code;
    if (prediction->unsorted)
        term_print("%s images have no file of their own, being of IDX files or standard "
                   "input: they were not linked or copied",
                   table_thousands(prediction->unsorted));
    predict_print_score(prediction);
    return prediction->options->report ? predict_save_report(prediction) : APP_OK;
}

static enum app_exit predict(struct prediction *prediction, int count, char **files)
{
    struct image_list *list = &prediction->paths.operands;
    enum app_exit code = check_options(prediction->app, prediction->options);
    for (int i = 0; i < count && !code; i++)
        code = image_list_add(prediction->app, list, files[i]);
    if (!code)
        code = prepare(prediction, prediction->model_path);
    if (code)
        return code;
    predict_begin_output(prediction);
    code = count_files(prediction) < 2 || prediction->capacity < FEWEST
               ? predict_one_by_one(prediction)
               : predict_in_threads(prediction);
    if (!code)
        code = predict_flush(prediction);
    if (!code)
        code = finish(prediction);
    if (!code)
        code = app_flush_stdout(prediction->app);
    return code ? code : report_failures(prediction);
}

static enum app_exit predict_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    const struct predict_options *o = given;
    struct prediction *prediction = term_realloc_or_exit(NULL, sizeof(*prediction));
    *prediction = (struct prediction){
        .app = app,
        .options = o,
        .model_path = operands[0],
        .source = count > 2 ? "the images given" : operands[1],
        .paths.operands = {.skip = predict_skip, .priv = prediction},
        .paths.lines = {.skip = predict_skip, .priv = prediction},
        .json = {.out = stdout, .lines = o->app.format == PREDICT_JSONL}};
    enum app_exit code = predict(prediction, count - 1, operands + 1);
    for (int i = 0; i < prediction->failed; i++)
        free(prediction->errors[i]);
    free(prediction->errors);
    free(prediction->rows);
    free(prediction->set);
    decision_free(&prediction->decision);
    predict_free_batch(prediction);
    predict_free_score(&prediction->score);
    for (int c = 0; prediction->folders && c < prediction->net.classes; c++)
        free(prediction->folders[c]);
    free(prediction->folders);
    table_free(&prediction->table);
    input_paths_free(&prediction->paths);
    weft_predictor_destroy(&prediction->predictor);
    weft_model_destroy(&prediction->model);
    free(prediction);
    return code;
}

const struct app_command cmd_predict = {
    .args =
        {
            .name = "predict",
            .operands = "MODEL FILE|DIR|-...",
            .summary = "classifies images: PNG, JPEG, PBM, PGM, PPM, IDX",
            .examples =
                "  weft predict runs/a/best.safetensors shoe.jpg --top 5\n"
                "  weft predict runs/a/best.safetensors photos/ -f csv\n"
                "  weft predict runs/a photos/ --sort-into sorted --review unsure\n"
                "  cat shoe.png | weft predict runs/a/best.safetensors -\n"
                "  find photos/ -newer last | weft predict runs/a -f jsonl -",
            .about =
                "MODEL is a model file or the folder of a run. Folders of images are "
                "searched recursively, in sorted order. `-` is standard input: an image, "
                "or the paths of images, one a line, which are answered line by line. "
                "What cannot be read is reported "
                "and skipped, and the exit code is then 4; files of other kinds "
                "are counted. Images are made as the model's metadata say (`weft show "
                "MODEL`), unless options change it.",
            .options = options,
            .shared = shared_options,
            .operands_min = 2,
            .operands_max = -1,
        },
    .defaults = &(const struct predict_options){.top = 3},
    .options_size = sizeof(struct predict_options),
    .run = predict_main,
};
