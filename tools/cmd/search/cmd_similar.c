/* SPDX-License-Identifier: Apache-2.0 */
/* weft similar: the images that are most similar to others. */
#include "core/image_hash.h"
#include "core/preprocess.h"
#include "search/embedding.h"
#include "search/similar.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOP = 1000, DUPLICATE_TOP = 64 };

struct similar_options {
    struct app_options app;
    const char *in, *known, *report;
    int top, split;
    bool within_category, duplicates;
};

static const struct args_option options[] = {
    {.name = "in",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct similar_options, in),
     .value = "WHERE",
     .help = "images to search: a folder, the training part of data, or FILE.npy of "
             "`weft embed`; default: the images themselves, each in the others"},
    {.name = "top",
     .letter = 'k',
     .kind = ARGS_INT,
     .offset = offsetof(struct similar_options, top),
     .value = "K",
     .help = "similar images to show for each; default 5",
     .min = 1,
     .max = MOST_TOP},
    {.name = "within-category",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct similar_options, within_category),
     .help = "only images of the class that MODEL predicts for the image"},
    {.name = "duplicates",
     .kind = ARGS_FLAG,
     .offset = offsetof(struct similar_options, duplicates),
     .help = "only images that seem to be the same: a cosine of 0.95 or more, and at "
             "most 6 of 64 bits of the difference hash differ"},
    {.name = "known",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct similar_options, known),
     .value = "WHERE",
     .help = "images of known things that are not in --in: a folder, the validation or "
             "else test part of data, or FILE.npy. An image whose 5th nearest is farther "
             "than that of 95 % of these is shown as novel"},
    {.name = "split",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct similar_options, split),
     .value = "train|test|validation",
     .help = "split of data whose images are searched for; default train"},
    {.name = "report",
     .kind = ARGS_TEXT,
     .offset = offsetof(struct similar_options, report),
     .value = "FILE",
     .help = "write a page, HTML: each image beside its neighbours"},
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
    {.key = "file", .title = "Image", .left = true},
    {.key = "rank", .title = "Rank"},
    {.key = "similar", .title = "Similar", .left = true},
    {.key = "class", .title = "Class", .left = true},
    {.key = "cosine", .title = "Cosine"},
    {.key = "hash_bits", .title = "Hash bits"},
    {.key = "duplicate"},
    {.key = "distance", .title = "Distance", .optional = true},
    {.key = "novel", .title = "Novel", .left = true},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

struct search {
    struct app *app;
    const struct similar_options *options;
    struct embedder embedder; /* without a model: not open */
    bool model;
    struct vector_set queries, in, known;
    struct weft_neighbor *found;
    struct similar_result result;
    double seconds;
};

static bool is_vectors(const char *operand)
{
    size_t length = strlen(operand);
    return length > 4 && !strcmp(operand + length - 4, ".npy");
}

/* Vectors of a file, or of images. */
static enum app_exit read_set(struct search *s, int count, char **operands, int split,
                              struct vector_set *set)
{
    if (count == 1 && is_vectors(operands[0]))
        return vector_file_read(s->app, operands[0], set);
    for (int i = 0; i < count; i++)
        if (is_vectors(operands[i]))
            return app_error(s->app, APP_USAGE,
                             "%s: a file of vectors must be the only one", operands[i]);
    if (!s->model)
        return app_error(s->app, APP_USAGE,
                         "%s: images need a model: weft similar MODEL ...", operands[0]);
    s->embedder.split = split;
    enum app_exit code = embedder_collect(&s->embedder, count, operands, set);
    if (!code && !set->count)
        code =
            app_error(s->app, APP_BAD_INPUT, "%s: no image could be read", operands[0]);
    return code;
}

/* The validation part of data, or else the test part. */
static enum app_exit read_known(struct search *s)
{
    char *operand = (char *)(uintptr_t)s->options->known;
    weft_dataset *part = NULL;
    int split = WEFT_SPLIT_TRAIN;
    if (!is_vectors(operand) && !paths_exists(operand)) {
        split = WEFT_SPLIT_VALIDATION;
        if (weft_dataset_open(s->app->context, operand, WEFT_SPLIT_VALIDATION, NULL,
                              &part))
            split = WEFT_SPLIT_TEST;
        weft_dataset_destroy(&part);
    }
    return read_set(s, 1, &operand, split, &s->known);
}

static enum app_exit read_sets(struct search *s, int count, char **operands)
{
    char *in = (char *)(uintptr_t)s->options->in;
    enum app_exit code = read_set(s, count, operands, s->options->split, &s->queries);
    if (!code && in)
        code = read_set(s, 1, &in, WEFT_SPLIT_TRAIN, &s->in);
    if (!code && s->options->known)
        code = read_known(s);
    return code;
}

bool similar_is_duplicate(const struct similar_result *r, int64_t query, int rank)
{
    const struct weft_neighbor *n =
        &r->found[(size_t)query * (size_t)r->k + (size_t)rank];
    return n->index >= 0 && n->score >= SIMILAR_DUPLICATE_COSINE &&
           image_hash_distance(r->queries->images[query].hash,
                               r->base->images[n->index].hash) <= SIMILAR_DUPLICATE_BITS;
}

bool similar_is_shown(const struct similar_result *r, int64_t query, int rank)
{
    const struct weft_neighbor *n =
        &r->found[(size_t)query * (size_t)r->k + (size_t)rank];
    if (n->index < 0)
        return false;
    if (!r->duplicates)
        return rank < r->shown;
    return similar_is_duplicate(r, query, rank) && (!r->self || n->index > query);
}

double similar_distance(const struct similar_result *r, int64_t query)
{
    return novelty_distance(
        &r->found[(size_t)query * (size_t)r->k + (size_t)NOVELTY_NEIGHBORS - 1]);
}

static enum app_exit find(struct search *s)
{
    const struct similar_options *o = s->options;
    int k = o->duplicates && o->top < DUPLICATE_TOP ? DUPLICATE_TOP : o->top;
    const struct neighbor_params params = {.k = k < NOVELTY_NEIGHBORS ? NOVELTY_NEIGHBORS
                                                                      : k,
                                           .within_category = o->within_category};
    s->result = (struct similar_result){
        .app = s->app,
        .base = o->in ? &s->in : &s->queries,
        .queries = &s->queries,
        .k = params.k,
        .shown = o->top,
        .duplicates = o->duplicates,
        .self = !o->in,
        .novelty = NAN,
    };
    if (o->within_category && !(s->queries.class_count && s->result.base->class_count))
        return app_error(s->app, APP_USAGE,
                         "--within-category: vectors without FILE.npy.csv have no "
                         "classes; write both with `weft embed`");
    s->found = term_realloc_or_exit(NULL, (size_t)s->queries.count * (size_t)params.k *
                                              sizeof(*s->found));
    s->result.found = s->found;
    enum app_exit code = neighbors_find(s->app, s->result.base, &s->queries, &params,
                                        s->found, &s->seconds);
    if (!code && o->known)
        code = novelty_threshold(s->app, s->result.base, &s->known, o->within_category,
                                 &s->result.novelty);
    return code;
}

static void add_row(struct table *t, const struct similar_result *r, int64_t query,
                    int rank)
{
    const struct vector_image *from = &r->queries->images[query];
    const struct weft_neighbor *n =
        &r->found[(size_t)query * (size_t)r->k + (size_t)rank];
    const struct vector_image *to = &r->base->images[n->index];
    char *name = vector_image_name(from), *other = vector_image_name(to);
    double distance = isnan(r->novelty) ? NAN : similar_distance(r, query);
    table_text(t, name);
    table_int(t, rank + 1);
    table_text(t, other);
    table_text(t, to->class_index < 0 ? "-" : r->base->classes[to->class_index]);
    table_double(t, n->score, "%.4f", n->score);
    table_int(t, image_hash_distance(from->hash, to->hash));
    table_bool(t, similar_is_duplicate(r, query, rank), "duplicate");
    table_double(t, distance, "%.4f", distance);
    if (isnan(r->novelty))
        table_text(t, "-");
    else
        table_bool(t, distance > r->novelty, distance > r->novelty ? "novel" : "no");
    free(name);
    free(other);
}

static void write_result(const struct search *s)
{
    const struct similar_result *r = &s->result;
    enum table_format format = (enum table_format)s->options->app.format;
    struct table t;
    table_init(&t, stdout, format, columns, COLUMN_COUNT, false);
    for (int64_t q = 0; q < r->queries->count; q++)
        for (int rank = 0; rank < r->k; rank++)
            if (similar_is_shown(r, q, rank))
                add_row(&t, r, q, rank);
    if (format == TABLE_JSON) {
        struct json j = {.out = stdout};
        app_json_begin(s->app, &j, "weft.similar/1");
        emit_int(&j, "images", r->queries->count);
        emit_int(&j, "searched", r->base->count);
        emit_int(&j, "dimensions", r->base->dimensions);
        emit_double(&j, "seconds", s->seconds);
        emit_double(&j, "novelty_threshold", r->novelty);
        table_json(&t, &j, "similar");
        emit_end(&j);
    } else {
        table_write(&t);
    }
    table_free(&t);
}

static void print_summary(const struct search *s)
{
    const struct similar_result *r = &s->result;
    term_print("Searched %s vectors of %d for %s images in %.3g s",
               table_thousands((double)r->base->count), r->base->dimensions,
               table_thousands((double)r->queries->count), s->seconds);
    if (isnan(r->novelty))
        return;
    int64_t novel = 0;
    for (int64_t q = 0; q < r->queries->count; q++)
        novel += similar_distance(r, q) > r->novelty;
    term_print(
        "Novel   %s of %s images: the 5th nearest is farther than %.4g, as that of "
        "5 %% of the %s known ones",
        table_thousands((double)novel), table_thousands((double)r->queries->count),
        r->novelty, table_thousands((double)s->known.count));
}

static enum app_exit similar(struct search *s, int count, char **operands)
{
    const struct similar_options *o = s->options;
    enum app_exit code = s->model ? embedder_open(&s->embedder, s->app, operands[0])
                                  : app_open_device(s->app);
    if (!code)
        code = read_sets(s, count - s->model, operands + s->model);
    if (!code)
        code = find(s);
    if (code)
        return code;
    print_summary(s);
    write_result(s);
    code = app_flush_stdout(s->app);
    if (!code && o->report)
        code = similar_write_page(&s->result, o->report);
    return code || !s->model ? code : embedder_report_failures(&s->embedder);
}

static enum app_exit similar_main(struct app *app, const void *given, int count,
                                  char **operands)
{
    struct search s = {.app = app, .options = given, .model = !is_vectors(operands[0])};
    if (count - s.model < 1)
        return app_error(app, APP_USAGE,
                         "which images? weft similar MODEL FILE|DIR|DATA");
    enum app_exit code = similar(&s, count, operands);
    if (s.model)
        embedder_close(&s.embedder);
    vector_set_free(&s.queries);
    vector_set_free(&s.in);
    vector_set_free(&s.known);
    free(s.found);
    return code;
}

const struct app_command cmd_similar = {
    .args =
        {
            .name = "similar",
            .operands = "[MODEL] FILE|DIR|DATA...",
            .summary = "finds the most similar images, and duplicates",
            .examples =
                "  weft similar shop.safetensors new.jpg --in photos/ --report new.html\n"
                "  weft embed shop.safetensors photos/ --out photos.npy\n"
                "  weft similar shop.safetensors new/ --in photos.npy --within-category\n"
                "  weft similar shop.safetensors photos/ --duplicates -f csv",
            .about =
                "Images are similar if the cosine of the features that MODEL computes "
                "(`weft embed`) is large. All are compared, on the device, and the "
                "answer "
                "is exact. Vectors of `weft embed`, FILE.npy, may take the place of the "
                "images; if no images are left, MODEL is not given.",
            .options = options,
            .shared = shared_options,
            .operands_min = 1,
            .operands_max = -1,
        },
    .defaults = &(const struct similar_options){.top = 5},
    .options_size = sizeof(struct similar_options),
    .run = similar_main,
};
