/* SPDX-License-Identifier: Apache-2.0 */
/* Transfer learning: a run that begins with the weights of a model. */
#define _GNU_SOURCE
#include "train/train.h"

#include <stdlib.h>
#include <string.h>

enum app_exit train_open_source(struct train_session *session,
                                const struct train_options *o)
{
    if (!o->from && o->freeze)
        return app_error(session->app, APP_USAGE,
                         "--freeze keeps layers of a model as they are; name the model "
                         "with --from");
    if (!o->from)
        return APP_OK;
    enum app_exit code = app_create_context(session->app, true, false);
    return code ? code : app_load_model(session->app, o->from, &session->from);
}

const struct weft_preprocess_params *
train_source_images(const struct train_session *session)
{
    struct weft_model_info info;
    if (!session->from)
        return NULL;
    weft_model_info(session->from, &info);
    return info.preprocess;
}

/* The last layer of a name, or of an op; -1: there is none. */
static int find_layer(const weft_net *net, const char *name, bool by_op)
{
    struct weft_layer_info layer;
    int found = -1;
    for (int i = 0; !weft_net_layer(net, i, &layer); i++)
        if (!strcmp(by_op ? layer.op : layer.name, name))
            found = i;
    return found;
}

/* The layers that --freeze names. */
struct frozen {
    int count;  /* the first ones */
    bool norms; /* all batch normalizations */
};

static bool is_frozen(const weft_net *net, int index, const struct frozen *frozen)
{
    struct weft_layer_info layer;
    return !weft_net_layer(net, index, &layer) && layer.weights > 0 &&
           (index < frozen->count || (frozen->norms && !strcmp(layer.op, "batch-norm")));
}

/* A factor of the learning rate of the layers from the one before on, up to `end`. */
struct section {
    int end;
    double rate;
};
enum { MAX_SECTIONS = 64 };

/* Changes of the lines of a network. */
struct edit {
    struct frozen frozen;
    struct section sections[MAX_SECTIONS]; /* with ascending ends */
    int section_count;
    int head;   /* a layer of the classes of the data; -1: none */
    bool thaws; /* frozen layers are trained unless `frozen` has them */
};

/* 0: that of the line. */
static double rate_of(const weft_net *net, int index, const struct edit *e)
{
    struct weft_layer_info layer;
    int i = 0;
    while (i < e->section_count && e->sections[i].end <= index)
        i++;
    bool trained = !weft_net_layer(net, index, &layer) && layer.weights > 0;
    return i < e->section_count && trained ? e->sections[i].rate : 0;
}

/* The words of a line but those that are replaced. */
static void write_line(FILE *out, const char *line, size_t length, bool thawed,
                       bool rated)
{
    for (size_t at = 0, end; at < length; at = end) {
        const char *word = line + at;
        const char *space = memchr(word + 1, ' ', length - at - 1);
        end = space ? (size_t)(space - line) : length;
        if (!(thawed && end - at == strlen(" frozen=yes") &&
              !memcmp(word, " frozen=yes", end - at)) &&
            !(rated && end - at > strlen(" rate=") &&
              !memcmp(word, " rate=", strlen(" rate="))))
            fwrite(word, 1, end - at, out);
    }
}

/* The lines of a network whose text has a line for its input and one for each layer. The
 * input is left out: it is that of the data. */
static void write_text(FILE *out, const weft_net *net, const struct edit *e)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    const char *line = strchr(info.canonical_text, '\n') + 1;
    for (int i = 0; *line; i++) {
        const char *end = strchrnul(line, '\n');
        bool is_head = i == e->head, freezes = is_frozen(net, i, &e->frozen);
        double rate = rate_of(net, i, e);
        if (is_head)
            fputs("dense classes", out);
        else
            write_line(out, line, (size_t)(end - line), e->thaws || freezes, rate > 0);
        if (freezes)
            fputs(" frozen=yes", out);
        if (rate > 0)
            fprintf(out, " rate=%.9g", rate);
        fputc('\n', out);
        line = *end ? end + 1 : end;
    }
}

/* The network with these changes in place of session->net. */
static enum app_exit rewrite(struct train_session *session, const weft_net *net,
                             const struct edit *edit)
{
    struct weft_dataset_info shape;
    struct weft_net_info info;
    char *text = NULL;
    size_t size;
    weft_net *edited = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return app_error(session->app, APP_FAILED, "out of memory");
    write_text(out, net, edit);
    fclose(out);
    weft_dataset_info(session->train, &shape);
    weft_net_info(net, &info);
    enum weft_status status = weft_net_create(
        session->app->context, text,
        weft_net_params(.name = info.name, .height = shape.height, .width = shape.width,
                        .channels = shape.channels, .classes = shape.classes),
        &edited);
    free(text);
    if (status)
        return app_report_error(session->app, APP_INPUT, status);
    weft_net_destroy(&session->net);
    session->net = edited;
    return APP_OK;
}

/* The number of layers up to one of this name; `backbone`: before the last dense layer.
 * 0: there is none. */
static int count_up_to(const weft_net *net, const char *name)
{
    return strcmp(name, "backbone") ? find_layer(net, name, false) + 1
                                    : find_layer(net, "dense", true);
}

static enum app_exit no_layer(const struct train_session *session, const char *option,
                              const char *name)
{
    return app_error(session->app, APP_USAGE,
                     "%s: the network has no layer \"%s\"; `weft show` lists them, "
                     "and `backbone` is all before the last dense layer%s",
                     option, name,
                     strcmp(option, "--freeze") ? ""
                                                : ", `norms` all batch normalizations");
}

static enum app_exit find_frozen(const struct train_session *session, const char *freeze,
                                 struct frozen *out)
{
    const weft_net *net = session->net;
    *out = (struct frozen){.count = 0};
    if (!freeze)
        return APP_OK;
    out->norms = !strcmp(freeze, "norms") && find_layer(net, "batch-norm", true) >= 0;
    if (!out->norms)
        out->count = count_up_to(net, freeze);
    return out->norms || out->count > 0 ? APP_OK : no_layer(session, "--freeze", freeze);
}

/* One word of --layer-rates, "LAYER=F". */
static enum app_exit add_section(const struct train_session *session, char *word,
                                 struct edit *edit)
{
    char *number = strrchr(word, '='), *end = NULL;
    double rate = number ? strtod(number + 1, &end) : 0;
    if (!number || end == number + 1 || *end || !(rate >= 1e-6 && rate <= 1e6))
        return app_error(session->app, APP_USAGE,
                         "--layer-rates: \"%s\" is not LAYER=F with a factor F of 1e-6 "
                         "to 1e6 of the learning rate; --freeze keeps layers as they are",
                         word);
    *number = 0;
    int count = count_up_to(session->net, word), last = edit->section_count - 1;
    if (count <= 0)
        return no_layer(session, "--layer-rates", word);
    if (last >= 0 && count <= edit->sections[last].end)
        return app_error(session->app, APP_USAGE,
                         "--layer-rates: %s is no layer behind that of the factor "
                         "before; name them in the order of the network",
                         word);
    if (edit->section_count == MAX_SECTIONS)
        return app_error(session->app, APP_USAGE, "--layer-rates: more than %d factors",
                         MAX_SECTIONS);
    edit->sections[edit->section_count++] = (struct section){count, rate};
    return APP_OK;
}

static enum app_exit find_sections(const struct train_session *session, const char *rates,
                                   struct edit *edit)
{
    char *text = rates ? strdup(rates) : NULL, *rest = NULL;
    enum app_exit code =
        rates && !text ? app_error(session->app, APP_FAILED, "out of memory") : APP_OK;
    for (char *word = text ? strtok_r(text, " ,", &rest) : NULL; word && !code;
         word = strtok_r(NULL, " ,", &rest))
        code = add_section(session, word, edit);
    free(text);
    return code;
}

enum app_exit train_edit_layers(struct train_session *session, const char *freeze,
                                const char *layer_rates)
{
    struct edit edit = {.head = -1};
    if (!freeze && !layer_rates)
        return APP_OK;
    enum app_exit code = find_frozen(session, freeze, &edit.frozen);
    if (!code)
        code = find_sections(session, layer_rates, &edit);
    return code ? code : rewrite(session, session->net, &edit);
}

enum app_exit train_open_net_from(struct train_session *session)
{
    struct weft_model_info model;
    weft_model_info(session->from, &model);
    const struct edit edit = {.head = find_layer(model.net, "dense", true),
                              .thaws = true};
    return rewrite(session, model.net, &edit);
}
