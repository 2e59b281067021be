/* SPDX-License-Identifier: Apache-2.0 */
/* weft explain MODEL IMAGE: text, tables and JSON. */
#include "explain/explain.h"

#include "core/plain_text.h"
#include "core/preprocess.h"

#include <math.h>
#include <stdlib.h>

enum { NOTES = 128, IMAGES = 4, INDENT = 9 };

static const struct table_column layer_columns[] = {
    {.key = "layer", .title = "Layer", .left = true},
    {.key = "text", .title = "Text", .left = true},
    {.key = "output", .title = "Output", .left = true},
    {.key = "zeros_fraction", .title = "Zeros"},
    {.key = "zero_channels", .title = "Channels all 0"},
    {.key = "kept_fraction", .title = "Values kept", .optional = true},
    {.key = "kept_energy", .title = "Energy kept", .optional = true},
    {.key = "shift_mean", .title = "Moved", .optional = true},
    {.key = "shift_largest", .title = "At most", .optional = true},
};
static const struct table_column shift_columns[] = {
    {.key = "direction", .title = "Shift by 1 pixel", .left = true},
    {.key = "input", .title = "Input"},
    {.key = "spatial", .title = "Last map"},
    {.key = "probability", .title = "Probability"},
    {.key = "answer", .title = "Answer", .left = true},
};

/* A share in percent; NaN: none. */
static void add_share(struct table *t, double share)
{
    table_double(t, share, isnan(share) ? "-" : "%.1f %%", 100 * share);
}

void look_layer_table(const struct look *look, struct table *t, FILE *out,
                      enum table_format format)
{
    table_init(t, out, format, layer_columns,
               sizeof(layer_columns) / sizeof(*layer_columns), false);
    for (int i = 0; i < look->layer_count; i++) {
        const struct look_layer *layer = &look->layers[i];
        bool counts =
            layer->values && !layer->copies && (layer->rectifies || layer->zeros > 0);
        bool pools = layer->values && layer->pool.rows;
        bool shifts = layer->values && look->options->shift;
        table_text(t, layer->info.name);
        table_text(t, layer->info.text);
        table_text(t, look_shape_text(&layer->info));
        add_share(t, counts ? layer->zeros : NAN);
        table_double(t, counts ? layer->dead : NAN, counts ? "%d" : "-", layer->dead);
        add_share(t, pools ? layer->kept : NAN);
        add_share(t, pools ? layer->energy : NAN);
        add_share(t, shifts ? layer->shift_mean : NAN);
        add_share(t, shifts ? layer->shift_largest : NAN);
    }
}

void look_shift_table(const struct look *look, struct table *t, FILE *out,
                      enum table_format format)
{
    table_init(t, out, format, shift_columns,
               sizeof(shift_columns) / sizeof(*shift_columns), false);
    for (int i = 0; i < LOOK_DIRECTIONS; i++) {
        const struct look_shift *s = &look->shifts[i];
        table_text(t, look_direction_names[i]);
        add_share(t, s->input);
        add_share(t, look->spatial < 0 ? NAN : s->spatial);
        add_share(t, s->probability);
        table_text(t, look->info.class_names[s->answer]);
    }
}

/* ---- JSON ---- */

static void emit_map(struct json *j, const struct look_map *map)
{
    emit_list(j, "map");
    for (int i = 0; i < map->height * map->width; i++)
        emit_double(j, NULL, (double)map->at[i]);
    emit_end(j);
}

static void emit_pair(struct json *j, const char *key, int first, int second)
{
    emit_list(j, key);
    emit_int(j, NULL, first);
    emit_int(j, NULL, second);
    emit_end(j);
}

static void emit_class(struct json *j, const struct look *look, int class, double p)
{
    emit_int(j, "class_id", class);
    emit_text(j, "class", look->info.class_names[class]);
    emit_double(j, "probability", p);
}

static void emit_evidence(struct json *j, const struct look *look)
{
    char *sentence = look_evidence_sentence(look);
    emit_text(j, "evidence", sentence);
    free(sentence);
    emit_object(j, "occlusion");
    emit_pair(j, "patch", look->patch[0], look->patch[1]);
    emit_int(j, "patches", look->patches);
    emit_pair(j, "largest_at", look->worst[0], look->worst[1]);
    emit_double(j, "probability_there", look->worst_probability);
    emit_text(j, "answer_there", look->info.class_names[look->worst_answer]);
    emit_map(j, &look->occlusion);
    emit_end(j);
    emit_object(j, "grad_cam");
    emit_text(j, "layer",
              look->spatial < 0 ? NULL : look->layers[look->spatial].info.name);
    emit_map(j, &look->cam);
    emit_end(j);
    emit_object(j, "smoothgrad");
    emit_int(j, "copies", look->options->copies);
    emit_uint(j, "seed", look->options->seed);
    emit_map(j, &look->smooth);
    emit_end(j);
}

static void write_json(const struct look *look, const struct table *layers,
                       const struct table *shifts)
{
    struct json j = {.out = stdout};
    app_json_begin(look->app, &j, "weft.explain-image/1");
    emit_text(&j, "model", look->model_path);
    emit_text(&j, "file", look->file.path);
    emit_list(&j, "input");
    emit_int(&j, NULL, look->net.height);
    emit_int(&j, NULL, look->net.width);
    emit_int(&j, NULL, look->net.channels);
    emit_end(&j);
    app_json_preprocess(&look->preprocess, &j);
    app_json_preprocess_info(&look->made, &j);
    emit_list(&j, "top");
    for (int i = 0; i < look->top; i++) {
        emit_object(&j, NULL);
        emit_class(&j, look, look->order[i], look->probabilities[look->order[i]]);
        emit_end(&j);
    }
    emit_end(&j);
    emit_object(&j, "explained");
    emit_class(&j, look, look->class, look->probabilities[look->class]);
    emit_end(&j);
    emit_evidence(&j, look);
    table_json(layers, &j, "layers");
    if (shifts) {
        char *sentence = look_shift_sentence(look);
        table_json(shifts, &j, "shifts");
        emit_text(&j, "shift", sentence);
        free(sentence);
    }
    emit_end(&j);
}

/* ---- text ---- */

static void print_head(const struct look *look)
{
    char notes[NOTES];
    app_preprocess_notes(&look->made, notes, sizeof(notes));
    term_line(INDENT, "Image    %s%s%s", term_style_begin(stdout, TERM_BOLD),
              plain_text(look->file.path), term_style_end(stdout));
    term_line(INDENT, "Input    %dx%dx%d: %s%s%s%s", look->net.height, look->net.width,
              look->net.channels, app_preprocess_text(&look->preprocess),
              *notes ? " (" : "", notes, *notes ? ")" : "");
    for (int i = 0; i < look->top; i++)
        term_line(INDENT, "%s%5.1f %%  %s%s", i ? "         " : "Answer   ",
                  100 * look->probabilities[look->order[i]],
                  plain_text(look->info.class_names[look->order[i]]),
                  look->order[i] == look->class && look->options->class_name
                      ? " (explained)"
                      : "");
    putchar('\n');
}

/* Where there is no colour, a map by itself: letters have its size. */
static uint8_t *draw_map(const struct look *look, const struct look_map *map, bool colour)
{
    if (colour)
        return look_overlay(look, map);
    int places = map->height * map->width;
    uint8_t *out = term_realloc_or_exit(NULL, (size_t)places);
    for (int i = 0; i < places; i++)
        out[i] = map->at[i] > 0 ? (uint8_t)(255 * (double)map->at[i] / map->largest) : 0;
    return out;
}

static void print_images(const struct look *look)
{
    bool colour = *term_style_end(stdout);
    const struct look_map *const maps[IMAGES - 1] = {&look->occlusion, &look->cam,
                                                     &look->smooth};
    static const char *const captions[IMAGES - 1] = {"covered", "Grad-CAM", "SmoothGrad"};
    struct term_image images[IMAGES] = {
        {look->input, look->net.height, look->net.width, look->net.channels, "input"}};
    uint8_t *pixels[IMAGES - 1];
    for (int i = 0; i < IMAGES - 1; i++) {
        pixels[i] = draw_map(look, maps[i], colour);
        images[i + 1] = (struct term_image){pixels[i], maps[i]->height, maps[i]->width,
                                            colour ? 3 : 1, ""};
        snprintf(images[i + 1].caption, sizeof(images[i + 1].caption), "%s", captions[i]);
    }
    term_draw_images(stdout, images, IMAGES);
    for (int i = 0; i < IMAGES - 1; i++)
        free(pixels[i]);
    putchar('\n');
}

static void print_sentence(char *sentence)
{
    term_line(0, "%s", sentence);
    free(sentence);
    putchar('\n');
}

void look_write(const struct look *look)
{
    struct table layers, shifts;
    enum table_format format = (enum table_format)look->options->app.format;
    bool shift = look->options->shift;
    look_layer_table(look, &layers, stdout, format);
    look_shift_table(look, &shifts, stdout, format);
    term_progress_clear();
    if (format == TABLE_HUMAN) {
        print_head(look);
        print_images(look);
        print_sentence(look_evidence_sentence(look));
    }
    table_write(&layers);
    if (format == TABLE_JSON)
        write_json(look, &layers, shift ? &shifts : NULL);
    if (shift && (format == TABLE_HUMAN || format == TABLE_MD)) {
        putchar('\n');
        table_write(&shifts);
    }
    if (shift && format == TABLE_HUMAN) {
        putchar('\n');
        print_sentence(look_shift_sentence(look));
    }
    table_free(&layers);
    table_free(&shifts);
}
