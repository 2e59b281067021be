/* SPDX-License-Identifier: Apache-2.0 */
/* weft filter: a convolution as an image filter, by the kernels of a network with one
 * layer. The image is cut into tiles of one size, so that its kernels are those of every
 * image. */
#include "filter/filter.h"

#include "core/image_files.h"
#include "core/plain_text.h"
#include "core/png_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 256, BATCH = 4 };

struct filter_options {
    struct app_options app;
    const char *kernel, *out;
};

static const struct args_option options[] = {
    {.name = "kernel",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct filter_options, kernel),
     .value = "NAME|FILE",
     .help = FILTER_NAMES ", or a file with a square of numbers: 9, 25, 49"},
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct filter_options, out),
     .value = "FILE",
     .help = "write a PNG; otherwise it is drawn"},
    {0},
};

static const struct args_option *const shared_options[] = {app_device_options,
                                                           app_graphics_options, NULL};

struct filter {
    struct app *app;
    const struct filter_options *options;
    struct filter_kernel kernel;
    struct image_file file;
    weft_model *model;
    weft_predictor *predictor;
    uint8_t *result; /* height x width x channels */
    int tiles[2];    /* rows and columns */
};

static enum app_exit read_image(struct filter *f, const char *path)
{
    const struct image_path file = {.path = (char *)(uintptr_t)path};
    char *why = NULL;
    if (image_file_open(&f->file, &file, &why) &&
        image_file_next(f->app->context, &f->file, &why))
        return APP_OK;
    enum app_exit code = app_error(f->app, APP_BAD_INPUT, "%s", why ? why : path);
    free(why);
    return code;
}

static int clamp(int at, int extent)
{
    return at < 0 ? 0 : at < extent ? at : extent - 1;
}

/* The pixels of a tile in one channel, with those around it; beyond the image those of
 * its edge are repeated. */
static void cut(const struct filter *f, int tile, int channel, uint8_t *out)
{
    const struct weft_image *image = &f->file.image;
    int border = f->kernel.side / 2, extent = TILE + f->kernel.side - 1;
    int top = tile / f->tiles[1] * TILE - border;
    int left = tile % f->tiles[1] * TILE - border;
    for (int y = 0; y < extent; y++)
        for (int x = 0; x < extent; x++) {
            size_t row = (size_t)clamp(top + y, image->height);
            size_t column = (size_t)clamp(left + x, image->width);
            *out++ = image->pixels[(row * (size_t)image->width + column) *
                                       (size_t)image->channels +
                                   (size_t)channel];
        }
}

/* The nearest byte; of halves the larger. Whole sums are exact, whichever algorithm
 * computed them. */
static uint8_t to_byte(const struct filter_kernel *k, float sum)
{
    double exact = k->whole ? floor((double)sum + 0.5) : (double)sum;
    double value = floor(exact / k->divisor + 0.5);
    return value > 0 ? value < 255 ? (uint8_t)value : 255 : 0;
}

static void paste(struct filter *f, int tile, int channel, const float *sums)
{
    const struct weft_image *image = &f->file.image;
    int top = tile / f->tiles[1] * TILE, left = tile % f->tiles[1] * TILE;
    for (int y = 0; y < TILE && top + y < image->height; y++)
        for (int x = 0; x < TILE && left + x < image->width; x++)
            f->result[((size_t)(top + y) * (size_t)image->width + (size_t)(left + x)) *
                          (size_t)image->channels +
                      (size_t)channel] = to_byte(&f->kernel, sums[y * TILE + x]);
}

/* Each channel by itself. */
static enum app_exit run_tiles(struct filter *f)
{
    const struct weft_image *image = &f->file.image;
    int channels = image->channels, planes = f->tiles[0] * f->tiles[1] * channels;
    size_t side = (size_t)(TILE + f->kernel.side - 1), bytes = side * side;
    uint8_t *pixels = term_realloc_or_exit(NULL, BATCH * bytes);
    float *sums = term_realloc_or_exit(NULL, BATCH * TILE * TILE * sizeof(*sums));
    enum weft_status status = WEFT_OK;
    f->result = term_realloc_or_exit(NULL, (size_t)image->height * (size_t)image->width *
                                               (size_t)channels);
    for (int first = 0, n; first < planes && !status; first += n) {
        n = planes - first < BATCH ? planes - first : BATCH;
        for (int i = 0; i < n; i++)
            cut(f, (first + i) / channels, (first + i) % channels,
                pixels + (size_t)i * bytes);
        status = weft_predictor_run(f->predictor, pixels, n, sums);
        for (int i = 0; i < n && !status; i++)
            paste(f, (first + i) / channels, (first + i) % channels,
                  sums + (size_t)i * TILE * TILE);
        term_progress("%d of %d tiles", first + n, planes);
    }
    term_progress_clear();
    free(pixels);
    free(sums);
    return status ? app_report_error(f->app, APP_WORK, status) : APP_OK;
}

static enum app_exit write_result(const struct filter *f)
{
    const struct weft_image *image = &f->file.image;
    const char *out = f->options->out;
    if (!out) {
        const struct term_image images[2] = {
            {image->pixels, image->height, image->width, image->channels, "before"},
            {f->result, image->height, image->width, image->channels, "after"}};
        term_draw_images(stdout, images, 2);
        return app_flush_stdout(f->app);
    }
    return png_file_write(f->app, out, f->result, image->height, image->width,
                          image->channels);
}

static enum app_exit filter(struct filter *f, const char *image)
{
    const char *kernel = f->options->kernel;
    if (!kernel)
        return app_error(f->app, APP_USAGE,
                         "--kernel is missing: " FILTER_NAMES ", or a file of numbers");
    enum app_exit code = filter_kernel_find(f->app, kernel, &f->kernel);
    if (!code)
        code = app_open_device(f->app);
    if (!code)
        code = read_image(f, image);
    if (!code)
        code = filter_kernel_model(f->app, &f->kernel, TILE, &f->model);
    if (code)
        return code;
    f->tiles[0] = (f->file.image.height + TILE - 1) / TILE;
    f->tiles[1] = (f->file.image.width + TILE - 1) / TILE;
    term_wait_begin("Compiling kernels (cached for the next run)");
    enum weft_status status = weft_predictor_create(
        f->app->device, f->model, weft_predictor_params(.batch = BATCH), &f->predictor);
    term_wait_end();
    if (status)
        return app_report_error(f->app, APP_WORK, status);
    code = run_tiles(f);
    return code ? code : write_result(f);
}

static enum app_exit filter_main(struct app *app, const void *given, int count,
                                 char **operands)
{
    struct filter f = {.app = app, .options = given};
    (void)count;
    enum app_exit code = filter(&f, operands[0]);
    free(f.result);
    image_file_close(&f.file);
    weft_predictor_destroy(&f.predictor);
    weft_model_destroy(&f.model);
    return code;
}

const struct app_command cmd_filter = {
    .args =
        {
            .name = "filter",
            .operands = "IMAGE",
            .summary = "filters an image by a convolution: blur, sharpen, edges, emboss",
            .examples = "  weft filter shoe.jpg --kernel edges --out edges.png\n"
                        "  weft filter shoe.jpg --kernel mine.txt",
            .about =
                "IMAGE is a PNG, JPEG, PBM, PGM, PPM, or the first image of an IDX file, "
                "- for standard input. Each pixel becomes the sum of the pixels around "
                "it, each times the number of the kernel at its place; each channel by "
                "itself. Beyond the edge the pixels of the edge are repeated. Sums are "
                "rounded, and cut off below 0 and above 255. The device computes it by "
                "the kernels with which it trains.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults = &(const struct filter_options){.kernel = NULL},
    .options_size = sizeof(struct filter_options),
    .run = filter_main,
};
