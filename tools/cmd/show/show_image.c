/* SPDX-License-Identifier: Apache-2.0 */
/* weft show IMAGE: the image as it is stored, and as weft predict makes it. */
#include "show/show.h"

#include "core/image_files.h"
#include "core/plain_text.h"
#include "core/preprocess.h"

#include <stdlib.h>

enum { NOTES = 128 };

static const struct table_column columns[] = {
    {.key = "file", .title = "File", .left = true},
    {.key = "height", .title = "Height"},
    {.key = "width", .title = "Width"},
    {.key = "channels", .title = "Channels"},
    {.key = "input", .title = "Input", .left = true},
    {.key = "preprocess", .title = "Preprocessing", .left = true},
    {.key = "notes", .title = "Notes", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* The image of a file, and the input that is made of it. */
struct shown_image {
    struct image_file file;
    struct weft_preprocess_params params;
    struct weft_preprocess_info info;
    uint8_t *input;
};

/* The input and preprocessing of --model, or of --input. */
static enum app_exit choose_params(struct app *app, const struct show_options *o,
                                   struct weft_preprocess_params *params)
{
    weft_model *model = NULL;
    struct weft_model_info info;
    struct weft_dataset_info shape = {.height = 28, .width = 28, .channels = 1};
    enum app_exit code = APP_OK;
    if (o->model) {
        if ((code = app_load_model(app, o->model, &model)))
            return code;
        weft_model_info(model, &info);
        *params = *info.preprocess;
        weft_model_destroy(&model);
    } else if (!o->input || !(code = app_parse_input(app, o->input, &shape))) {
        *params = *weft_preprocess_params(.height = shape.height, .width = shape.width,
                                          .channels = shape.channels);
    }
    app_apply_preprocess(&o->app, params);
    return code;
}

static enum app_exit make_input(struct app *app, struct shown_image *shown)
{
    const struct weft_preprocess_params *p = &shown->params;
    if (p->channels != 1 && p->channels != 3)
        return app_error(app, APP_BAD_INPUT,
                         "%s: cannot become an input of %d channels; image files have 1 "
                         "(grey) or 3 (colour)",
                         shown->file.path, p->channels);
    shown->input = term_realloc_or_exit(NULL, (size_t)p->height * (size_t)p->width *
                                                  (size_t)p->channels);
    enum weft_status status = weft_image_preprocess(app->context, &shown->file.image, p,
                                                    shown->input, &shown->info);
    return status ? app_error(app, APP_BAD_INPUT, "%s: %s", shown->file.path,
                              weft_error(app->context))
                  : APP_OK;
}

static void write_json(const struct app *app, const struct shown_image *shown)
{
    const struct weft_image *image = &shown->file.image;
    struct json j = {.out = stdout};
    app_json_begin(app, &j, "weft.show/2");
    emit_text(&j, "kind", "image");
    emit_text(&j, "file", shown->file.path);
    emit_int(&j, "height", image->height);
    emit_int(&j, "width", image->width);
    emit_int(&j, "channels", image->channels);
    emit_list(&j, "input");
    emit_int(&j, NULL, shown->params.height);
    emit_int(&j, NULL, shown->params.width);
    emit_int(&j, NULL, shown->params.channels);
    emit_end(&j);
    app_json_preprocess(&shown->params, &j);
    app_json_preprocess_info(&shown->info, &j);
    emit_end(&j);
}

static void draw(const struct shown_image *shown, const char *input, const char *notes)
{
    const struct weft_image *image = &shown->file.image;
    const struct weft_preprocess_params *p = &shown->params;
    struct term_image images[2] = {
        {image->pixels, image->height, image->width, image->channels, "stored"},
        {shown->input, p->height, p->width, p->channels, "input"},
    };
    term_line(2, "%s%s%s: %dx%dx%d", term_style_begin(stdout, TERM_BOLD),
              plain_text(shown->file.path), term_style_end(stdout), image->height,
              image->width, image->channels);
    term_line(6, "Input %s: %s%s%s%s", input, app_preprocess_text(p), *notes ? " (" : "",
              notes, *notes ? ")" : "");
    putchar('\n');
    term_draw_images(stdout, images, 2);
}

static void write_result(const struct app *app, enum table_format format,
                         const struct shown_image *shown)
{
    const struct weft_image *image = &shown->file.image;
    const struct weft_preprocess_params *p = &shown->params;
    char notes[NOTES], input[48];
    app_preprocess_notes(&shown->info, notes, sizeof(notes));
    snprintf(input, sizeof(input), "%dx%dx%d", p->height, p->width, p->channels);
    if (format == TABLE_JSON) {
        write_json(app, shown);
        return;
    }
    if (format == TABLE_HUMAN) {
        draw(shown, input, notes);
        return;
    }
    struct table t;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    table_text(&t, shown->file.path);
    table_int(&t, image->height);
    table_int(&t, image->width);
    table_int(&t, image->channels);
    table_text(&t, input);
    table_text(&t, app_preprocess_text(p));
    table_text(&t, notes);
    table_write(&t);
    table_free(&t);
}

enum app_exit show_image(struct app *app, const struct show_options *o, const char *path)
{
    struct shown_image shown = {.input = NULL};
    const struct image_path file = {.path = (char *)(uintptr_t)path};
    char *why = NULL;
    enum app_exit code = choose_params(app, o, &shown.params);
    if (code)
        return code;
    if (!image_file_open(&shown.file, &file, &why) ||
        !image_file_next(app->context, &shown.file, &why))
        code = app_error(app, APP_BAD_INPUT, "%s", why);
    if (!code)
        code = make_input(app, &shown);
    if (!code)
        write_result(app, (enum table_format)o->app.format, &shown);
    free(why);
    free(shown.input);
    image_file_close(&shown.file);
    return code ? code : app_flush_stdout(app);
}
