/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence for a class: occlusion (Zeiler and Fergus 2014, arXiv:1311.2901), Grad-CAM
 * (Selvaraju et al. 2017, arXiv:1610.02391), SmoothGrad (Smilkov et al. 2017,
 * arXiv:1706.03825). */
#include "explain/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATCHES_A_SIDE = 6 };
static const double noise_share = 0.15; /* of the range of the pixels */
static const double tau = 6.283185307179586;

static struct look_map make_map(const struct look *look)
{
    size_t bytes = (size_t)look->net.height * (size_t)look->net.width * sizeof(float);
    return (struct look_map){.at = memset(term_realloc_or_exit(NULL, bytes), 0, bytes),
                             .height = look->net.height,
                             .width = look->net.width};
}

static void find_largest(struct look_map *map)
{
    for (int i = 0; i < map->height * map->width; i++)
        map->largest = fmax(map->largest, fabs((double)map->at[i]));
}

/* ---- occlusion ---- */

/* Positions of a patch along one axis, half a patch apart; the last is at the end. */
static int positions(int extent, int patch)
{
    int step = patch > 1 ? patch / 2 : 1;
    return (extent - patch + step - 1) / step + 1;
}

static int position(int i, int extent, int patch)
{
    int step = patch > 1 ? patch / 2 : 1;
    return i * step < extent - patch ? i * step : extent - patch;
}

static void place(const struct look *look, int patch, int out[2])
{
    int columns = positions(look->net.width, look->patch[1]);
    out[0] = position(patch / columns, look->net.height, look->patch[0]);
    out[1] = position(patch % columns, look->net.width, look->patch[1]);
}

/* Image `i` of the batch: the input with a patch of the training images' mean colour. */
static void cover(struct look *look, int i, int patch)
{
    float *pixels = look->pixels + (size_t)i * look->values;
    int at[2];
    place(look, patch, at);
    for (size_t k = 0; k < look->values; k++)
        pixels[k] = look->input[k];
    for (int y = at[0]; y < at[0] + look->patch[0]; y++)
        for (int x = at[1]; x < at[1] + look->patch[1]; x++)
            for (int c = 0; c < look->net.channels; c++)
                pixels[(y * look->net.width + x) * look->net.channels + c] =
                    (float)(255 * look->info.mean[c]);
}

/* The loss of probability is that of each pixel of the patch. */
static void add_loss(struct look *look, int patch, float loss, float *covered)
{
    int at[2];
    place(look, patch, at);
    for (int y = at[0]; y < at[0] + look->patch[0]; y++)
        for (int x = at[1]; x < at[1] + look->patch[1]; x++) {
            look->occlusion.at[y * look->net.width + x] += loss;
            covered[y * look->net.width + x]++;
        }
}

static void receive(struct look *look, int i, int patch, double *p, float *covered)
{
    int answer = look_softmax(look, i, p);
    double left = p[look->class];
    add_loss(look, patch, (float)(look->probabilities[look->class] - left), covered);
    if (patch && left >= look->worst_probability)
        return;
    place(look, patch, look->worst);
    look->worst_probability = left;
    look->worst_answer = answer;
}

void look_place_patches(struct look *look)
{
    const struct weft_net_info *net = &look->net;
    look->patch[0] = (net->height + PATCHES_A_SIDE - 1) / PATCHES_A_SIDE;
    look->patch[1] = (net->width + PATCHES_A_SIDE - 1) / PATCHES_A_SIDE;
    look->patches =
        positions(net->height, look->patch[0]) * positions(net->width, look->patch[1]);
}

enum app_exit look_occlude(struct look *look)
{
    const struct weft_net_info *net = &look->net;
    look_place_patches(look);
    look->occlusion = make_map(look);
    struct look_map covered = make_map(look);
    double *p = term_realloc_or_exit(NULL, (size_t)net->classes * sizeof(*p));
    enum app_exit code = APP_OK;
    for (int first = 0, n; first < look->patches && !code; first += n) {
        n = look->patches - first < look->batch ? look->patches - first : look->batch;
        for (int i = 0; i < n; i++)
            cover(look, i, first + i);
        code = look_run(look, n, NULL);
        for (int i = 0; i < n && !code; i++)
            receive(look, i, first + i, p, covered.at);
    }
    for (int i = 0; i < net->height * net->width; i++)
        look->occlusion.at[i] /= covered.at[i] > 0 ? covered.at[i] : 1;
    find_largest(&look->occlusion);
    free(covered.at);
    free(p);
    return code;
}

/* ---- Grad-CAM ---- */

/* Between the centres of the map's cells. */
static double bilinear(const float *map, int height, int width, double y, double x)
{
    y = fmin(fmax(y, 0), height - 1);
    x = fmin(fmax(x, 0), width - 1);
    int y0 = (int)y, x0 = (int)x;
    int y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    double top = (double)map[y0 * width + x0] * (1 - (x - x0)) +
                 (double)map[y0 * width + x1] * (x - x0);
    double bottom = (double)map[y1 * width + x0] * (1 - (x - x0)) +
                    (double)map[y1 * width + x1] * (x - x0);
    return top * (1 - (y - y0)) + bottom * (y - y0);
}

static void enlarge(const float *map, int height, int width, struct look_map *out)
{
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            out->at[y * out->width + x] = (float)bilinear(
                map, height, width, (y + 0.5) * height / out->height - 0.5,
                (x + 0.5) * width / out->width - 0.5);
}

/* The sum of the channels, each times the mean of its gradient; of that what is above
 * 0. */
static void add_channels(const struct look_layer *layer, const float *gradients,
                         float *out)
{
    int places = layer->info.height * layer->info.width, channels = layer->info.channels;
    memset(out, 0, (size_t)places * sizeof(*out));
    for (int c = 0; c < channels; c++) {
        double mean = 0;
        for (int i = 0; i < places; i++)
            mean += (double)gradients[(size_t)i * (size_t)channels + (size_t)c] / places;
        for (int i = 0; i < places; i++)
            out[i] +=
                (float)mean * layer->values[(size_t)i * (size_t)channels + (size_t)c];
    }
    for (int i = 0; i < places; i++)
        out[i] = out[i] > 0 ? out[i] : 0;
}

enum app_exit look_cam(struct look *look)
{
    look->cam = make_map(look);
    if (look->spatial < 0)
        return APP_OK;
    const struct look_layer *layer = &look->layers[look->spatial];
    size_t places = (size_t)layer->info.height * (size_t)layer->info.width;
    size_t count = places * (size_t)layer->info.channels;
    float *gradients = term_realloc_or_exit(NULL, (count + places) * sizeof(*gradients));
    enum weft_status status =
        weft_explainer_layer(look->explainer, look->spatial, NULL, gradients);
    if (!status) {
        add_channels(layer, gradients, gradients + count);
        enlarge(gradients + count, layer->info.height, layer->info.width, &look->cam);
        find_largest(&look->cam);
    }
    free(gradients);
    return status ? app_report_error(look->app, APP_WORK, status) : APP_OK;
}

/* ---- SmoothGrad ---- */

/* A number in 0..1 by a hash of its place (splitmix64). */
static double uniform(uint64_t seed, uint64_t at)
{
    uint64_t z = seed * 0xD1342543DE82EF95U + (at + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
    z = (z ^ z >> 27) * 0x94D049BB133111EBU;
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t seed, uint64_t at)
{
    return sqrt(-2 * log(uniform(seed, 2 * at))) * cos(tau * uniform(seed, 2 * at + 1));
}

static void add_noise(struct look *look, int i, int copy)
{
    uint8_t least = 255, most = 0;
    for (size_t k = 0; k < look->values; k++) {
        least = look->input[k] < least ? look->input[k] : least;
        most = look->input[k] > most ? look->input[k] : most;
    }
    for (size_t k = 0; k < look->values; k++)
        look->pixels[(size_t)i * look->values + k] =
            (float)(look->input[k] +
                    noise_share * (most - least) *
                        normal(look->options->seed, (uint64_t)copy * look->values + k));
}

/* Runs a batch of copies and adds their gradients with respect to the pixels. */
static enum app_exit add_gradients(struct look *look, int first, int n, float *gradients,
                                   double *sums)
{
    int32_t classes[LOOK_MOST_BATCH];
    for (int i = 0; i < n; i++) {
        classes[i] = look->class;
        add_noise(look, i, first + i);
    }
    enum app_exit code = look_run(look, n, classes);
    if (code)
        return code;
    enum weft_status status =
        weft_explainer_layer(look->explainer, WEFT_NET_INPUT, NULL, gradients);
    if (status)
        return app_report_error(look->app, APP_WORK, status);
    for (int i = 0; i < n; i++)
        for (size_t k = 0; k < look->values; k++)
            sums[k] += (double)gradients[(size_t)i * look->values + k];
    return APP_OK;
}

enum app_exit look_smooth(struct look *look)
{
    int copies = look->options->copies, channels = look->net.channels;
    size_t bytes = look->values * sizeof(double);
    double *sums = memset(term_realloc_or_exit(NULL, bytes), 0, bytes);
    float *gradients = term_realloc_or_exit(NULL, (size_t)look->batch * look->values *
                                                      sizeof(*gradients));
    enum app_exit code = APP_OK;
    for (int first = 0, n; first < copies && !code; first += n) {
        n = copies - first < look->batch ? copies - first : look->batch;
        code = add_gradients(look, first, n, gradients, sums);
    }
    look->smooth = make_map(look);
    for (size_t k = 0; k < look->values; k++)
        look->smooth.at[k / (size_t)channels] += (float)(fabs(sums[k]) / copies);
    find_largest(&look->smooth);
    free(gradients);
    free(sums);
    return code;
}
