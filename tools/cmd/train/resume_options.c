/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a resumed run: those it takes, and those that must be as it was
 * started. */
#define _GNU_SOURCE
#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The value of an option, at `field` of the options, in the words of the checkpoint; to
 * be freed. NULL: it is not given. */
typedef enum app_exit (*convert_fn)(struct train_session *session,
                                    const struct train_options *options,
                                    const void *field, char **out);

void train_absolute(char out[PATHS_MAX], const char *text)
{
    if (!paths_exists(text) || !paths_absolute(out, text))
        snprintf(out, PATHS_MAX, "%s", text);
    for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
        out[n - 1] = '\0';
}

static enum app_exit as_text(struct train_session *session, const struct train_options *o,
                             const void *field, char **out)
{
    const char *text = *(const char *const *)field;
    (void)session, (void)o;
    *out = text ? term_format_or_exit("%s", text) : NULL;
    return APP_OK;
}

static enum app_exit as_path(struct train_session *session, const struct train_options *o,
                             const void *field, char **out)
{
    char path[PATHS_MAX];
    const char *text = *(const char *const *)field;
    (void)session, (void)o;
    if (text)
        train_absolute(path, text);
    *out = text ? term_format_or_exit("%s", path) : NULL;
    return APP_OK;
}

static bool is_file(const char *class_weights)
{
    return strcmp(class_weights, "none") != 0 && strcmp(class_weights, "balanced") != 0;
}

/* A file may have moved: its weights are compared when they are read. */
static enum app_exit as_class_weights(struct train_session *session,
                                      const struct train_options *o, const void *field,
                                      char **out)
{
    const char *text = *(const char *const *)field;
    *out = NULL;
    return text && is_file(text) && is_file(session->class_weights)
               ? APP_OK
               : as_text(session, o, field, out);
}

static enum app_exit as_number(struct train_session *session,
                               const struct train_options *o, const void *field,
                               char **out)
{
    int number = *(const int *)field;
    (void)session, (void)o;
    *out = number ? term_format_or_exit("%d", number) : NULL;
    return APP_OK;
}

static enum app_exit as_rate(struct train_session *session, const struct train_options *o,
                             const void *field, char **out)
{
    double rate = *(const double *)field;
    (void)session, (void)o;
    *out = rate > 0 ? term_format_or_exit("%.9g", rate) : NULL;
    return APP_OK;
}

/* A batch is at most the images of the training. */
static enum app_exit as_batch(struct train_session *session,
                              const struct train_options *o, const void *field,
                              char **out)
{
    int batch = *(const int *)field, images = atoi(train_metadata(session, "data.count"));
    int parts = session->accumulate > 1 ? session->accumulate : 1;
    (void)o;
    *out = batch ? term_format_or_exit("%d",
                                       batch > images ? images - images % parts : batch)
                 : NULL;
    return APP_OK;
}

static enum app_exit as_parts(struct train_session *session,
                              const struct train_options *o, const void *field,
                              char **out)
{
    if (*(const int *)field != 1)
        return as_number(session, o, field, out);
    *out = term_format_or_exit("none");
    return APP_OK;
}

static enum app_exit as_seed(struct train_session *session, const struct train_options *o,
                             const void *field, char **out)
{
    unsigned long long seed = *(const uint64_t *)field;
    (void)session, (void)o;
    *out = seed == ARGS_SEED_UNSET ? NULL : term_format_or_exit("%llu", seed);
    return APP_OK;
}

static enum app_exit as_flag(struct train_session *session, const struct train_options *o,
                             const void *field, char **out)
{
    (void)session, (void)o;
    *out = *(const bool *)field ? term_format_or_exit("yes") : NULL;
    return APP_OK;
}

/* `auto` is what the run selected. */
static enum app_exit as_precision(struct train_session *session,
                                  const struct train_options *o, const void *field,
                                  char **out)
{
    int precision = *(const int *)field;
    (void)session, (void)o;
    *out = precision == TRAIN_NO_PRECISION || precision == WEFT_PRECISION_AUTO
               ? NULL
               : term_format_or_exit("%s", app_precision_names[precision]);
    return APP_OK;
}

static enum app_exit as_input(struct train_session *session,
                              const struct train_options *o, const void *field,
                              char **out)
{
    const char *text = *(const char *const *)field;
    struct weft_dataset_info shape;
    (void)o;
    enum app_exit code = text ? app_parse_input(session->app, text, &shape) : APP_OK;
    *out = text && !code ? term_format_or_exit("%dx%dx%d", shape.height, shape.width,
                                               shape.channels)
                         : NULL;
    return code;
}

/* A network of images like those of the run, with this schedule or augmentation. */
static enum app_exit read_words(const struct train_session *session, const char *schedule,
                                const char *augment, struct weft_net_info *out)
{
    struct weft_model_info model;
    struct weft_net_info saved;
    weft_net *net = NULL;
    weft_model_info(session->checkpoint, &model);
    weft_net_info(model.net, &saved);
    enum weft_status status =
        weft_net_create(session->app->context, "flatten\ndense 2\nsoftmax\n",
                        weft_net_params(.height = saved.height, .width = saved.width,
                                        .channels = saved.channels, .schedule = schedule,
                                        .augment = augment),
                        &net);
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    weft_net_info(net, out);
    weft_net_destroy(&net);
    return APP_OK;
}

static enum app_exit as_schedule(struct train_session *session,
                                 const struct train_options *o, const void *field,
                                 char **out)
{
    const char *text = *(const char *const *)field;
    struct weft_net_info info;
    (void)o;
    enum app_exit code = text ? read_words(session, text, NULL, &info) : APP_OK;
    *out = text && !code ? term_format_or_exit("%s", info.schedule) : NULL;
    return code;
}

static enum app_exit as_augment(struct train_session *session,
                                const struct train_options *o, const void *field,
                                char **out)
{
    const char *text = *(const char *const *)field;
    struct weft_net_info info;
    (void)o;
    enum app_exit code = text ? read_words(session, NULL, text, &info) : APP_OK;
    *out = text && !code ? term_format_or_exit("%s", info.augment) : NULL;
    return code;
}

static enum app_exit as_rates(struct train_session *session,
                              const struct train_options *o, const void *field,
                              char **out)
{
    struct train_session given = {.app = session->app};
    const char *path = *(const char *const *)field;
    (void)o;
    enum app_exit code = path ? train_read_rates(&given, path) : APP_OK;
    *out = path && !code ? term_format_or_exit("%s", given.rates_text) : NULL;
    train_free_rates(&given);
    return code;
}

static enum app_exit as_phases(struct train_session *session,
                               const struct train_options *o, const void *field,
                               char **out)
{
    struct train_session given = {.app = session->app};
    (void)field;
    enum app_exit code = o->phases ? train_read_phase_options(&given, o) : APP_OK;
    *out = o->phases && !code ? term_format_or_exit("%s", given.phases_text) : NULL;
    train_free_phases(&given);
    return code;
}

static enum app_exit as_val_split(struct train_session *session,
                                  const struct train_options *o, const void *field,
                                  char **out)
{
    const struct args_count_or_percent *split = field;
    double images = atoi(train_metadata(session, "data.count")) + session->val_count;
    (void)o;
    *out = split->value < 0 || session->folds
               ? NULL
               : term_format_or_exit("%.0f", split->percent
                                                 ? floor(images * split->value / 100)
                                                 : split->value);
    return APP_OK;
}

/* A run with a validation part has no such option. */
static char *saved_val_split(const struct train_session *session)
{
    return session->val_part ? term_format_or_exit("none")
                             : term_format_or_exit("%d", session->val_count);
}

/* A run with a table of rates has none. */
static char *saved_schedule(const struct train_session *session)
{
    return term_format_or_exit("%s", session->schedule ? session->schedule : "none");
}

static char *saved_input(const struct train_session *session)
{
    char *text = term_format_or_exit("%s", train_metadata(session, "net.input"));
    for (char *c = text; *c; c++)
        *c = *c == ' ' ? 'x' : *c;
    return text;
}

/* The options of weft train. Without a key or `saved` the run takes them, or they were
 * examined before. */
static const struct rule {
    const char *option;
    convert_fn given;
    size_t offset;
    const char *key;                                     /* of the metadata */
    char *(*saved)(const struct train_session *session); /* instead of it */
    bool of_phase; /* a run in phases has its own for each */
} rules[] = {
#define FIELD(member) offsetof(struct train_options, member)
    {"data", NULL, 0, NULL, NULL, false},
    {"net", NULL, 0, NULL, NULL, false}, /* train_check_resumed_net */
    {"from", as_path, FIELD(from), TRAIN_META_FROM, NULL, false},
    {"freeze", as_text, FIELD(freeze), TRAIN_META_FREEZE, NULL, true},
    {"layer-rates", as_text, FIELD(layer_rates), TRAIN_META_LAYERS, NULL, true},
    {"input", as_input, FIELD(input), NULL, saved_input, false},
    {"epochs", as_number, FIELD(epochs), NULL, NULL, true},
    {"batch", as_batch, FIELD(batch), "train.batch", NULL, false},
    {"accumulate", as_parts, FIELD(accumulate), "train.accumulate", NULL, false},
    {"lr", as_rate, FIELD(learning_rate), NULL, NULL, true},
    {"find-rate", NULL, 0, NULL, NULL, false},
    {"schedule", as_schedule, FIELD(schedule), NULL, saved_schedule, true},
    {"rates", as_rates, FIELD(rates), TRAIN_META_RATES, NULL, true},
    {"phases", as_phases, FIELD(phases), TRAIN_META_PHASES, NULL, false},
    {"augment", as_augment, FIELD(augment), "train.augment", NULL, true},
    {"labels", as_path, FIELD(labels), TRAIN_META_LABELS, NULL, false},
    {"class-weights", as_class_weights, FIELD(class_weights), TRAIN_META_WEIGHTS, NULL,
     false},
    {"balance", as_flag, FIELD(balance), "train.balance", NULL, false},
    {"seed", as_seed, FIELD(seed), "train.seed", NULL, false},
    {"precision", as_precision, FIELD(app.precision), "train.precision", NULL, false},
    {"val-split", as_val_split, FIELD(val_split), NULL, saved_val_split, false},
    {"seeds", NULL, 0, NULL, NULL, false},
    {"folds", NULL, 0, NULL, NULL, false},
    {"audit", NULL, 0, NULL, NULL, false},
    {"stream", NULL, 0, NULL, NULL, false},
    {"test", NULL, 0, NULL, NULL, false},
    {"out", NULL, 0, NULL, NULL, false},
    {"resume", NULL, 0, NULL, NULL, false},
    {"log-csv", NULL, 0, NULL, NULL, false},
    {"log-tensorboard", NULL, 0, NULL, NULL, false},
    {"watch", NULL, 0, NULL, NULL, false},
    {"target-accuracy", NULL, 0, NULL, NULL, false},
    {"patience", NULL, 0, NULL, NULL, false},
    {"keep-going", NULL, 0, NULL, NULL, false},
    {"time-limit", NULL, 0, NULL, NULL, false},
#undef FIELD
};
enum { RULES = sizeof(rules) / sizeof(*rules) };

static enum app_exit refuse(const struct train_session *session, const char *option,
                            const char *saved)
{
    bool shown = *saved && !strchr(saved, '\n');
    return app_error(
        session->app, APP_USAGE,
        "%s continues with%s --%s%s%s, which cannot change: remove the given "
        "--%s, or start a new run",
        session->run.folder,
        !*saved ? "out"
        : shown ? ""
                : " another",
        option, shown ? " " : "", shown ? saved : "", option);
}

static enum app_exit check(struct train_session *session, const struct train_options *o,
                           const struct rule *rule)
{
    char *given = NULL, *saved;
    bool covered = o->phases && rule->of_phase; /* by --phases, whose text has it */
    enum app_exit code =
        rule->given && !covered
            ? rule->given(session, o, (const char *)o + rule->offset, &given)
            : APP_OK;
    if (code || !given)
        return code;
    saved = rule->saved ? rule->saved(session)
            : rule->key ? term_format_or_exit("%s", train_metadata(session, rule->key))
                        : NULL;
    if (session->phase_count && rule->of_phase)
        code = app_error(session->app, APP_USAGE,
                         "%s is a run in phases, of which each has its own --%s: remove "
                         "it, or start a new run",
                         session->run.folder, rule->option);
    else if (saved && strcmp(strcmp(given, "none") ? given : "",
                             strcmp(saved, "none") ? saved : "") != 0)
        code = refuse(session, rule->option, strcmp(saved, "none") ? saved : "");
    free(given);
    free(saved);
    return code;
}

static const struct rule *find_rule(const char *option)
{
    for (int i = 0; i < RULES; i++)
        if (!strcmp(rules[i].option, option))
            return &rules[i];
    return NULL;
}

enum app_exit train_check_resumed(struct train_session *session,
                                  const struct train_options *o)
{
    enum app_exit code = APP_OK;
    for (const struct args_option *option = train_option_table; option->name && !code;
         option++)
        if (!find_rule(option->name))
            code = app_error(session->app, APP_FAILED,
                             "--%s has no rule for resumed runs: report this fault",
                             option->name);
    for (int i = 0; i < RULES && !code; i++)
        code = check(session, o, &rules[i]);
    return code;
}

enum app_exit train_check_resumed_net(struct train_session *session, const char *net)
{
    struct weft_dataset_info shape;
    struct weft_net_info made, saved;
    struct weft_model_info model;
    weft_dataset_info(session->train, &shape);
    weft_model_info(session->checkpoint, &model);
    weft_net_info(model.net, &saved);
    const char *text = session->phase_count ? session->phase_net : saved.text;
    enum app_exit code = app_load_net(session->app, net, &shape, &session->net);
    if (!code && !session->phase_count)
        code = train_edit_layers(session, session->freeze, session->layer_rates);
    if (code)
        return code;
    weft_net_info(session->net, &made);
    if (strcmp(made.text, text) != 0)
        code = refuse(session, "net", saved.name);
    weft_net_destroy(&session->net);
    return code;
}
