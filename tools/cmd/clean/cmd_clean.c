/* SPDX-License-Identifier: Apache-2.0 */
/* weft clean: labels that are probably wrong. */
#include "clean/clean.h"

#include "core/vector_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NEXT = 1000 };

struct clean_options {
    struct app_options app;
    const char *probabilities, *out, *vectors;
    int next;
};

static const struct args_option options[] = {
    {.name = "probabilities",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct clean_options, probabilities),
     .value = "RUN",
     .help = "the folder of a run of `weft train --folds` on DATA, or its "
             "out-of-fold.csv"},
    {.name = "out",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct clean_options, out),
     .value = "DIR",
     .help = "folder for suspects.csv, next.csv and the review sheet, review.html; "
             "default: clean"},
    {.name = "next",
     .kind = ARGS_INT,
     .offset = offsetof(struct clean_options, next),
     .value = "N",
     .help = "images in next.csv, which are worth labelling next: unsure, and different "
             "from each other; default 100",
     .min = 0,
     .max = MOST_NEXT},
    {.name = "vectors",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct clean_options, vectors),
     .value = "FILE",
     .help = "FILE.npy of `weft embed` on DATA: images of next.csv differ by these; "
             "default: by their probabilities"},
    {0},
};

static const struct args_option *const shared_options[] = {app_data_options,
                                                           app_output_options, NULL};

static const struct table_column columns[] = {
    {.key = "class", .title = "Label", .left = true},
    {.key = "images", .title = "Images"},
    {.key = "suspects", .title = "Suspects"},
    {.key = "noise", .title = "Probably wrong"},
    {.key = "mostly", .title = "Mostly", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct cleaning {
    struct app *app;
    const struct clean_options *options;
    struct app_images image_params;
    weft_dataset *images;
    struct clean_data data;
    struct clean_result result;
    struct vector_set vectors;
};

static void write_result(const struct cleaning *c)
{
    enum table_format format = (enum table_format)c->options->app.format;
    const struct clean_result *r = &c->result;
    struct table t;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    for (int k = 0; k < c->data.classes; k++) {
        int suspects = 0, mostly = clean_mostly(&c->data, r, k);
        double noise = clean_noise_of(&c->data, r, k);
        for (int i = 0; i < r->suspect_count; i++)
            suspects += r->suspects[i].label == k;
        table_text(&t, c->data.names[k]);
        table_int(&t, r->images[k]);
        table_int(&t, suspects);
        table_double(&t, noise, "%.2f %%", 100 * noise);
        table_text(&t, mostly < 0 ? "-" : c->data.names[mostly]);
    }
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(c->app, &j, "weft.clean/1");
        emit_int(&j, "images", c->data.count);
        emit_int(&j, "suspects", r->suspect_count);
        emit_double(&j, "noise", clean_noise(&c->data, r));
        table_json(&t, &j, "classes");
        emit_end(&j);
    } else {
        table_write(&t);
    }
    table_free(&t);
}

static enum app_exit read_all(struct cleaning *c, const char *spec)
{
    struct weft_dataset_info info;
    char path[PATHS_MAX];
    const char *given = c->options->probabilities;
    if (paths_is_folder(given)) {
        if (!paths_join(path, given, "out-of-fold.csv"))
            return app_error(c->app, APP_BAD_INPUT, "%s: the path is too long", given);
        given = path;
    }
    enum app_exit code = app_create_context(c->app, false, false);
    if (!code)
        code = app_choose_images(c->app, &c->image_params, NULL, NULL, NULL);
    if (!code)
        code = app_open_dataset(c->app, spec, WEFT_SPLIT_TRAIN, &c->images);
    if (code)
        return code;
    weft_dataset_info(c->images, &info);
    c->data.spec = spec;
    code = clean_read(c->app, given, &info, &c->data);
    if (code || !c->options->vectors)
        return code;
    code = vector_file_read(c->app, c->options->vectors, &c->vectors);
    if (!code && c->vectors.count != info.count)
        code = app_error(c->app, APP_BAD_INPUT, "%s: %s vectors, but %s has %s images",
                         c->options->vectors, table_thousands((double)c->vectors.count),
                         spec, table_thousands(info.count));
    return code;
}

static enum app_exit write_files(struct cleaning *c)
{
    const char *folder = c->options->out ? c->options->out : "clean";
    char suspects[PATHS_MAX], next[PATHS_MAX], page[PATHS_MAX];
    if (!paths_make_folders(folder, 0777) ||
        !paths_join(suspects, folder, "suspects.csv") ||
        !paths_join(next, folder, "next.csv") || !paths_join(page, folder, "review.html"))
        return app_error(c->app, APP_FAILED, "%s: %s", folder, strerror(errno));
    enum app_exit code = clean_write_suspects(c->app, &c->data, &c->result, suspects);
    if (!code && c->result.next_count)
        code = clean_write_next(c->app, &c->data, &c->result, next);
    if (!code)
        code = clean_write_page(c->app, &c->data, &c->result, c->images, page);
    return code;
}

static enum app_exit clean(struct cleaning *c, const char *spec)
{
    enum app_exit code = read_all(c, spec);
    if (code)
        return code;
    clean_find(&c->data, &c->result);
    bool vectors = c->vectors.count;
    if (c->options->next)
        clean_choose_next(&c->data, vectors ? c->vectors.values : c->data.probabilities,
                          vectors ? c->vectors.dimensions : c->data.classes,
                          c->options->next, &c->result);
    if ((code = write_files(c)))
        return code;
    term_print("%s of %s labels are probably wrong, %.2f %% by estimate",
               table_thousands(c->result.suspect_count), table_thousands(c->data.count),
               100 * clean_noise(&c->data, &c->result));
    write_result(c);
    return app_flush_stdout(c->app);
}

static enum app_exit clean_main(struct app *app, const void *given, int count,
                                char **operands)
{
    struct cleaning c = {.app = app, .options = given};
    (void)count;
    if (!c.options->probabilities)
        return app_error(app, APP_USAGE,
                         "--probabilities is missing: first train networks on parts of "
                         "the data,\n"
                         "  weft train --data %s --folds 5 --out runs/folds\n"
                         "  weft clean %s --probabilities runs/folds",
                         paths_shell_quoted(operands[0]),
                         paths_shell_quoted(operands[0]));
    enum app_exit code = clean(&c, operands[0]);
    clean_result_free(&c.result);
    clean_data_free(&c.data);
    vector_set_free(&c.vectors);
    weft_dataset_destroy(&c.images);
    return code;
}

const struct app_command cmd_clean = {
    .args =
        {
            .name = "clean",
            .operands = "DATA",
            .summary = "finds labels that are probably wrong",
            .examples =
                "  weft train --data photos --net fast --folds 5 --out runs/folds\n"
                "  weft clean photos --probabilities runs/folds --out clean\n"
                "  weft train --data photos --net fast --labels clean/suspects.csv",
            .about =
                "Confident learning estimates how many labels are wrong, by networks "
                "that were not trained on the image. suspects.csv has as many, of those "
                "classified as something else the ones whose label is least likely, and "
                "what their label should be; rows that a person finds to be right are "
                "deleted, and `weft train --labels` reads the rest.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults = &(const struct clean_options){.next = 100},
    .options_size = sizeof(struct clean_options),
    .run = clean_main,
};
