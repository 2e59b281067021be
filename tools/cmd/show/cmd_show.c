/* SPDX-License-Identifier: Apache-2.0 */
/* weft show: describes a model, a network or a dataset. */
#include "show/show.h"

#include "core/decision.h"
#include "core/paths.h"
#include "core/plain_text.h"
#include "core/preprocess.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_EPOCH = 1000000 };

static const struct args_option options[] = {
    {.name = "samples",
     .letter = 'n',
     .kind = ARGS_INT,
     .offset = offsetof(struct show_options, samples),
     .value = "N",
     .help = "images of the dataset to draw; default 6",
     .max = SHOW_MAX_SAMPLES},
    {.name = "augment",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct show_options, augment),
     .value = "TEXT",
     .help = "draw the images that training with this augmentation sees first, in its "
             "order: \"flip shift=2\"; `weft help net`"},
    {.name = "epoch",
     .kind = ARGS_INT,
     .offset = offsetof(struct show_options, epoch),
     .value = "N",
     .help = "epoch of that training; default 1",
     .min = 1,
     .max = MAX_EPOCH},
    {.name = "grid",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct show_options, grid),
     .value = "RxC",
     .help = "draw R rows of C images, as a sheet with --out: 15x15"},
    {.name = "random",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct show_options, random),
     .help = "images at random, others each time unless --seed is given; otherwise they "
             "have equal distances"},
    {.name = "means",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct show_options, means),
     .help = "draw the mean of the images of each class instead"},
    {.name = "neighbors",
     .kind = ARGS_INT,
     .offset = offsetof(struct show_options, neighbors),
     .value = "N",
     .help = "draw each image in a row with the N others that are most like it, by the "
             "correlation of their pixels",
     .min = 1,
     .max = SHOW_MAX_SAMPLES - 1},
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct show_options, out),
     .value = "FILE",
     .help = "write the images of a dataset to a PNG file, as one sheet, and do not draw "
             "them"},
    {.name = "split",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct show_options, split),
     .value = "train|test|validation",
     .help = "split of the dataset; default train"},
    {.name = "seed",
     .letter = 's',
     .kind = ARGS_SEED,
     .offset = offsetof(struct show_options, seed),
     .value = "S",
     .help = "random seed of the selection, or of training; default 1, or by the clock "
             "with --random"},
    {.name = "input",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct show_options, input),
     .value = "HxWxC",
     .help = "input of a network without an input line, and of an image without "
             "--model, default 28x28x1; of image files of a dataset, default their size "
             "if they have one, else 64x64x3"},
    {.name = "model",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct show_options, model),
     .value = "MODEL",
     .help = "model for which an image is made, as `weft predict` does"},
    {.name = "text",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct show_options, text),
     .help = "print the text of a network, or of a model's network, to edit it"},
    {0},
};

static const struct args_option *const shared_options[] = {
    app_model_options,  app_preprocess_options, app_data_options,
    app_output_options, app_graphics_options,   NULL};

static const struct table_column layer_columns[] = {
    {.key = "layer", .title = "Layer", .left = true},
    {.key = "text", .title = "Text", .left = true},
    {.key = "output", .title = "Output", .left = true},
    {.key = "weights", .title = "Weights"},
    {.key = "mflop", .title = "MFLOP"},
    {.key = "flops_fraction", .title = "FLOP share"},
    {.key = "kilobytes", .title = "KB moved"},
};
enum { LAYER_COLUMNS = sizeof(layer_columns) / sizeof(*layer_columns) };

static void add_layers(struct table *t, const weft_net *net)
{
    struct weft_net_info info;
    struct weft_layer_info layer;
    weft_net_info(net, &info);
    for (int i = 0; i < info.layers && !weft_net_layer(net, i, &layer); i++) {
        char shape[48];
        snprintf(shape, sizeof(shape), "%dx%dx%d", layer.height, layer.width,
                 layer.channels);
        double fraction = info.flops > 0 ? layer.flops / info.flops : 0;
        table_text(t, layer.name);
        table_text(t, layer.text);
        table_text(t, shape);
        table_int(t, layer.weights);
        table_double(t, layer.flops / 1e6, "%.4f", layer.flops / 1e6);
        table_double(t, fraction, "%.1f %%", 100 * fraction);
        table_double(t, layer.bytes / 1e3, "%.1f", layer.bytes / 1e3);
    }
}

static void emit_net(struct json *j, const weft_net *net, const struct table *t)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    emit_object(j, "net");
    emit_text(j, "name", info.name);
    emit_text(j, "text", info.text);
    emit_list(j, "input");
    emit_int(j, NULL, info.height);
    emit_int(j, NULL, info.width);
    emit_int(j, NULL, info.channels);
    emit_end(j);
    emit_int(j, "outputs", info.classes);
    emit_int(j, "weights", info.weights);
    emit_double(j, "flops", info.flops);
    emit_int(j, "batch", info.batch);
    emit_double(j, "learning_rate", app_rate((double)info.optimizer.learning_rate));
    table_json(t, j, "layers");
    emit_end(j);
}

static void show_net_head(const weft_net *net)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    term_line(2,
              "%s%s%s: %dx%dx%d to %d classes, %d layers, %s weights, %.3g MFLOP per "
              "image (forward)",
              term_style_begin(stdout, TERM_BOLD), plain_text(info.name),
              term_style_end(stdout), info.height, info.width, info.channels,
              info.classes, info.layers, table_thousands((double)info.weights),
              info.flops / 1e6);
    putchar('\n');
}

static enum app_exit show_net(struct app *app, const struct show_options *o,
                              const char *spec)
{
    struct weft_dataset_info shape = {0};
    weft_net *net = NULL;
    enum app_exit code = o->input ? app_parse_input(app, o->input, &shape) : APP_OK;
    if (!code)
        code = app_load_net(app, spec, o->input ? &shape : NULL, &net);
    if (code)
        return code;
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format, layer_columns, LAYER_COLUMNS,
               false);
    add_layers(&t, net);
    if (t.format == TABLE_HUMAN)
        show_net_head(net);
    table_write(&t);
    if (t.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.show/2");
        emit_text(&j, "kind", "net");
        emit_net(&j, net, &t);
        emit_end(&j);
    }
    table_free(&t);
    weft_net_destroy(&net);
    return app_flush_stdout(app);
}

static void show_model_head(const struct weft_model_info *info, int classes)
{
    enum { INDENT = 9 };
    struct weft_net_info net;
    weft_net_info(info->net, &net);
    term_line(INDENT, "Trained  %.4g epochs, %s steps%s%s", info->epochs,
              table_thousands((double)info->step), *info->dataset_known_as ? ", on " : "",
              plain_text(info->dataset_known_as));
    printf("Pixels   mean");
    for (int c = 0; c < net.channels; c++)
        printf(" %.4f", info->mean[c]);
    printf(", stddev");
    for (int c = 0; c < net.channels; c++)
        printf(" %.4f", info->stddev[c]);
    putchar('\n');
    term_line(INDENT, "Images   %s", app_preprocess_text(info->preprocess));
    printf("Classes  ");
    int column = INDENT, limit = term_prose_limit(stdout);
    for (int c = 0; c < classes; c++) {
        const char *name = plain_text(info->class_names[c]);
        int width = term_columns(name) + 2;
        if (column + width > limit) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        printf("%s%s", name, c + 1 < classes ? ", " : "\n\n");
        column += width;
    }
}

/* As it was written: with comments, and `dense classes`. */
static enum app_exit show_net_text(struct app *app, const char *spec)
{
    char *text;
    enum app_exit code = app_load_net_text(app, spec, &text);
    if (code)
        return code;
    fputs(text, stdout);
    free(text);
    return app_flush_stdout(app);
}

static enum app_exit show_model(struct app *app, const struct show_options *o,
                                const char *path)
{
    weft_model *model = NULL;
    struct weft_model_info info;
    struct weft_net_info net;
    struct decision decision;
    enum app_exit code = app_load_model(app, path, &model);
    if (code)
        return code;
    weft_model_info(model, &info);
    weft_net_info(info.net, &net);
    if (o->text) {
        fputs(net.text, stdout);
        weft_model_destroy(&model);
        return app_flush_stdout(app);
    }
    if ((code = decision_read(app, model, &decision))) {
        decision_free(&decision);
        weft_model_destroy(&model);
        return code;
    }
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format, layer_columns, LAYER_COLUMNS,
               false);
    add_layers(&t, info.net);
    if (t.format == TABLE_HUMAN) {
        show_net_head(info.net);
        show_model_head(&info, net.classes);
        if (decision.calibrated) {
            decision_print(&decision);
            putchar('\n');
        }
    }
    table_write(&t);
    if (t.format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(app, &j, "weft.show/2");
        emit_text(&j, "kind", "model");
        emit_int(&j, "step", info.step);
        emit_double(&j, "epochs", info.epochs);
        emit_text(&j, "known_as", info.dataset_known_as);
        show_emit_numbers(&j, "mean", info.mean, net.channels);
        show_emit_numbers(&j, "stddev", info.stddev, net.channels);
        app_json_preprocess(info.preprocess, &j);
        emit_list(&j, "classes");
        for (int c = 0; c < net.classes; c++)
            emit_text(&j, NULL, info.class_names[c]);
        emit_end(&j);
        decision_json(&decision, &j);
        emit_net(&j, info.net, &t);
        emit_end(&j);
    }
    table_free(&t);
    decision_free(&decision);
    weft_model_destroy(&model);
    return app_flush_stdout(app);
}

static enum app_exit show_main(struct app *app, const void *given, int count,
                               char **operands)
{
    (void)count;
    const struct show_options *o = given;
    static enum app_exit (*const shows[])(struct app *, const struct show_options *,
                                          const char *) = {[SHOW_NET] = show_net,
                                                           [SHOW_MODEL] = show_model,
                                                           [SHOW_DATA] = show_data,
                                                           [SHOW_IMAGE] = show_image,
                                                           [SHOW_LOG] = show_log};
    enum show_kind kind = show_kind_of(operands[0]);
    bool net = kind == SHOW_NET || kind == SHOW_MODEL;
    if (o->text && (!net || o->app.format != TABLE_HUMAN))
        return app_error(app, APP_USAGE, "%s: --text is for networks and models, %s",
                         operands[0], net ? "without -f" : "not for data");
    if (o->model && kind != SHOW_IMAGE)
        return app_error(app, APP_USAGE, "%s: is no image, which --model is for",
                         operands[0]);
    const char *of_data = o->augment     ? "augment"
                          : o->out       ? "out"
                          : o->grid      ? "grid"
                          : o->random    ? "random"
                          : o->means     ? "means"
                          : o->neighbors ? "neighbors"
                                         : NULL;
    if (of_data && kind != SHOW_DATA)
        return app_error(app, APP_USAGE, "%s: is no data, which --%s is for", operands[0],
                         of_data);
    if (o->text && kind == SHOW_NET)
        return show_net_text(app, operands[0]);
    enum app_exit code = app_create_context(app, false, false);
    if (!code)
        code = shows[kind](app, o, operands[0]);
    return code;
}

const struct app_command cmd_show = {
    .args =
        {
            .name = "show",
            .operands = "MODEL|NET|DATA|IMAGE|LOG",
            .summary = "describes a model, network, dataset, image or log of a run; "
                       "draws images",
            .examples = "  weft show runs/a/best.safetensors\n"
                        "  weft show small\n"
                        "  weft show resnet9 --text > my.net\n"
                        "  weft show fashion-mnist --samples 12\n"
                        "  weft show fashion-mnist --grid 15x15 --out grid.png\n"
                        "  weft show fashion-mnist --neighbors 4 --out nearest.png\n"
                        "  weft show photos --augment \"flip crop=0.3\" --samples 64 "
                        "--out seen.png\n"
                        "  weft show shoe.jpg --model runs/a/best.safetensors",
            .about =
                "MODEL is a model file or the folder of a run, LOG the log.jsonl in it. "
                "DATA is fashion-mnist (Debian's package dataset-fashion-mnist), a "
                "folder "
                "or a file: `weft help data`. Its images are counted by class, and those "
                "that occur twice.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults =
        &(const struct show_options){.samples = 6, .seed = ARGS_SEED_UNSET, .epoch = 1},
    .options_size = sizeof(struct show_options),
    .run = show_main,
};
