/* SPDX-License-Identifier: Apache-2.0 */
/* Test-time augmentation. */
#include "core/tta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images at once, at most CHUNK_BYTES of them. */
enum { CHUNK = 2048, CHUNK_BYTES = 32 << 20 };

const struct args_option app_tta_options[] = {
    {.name = "tta",
     .kind = ARGS_CHOICE,
     .offset = offsetof(struct app_options, tta),
     .value = TTA_KINDS,
     .help = "test-time augmentation: the mean over the image and its mirror image "
             "(flip), or over both and both shifted by a pixel each way (shift)"},
    {.name = "tta-below",
     .kind = ARGS_FRACTION,
     .offset = offsetof(struct app_options, tta_below),
     .value = "X",
     .help = "with --tta: only for images whose largest probability is below X"},
    {0},
};

/* A copy: shifted by `shift` rows and columns, then mirrored. The first one is the image
 * itself. */
struct view {
    bool mirrored;
    int shift;
    double weight;
};
static const struct view own_view[] = {{false, 0, 1}};
static const struct view flip_views[] = {{false, 0, 0.5}, {true, 0, 0.5}};
static const struct view shift_views[] = {{false, 0, 0.25},   {true, 0, 0.25},
                                          {false, -1, 0.125}, {true, -1, 0.125},
                                          {false, 1, 0.125},  {true, 1, 0.125}};
static const struct {
    const char *name;
    const struct view *views;
    int count;
} kinds[] = {
    [TTA_NONE] = {"none", own_view, 1},
    [TTA_FLIP] = {"flip", flip_views, 2},
    [TTA_SHIFT] = {"shift", shift_views, 6},
};

enum app_exit tta_check_options(const struct app *app)
{
    if (app->options->tta || app->options->tta_below <= 0)
        return APP_OK;
    return app_error(app, APP_USAGE, "--tta-below needs --tta flip or --tta shift");
}

void tta_init(struct tta *tta, const struct app *app, weft_predictor *predictor,
              const weft_net *net)
{
    *tta = (struct tta){.app = app,
                        .predictor = predictor,
                        .kind = (enum tta_kind)app->options->tta,
                        .below = app->options->tta_below};
    weft_net_info(net, &tta->net);
}

/* Reflected at the edge, which is not repeated. */
static int reflect(int i, int n)
{
    if (n == 1)
        return 0;
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

static void make_view(const struct weft_net_info *net, const struct view *view,
                      const uint8_t *in, uint8_t *out)
{
    size_t channels = (size_t)net->channels;
    for (int y = 0; y < net->height; y++)
        for (int x = 0; x < net->width; x++) {
            int column = view->mirrored ? net->width - 1 - x : x;
            size_t from =
                (size_t)reflect(y + view->shift, net->height) * (size_t)net->width +
                (size_t)reflect(column + view->shift, net->width);
            memcpy(out, in + from * channels, channels);
            out += channels;
        }
}

/* One chunk of images, and the results for it. */
struct chunk {
    int count, changed;
    int *rows;       /* the images that are changed */
    uint8_t *pixels; /* their copies */
    uint8_t *images; /* those that stay in their file */
    float *outputs;  /* logits of one view */
    double *logits;  /* mean over the views, for all images */
};

static void chunk_free(struct chunk *c)
{
    free(c->rows);
    free(c->pixels);
    free(c->images);
    free(c->outputs);
    free(c->logits);
}

static size_t image_bytes(const struct tta *tta)
{
    return (size_t)tta->net.height * (size_t)tta->net.width * (size_t)tta->net.channels;
}

static int chunk_size(const struct tta *tta, int count)
{
    size_t outputs = (size_t)tta->net.classes * sizeof(double);
    size_t fit = CHUNK_BYTES / (image_bytes(tta) > outputs ? image_bytes(tta) : outputs);
    int most = fit < 1 ? 1 : fit < CHUNK ? (int)fit : CHUNK;
    return count < most ? count : most;
}

static struct chunk chunk_alloc(const struct tta *tta, int size)
{
    size_t n = (size_t)size;
    return (struct chunk){
        .rows = term_realloc_or_exit(NULL, n * sizeof(int)),
        .pixels = term_realloc_or_exit(NULL, n * image_bytes(tta)),
        .outputs =
            term_realloc_or_exit(NULL, n * (size_t)tta->net.classes * sizeof(float)),
        .logits =
            term_realloc_or_exit(NULL, n * (size_t)tta->net.classes * sizeof(double)),
    };
}

/* log-sum-exp; NaN if a logit is. */
static double log_sum(const double *logits, int classes)
{
    double largest = -INFINITY, sum = 0;
    for (int k = 0; k < classes; k++)
        largest = fmax(largest, logits[k]);
    for (int k = 0; k < classes; k++)
        sum += exp(logits[k] - largest);
    return largest + log(sum);
}

static double largest_probability(const double *logits, int classes)
{
    double largest = logits[0];
    for (int k = 1; k < classes; k++)
        largest = fmax(largest, logits[k]);
    return exp(largest - log_sum(logits, classes));
}

/* The logits of the images themselves, and which images are changed. */
static enum app_exit run_images(struct tta *tta, struct chunk *c, const uint8_t *pixels)
{
    size_t classes = (size_t)tta->net.classes;
    enum weft_status status =
        weft_predictor_run(tta->predictor, pixels, c->count, c->outputs);
    if (status)
        return app_report_error(tta->app, APP_WORK, status);
    for (size_t i = 0; i < (size_t)c->count * classes; i++)
        c->logits[i] = (double)c->outputs[i];
    c->changed = 0;
    for (int i = 0; i < c->count; i++)
        if (tta->below <= 0 || largest_probability(c->logits + (size_t)i * classes,
                                                   tta->net.classes) < tta->below)
            c->rows[c->changed++] = i;
    return APP_OK;
}

/* Adds the other views, and weighs the first one. */
static enum app_exit run_views(struct tta *tta, struct chunk *c, const uint8_t *pixels)
{
    size_t classes = (size_t)tta->net.classes, bytes = image_bytes(tta);
    const struct view *views = kinds[tta->kind].views;
    for (int v = 0; v < kinds[tta->kind].count && c->changed; v++) {
        for (int i = 0; i < c->changed && v; i++)
            make_view(&tta->net, &views[v], pixels + (size_t)c->rows[i] * bytes,
                      c->pixels + (size_t)i * bytes);
        enum weft_status status =
            v ? weft_predictor_run(tta->predictor, c->pixels, c->changed, c->outputs)
              : WEFT_OK;
        if (status)
            return app_report_error(tta->app, APP_WORK, status);
        for (int i = 0; i < c->changed; i++) {
            double *sum = c->logits + (size_t)c->rows[i] * classes;
            for (size_t k = 0; k < classes; k++)
                sum[k] = v ? sum[k] + views[v].weight *
                                          (double)c->outputs[(size_t)i * classes + k]
                           : sum[k] * views[0].weight;
        }
    }
    return APP_OK;
}

/* Images in memory, or those of `data`. */
struct source {
    const uint8_t *pixels;
    const weft_dataset *data;
    int count;
};

/* The images of a chunk, from `first` on. */
static enum app_exit read_images(const struct tta *tta, const struct source *from,
                                 int first, struct chunk *c, const uint8_t **out)
{
    size_t bytes = image_bytes(tta);
    *out = c->images;
    if (from->pixels) {
        *out = from->pixels + (size_t)first * bytes;
        return APP_OK;
    }
    enum weft_status status = weft_dataset_read(from->data, first, c->count, c->images);
    return status ? app_report_error(tta->app, APP_INPUT, status) : APP_OK;
}

static enum app_exit run_chunks(struct tta *tta, const struct source *from,
                                tta_use_fn use, void *priv)
{
    enum app_exit code = APP_OK;
    int size = chunk_size(tta, from->count);
    struct chunk c = chunk_alloc(tta, size);
    if (!from->pixels)
        c.images = term_realloc_or_exit(NULL, (size_t)size * image_bytes(tta));
    for (int done = 0; done < from->count && !code; done += c.count) {
        const uint8_t *at;
        c.count = from->count - done < size ? from->count - done : size;
        if (!(code = read_images(tta, from, done, &c, &at)) &&
            !(code = run_images(tta, &c, at)) && !(code = run_views(tta, &c, at)))
            code = use(priv, c.logits, done, c.count);
        tta->images += c.count;
        tta->changed += c.changed;
    }
    chunk_free(&c);
    return code;
}

struct to_probabilities {
    int classes;
    float *out;
};

static enum app_exit write_probabilities(void *priv, const double *logits, int first,
                                         int count)
{
    const struct to_probabilities *to = priv;
    size_t classes = (size_t)to->classes;
    for (int i = 0; i < count; i++) {
        const double *row = logits + (size_t)i * classes;
        double total = log_sum(row, to->classes);
        for (size_t k = 0; k < classes; k++)
            to->out[((size_t)first + (size_t)i) * classes + k] =
                (float)exp(row[k] - total);
    }
    return APP_OK;
}

enum app_exit tta_run(struct tta *tta, const uint8_t *pixels, int count,
                      float *probabilities)
{
    struct to_probabilities to = {tta->net.classes, probabilities};
    if (tta->kind)
        return run_chunks(tta, &(struct source){.pixels = pixels, .count = count},
                          write_probabilities, &to);
    tta->images += count;
    enum weft_status status =
        weft_predictor_run(tta->predictor, pixels, count, probabilities);
    return status ? app_report_error(tta->app, APP_WORK, status) : APP_OK;
}

struct score {
    const struct app *app;
    const struct weft_dataset_info *data;
    struct weft_eval *eval;
    struct weft_prediction *predictions;
    double loss;
};

static enum app_exit score_rows(void *priv, const double *logits, int first, int count)
{
    struct score *s = priv;
    int classes = s->eval->classes;
    for (int i = 0; i < count; i++) {
        const double *row = logits + (size_t)i * (size_t)classes;
        int label = s->data->labels[first + i], best = 0;
        double total = log_sum(row, classes);
        if (label >= classes)
            return app_error(s->app, APP_BAD_INPUT,
                             "%s: image %d is of class %d, the network has 0 to %d",
                             s->data->source, first + i, label, classes - 1);
        s->loss += total - row[label];
        if (isnan(total)) {
            s->eval->nonfinite++;
            if (s->predictions)
                s->predictions[first + i] = (struct weft_prediction){-1, NAN};
            continue;
        }
        for (int k = 1; k < classes; k++)
            best = row[k] > row[best] ? k : best;
        s->eval->correct += best == label;
        if (s->predictions)
            s->predictions[first + i] =
                (struct weft_prediction){best, (float)exp(row[best] - total)};
    }
    return APP_OK;
}

enum app_exit tta_run_dataset(struct tta *tta, const weft_dataset *data, tta_use_fn use,
                              void *priv)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    const struct source from = {.data = data, .count = info.count};
    if (info.height != tta->net.height || info.width != tta->net.width ||
        info.channels != tta->net.channels)
        return app_error(tta->app, APP_BAD_INPUT,
                         "%s: images of %dx%dx%d do not fit a network for %dx%dx%d",
                         info.source, info.height, info.width, info.channels,
                         tta->net.height, tta->net.width, tta->net.channels);
    return run_chunks(tta, &from, use, priv);
}

/* The images with their changed copies. */
static enum app_exit evaluate_changed(struct tta *tta, const weft_dataset *dataset,
                                      const struct weft_dataset_info *data,
                                      struct weft_prediction *predictions,
                                      struct weft_eval *out)
{
    struct score score = {
        .app = tta->app, .data = data, .eval = out, .predictions = predictions};
    double start = term_seconds();
    *out = (struct weft_eval){.count = data->count, .classes = tta->net.classes};
    enum app_exit code = tta_run_dataset(tta, dataset, score_rows, &score);
    out->seconds = term_seconds() - start;
    out->accuracy = (double)out->correct / data->count;
    out->standard_error = sqrt(out->accuracy * (1 - out->accuracy) / data->count);
    out->loss = score.loss / data->count;
    return code;
}

enum app_exit tta_evaluate(struct tta *tta, const weft_dataset *data,
                           struct weft_prediction *predictions, struct weft_eval *out)
{
    struct weft_dataset_info info;
    weft_dataset_info(data, &info);
    if (tta->kind)
        return evaluate_changed(tta, data, &info, predictions, out);
    tta->images += info.count;
    enum weft_status status =
        weft_predictor_evaluate(tta->predictor, data, predictions, out);
    return status ? app_report_error(tta->app, APP_INPUT, status) : APP_OK;
}

const char *tta_name(const struct tta *tta)
{
    return kinds[tta->kind].name;
}

const char *tta_text(const struct tta *tta)
{
    static char text[128];
    int used = snprintf(text, sizeof(text), "%s test-time augmentation", tta_name(tta));
    if (!tta->kind)
        *text = '\0';
    else if (tta->below > 0)
        snprintf(text + used, sizeof(text) - (size_t)used,
                 " of %s of %s images, those below %.4g %%",
                 table_thousands((double)tta->changed),
                 table_thousands((double)tta->images), 100 * tta->below);
    return text;
}

void tta_json(const struct tta *tta, struct json *j)
{
    emit_text(j, "tta", tta_name(tta));
    if (!tta->kind)
        return;
    emit_double(j, "tta_below", tta->below > 0 ? tta->below : NAN);
    emit_int(j, "tta_images", tta->changed);
}
