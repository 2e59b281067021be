/* SPDX-License-Identifier: Apache-2.0 */
/* K-fold cross-validation: the parts of the data, and the probabilities of each image by
 * the network that was not trained on it. */
#define _GNU_SOURCE
#include "train/train.h"

#include "core/tta.h"
#include "core/tuning.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A permutation of `rows` by the generator SplitMix64. */
static void shuffle(int *rows, int count, uint64_t seed)
{
    for (int i = count - 1; i > 0; i--) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        int k = (int)((z ^ z >> 31) % (uint64_t)(i + 1)), row = rows[i];
        rows[i] = rows[k];
        rows[k] = row;
    }
}

/* The fold of each image: of every class, and of all, an equal share. */
static int *assign_folds(const struct weft_dataset_info *all, int folds, uint64_t seed)
{
    size_t n = (size_t)all->count;
    int *fold = term_realloc_or_exit(NULL, n * sizeof(*fold));
    int *rows = term_realloc_or_exit(NULL, n * sizeof(*rows));
    int assigned = 0;
    for (int c = 0; c < all->classes; c++) {
        int of_class = 0;
        for (int i = 0; i < all->count; i++)
            if (all->labels[i] == c)
                rows[of_class++] = i;
        shuffle(rows, of_class, seed + (uint64_t)c);
        for (int i = 0; i < of_class; i++)
            fold[rows[i]] = assigned++ % folds;
    }
    free(rows);
    return fold;
}

/* The images of one fold (`inside`), or all others, in their original order. */
static enum weft_status take(struct train_session *session, const weft_dataset *data,
                             const struct weft_dataset_info *all, const int *fold,
                             bool inside, weft_dataset **out)
{
    size_t bytes = (size_t)all->height * (size_t)all->width * (size_t)all->channels;
    uint8_t *pixels = term_realloc_or_exit(NULL, (size_t)all->count * bytes);
    int32_t *labels = term_realloc_or_exit(NULL, (size_t)all->count * sizeof(*labels));
    int count = 0;
    enum weft_status status = WEFT_OK;
    for (int i = 0; i < all->count && !status; i++) {
        if ((fold[i] == session->fold - 1) != inside)
            continue;
        status = weft_dataset_read(data, i, 1, pixels + (size_t)count * bytes);
        labels[count++] = all->labels[i];
    }
    const struct weft_dataset_params params =
        *weft_dataset_params(.count = count, .height = all->height, .width = all->width,
                             .channels = all->channels, .classes = all->classes,
                             .pixels = pixels, .labels = labels,
                             .class_names = all->class_names, .source = all->source,
                             .known_as = all->known_as, .preprocess = all->preprocess);
    if (!status)
        status = weft_dataset_from_memory(session->app->context, &params, out);
    free(pixels);
    free(labels);
    return status;
}

/* Fills in what is known before the first fold is trained. */
static void describe(struct train_out_of_fold *out, const struct weft_dataset_info *all,
                     const int *fold)
{
    size_t n = (size_t)all->count;
    out->count = all->count;
    out->classes = all->classes;
    out->fold = term_realloc_or_exit(NULL, n * sizeof(*out->fold));
    out->labels = term_realloc_or_exit(NULL, n * sizeof(*out->labels));
    out->names = term_realloc_or_exit(NULL, (size_t)all->classes * sizeof(*out->names));
    out->files = all->files ? term_realloc_or_exit(NULL, n * sizeof(*out->files)) : NULL;
    out->probabilities =
        term_realloc_or_exit(NULL, n * (size_t)all->classes * sizeof(float));
    memcpy(out->labels, all->labels, n * sizeof(*out->labels));
    for (int c = 0; c < all->classes; c++)
        out->names[c] = term_format_or_exit("%s", all->class_names[c]);
    for (int i = 0; i < all->count; i++) {
        out->fold[i] = fold[i] + 1;
        if (out->files)
            out->files[i] = term_format_or_exit("%s", all->files[i]);
    }
}

void train_out_of_fold_free(struct train_out_of_fold *out)
{
    for (int c = 0; c < out->classes; c++)
        free(out->names[c]);
    for (int i = 0; out->files && i < out->count; i++)
        free(out->files[i]);
    free(out->names);
    free(out->files);
    free(out->fold);
    free(out->labels);
    free(out->probabilities);
}

enum app_exit train_split_fold(struct train_session *session, const weft_dataset *all)
{
    struct weft_dataset_info info;
    struct train_out_of_fold *out = session->job ? session->job->out_of_fold : NULL;
    weft_dataset_info(all, &info);
    if (session->folds > info.count / 2)
        return app_error(session->app, APP_USAGE, "--folds %d: there are only %d images",
                         session->folds, info.count);
    int *fold = assign_folds(&info, session->folds, session->seed);
    enum weft_status status = take(session, all, &info, fold, false, &session->train);
    if (!status)
        status = take(session, all, &info, fold, true, &session->val);
    if (out && !out->count)
        describe(out, &info, fold);
    free(fold);
    if (status)
        return app_report_error(session->app, APP_WORK, status);
    weft_dataset_info(session->val, &info);
    session->val_count = info.count;
    return APP_OK;
}

static enum app_exit predict(struct train_session *session, weft_predictor *predictor,
                             const weft_net *net)
{
    struct train_out_of_fold *out = session->job->out_of_fold;
    struct weft_dataset_info val;
    struct tta tta;
    size_t classes = (size_t)out->classes;
    weft_dataset_info(session->val, &val);
    tta_init(&tta, session->app, predictor, net);
    float *probabilities = term_realloc_or_exit(
        NULL, (size_t)val.count * tta.net.output_values * sizeof(float));
    enum app_exit code = tta_run(&tta, val.pixels, val.count, probabilities);
    for (int i = 0, row = 0; i < out->count && !code; i++)
        if (out->fold[i] == session->fold)
            memcpy(out->probabilities + (size_t)i * classes,
                   probabilities + (size_t)row++ * classes, classes * sizeof(float));
    free(probabilities);
    return code;
}

enum app_exit train_predict_fold(struct train_session *session)
{
    struct weft_model_info info;
    weft_model *model = NULL;
    weft_predictor *predictor = NULL;
    const struct weft_predictor_params params =
        *weft_predictor_params(.batch = TUNING_EVAL_BATCH,
                               .precision = session->precision,
                               .logits = session->app->options->tta);
    enum weft_status status = weft_trainer_model(session->trainer, &model);
    if (!status)
        status = weft_predictor_create(session->app->device, model, &params, &predictor);
    if (!status)
        weft_model_info(model, &info);
    enum app_exit code = status ? app_report_error(session->app, APP_WORK, status)
                                : predict(session, predictor, info.net);
    weft_predictor_destroy(&predictor);
    weft_model_destroy(&model);
    return code;
}

static void add_row(struct table *t, const struct train_out_of_fold *out, int i)
{
    const float *p = out->probabilities + (size_t)i * (size_t)out->classes;
    int best = 0;
    for (int c = 1; c < out->classes; c++)
        best = p[c] > p[best] ? c : best;
    table_int(t, i);
    table_text(t, out->files ? out->files[i] : "");
    table_int(t, out->fold[i]);
    table_int(t, out->labels[i]);
    table_int(t, best);
    for (int c = 0; c < out->classes; c++)
        table_double(t, (double)p[c], "%.9g", (double)p[c]);
}

enum app_exit train_write_out_of_fold(const struct app *app,
                                      const struct train_out_of_fold *out,
                                      const char *path)
{
    static const struct table_column first[] = {{.key = "image"},
                                                {.key = "file"},
                                                {.key = "fold"},
                                                {.key = "label"},
                                                {.key = "predicted"}};
    enum { FIRST = sizeof(first) / sizeof(*first) };
    struct table t;
    char *text = NULL;
    size_t size = 0;
    int count = FIRST + out->classes;
    struct table_column *columns =
        term_realloc_or_exit(NULL, (size_t)count * sizeof(*columns));
    memcpy(columns, first, sizeof(first));
    for (int c = 0; c < out->classes; c++)
        columns[FIRST + c] = (struct table_column){.key = out->names[c]};
    FILE *file = open_memstream(&text, &size);
    bool done = file;
    if (file) {
        table_init(&t, file, TABLE_CSV, columns, count, true);
        for (int i = 0; i < out->count; i++)
            add_row(&t, out, i);
        table_free(&t);
        done = !ferror(file);
        done = !fclose(file) && done && paths_write(path, text, size);
    }
    free(text);
    free(columns);
    if (!done)
        return app_error(app, APP_FAILED, "%s: %s", path, strerror(errno));
    app_print_written(path);
    return APP_OK;
}
