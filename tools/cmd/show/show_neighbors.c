/* SPDX-License-Identifier: Apache-2.0 */
/* The images of a dataset that are most like those to draw, by their pixels. */
#include "show/show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The pixels of all images, less the mean of the image and divided by their norm: the
 * inner product of two is their correlation. A constant image becomes zeros. */
static enum weft_status read_vectors(const weft_dataset *data, int count, size_t size,
                                     float *values)
{
    enum weft_status status = WEFT_OK;
    uint8_t *pixels = term_realloc_or_exit(NULL, size);
    for (int i = 0; i < count && !status; i++, values += size) {
        double sum = 0, squares = 0;
        status = weft_dataset_read(data, i, 1, pixels);
        for (size_t k = 0; k < size && !status; k++)
            sum += pixels[k];
        for (size_t k = 0; k < size && !status; k++) {
            double value = pixels[k] - sum / (double)size;
            values[k] = (float)value;
            squares += value * value;
        }
        for (size_t k = 0; k < size && !status; k++)
            values[k] = squares > 0 ? (float)((double)values[k] / sqrt(squares)) : 0;
    }
    free(pixels);
    return status;
}

/* The k nearest of each sample, after itself: samples x (k + 1). The host searches: there
 * is too little to do to wait for drivers. */
static enum weft_status find(struct app *app, const float *values, int count, size_t size,
                             const struct show_samples *samples, int k,
                             struct weft_neighbor *found)
{
    weft_device *host = NULL;
    weft_vectors *vectors = NULL;
    float *queries =
        term_realloc_or_exit(NULL, (size_t)samples->count * size * sizeof(float));
    for (int i = 0; i < samples->count; i++)
        memcpy(queries + (size_t)i * size, values + (size_t)samples->indices[i] * size,
               size * sizeof(float));
    enum weft_status status =
        weft_device_open(app->context, WEFT_HOST_DEVICE, NULL, &host);
    if (!status)
        status = weft_vectors_create(host,
                                     weft_vectors_params(.values = values, .count = count,
                                                         .dimensions = (int)size),
                                     &vectors);
    if (!status)
        status = weft_vectors_nearest(vectors, queries, samples->count, k + 1, found);
    weft_vectors_destroy(&vectors);
    weft_device_close(&host);
    free(queries);
    return status;
}

static enum weft_status add_image(const weft_dataset *data, int index, double correlation,
                                  const char *caption, struct show_samples *s)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    size_t size = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    uint8_t *pixels = s->pixels + (size_t)s->count * size;
    struct term_image *image = &s->images[s->count];
    *image = (struct term_image){pixels, info.height, info.width, info.channels, ""};
    if (caption)
        snprintf(image->caption, sizeof(image->caption), "%s", caption);
    else
        snprintf(image->caption, sizeof(image->caption), "%.3f %d %s", correlation, index,
                 info.class_names[info.labels[index]]);
    s->indices[s->count] = index;
    s->correlations[s->count++] = correlation;
    return weft_dataset_read(data, index, 1, pixels);
}

/* A sample and its neighbours become a row. */
static enum weft_status add_rows(const weft_dataset *data,
                                 const struct weft_neighbor *found, int k, size_t size,
                                 struct show_samples *s)
{
    size_t count = (size_t)s->count * ((size_t)k + 1);
    enum weft_status status = WEFT_OK;
    struct show_samples all = {.columns = k + 1, .neighbors = k};
    all.images = term_realloc_or_exit(NULL, count * sizeof(*all.images));
    all.indices = term_realloc_or_exit(NULL, count * sizeof(*all.indices));
    all.correlations = term_realloc_or_exit(NULL, count * sizeof(*all.correlations));
    all.pixels = term_realloc_or_exit(NULL, count * size);
    for (int i = 0; i < s->count && !status; i++, found += k + 1) {
        int self = s->indices[i], last = all.count + k;
        status = add_image(data, self, 1, s->images[i].caption, &all);
        for (int rank = 0; all.count <= last && !status; rank++)
            if (found[rank].index != self)
                status = add_image(data, (int)found[rank].index, found[rank].score, NULL,
                                   &all);
    }
    show_samples_free(s);
    *s = all;
    return status;
}

enum weft_status show_neighbors_add(struct app *app, const weft_dataset *data, int k,
                                    struct show_samples *s)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    size_t size = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    k = k < info.count ? k : info.count - 1;
    if (!s->count)
        return WEFT_OK;
    float *values =
        term_realloc_or_exit(NULL, (size_t)info.count * size * sizeof(*values));
    struct weft_neighbor *found =
        term_realloc_or_exit(NULL, (size_t)s->count * ((size_t)k + 1) * sizeof(*found));
    enum weft_status status = read_vectors(data, info.count, size, values);
    if (!status)
        status = find(app, values, info.count, size, s, k, found);
    if (!status)
        status = add_rows(data, found, k, size, s);
    free(values);
    free(found);
    return status;
}

static void emit_image(struct json *j, const struct weft_dataset_info *info,
                       const struct show_samples *s, int i)
{
    emit_object(j, NULL);
    emit_int(j, "index", s->indices[i]);
    emit_text(j, "class", info->class_names[info->labels[s->indices[i]]]);
    emit_double(j, "correlation", s->correlations[i]);
}

void show_neighbors_json(struct json *j, const struct weft_dataset_info *info,
                         const struct show_samples *s)
{
    emit_list(j, "neighbors");
    for (int i = 0; i < s->count; i += s->columns) {
        emit_image(j, info, s, i);
        emit_list(j, "nearest");
        for (int rank = 1; rank < s->columns; rank++) {
            emit_image(j, info, s, i + rank);
            emit_end(j);
        }
        emit_end(j);
        emit_end(j);
    }
    emit_end(j);
}
