/* SPDX-License-Identifier: Apache-2.0 */
/* weft embed: features of images as unit vectors, in a file. */
#include "core/preprocess.h"
#include "search/embedding.h"

#include <stdlib.h>
#include <string.h>

struct embed_options {
    struct app_options app;
    const char *out;
    int split;
};

static const struct args_option options[] = {
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct embed_options, out),
     .value = "FILE",
     .help = "FILE.npy, with the images of its rows in FILE.npy.csv; or FILE.csv, with "
             "both; - is CSV on stdout; default: vectors.npy"},
    {.name = "split",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct embed_options, split),
     .value = "train|test|validation",
     .help = "split of data that has several; default train"},
    {0},
};

static const struct args_option *const shared_options[] = {app_model_options,
                                                           app_preprocess_options,
                                                           app_cached_tuning_options,
                                                           app_data_options,
                                                           app_device_options,
                                                           app_output_options,
                                                           NULL};

static const struct table_column columns[] = {
    {.key = "file", .title = "File", .left = true},
    {.key = "images", .title = "Images"},
    {.key = "failed", .title = "Failed"},
    {.key = "dimensions", .title = "Dimensions"},
    {.key = "images_per_second", .title = "Images/s"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct job {
    struct embedder *embedder;
    struct vector_file *file;
    int count;
    char **operands;
};

static enum app_exit write_vector(void *priv, const float *vector,
                                  const struct vector_image *image)
{
    const struct job *job = priv;
    vector_file_add(job->file, vector, image);
    free(image->file);
    return APP_OK;
}

static enum app_exit make(void *priv, struct vector_file *file)
{
    struct job *job = priv;
    job->file = file;
    return embedder_run(job->embedder, job->count, job->operands, write_vector, job);
}

static void write_result(const struct embedder *e, const char *path, int64_t count)
{
    enum table_format format = (enum table_format)e->app->options->format;
    struct table t;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    table_text(&t, path);
    table_int(&t, count);
    table_int(&t, e->failed);
    table_int(&t, e->dimensions);
    double rate = e->seconds > 0 ? (double)count / e->seconds : 0;
    table_double(&t, rate, "%s", table_thousands(rate));
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(e->app, &j, "weft.embed/1");
        table_json(&t, &j, "files");
        emit_end(&j);
    } else {
        table_write(&t);
    }
    table_free(&t);
}

static enum app_exit embed_main(struct app *app, const void *given, int count,
                                char **operands)
{
    const struct embed_options *o = given;
    const char *out = o->out ? o->out : "vectors.npy";
    bool printed = !strcmp(out, "-");
    struct embedder e;
    int64_t rows = 0;
    enum app_exit code = embedder_open(&e, app, operands[0]);
    e.split = o->split;
    struct job job = {.embedder = &e, .count = count - 1, .operands = operands + 1};
    if (!code)
        code = vector_file_write(app, out, e.info.class_names, e.dimensions, make, &job,
                                 &rows);
    if (!code && !printed) {
        app_print_written(out);
        write_result(&e, out, rows);
        code = app_flush_stdout(app);
    }
    if (!code)
        code = embedder_report_failures(&e);
    embedder_close(&e);
    return code;
}

const struct app_command cmd_embed = {
    .args =
        {
            .name = "embed",
            .operands = "MODEL FILE|DIR|DATA...",
            .summary = "writes the features of images: unit vectors, NPY or CSV",
            .examples = "  weft embed shop.safetensors photos/ --out photos.npy\n"
                        "  weft embed runs/a fashion-mnist --split test --out test.csv",
            .about =
                "The features of an image are what the last dense layer of MODEL reads, "
                "divided by their norm: the inner product of two is their cosine. "
                "Folders "
                "are searched as `weft predict` does; what cannot be read is reported "
                "and "
                "left out. Columns of the CSV: the file of the image, its index in a "
                "file "
                "of several, the predicted class with its probability, and a 64-bit "
                "difference hash of what is seen.",
            .options = options,
            .shared = shared_options,
            .operands_min = 2,
            .operands_max = -1,
        },
    .defaults = &(const struct embed_options){.out = NULL},
    .options_size = sizeof(struct embed_options),
    .run = embed_main,
};
