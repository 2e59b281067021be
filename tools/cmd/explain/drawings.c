/* SPDX-License-Identifier: Apache-2.0 */
/* Images of maps, layers and filters. */
#include "explain/explain.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 32, GAP_SHADE = 72, ROW_OF_VALUES = 32, MAX_MODEL = 1 << 30 };
static const double opacity = 0.85, dimmed = 0.8;
static const uint8_t for_it[3] = {255, 122, 26}, against_it[3] = {42, 140, 255};

static uint8_t to_byte(double value)
{
    return value > 0 ? value < 255 ? (uint8_t)(value + 0.5) : 255 : 0;
}

uint8_t *look_overlay(const struct look *look, const struct look_map *map)
{
    size_t places = (size_t)map->height * (size_t)map->width;
    size_t channels = (size_t)look->net.channels;
    uint8_t *out = term_realloc_or_exit(NULL, 3 * places);
    for (size_t i = 0; i < places; i++) {
        double part = map->largest > 0 ? (double)map->at[i] / map->largest : 0, grey = 0;
        const uint8_t *colour = part < 0 ? against_it : for_it;
        for (size_t c = 0; c < channels; c++)
            grey += dimmed * look->input[i * channels + c] / (double)channels;
        for (int c = 0; c < 3; c++)
            out[3 * i + (size_t)c] =
                to_byte(grey + opacity * fabs(part) * (colour[c] - grey));
    }
    return out;
}

/* ---- sheets ---- */

static struct look_sheet make_sheet(int tiles, int tile_h, int tile_w, int columns,
                                    int gap, int channels)
{
    struct look_sheet s = {.shown = tiles, .columns = columns, .channels = channels};
    s.height = (tiles + columns - 1) / columns * (tile_h + gap) - gap;
    s.width = columns * (tile_w + gap) - gap;
    size_t bytes = (size_t)s.height * (size_t)s.width * (size_t)channels;
    s.pixels = memset(term_realloc_or_exit(NULL, bytes), GAP_SHADE, bytes);
    return s;
}

/* Black is 0, white the largest; where there are negative values 0 is grey. */
struct scale {
    double largest;
    bool negative;
};

static uint8_t shade(const struct scale *s, double value)
{
    double part = s->largest > 0 ? value / s->largest : 0;
    return to_byte(s->negative ? 127.5 + 127.5 * part : 255 * part);
}

static struct scale scale_of(const float *values, size_t count)
{
    struct scale s = {0, false};
    for (size_t i = 0; i < count; i++) {
        s.largest = fmax(s.largest, fabs((double)values[i]));
        s.negative |= values[i] < 0;
    }
    return s;
}

/* The mean of factor x factor values of a channel. */
static double mean_at(const struct look_layer *layer, int channel, int y, int x,
                      int factor)
{
    double sum = 0;
    int count = 0;
    for (int r = y * factor; r < (y + 1) * factor && r < layer->info.height; r++)
        for (int k = x * factor; k < (x + 1) * factor && k < layer->info.width;
             k++, count++)
            sum += (double)
                       layer->values[((size_t)r * (size_t)layer->info.width + (size_t)k) *
                                         (size_t)layer->info.channels +
                                     (size_t)channel];
    return sum / count;
}

/* A row of an image each ROW_OF_VALUES. */
static struct look_sheet draw_values(const struct look_layer *layer)
{
    int count = layer->info.channels;
    int columns = count < ROW_OF_VALUES ? count : ROW_OF_VALUES;
    struct scale scale = scale_of(layer->values, (size_t)count);
    struct look_sheet s = make_sheet(count, 1, 1, columns, 0, 1);
    for (int i = 0; i < count; i++)
        s.pixels[i] = shade(&scale, (double)layer->values[i]);
    return s;
}

static int columns_for(int tiles)
{
    return tiles < 8 ? tiles : tiles <= 16 ? 8 : 16;
}

struct look_sheet look_features(const struct look_layer *layer, int most)
{
    const struct weft_layer_info *info = &layer->info;
    int longest = info->height > info->width ? info->height : info->width;
    int factor = (longest + TILE - 1) / TILE;
    int tiles = info->channels < most ? info->channels : most;
    int h = (info->height + factor - 1) / factor, w = (info->width + factor - 1) / factor;
    if (longest == 1)
        return draw_values(layer);
    struct scale scale =
        scale_of(layer->values,
                 (size_t)info->height * (size_t)info->width * (size_t)info->channels);
    struct look_sheet s = make_sheet(tiles, h, w, columns_for(tiles), 1, 1);
    for (int i = 0; i < tiles; i++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                s.pixels[(i / s.columns * (h + 1) + y) * s.width +
                         i % s.columns * (w + 1) + x] =
                    shade(&scale, mean_at(layer, i, y, x, factor));
    return s;
}

/* ---- filters ---- */

/* Float32, lowest byte first. */
static float float_at(const char *bytes)
{
    uint32_t word = 0;
    float value;
    for (int i = 0; i < 4; i++)
        word |= (uint32_t)(uint8_t)bytes[i] << 8 * i;
    memcpy(&value, &word, sizeof(value));
    return value;
}

/* [filter][channel][row][column], each scaled by its largest. */
static struct look_sheet draw_filters(const char *weights, const int extent[4])
{
    int h = extent[2], w = extent[3], taps = h * w, channels = extent[1] == 3 ? 3 : 1;
    struct look_sheet s =
        make_sheet(extent[0], h, w, columns_for(extent[0]), 1, channels);
    for (int f = 0; f < extent[0]; f++) {
        const char *filter = weights + (size_t)f * (size_t)(extent[1] * taps) * 4;
        struct scale scale = {.negative = true};
        for (int i = 0; i < channels * taps; i++)
            scale.largest = fmax(scale.largest, fabs((double)float_at(filter + 4 * i)));
        for (int i = 0; i < channels * taps; i++) {
            int c = i / taps, y = i % taps / w, x = i % w;
            int row = f / s.columns * (h + 1) + y, column = f % s.columns * (w + 1) + x;
            s.pixels[(row * s.width + column) * channels + c] =
                shade(&scale, (double)float_at(filter + 4 * i));
        }
    }
    return s;
}

/* The tensor of a safetensors file, which has been read without error before: a length of
 * 8 bytes, a JSON object of that length, the data. */
static struct look_sheet read_filters(const char *file, size_t size, const char *name,
                                      int channels)
{
    struct look_sheet none = {.pixels = NULL};
    uint64_t length = 0;
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)(uint8_t)file[i] << 8 * i;
    json_t *header = length < size - 8 ? json_loadb(file + 8, length, 0, NULL) : NULL;
    const json_t *tensor = json_object_get(header, name);
    const json_t *shape = json_object_get(tensor, "shape");
    const char *type = json_string_value(json_object_get(tensor, "dtype"));
    json_int_t at =
        json_integer_value(json_array_get(json_object_get(tensor, "data_offsets"), 0));
    int extent[4] = {0};
    size_t count = 4;
    for (size_t i = 0; i < 4; i++) {
        extent[i] = (int)json_integer_value(json_array_get(shape, i));
        count *= (size_t)extent[i];
    }
    bool drawn = type && !strcmp(type, "F32") && json_array_size(shape) == 4 && at >= 0 &&
                 extent[1] == channels && extent[2] * extent[3] > 1 &&
                 8 + length + (uint64_t)at + count <= size;
    json_decref(header);
    return drawn ? draw_filters(file + 8 + length + at, extent) : none;
}

struct look_sheet look_filters(const struct look *look)
{
    struct look_sheet none = {.pixels = NULL};
    for (int i = 0; i < look->layer_count; i++) {
        const struct weft_layer_info *info = &look->layers[i].info;
        if (strcmp(info->op, "conv") != 0)
            continue;
        size_t size;
        char *name = term_format_or_exit("%s.weight", info->name);
        char *file =
            paths_read_file(app_model_path(look->model_path), MAX_MODEL, &size, NULL);
        if (file && size > 8)
            none = read_filters(file, size, name, look->net.channels);
        free(file);
        free(name);
        return none;
    }
    return none;
}

/* ---- pooling ---- */

/* The channel with the largest variance. */
static int liveliest(const struct look_layer *layer)
{
    int channels = layer->info.channels, places = layer->info.height * layer->info.width;
    int best = 0;
    double most = -1;
    for (int c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < places; i++) {
            double v = (double)layer->values[(size_t)i * (size_t)channels + (size_t)c];
            sum += v;
            squares += v * v;
        }
        if (squares - sum * sum / places > most) {
            most = squares - sum * sum / places;
            best = c;
        }
    }
    return best;
}

struct look_sheet look_pool(const struct look *look, int layer, enum look_pool_view which)
{
    const struct look_layer *to = &look->layers[layer];
    const struct look_layer *from = &look->layers[to->info.inputs[0]];
    const struct look_layer *of = which == LOOK_POOL_OUTPUT ? to : from;
    size_t channels = (size_t)from->info.channels, c = (size_t)liveliest(from);
    int places = of->info.height * of->info.width;
    struct scale scale = scale_of(from->values, (size_t)from->info.height *
                                                    (size_t)from->info.width * channels);
    struct look_sheet s = make_sheet(1, of->info.height, of->info.width, 1, 0, 3);
    for (size_t i = 0; i < (size_t)places; i++) {
        uint8_t grey = shade(&scale, (double)of->values[i * channels + c]);
        bool dropped = which == LOOK_POOL_KEPT && !to->kept_at[i * channels + c];
        for (size_t k = 0; k < 3; k++)
            s.pixels[3 * i + k] = dropped ? (uint8_t)(against_it[k] / 4) : grey;
    }
    return s;
}
