/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of weft filter. */
#ifndef WEFT_CMD_FILTER_FILTER_H
#define WEFT_CMD_FILTER_FILTER_H

#include "core/app.h"

enum { FILTER_MAX_SIDE = 31 };
#define FILTER_NAMES "blur, sharpen, edges, emboss"

/* The image is correlated with `weights`, row by row, and divided by `divisor`. */
struct filter_kernel {
    int side; /* odd */
    float weights[FILTER_MAX_SIDE * FILTER_MAX_SIDE];
    double divisor;
    bool whole; /* all weights are whole numbers, and so are sums of pixels */
};

/* By name, or read from a file of side x side numbers. */
enum app_exit filter_kernel_find(const struct app *app, const char *name,
                                 struct filter_kernel *out);

/* A model that is this convolution of planes of (side - 1 + tile)^2 bytes. */
enum app_exit filter_kernel_model(struct app *app, const struct filter_kernel *kernel,
                                  int tile, weft_model **out);

#endif
