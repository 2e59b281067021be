/* SPDX-License-Identifier: Apache-2.0 */
/* weft eval: how good a model is on a data set, in all and by class. */
#include "app.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BATCH = 256, WIDEST = 100, MOST_CONFUSIONS = 20 };

struct options {
    struct app_options app;
    const char *data;
    int part, batch, precision;
    double least;
};

static const struct args_option options[] = {
    {"data", 0, ARGS_TEXT, offsetof(struct options, data), "SPEC",
     "fashion-mnist, a folder, or a file; default: what the model was trained on", 0, 0},
    {"part", 0, ARGS_CHOICE, offsetof(struct options, part), "test|train",
     "of the data; default test", 0, 0},
    {"batch", 'b', ARGS_INT, offsetof(struct options, batch), "N",
     "pictures at a time; default 256", 1, 1 << 20},
    {"min-accuracy", 0, ARGS_SHARE, offsetof(struct options, least), "X",
     "exit code 5 if the accuracy is lower", 0, 0},
    APP_OPTION_PRECISION(struct options, precision),
    APP_OPTIONS_TUNED(struct options),
    APP_OPTIONS_DEVICE(struct options),
    APP_OPTIONS_OUTPUT(struct options),
    APP_OPTIONS_COLOR(struct options),
    {0},
};

static const struct table_column columns[] = {
    {"class", "Class", true, 0},
    {"precision", "Precision", false, 0},
    {"recall", "Recall", false, 0},
    {"f1", "F1", false, 0},
    {"pictures", "Pictures", false, 0},
    {"mistaken_for", "Most often mistaken for", true, 0},
    {"mistaken_share", NULL, false, 0},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(*columns) };

/* An evaluation, and whose it is. */
struct job {
    struct app *app;
    weft_model *model;
    weft_data *data;
    weft_predictor *predictor;
    struct weft_eval eval;
    const char *const *names; /* of the classes */
    double leak;
};

static int64_t count_at(const struct weft_eval *e, int truth, int said)
{
    return e->confusion[(size_t)truth * (size_t)e->classes + (size_t)said];
}

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void add_class(struct table *t, const struct job *job, int c)
{
    const struct weft_eval *e = &job->eval;
    int64_t truth = 0, said = 0;
    int worst = -1;
    for (int k = 0; k < e->classes; k++) {
        truth += count_at(e, c, k);
        said += count_at(e, k, c);
        if (k != c && count_at(e, c, k) > (worst < 0 ? 0 : count_at(e, c, worst)))
            worst = k;
    }
    int64_t right = count_at(e, c, c);
    double precision = ratio(right, said), recall = ratio(right, truth);
    double f1 = ratio(2 * right, truth + said);
    double share = worst < 0 ? 0 : ratio(count_at(e, c, worst), truth);
    char mistaken[96] = "";
    if (worst >= 0)
        snprintf(mistaken, sizeof(mistaken), "%.60s %.1f %%", job->names[worst],
                 100 * share);
    table_text(t, job->names[c]);
    table_real(t, precision, "%.2f", 100 * precision);
    table_real(t, recall, "%.2f", 100 * recall);
    table_real(t, f1, "%.2f", 100 * f1);
    table_int(t, truth);
    if (t->format == TABLE_HUMAN || t->format == TABLE_MD)
        table_text(t, mistaken);
    else
        table_text(t, worst < 0 ? "" : job->names[worst]);
    table_real(t, share, "%.4f", share);
}

/* The shortest beginning of a name, two letters at least, that no other name has. */
static int short_length(const struct job *job, int c)
{
    int longest = (int)strlen(job->names[c]);
    for (int length = 2; length < longest; length++) {
        bool alone = true;
        for (int k = 0; k < job->eval.classes && alone; k++)
            alone =
                k == c || strncasecmp(job->names[k], job->names[c], (size_t)length) != 0;
        if (alone)
            return length;
    }
    return longest;
}

static void say_cell(int64_t n, int width, bool right)
{
    if (!n) {
        const char *dot = term_dot();
        printf("%*s%s%s%s", width - 1, "", term_on(stdout, TERM_DIM), dot,
               term_off(stdout));
        return;
    }
    printf("%s%*lld%s", right ? term_on(stdout, TERM_GOOD) : "", width, (long long)n,
           right ? term_off(stdout) : "");
}

/* False: it would be too wide. */
static bool show_matrix(const struct job *job)
{
    const struct weft_eval *e = &job->eval;
    int width = 3, left = 5;
    for (int c = 0; c < e->classes; c++) {
        char digits[32];
        for (int k = 0; k < e->classes; k++) {
            int n =
                snprintf(digits, sizeof(digits), "%lld", (long long)count_at(e, c, k));
            width = n + 1 > width ? n + 1 : width;
        }
        int shortest = short_length(job, c) + 1, name = term_columns(job->names[c]);
        width = shortest > width ? shortest : width;
        left = name > left ? name : left;
    }
    if (left + 1 + width * e->classes > WIDEST)
        return false;
    printf("\n%sConfusion%s: rows are the truth, columns what the model says\n%*s ",
           term_on(stdout, TERM_BOLD), term_off(stdout), left, "");
    for (int c = 0; c < e->classes; c++)
        printf("%*.*s", width, short_length(job, c), job->names[c]);
    putchar('\n');
    for (int c = 0; c < e->classes; c++) {
        printf("%s%*s ", job->names[c], left - term_columns(job->names[c]), "");
        for (int k = 0; k < e->classes; k++)
            say_cell(count_at(e, c, k), width, c == k);
        putchar('\n');
    }
    return true;
}

struct confusion {
    int truth, said;
    int64_t count;
};

static int most_first(const void *a, const void *b)
{
    int64_t x = ((const struct confusion *)a)->count,
            y = ((const struct confusion *)b)->count;
    return (x < y) - (x > y);
}

static void show_confusions(const struct job *job)
{
    const struct weft_eval *e = &job->eval;
    size_t most = (size_t)e->classes * (size_t)e->classes, n = 0;
    struct confusion *list = term_alloc(NULL, most * sizeof(*list));
    for (int c = 0; c < e->classes; c++)
        for (int k = 0; k < e->classes; k++)
            if (k != c && count_at(e, c, k))
                list[n++] = (struct confusion){c, k, count_at(e, c, k)};
    qsort(list, n, sizeof(*list), most_first);
    printf("\n%sMost frequent mistakes%s (the whole matrix: -o json)\n",
           term_on(stdout, TERM_BOLD), term_off(stdout));
    for (size_t i = 0; i < n && i < MOST_CONFUSIONS; i++)
        printf("%8lld  %.40s taken for %.40s\n", (long long)list[i].count,
               job->names[list[i].truth], job->names[list[i].said]);
    free(list);
}

static void show(const struct job *job, struct table *t)
{
    const struct weft_eval *e = &job->eval;
    struct weft_data_info info;
    weft_data_info(job->data, &info);
    printf("%s pictures of %s\n", table_thousands(e->count),
           *info.release ? info.release : info.source);
    printf("%sAccuracy  %.2f %s%.2f %%%s   loss %.4f   %s pictures/s\n",
           term_on(stdout, TERM_BOLD), 100 * e->accuracy, term_plus_minus(),
           100 * e->standard_error, term_off(stdout), e->loss,
           table_thousands(e->count / e->seconds));
    if (job->leak > 0.01)
        printf("NOT A FAIR TEST: %.0f %% of these pictures are among those it learned\n",
               100 * job->leak);
    putchar('\n');
    table_write(t);
    if (!show_matrix(job))
        show_confusions(job);
}

static void write_json(const struct job *job, const struct table *t)
{
    const struct weft_eval *e = &job->eval;
    struct weft_data_info info;
    weft_data_info(job->data, &info);
    struct json j = {.out = stdout};
    app_json_begin(job->app, &j, "weft.eval/1");
    emit_text(&j, "data", info.source);
    emit_text(&j, "release", info.release);
    app_json_precision(job->predictor, &j);
    emit_int(&j, "count", e->count);
    emit_int(&j, "correct", e->correct);
    emit_real(&j, "accuracy", e->accuracy);
    emit_real(&j, "standard_error", e->standard_error);
    emit_real(&j, "loss", e->loss);
    emit_real(&j, "leak", job->leak);
    emit_real(&j, "seconds", e->seconds);
    emit_real(&j, "pictures_per_second", e->count / e->seconds);
    emit_list(&j, "classes");
    for (int c = 0; c < e->classes; c++)
        emit_text(&j, NULL, job->names[c]);
    emit_end(&j);
    table_json(t, &j, "per_class");
    emit_list(&j, "confusion");
    for (int c = 0; c < e->classes; c++) {
        emit_list(&j, NULL);
        for (int k = 0; k < e->classes; k++)
            emit_int(&j, NULL, count_at(e, c, k));
        emit_end(&j);
    }
    emit_end(&j);
    emit_end(&j);
}

/* Looks for the test pictures among those that the model was trained on, unless both are
 * known to come from one release, or the training pictures cannot be had any more. */
static enum app_exit find_leak(struct job *job, const char *trained_on)
{
    struct weft_model_info model;
    struct weft_data_info test, train;
    weft_model_info(job->model, &model);
    weft_data_info(job->data, &test);
    if (app_same_release(model.data_release, test.release))
        return APP_DONE;
    weft_data *data = NULL;
    term_wait_begin("Comparing with the pictures that it was trained on");
    enum weft_status status =
        weft_data_open(job->app->context, trained_on, WEFT_DATA_TRAIN, &data);
    term_wait_end();
    if (!status) {
        weft_data_info(data, &train);
        bool same = !strcmp(train.release, model.data_release);
        bool fits = train.height == test.height && train.width == test.width &&
                    train.channels == test.channels;
        enum app_exit code =
            same && fits ? app_leak(job->app, data, job->data, &job->leak) : APP_DONE;
        weft_data_destroy(&data);
        return code;
    }
    if (*model.data_release && *test.release)
        term_warn("it was trained on \"%s\", this is \"%s\", and the training pictures "
                  "cannot be read to see whether test pictures are among them",
                  model.data_release, test.release);
    return APP_DONE;
}

/* Names that are only the numbers of their classes, of data that is not known by its
 * hash, are no names: nobody has given any. */
static bool are_told(const char *const *names, int count, const char *release)
{
    bool told = *release;
    for (int c = 0; c < count && !told; c++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", c);
        told = strcmp(names[c], number) != 0;
    }
    return told;
}

static void compare_classes(const struct job *job, const struct weft_model_info *model)
{
    struct weft_data_info data;
    struct weft_net_info net;
    weft_data_info(job->data, &data);
    weft_net_info(model->net, &net);
    int count = data.classes < net.classes ? data.classes : net.classes, c = 0;
    if (!are_told(model->class_names, count, model->data_release) ||
        !are_told(data.class_names, count, data.release))
        return;
    while (c < count && !strcmp(model->class_names[c], data.class_names[c]))
        c++;
    if (c < count)
        term_warn("the classes are not those that it was trained for: class %d is \"%s\" "
                  "to the model, \"%s\" in %s",
                  c, model->class_names[c], data.class_names[c], data.source);
}

/* Whether the pictures are of the network's size. */
static bool fits(const struct weft_data_info *data, const weft_net *net)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    return data->height == info.height && data->width == info.width &&
           data->channels == info.channels;
}

static enum app_exit evaluate(struct job *job, const struct options *o, const char *path)
{
    struct app *app = job->app;
    struct weft_model_info info;
    enum app_exit code = app_open_device(app);
    if (code)
        return code;
    enum weft_status status = weft_model_load(app->context, path, &job->model);
    if (status)
        return app_fail(app, APP_INPUT, status);
    weft_model_info(job->model, &info);
    job->names = info.class_names;
    const char *trained_on = weft_model_note(job->model, "run.data");
    if (!trained_on) {
        trained_on = "fashion-mnist";
        if (!o->data)
            term_say("%s does not say what it was trained on (it has no note run.data), "
                     "so %s is taken; choose with --data",
                     path, trained_on);
    }
    enum weft_data_part part = o->part ? WEFT_DATA_TRAIN : WEFT_DATA_TEST;
    const char *spec = o->data ? o->data : trained_on;
    if ((code = app_data(app, spec, part, &job->data)))
        return code;
    compare_classes(job, &info);
    if (!o->part && (code = find_leak(job, trained_on)))
        return code;
    term_wait_begin("Compiling kernels, which are kept for next time");
    struct weft_data_info data;
    weft_data_info(job->data, &data);
    const struct weft_predictor_params params = {
        .batch = o->batch,
        .precision = (enum weft_precision)o->precision,
        .pixels = fits(&data, info.net) ? weft_data_pixels(job->data) : NULL,
        .pixel_count = data.count};
    status = weft_predictor_create(app->device, job->model, &params, &job->predictor);
    term_wait_end();
    if (status)
        return app_fail(app, APP_WORK, status);
    app_tell_precision(job->predictor, o->precision);
    term_wait_begin("Evaluating");
    status = weft_evaluate(job->predictor, job->data, &job->eval);
    term_wait_end();
    return status ? app_fail(app, APP_INPUT, status) : APP_DONE;
}

static enum app_exit tell(struct job *job, const struct options *o)
{
    struct table t;
    table_init(&t, stdout, (enum table_format)o->app.format, columns, COLUMN_COUNT,
               false);
    for (int c = 0; c < job->eval.classes; c++)
        add_class(&t, job, c);
    if (t.format == TABLE_HUMAN)
        show(job, &t);
    else if (t.format == TABLE_JSON)
        write_json(job, &t);
    else
        table_write(&t);
    table_finish(&t);
    enum app_exit code = app_flush(job->app);
    if (!code && o->least > 0 && job->eval.accuracy < o->least)
        code = app_error(job->app, APP_CHECK_FAILED,
                         "the accuracy is %.2f %%, less than the wanted %.2f %%",
                         100 * job->eval.accuracy, 100 * o->least);
    return code;
}

static enum app_exit run(struct app *app, const void *given, int count, char **operands)
{
    (void)count;
    const struct options *o = given;
    struct job job = {.app = app};
    enum app_exit code = evaluate(&job, o, operands[0]);
    if (!code)
        code = tell(&job, o);
    weft_eval_finish(&job.eval);
    weft_predictor_destroy(&job.predictor);
    weft_data_destroy(&job.data);
    weft_model_destroy(&job.model);
    return code;
}

const struct app_command cmd_eval = {
    .args =
        {
            .name = "eval",
            .operands = "MODEL",
            .summary = "tells how good a model is, in all and class by class",
            .examples = "  weft eval runs/a/best.safetensors\n"
                        "  weft eval runs/a/best.safetensors --data other.csv -o json",
            .about = "Precision, recall and F1 of every class, and the confusion "
                     "matrix. Test pictures that the model was trained on are "
                     "looked for, and told.",
            .options = options,
            .operands_min = 1,
            .operands_max = 1,
        },
    .defaults = &(const struct options){.batch = BATCH},
    .options_size = sizeof(struct options),
    .run = run,
};
