/* SPDX-License-Identifier: Apache-2.0 */
/* weft show DATA: classes, pixels, files, duplicates, and some of the images. */
#include "show/show.h"

#include "core/paths.h"
#include "core/plain_text.h"

#include <stdlib.h>
#include <string.h>

static const struct table_column class_columns[] = {
    {.key = "class_id", .title = "Id"},
    {.key = "class", .title = "Class", .left = true},
    {.key = "images", .title = "Images"},
};
enum { CLASS_COLUMNS = sizeof(class_columns) / sizeof(*class_columns) };

void show_emit_numbers(struct json *j, const char *key, const double *numbers, int count)
{
    emit_list(j, key);
    for (int i = 0; i < count; i++)
        emit_double(j, NULL, numbers[i]);
    emit_end(j);
}

/* Duplicates, other parts and files. */
struct data_facts {
    int twice;             /* images that equal an earlier one */
    bool known[3];         /* other parts, by enum weft_split */
    int count[3], both[3]; /* images of them, and those that are in this part too */
    bool files;            /* images are from image files, of these sizes */
    int extents[3][2];     /* the smallest, median and largest height and width */
};
static const char *const part_names[] = {"train", "test", "validation"};

static int compare_ints(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

static void measure_files(const struct weft_dataset_info *info, struct data_facts *facts)
{
    facts->files = info->file_extents != NULL;
    if (!facts->files)
        return;
    size_t count = (size_t)info->count;
    int *sides = term_realloc_or_exit(NULL, count * sizeof(*sides));
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++)
            sides[i] = info->file_extents[2 * i + (size_t)side];
        qsort(sides, count, sizeof(*sides), compare_ints);
        facts->extents[0][side] = sides[0];
        facts->extents[1][side] = sides[count / 2];
        facts->extents[2][side] = sides[count - 1];
    }
    free(sides);
}

/* Another part of the data, which may be damaged or not be there, and its images that are
 * here too. */
static enum weft_status compare_part(struct app *app, const char *spec,
                                     enum weft_split split, const weft_dataset *data,
                                     struct data_facts *facts)
{
    struct weft_dataset_info info;
    weft_dataset *other = NULL;
    enum weft_status status =
        weft_dataset_open(app->context, spec, split, &app->images->params, &other);
    if (status == WEFT_ERR_FORMAT)
        term_print("Note: %s", weft_error(app->context));
    if (status)
        return status == WEFT_ERR_NOMEM ? status : WEFT_OK;
    weft_dataset_info(other, &info);
    status = weft_dataset_overlap(data, other, &facts->both[split]);
    facts->known[split] = !status;
    facts->count[split] = info.count;
    weft_dataset_destroy(&other);
    return status;
}

static enum weft_status find_facts(struct app *app, const char *spec,
                                   enum weft_split split, const weft_dataset *data,
                                   struct data_facts *facts)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    measure_files(&info, facts);
    enum weft_status status = weft_dataset_overlap(data, data, &facts->twice);
    for (int s = 0; s < 3 && !status && !app_is_single_file(spec); s++)
        if (s != (int)split)
            status = compare_part(app, spec, (enum weft_split)s, data, facts);
    return status;
}

static void print_facts(const struct data_facts *facts)
{
    if (facts->files)
        printf("Files: %dx%d to %dx%d, in the median %dx%d\n", facts->extents[0][0],
               facts->extents[0][1], facts->extents[2][0], facts->extents[2][1],
               facts->extents[1][0], facts->extents[1][1]);
    char text[256] = "";
    int at = 0;
    for (int s = 0; s < 3; s++)
        if (facts->known[s])
            at += snprintf(text + at, sizeof(text) - (size_t)at,
                           "; %s of the %s %s images are here too",
                           table_thousands(facts->both[s]),
                           table_thousands(facts->count[s]), part_names[s]);
    term_line(7, "Twice: %s%s", table_thousands(facts->twice), text);
    putchar('\n');
}

static void emit_facts(struct json *j, const struct data_facts *facts)
{
    static const char *const keys[] = {"smallest", "median", "largest"};
    emit_int(j, "duplicates", facts->twice);
    emit_object(j, "overlap");
    for (int s = 0; s < 3; s++)
        if (facts->known[s])
            emit_int(j, part_names[s], facts->both[s]);
    emit_end(j);
    if (!facts->files)
        return;
    emit_object(j, "file_extents");
    for (int i = 0; i < 3; i++) {
        const double numbers[] = {facts->extents[i][0], facts->extents[i][1]};
        show_emit_numbers(j, keys[i], numbers, 2);
    }
    emit_end(j);
}

static void show_data_head(const weft_dataset *data)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    term_line(2, "%s%s%s", term_style_begin(stdout, TERM_BOLD), plain_text(info.source),
              term_style_end(stdout));
    term_line(2, "%s images of %dx%dx%d, %d classes%s%s", table_thousands(info.count),
              info.height, info.width, info.channels, info.classes,
              *info.known_as ? "; " : "", plain_text(info.known_as));
    printf("Pixels: mean");
    for (int c = 0; c < info.channels; c++)
        printf(" %.4f", info.mean[c]);
    printf(", stddev");
    for (int c = 0; c < info.channels; c++)
        printf(" %.4f", info.stddev[c]);
    printf("\n");
}

static void emit_data(const struct app *app, const struct show_options *o,
                      const weft_dataset *data, const struct data_facts *facts,
                      const struct show_samples *samples, const struct table *t)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    struct json j = {.out = stdout};
    app_json_begin(app, &j, "weft.show/2");
    emit_text(&j, "kind", "dataset");
    emit_text(&j, "source", info.source);
    emit_text(&j, "known_as", info.known_as);
    emit_text(&j, "notes", info.notes);
    emit_int(&j, "count", info.count);
    emit_int(&j, "height", info.height);
    emit_int(&j, "width", info.width);
    emit_int(&j, "channels", info.channels);
    show_emit_numbers(&j, "mean", info.mean, info.channels);
    show_emit_numbers(&j, "stddev", info.stddev, info.channels);
    if (o->augment)
        emit_text(&j, "augment", o->augment);
    emit_facts(&j, facts);
    if (samples->neighbors)
        show_neighbors_json(&j, &info, samples);
    table_json(t, &j, "classes");
    emit_end(&j);
}

/* The seed, and the number of images of a grid. */
static enum app_exit choose(const struct app *app, struct show_options *o, int *columns)
{
    int rows;
    char rest;
    *columns = 0;
    if (o->seed == ARGS_SEED_UNSET) {
        o->seed = o->random ? (uint64_t)(term_seconds() * 1e6) : 1;
        if (o->random)
            term_print("The same images again: --seed %llu", (unsigned long long)o->seed);
    }
    if (o->neighbors && (o->grid || o->means || o->augment))
        return app_error(
            app, APP_USAGE,
            "--neighbors is for images of the data, in a row each; leave out "
            "--grid, --means and --augment");
    if (o->neighbors && o->samples > SHOW_MAX_SAMPLES / (o->neighbors + 1))
        return app_error(app, APP_USAGE,
                         "--samples %d with %d neighbours each are more than %d images",
                         o->samples, o->neighbors, SHOW_MAX_SAMPLES);
    if (!o->grid)
        return APP_OK;
    if (sscanf(o->grid, "%dx%d%c", &rows, columns, &rest) != 2 || rows < 1 ||
        *columns < 1 || rows > SHOW_MAX_SAMPLES / *columns)
        return app_error(app, APP_USAGE,
                         "--grid is '%s', but must be ROWSxCOLUMNS, like 15x15, of at "
                         "most %d images",
                         o->grid, SHOW_MAX_SAMPLES);
    o->samples = rows * *columns;
    return APP_OK;
}

enum app_exit show_data(struct app *app, const struct show_options *given,
                        const char *spec)
{
    weft_dataset *data = NULL;
    struct weft_dataset_info info;
    struct app_images images;
    struct show_samples samples = {0};
    struct show_options options = *given, *o = &options;
    enum app_exit code = choose(app, o, &samples.columns);
    if (code || (code = app_choose_images(app, &images, NULL, o->input, NULL)))
        return code;
    code = app_read_dataset(app, spec, (enum weft_split)o->split, &data);
    if (code)
        return code;
    struct data_facts facts = {0};
    enum weft_status status = show_samples_make(data, o, &samples);
    if (!status && o->neighbors)
        status = show_neighbors_add(app, data, o->neighbors, &samples);
    if (!status)
        status = find_facts(app, spec, (enum weft_split)o->split, data, &facts);
    if (status) {
        show_samples_free(&samples);
        weft_dataset_destroy(&data);
        return app_report_error(app, APP_INPUT, status);
    }
    weft_dataset_info(data, &info);
    int64_t *counts = term_realloc_or_exit(NULL, (size_t)info.classes * sizeof(*counts));
    for (int c = 0; c < info.classes; c++)
        counts[c] = 0;
    for (int i = 0; i < info.count; i++)
        counts[info.labels[i]]++;
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format, class_columns, CLASS_COLUMNS,
               false);
    for (int c = 0; c < info.classes; c++) {
        table_int(&t, c);
        table_text(&t, info.class_names[c]);
        table_int(&t, counts[c]);
    }
    free(counts);
    if (t.format == TABLE_HUMAN)
        show_data_head(data);
    if (t.format == TABLE_HUMAN)
        print_facts(&facts);
    fflush(stdout);
    app_print_notes(data);
    table_write(&t);
    if (t.format == TABLE_JSON)
        emit_data(app, o, data, &facts, &samples, &t);
    if (t.format == TABLE_HUMAN || o->out)
        code = show_samples_write(app, &samples, o->out);
    table_free(&t);
    show_samples_free(&samples);
    weft_dataset_destroy(&data);
    return code ? code : app_flush_stdout(app);
}
