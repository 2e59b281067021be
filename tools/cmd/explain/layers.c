/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of a network for one image: zeros, and what max-pooling keeps. */
#include "explain/explain.h"

#include <stdlib.h>
#include <string.h>

const char *look_shape_text(const struct weft_layer_info *layer)
{
    static char text[48];
    snprintf(text, sizeof(text), "%dx%dx%d", layer->height, layer->width,
             layer->channels);
    return text;
}

static size_t count_of(const struct weft_layer_info *layer)
{
    return (size_t)layer->height * (size_t)layer->width * (size_t)layer->channels;
}

/* True if `text` has the word. */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at += length)
        if ((at == text || at[-1] == ' ') && (!at[length] || at[length] == ' '))
            return true;
    return false;
}

/* "3", "3x5": rows and columns. */
static void read_pair(const char *text, int out[2])
{
    if (sscanf(text, "%dx%d", &out[0], &out[1]) < 2)
        out[1] = out[0];
}

/* An option of a layer's text, behind its `name=`; NULL: it is the default. */
static const char *option(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? at + strlen(name) : NULL;
}

/* The window of "max-pool 3x3 stride=2 pad=same" by its text (weft/net.h). */
static struct look_pool pool_of(const struct weft_layer_info *out, int height, int width)
{
    struct look_pool pool = {0};
    int window[2] = {height, width}, in[2] = {height, width};
    const int extent[2] = {out->height, out->width};
    if (!strcmp(out->op, "max-pool"))
        read_pair(out->text + strlen("max-pool "), window);
    else if (strcmp(out->op, "global-max-pool") != 0)
        return pool;
    pool.rows = window[0];
    pool.columns = window[1];
    const char *stride = option(out->text, " stride="), *pad = option(out->text, " pad=");
    memcpy(pool.stride, window, sizeof(window));
    if (stride)
        read_pair(stride, pool.stride);
    if (!pad || !strncmp(pad, "valid", 5))
        return pool;
    if (strncmp(pad, "same", 4) != 0) {
        if (sscanf(pad, "%d,%d", &pool.before[0], &pool.before[1]) < 2)
            read_pair(pad, pool.before);
        return pool;
    }
    for (int k = 0; k < 2; k++) {
        int missing = (extent[k] - 1) * pool.stride[k] + window[k] - in[k];
        pool.before[k] = missing > 0 ? missing / 2 : 0;
    }
    return pool;
}

/* Marks the largest value of a window, the first of equal ones. */
static void keep(const struct look_layer *from, struct look_layer *to, int y, int x,
                 int c)
{
    const struct look_pool *p = &to->pool;
    int top = y * p->stride[0] - p->before[0], left = x * p->stride[1] - p->before[1];
    size_t best = SIZE_MAX;
    for (int r = top < 0 ? 0 : top; r < top + p->rows && r < from->info.height; r++)
        for (int k = left < 0 ? 0 : left; k < left + p->columns && k < from->info.width;
             k++) {
            size_t at = ((size_t)r * (size_t)from->info.width + (size_t)k) *
                            (size_t)from->info.channels +
                        (size_t)c;
            if (best == SIZE_MAX || from->values[at] > from->values[best])
                best = at;
        }
    if (best != SIZE_MAX)
        to->kept_at[best] = 1;
}

static void measure_pool(const struct look_layer *from, struct look_layer *to)
{
    size_t count = count_of(&from->info), kept = 0;
    double all = 0, energy = 0;
    to->kept_at = memset(term_realloc_or_exit(NULL, count), 0, count);
    for (int y = 0; y < to->info.height; y++)
        for (int x = 0; x < to->info.width; x++)
            for (int c = 0; c < to->info.channels; c++)
                keep(from, to, y, x, c);
    for (size_t i = 0; i < count; i++) {
        double square = (double)from->values[i] * (double)from->values[i];
        all += square;
        energy += to->kept_at[i] ? square : 0;
        kept += to->kept_at[i];
    }
    to->kept = (double)kept / (double)count;
    to->energy = all > 0 ? energy / all : 1;
}

static void measure_zeros(struct look_layer *layer)
{
    size_t count = count_of(&layer->info), channels = (size_t)layer->info.channels;
    size_t zeros = 0;
    bool *lives = memset(term_realloc_or_exit(NULL, channels), 0, channels);
    for (size_t i = 0; i < count; i++) {
        zeros += layer->values[i] == 0;
        lives[i % channels] |= layer->values[i] != 0;
    }
    layer->zeros = (double)zeros / (double)count;
    layer->dead = 0;
    for (size_t c = 0; c < channels; c++)
        layer->dead += !lives[c];
    free(lives);
}

static void describe(struct look *look, int i)
{
    struct look_layer *layer = &look->layers[i];
    const char *op = layer->info.op, *text = layer->info.text;
    int from = layer->info.input_count ? layer->info.inputs[0] : WEFT_NET_INPUT;
    layer->copies = !strcmp(op, "flatten") || !strcmp(op, "dropout");
    layer->rectifies = has_word(text, "relu") || has_word(text, "relu6");
    measure_zeros(layer);
    if (layer->info.height > 1 || layer->info.width > 1)
        look->spatial = i;
    if (from == WEFT_NET_INPUT || !look->layers[from].values)
        return;
    const struct look_layer *in = &look->layers[from];
    layer->pool = pool_of(&layer->info, in->info.height, in->info.width);
    if (layer->pool.rows)
        measure_pool(in, layer);
}

enum app_exit look_layers(struct look *look)
{
    look->layer_count = look->net.layers;
    look->layers =
        term_realloc_or_exit(NULL, (size_t)look->layer_count * sizeof(*look->layers));
    memset(look->layers, 0, (size_t)look->layer_count * sizeof(*look->layers));
    for (int i = 0; i < look->layer_count; i++) {
        struct look_layer *layer = &look->layers[i];
        enum weft_status status = weft_net_layer(look->info.net, i, &layer->info);
        if (!status && strcmp(layer->info.op, "softmax") != 0) {
            layer->values =
                term_realloc_or_exit(NULL, count_of(&layer->info) * sizeof(float));
            status = weft_explainer_layer(look->explainer, i, layer->values, NULL);
        }
        if (status)
            return app_report_error(look->app, APP_WORK, status);
        if (layer->values)
            describe(look, i);
    }
    return APP_OK;
}
