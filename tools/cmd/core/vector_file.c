/* SPDX-License-Identifier: Apache-2.0 */
/* Files of vectors. */
#define _GNU_SOURCE
#include "core/vector_file.h"

#include "core/csv_file.h"
#include "core/npy_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NPY_PREFIX = 10,
    MOST_HEADER = 1 << 16,
    MOST_DIMENSIONS = 1 << 20,
};

static const struct table_column columns[] = {{.key = "file"},
                                              {.key = "index"},
                                              {.key = "class"},
                                              {.key = "probability"},
                                              {.key = "hash"}};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct vector_file {
    const struct app *app;
    const char *path;
    const char *const *classes;
    enum app_exit (*make)(void *priv, struct vector_file *file);
    void *priv;
    int dimensions;
    bool npy;
    int64_t count;
    FILE *vectors;       /* of NPY */
    struct table images; /* of CSV with the vectors */
    enum app_exit code;  /* of `make` */
};

void vector_set_free(struct vector_set *set)
{
    for (int64_t i = 0; set->images && i < set->count; i++)
        free(set->images[i].file);
    for (int c = 0; c < set->class_count; c++)
        free(set->classes[c]);
    free(set->classes);
    free(set->images);
    free(set->values);
    *set = (struct vector_set){0};
}

void vector_set_add(struct vector_set *set, const float *vector,
                    const struct vector_image *image)
{
    size_t row = (size_t)set->dimensions * sizeof(float);
    if (set->count == set->room) {
        set->room = set->room ? 2 * set->room : 64;
        set->values = term_realloc_or_exit(set->values, (size_t)set->room * row);
        set->images =
            term_realloc_or_exit(set->images, (size_t)set->room * sizeof(*set->images));
    }
    memcpy((char *)set->values + (size_t)set->count * row, vector, row);
    set->images[set->count++] = *image;
}

char *vector_image_name(const struct vector_image *image)
{
    return image->index < 0 ? term_format_or_exit("%s", image->file)
                            : term_format_or_exit("%s[%d]", image->file, image->index);
}

void vector_file_add(struct vector_file *file, const float *vector,
                     const struct vector_image *image)
{
    struct table *t = &file->images;
    char hash[32];
    snprintf(hash, sizeof(hash), "%016" PRIx64, image->hash);
    table_text(t, image->file);
    if (image->index < 0)
        table_text(t, "");
    else
        table_int(t, image->index);
    table_text(t, image->class_index < 0 ? "" : file->classes[image->class_index]);
    table_double(t, (double)image->probability, "%.9g", (double)image->probability);
    table_text(t, hash);
    for (int i = 0; i < file->dimensions && !file->npy; i++)
        table_double(t, (double)vector[i], "%.9g", (double)vector[i]);
    if (file->npy)
        fwrite(vector, sizeof(float), (size_t)file->dimensions, file->vectors);
    file->count++;
}

/* The table's rows go to `out`. */
static enum app_exit make_rows(struct vector_file *file, FILE *out)
{
    int vectors = file->npy ? 0 : file->dimensions, count = COLUMN_COUNT + vectors;
    struct table_column *all = term_realloc_or_exit(NULL, (size_t)count * sizeof(*all));
    memcpy(all, columns, sizeof(columns));
    for (int i = 0; i < vectors; i++)
        all[COLUMN_COUNT + i] =
            (struct table_column){.key = term_format_or_exit("v%d", i)};
    table_init(&file->images, out, TABLE_CSV, all, count, true);
    enum app_exit code = file->make(file->priv, file);
    table_free(&file->images);
    for (int i = 0; i < vectors; i++)
        free((char *)(uintptr_t)all[COLUMN_COUNT + i].key);
    free(all);
    return code;
}

static FILE *open_copy(int fd)
{
    int copy = dup(fd);
    FILE *out = copy < 0 ? NULL : fdopen(copy, "w");
    if (!out && copy >= 0)
        close(copy);
    return out;
}

/* Closes; false with errno if something was not written. */
static bool close_checked(FILE *out, bool done)
{
    done = done && !ferror(out);
    return !fclose(out) && done;
}

static bool write_csv(void *priv, int fd)
{
    struct vector_file *file = priv;
    FILE *out = open_copy(fd);
    if (!out)
        return false;
    file->code = make_rows(file, out);
    return close_checked(out, true) && !file->code;
}

/* The header comes last, when the rows are counted. */
static bool write_npy(void *priv, int fd)
{
    struct vector_file *file = priv;
    char header[NPY_HEADER], *images = NULL;
    size_t size = 0;
    file->vectors = open_copy(fd);
    if (!file->vectors)
        return false;
    FILE *side = open_memstream(&images, &size);
    npy_file_header(header, 0, (size_t)file->dimensions);
    bool done = side && fwrite(header, sizeof(header), 1, file->vectors) == 1;
    if (done)
        file->code = make_rows(file, side);
    done = done && !file->code;
    npy_file_header(header, (size_t)file->count, (size_t)file->dimensions);
    if (side)
        done = close_checked(side, done);
    done = close_checked(file->vectors, done) &&
           pwrite(fd, header, sizeof(header), 0) == (ssize_t)sizeof(header);
    char *beside = term_format_or_exit("%s.csv", file->path);
    if (done && !paths_write(beside, images, size)) {
        file->code = app_error(file->app, APP_FAILED, "%s: %s", beside, strerror(errno));
        done = false;
    }
    free(beside);
    free(images);
    return done;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), n = strlen(end);
    return length > n && !strcmp(text + length - n, end);
}

enum app_exit vector_file_write(const struct app *app, const char *path,
                                const char *const *classes, int dimensions,
                                enum app_exit (*make)(void *priv,
                                                      struct vector_file *file),
                                void *priv, int64_t *count)
{
    struct vector_file file = {.app = app,
                               .path = path,
                               .classes = classes,
                               .make = make,
                               .priv = priv,
                               .dimensions = dimensions,
                               .npy = ends_with(path, ".npy")};
    if (!file.npy && !ends_with(path, ".csv") && strcmp(path, "-") != 0)
        return app_error(app, APP_USAGE,
                         "--out %s: must be FILE.npy, FILE.csv, or - for CSV on stdout",
                         path);
    bool done = paths_write_by(path, file.npy ? write_npy : write_csv, &file);
    *count = file.count;
    if (file.code)
        return file.code;
    if (!done)
        return app_error(app, APP_FAILED, "%s: %s", path, strerror(errno));
    return APP_OK;
}

/* The contents of an NPY file. */
struct npy {
    int64_t count, dimensions;
    int bytes; /* of a value */
};

static bool parse_header(const char *text, struct npy *npy)
{
    const char *descr = strstr(text, "'descr':"),
               *order = strstr(text, "'fortran_order':"),
               *shape = strstr(text, "'shape':");
    char type[8] = "", rest;
    if (!descr || !order || !shape || sscanf(descr, "'descr': '%7[^']'", type) != 1 ||
        strncmp(order + 16, " False", 6) != 0 ||
        sscanf(shape, "'shape': (%" SCNd64 ", %" SCNd64 "%c", &npy->count,
               &npy->dimensions, &rest) != 3 ||
        (rest != ')' && rest != ','))
        return false;
    npy->bytes = !strcmp(type, "<f4") ? 4 : !strcmp(type, "<f8") ? 8 : 0;
    return npy->bytes && npy->count >= 1 && npy->count <= INT32_MAX &&
           npy->dimensions >= 1 && npy->dimensions <= MOST_DIMENSIONS;
}

/* NULL, or what is wrong. */
static const char *read_header(FILE *in, off_t size, struct npy *npy)
{
    static const char wrong[] =
        "not an NPY file of float32 or float64 with the shape (count, dimensions)";
    unsigned char prefix[NPY_PREFIX + 2];
    if (fread(prefix, 1, NPY_PREFIX, in) != NPY_PREFIX ||
        memcmp(prefix, "\x93NUMPY", 6) != 0 || prefix[6] < 1 || prefix[6] > 3)
        return wrong;
    size_t length = prefix[8] | (size_t)prefix[9] << 8, before = NPY_PREFIX;
    if (prefix[6] > 1) {
        if (fread(prefix + NPY_PREFIX, 1, 2, in) != 2)
            return wrong;
        length |= (size_t)prefix[10] << 16 | (size_t)prefix[11] << 24;
        before += 2;
    }
    if (length > MOST_HEADER)
        return wrong;
    char *text = term_realloc_or_exit(NULL, length + 1);
    bool read = fread(text, 1, length, in) == length;
    text[length] = '\0';
    bool good = read && parse_header(text, npy);
    free(text);
    if (!good)
        return wrong;
    uint64_t bytes =
        (uint64_t)npy->count * (uint64_t)npy->dimensions * (uint64_t)npy->bytes;
    return bytes == (uint64_t)size - before - length
               ? NULL
               : "its size is not that of its shape: truncated or damaged";
}

/* Divides a vector by its norm, unless that is 1; false: a value is not finite. */
static bool normalize(float *vector, int dimensions)
{
    double sum = 0;
    for (int i = 0; i < dimensions; i++)
        sum += (double)vector[i] * (double)vector[i];
    double factor = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int i = 0; i < dimensions && fabs(sum - 1) > 1e-6; i++)
        vector[i] = (float)((double)vector[i] * factor);
    return isfinite(sum);
}

/* NULL, or what is wrong. */
static const char *read_vectors(FILE *in, const struct npy *npy, struct vector_set *set)
{
    size_t values = (size_t)npy->dimensions;
    double *row = term_realloc_or_exit(NULL, values * sizeof(*row));
    const char *why = NULL;
    for (int64_t i = 0; i < npy->count && !why; i++) {
        float *vector = set->values + (size_t)i * values;
        if (npy->bytes == 4 ? fread(vector, 4, values, in) != values
                            : fread(row, 8, values, in) != values)
            why = "cannot be read to its end";
        for (size_t k = 0; k < values && npy->bytes == 8 && !why; k++)
            vector[k] = (float)row[k];
        if (!why && !normalize(vector, set->dimensions))
            why = "has values that are not finite";
    }
    free(row);
    return why;
}

/* The number of a class, which is added if it is new. */
static int class_of(struct vector_set *set, const char *name)
{
    for (int c = 0; c < set->class_count; c++)
        if (!strcmp(set->classes[c], name))
            return c;
    set->classes = term_realloc_or_exit(set->classes, (size_t)(set->class_count + 1) *
                                                          sizeof(*set->classes));
    set->classes[set->class_count] = term_format_or_exit("%s", name);
    return set->class_count++;
}

static enum app_exit read_image(const struct app *app, const struct csv_file *csv,
                                const int *at, int row, struct vector_set *set)
{
    struct vector_image *image = &set->images[row - 1];
    const char *index = csv_file_cell(csv, row, at[1]),
               *name = csv_file_cell(csv, row, at[2]),
               *hash = csv_file_cell(csv, row, at[4]);
    int64_t number = -1;
    double probability = NAN;
    enum app_exit code = APP_OK;
    if (*index)
        code = csv_file_int(app, csv, row, at[1], 0, INT32_MAX, &number);
    if (!code && *name)
        code = csv_file_double(app, csv, row, at[3], &probability);
    if (code)
        return code;
    free(image->file);
    image->file = term_format_or_exit("%s", csv_file_cell(csv, row, at[0]));
    image->index = (int)number;
    image->class_index = *name ? class_of(set, name) : -1;
    image->probability = (float)probability;
    image->hash = strtoull(hash, NULL, 16);
    return APP_OK;
}

/* Without the file, images are called by their row. */
static enum app_exit read_images(const struct app *app, const char *path,
                                 struct vector_set *set)
{
    struct csv_file csv;
    int at[COLUMN_COUNT];
    char *beside = term_format_or_exit("%s.csv", path);
    enum app_exit code = APP_OK;
    if (!paths_exists(beside))
        goto done;
    code = csv_file_read(app, beside, &csv);
    for (int c = 0; c < COLUMN_COUNT && !code; c++)
        if ((at[c] = csv_file_column(&csv, columns[c].key)) < 0)
            code = app_error(app, APP_BAD_INPUT, "%s: has no column '%s'", beside,
                             columns[c].key);
    if (!code && csv.rows - 1 != set->count)
        code =
            app_error(app, APP_BAD_INPUT,
                      "%s: %d rows, but %s has %" PRId64 "; write both with `weft embed`",
                      beside, csv.rows - 1, path, set->count);
    for (int row = 1; !code && row < csv.rows; row++)
        code = read_image(app, &csv, at, row, set);
    csv_file_free(&csv);
done:
    free(beside);
    return code;
}

enum app_exit vector_file_read(const struct app *app, const char *path,
                               struct vector_set *set)
{
    struct stat info;
    struct npy npy;
    *set = (struct vector_set){0};
    int fd = paths_open(path, &info);
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
    if (!in)
        return app_error(app, APP_BAD_INPUT, "%s: %s", path, strerror(errno));
    const char *why = read_header(in, info.st_size, &npy);
    if (!why) {
        set->dimensions = (int)npy.dimensions;
        set->values = term_realloc_or_exit(
            NULL, (size_t)npy.count * (size_t)npy.dimensions * sizeof(float));
        why = read_vectors(in, &npy, set);
    }
    fclose(in);
    if (why)
        return app_error(app, APP_BAD_INPUT, "%s: %s", path, why);
    set->count = set->room = npy.count;
    set->images = term_realloc_or_exit(NULL, (size_t)set->count * sizeof(*set->images));
    for (int64_t i = 0; i < set->count; i++)
        set->images[i] = (struct vector_image){.file = term_format_or_exit("%s", path),
                                               .index = (int)i,
                                               .class_index = -1,
                                               .probability = NAN};
    return read_images(app, path, set);
}
