/* SPDX-License-Identifier: Apache-2.0 */
/* The images and networks that are measured. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Noise images, at least as many as the largest batch. */
static enum app_exit make_noise(struct bench *b, const weft_net *net, weft_dataset **out)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    int count = 256;
    for (const char *at = b->batches; at; at = strchr(at, ',')) {
        at += *at == ',';
        count = atoi(at) > count ? atoi(at) : count;
    }
    size_t image_bytes = (size_t)info.height * (size_t)info.width * (size_t)info.channels;
    uint8_t *pixels = term_realloc_or_exit(NULL, image_bytes * (size_t)count);
    int32_t *labels = term_realloc_or_exit(NULL, (size_t)count * sizeof(*labels));
    uint32_t state = 1;
    for (size_t i = 0; i < image_bytes * (size_t)count; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(state >> 24);
    }
    for (int i = 0; i < count; i++)
        labels[i] = i % info.classes;
    enum weft_status status = weft_dataset_from_memory(
        b->app->context,
        weft_dataset_params(.count = count, .height = info.height, .width = info.width,
                            .channels = info.channels, .classes = info.classes,
                            .pixels = pixels, .labels = labels, .source = "noise"),
        out);
    free(pixels);
    free(labels);
    return status ? app_report_error(b->app, APP_WORK, status) : APP_OK;
}

enum app_exit bench_load_net_and_data(struct bench *b, const char *net, const char *input,
                                      weft_net **out_net, weft_dataset **out_data)
{
    struct weft_dataset_info shape = {0};
    enum app_exit code;
    if (input) {
        if ((code = app_parse_input(b->app, input, &shape)) ||
            (code = app_load_net(b->app, net, &shape, out_net)))
            return code;
        return make_noise(b, *out_net, out_data);
    }
    if (!b->data && (code = app_open_dataset(
                         b->app, b->options->data ? b->options->data : "fashion-mnist",
                         WEFT_SPLIT_TRAIN, &b->data)))
        return code;
    weft_dataset_info(b->data, &shape);
    if (!shape.pixels)
        return app_error(b->app, APP_BAD_INPUT,
                         "%s: larger than half of the memory, but weft bench takes all "
                         "images at once; use fewer images",
                         shape.source);
    *out_data = b->data;
    return app_load_net(b->app, net, &shape, out_net);
}
