/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest images, and images that are near nothing. */
#include "search/similar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUERY_BATCH = 64 };
static const double known_share = 0.95;

/* Rows of a set. */
struct part {
    int64_t *rows;
    int64_t count;
};

/* The rows of a class; NULL: all. */
static struct part rows_of(const struct vector_set *set, const char *name)
{
    struct part part = {
        .rows = term_realloc_or_exit(NULL, ((size_t)set->count + 1) * sizeof(int64_t))};
    for (int64_t i = 0; i < set->count; i++) {
        int at = set->images[i].class_index;
        if (!name || (at >= 0 && !strcmp(set->classes[at], name)))
            part.rows[part.count++] = i;
    }
    return part;
}

/* The vectors of some rows: those of the set, or *copy, which the caller frees. */
static const float *values_of(const struct vector_set *set, const struct part *part,
                              float **copy)
{
    size_t values = (size_t)set->dimensions;
    *copy = NULL;
    if (part->count == set->count)
        return set->values;
    *copy = term_realloc_or_exit(NULL, (size_t)part->count * values * sizeof(float));
    for (int64_t i = 0; i < part->count; i++)
        memcpy(*copy + (size_t)i * values, set->values + (size_t)part->rows[i] * values,
               values * sizeof(float));
    return *copy;
}

static bool is_same(const struct vector_image *a, const struct vector_image *b)
{
    return a->index == b->index && !strcmp(a->file, b->file);
}

/* The answers of one query without the query itself. */
static void take(const struct vector_set *base, const struct part *part,
                 const struct vector_image *query, const struct weft_neighbor *found,
                 int k, struct weft_neighbor *out)
{
    int taken = 0;
    for (int i = 0; i <= k && taken < k; i++) {
        if (found[i].index < 0)
            break;
        int64_t row = part->rows[found[i].index];
        if (!is_same(&base->images[row], query))
            out[taken++] = (struct weft_neighbor){row, found[i].score};
    }
    while (taken < k)
        out[taken++] = (struct weft_neighbor){-1, NAN};
}

/* Some of the queries in some of the vectors. */
static enum app_exit search_part(struct app *app, const struct vector_set *base,
                                 const struct vector_set *queries,
                                 const struct part *from, const struct part *of, int k,
                                 struct weft_neighbor *out, double *seconds)
{
    float *base_copy, *query_copy;
    weft_vectors *vectors = NULL;
    struct weft_neighbor *found =
        term_realloc_or_exit(NULL, (size_t)of->count * ((size_t)k + 1) * sizeof(*found));
    const float *asked = values_of(queries, of, &query_copy);
    int batch = of->count < QUERY_BATCH ? (int)of->count : QUERY_BATCH;
    enum weft_status status = weft_vectors_create(
        app->device,
        weft_vectors_params(.values = values_of(base, from, &base_copy),
                            .count = from->count, .dimensions = base->dimensions,
                            .batch = batch),
        &vectors);
    double start = term_seconds();
    for (int64_t i = 0, n; i < of->count && !status; i += n) {
        n = of->count - i < batch ? of->count - i : batch;
        term_progress("%s of %s images searched for", table_thousands((double)i),
                      table_thousands((double)of->count));
        status =
            weft_vectors_nearest(vectors, asked + (size_t)i * (size_t)base->dimensions,
                                 (int)n, k + 1, found + (size_t)i * ((size_t)k + 1));
    }
    *seconds += term_seconds() - start;
    term_progress_clear();
    for (int64_t i = 0; i < of->count && !status; i++)
        take(base, from, &queries->images[of->rows[i]],
             found + (size_t)i * ((size_t)k + 1), k,
             out + (size_t)of->rows[i] * (size_t)k);
    weft_vectors_destroy(&vectors);
    free(base_copy);
    free(query_copy);
    free(found);
    return status ? app_report_error(app, APP_WORK, status) : APP_OK;
}

enum app_exit neighbors_find(struct app *app, const struct vector_set *base,
                             const struct vector_set *queries,
                             const struct neighbor_params *params,
                             struct weft_neighbor *out, double *seconds)
{
    *seconds = 0;
    if (base->dimensions != queries->dimensions)
        return app_error(app, APP_BAD_INPUT,
                         "vectors of %d and of %d dimensions cannot be compared: embed "
                         "both with one model",
                         queries->dimensions, base->dimensions);
    for (size_t i = 0; i < (size_t)queries->count * (size_t)params->k; i++)
        out[i] = (struct weft_neighbor){-1, NAN};
    enum app_exit code = APP_OK;
    int parts = params->within_category ? queries->class_count : 1;
    for (int c = 0; c < parts && !code; c++) {
        const char *name = params->within_category ? queries->classes[c] : NULL;
        struct part from = rows_of(base, name), of = rows_of(queries, name);
        if (from.count && of.count)
            code = search_part(app, base, queries, &from, &of, params->k, out, seconds);
        free(from.rows);
        free(of.rows);
    }
    return code;
}

double novelty_distance(const struct weft_neighbor *fifth)
{
    return fifth->index < 0 ? INFINITY : sqrt(fmax(0, 2 - 2 * fifth->score));
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

enum app_exit novelty_threshold(struct app *app, const struct vector_set *base,
                                const struct vector_set *known, bool within_category,
                                double *out)
{
    const struct neighbor_params params = {.k = NOVELTY_NEIGHBORS,
                                           .within_category = within_category};
    size_t count = (size_t)known->count;
    double seconds, *distances = term_realloc_or_exit(NULL, (count + 1) * sizeof(double));
    struct weft_neighbor *found =
        term_realloc_or_exit(NULL, (count + 1) * NOVELTY_NEIGHBORS * sizeof(*found));
    enum app_exit code = neighbors_find(app, base, known, &params, found, &seconds);
    for (size_t i = 0; i < count && !code; i++)
        distances[i] = novelty_distance(found + (i + 1) * NOVELTY_NEIGHBORS - 1);
    if (!code && !count)
        code = app_error(app, APP_BAD_INPUT, "--known has no images");
    if (!code) {
        qsort(distances, count, sizeof(*distances), by_size);
        size_t at = (size_t)ceil(known_share * (double)count);
        *out = distances[at ? at - 1 : 0];
    }
    free(distances);
    free(found);
    return code;
}
