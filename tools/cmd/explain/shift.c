/* SPDX-License-Identifier: Apache-2.0 */
/* The distance by which a shift of the image by one pixel moves each layer's output. */
#include "explain/explain.h"

#include <math.h>
#include <stdlib.h>

const char *const look_direction_names[LOOK_DIRECTIONS] = {
    "left", "right", "up", "down", "up left", "up right", "down left", "down right"};
static const struct {
    int y, x;
} directions[LOOK_DIRECTIONS] = {{0, -1},  {0, 1},  {-1, 0}, {1, 0},
                                 {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};

static int limit(int at, int extent)
{
    return at < 0 ? 0 : at < extent ? at : extent - 1;
}

/* Image `i` of the batch. Pixels that come in from outside repeat those of the edge. */
static void shift(struct look *look, int i, int direction)
{
    int height = look->net.height, width = look->net.width, n = look->net.channels;
    float *out = look->pixels + (size_t)i * look->values;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < n; c++) {
                int row = limit(y - directions[direction].y, height);
                int column = limit(x - directions[direction].x, width);
                *out++ = look->input[(row * width + column) * n + c];
            }
}

/* |a - b| / |b|, by the Euclidean norm. */
static double distance(const float *a, const float *b, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        difference += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : difference > 0 ? INFINITY : 0;
}

/* Adds the distances of layer `layer`, or of the input, for the images of a batch. */
static enum app_exit compare(struct look *look, int layer, const float *own, size_t count,
                             int first, int n)
{
    float *values = term_realloc_or_exit(NULL, (size_t)n * count * sizeof(*values));
    enum weft_status status = weft_explainer_layer(look->explainer, layer, values, NULL);
    for (int i = 0; i < n && !status; i++) {
        double d = distance(values + (size_t)i * count, own, count);
        struct look_shift *s = &look->shifts[first + i];
        if (layer == WEFT_NET_INPUT)
            s->input = d;
        if (layer == look->spatial)
            s->spatial = d;
        if (layer != WEFT_NET_INPUT) {
            look->layers[layer].shift_mean += d / LOOK_DIRECTIONS;
            look->layers[layer].shift_largest =
                fmax(look->layers[layer].shift_largest, d);
        }
    }
    free(values);
    return status ? app_report_error(look->app, APP_WORK, status) : APP_OK;
}

static enum app_exit compare_all(struct look *look, const float *input, int first, int n)
{
    enum app_exit code = compare(look, WEFT_NET_INPUT, input, look->values, first, n);
    for (int k = 0; k < look->layer_count && !code; k++) {
        const struct weft_layer_info *info = &look->layers[k].info;
        if (look->layers[k].values)
            code = compare(look, k, look->layers[k].values,
                           (size_t)info->height * (size_t)info->width *
                               (size_t)info->channels,
                           first, n);
    }
    return code;
}

/* The input as the network reads it. */
static enum app_exit read_input(struct look *look, float *out)
{
    for (size_t i = 0; i < look->values; i++)
        look->pixels[i] = look->input[i];
    enum app_exit code = look_run(look, 1, NULL);
    if (code)
        return code;
    enum weft_status status =
        weft_explainer_layer(look->explainer, WEFT_NET_INPUT, out, NULL);
    return status ? app_report_error(look->app, APP_WORK, status) : APP_OK;
}

enum app_exit look_shift(struct look *look)
{
    float *input = term_realloc_or_exit(NULL, look->values * sizeof(*input));
    double *p = term_realloc_or_exit(NULL, (size_t)look->net.classes * sizeof(*p));
    enum app_exit code = read_input(look, input);
    for (int first = 0, n; first < LOOK_DIRECTIONS && !code; first += n) {
        n = LOOK_DIRECTIONS - first < look->batch ? LOOK_DIRECTIONS - first : look->batch;
        for (int i = 0; i < n; i++)
            shift(look, i, first + i);
        code = look_run(look, n, NULL);
        for (int i = 0; i < n && !code; i++) {
            look->shifts[first + i].answer = look_softmax(look, i, p);
            look->shifts[first + i].probability = p[look->class];
        }
        if (!code)
            code = compare_all(look, input, first, n);
    }
    free(p);
    free(input);
    return code;
}
