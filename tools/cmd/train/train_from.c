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

/* A line of a model, which says what was frozen when it was trained. */
static void write_trained(FILE *out, const char *line, size_t length)
{
    static const char word[] = " frozen=yes";
    const char *at = memmem(line, length, word, sizeof(word) - 1);
    size_t before = at ? (size_t)(at - line) : length;
    fwrite(line, 1, before, out);
    if (at)
        fwrite(at + sizeof(word) - 1, 1, length - before - (sizeof(word) - 1), out);
}

/* The lines of a network whose text has a line for its input and one for each layer:
 * `frozen` ones are frozen, of a model no others, and `head`, unless negative, is a layer
 * of the classes of the data. The input is left out: it is that of the data. */
static void write_text(FILE *out, const weft_net *net, bool of_model, int head,
                       const struct frozen *frozen)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    const char *line = strchr(info.canonical_text, '\n') + 1;
    for (int i = 0; *line; i++) {
        const char *end = strchrnul(line, '\n');
        size_t length = (size_t)(end - line);
        bool is_head = i == head, freezes = !is_head && is_frozen(net, i, frozen);
        if (is_head)
            fputs("dense classes", out);
        else if (of_model || freezes)
            write_trained(out, line, length);
        else
            fwrite(line, 1, length, out);
        if (freezes)
            fputs(" frozen=yes", out);
        fputc('\n', out);
        line = *end ? end + 1 : end;
    }
}

static enum app_exit find_frozen(const struct train_session *session,
                                 const struct train_options *o, const weft_net *net,
                                 struct frozen *out)
{
    *out = (struct frozen){.count = 0};
    if (!o->freeze)
        return APP_OK;
    out->norms = !strcmp(o->freeze, "norms") && find_layer(net, "batch-norm", true) >= 0;
    if (out->norms)
        return APP_OK;
    out->count = strcmp(o->freeze, "backbone") ? find_layer(net, o->freeze, false) + 1
                                               : find_layer(net, "dense", true);
    if (out->count > 0)
        return APP_OK;
    return app_error(session->app, APP_USAGE,
                     "--freeze: the network has no layer \"%s\"; `weft show %s` lists "
                     "them, `backbone` is all before the last dense layer, and `norms` "
                     "all batch normalizations",
                     o->freeze, o->from);
}

static enum app_exit read_text(struct train_session *session, const char *text,
                               const char *name, const struct weft_dataset_info *shape)
{
    enum weft_status status = weft_net_create(
        session->app->context, text,
        weft_net_params(.name = name, .height = shape->height, .width = shape->width,
                        .channels = shape->channels, .classes = shape->classes),
        &session->net);
    return status ? app_report_error(session->app, APP_INPUT, status) : APP_OK;
}

enum app_exit train_open_net_from(struct train_session *session,
                                  const struct train_options *o,
                                  const struct weft_dataset_info *shape)
{
    struct weft_model_info model;
    struct weft_net_info info;
    weft_net *given = NULL;
    const weft_net *net;
    char *text = NULL;
    size_t size;
    struct frozen frozen;
    enum app_exit code = APP_OK;
    weft_model_info(session->from, &model);
    net = model.net;
    if (o->net) {
        if ((code = app_load_net(session->app, o->net, shape, &given)))
            return code;
        net = given;
    }
    weft_net_info(net, &info);
    code = find_frozen(session, o, net, &frozen);
    FILE *out = code ? NULL : open_memstream(&text, &size);
    if (out) {
        write_text(out, net, !given, given ? -1 : find_layer(net, "dense", true),
                   &frozen);
        fclose(out);
        code = read_text(session, text, info.name, shape);
    } else if (!code) {
        code = app_error(session->app, APP_FAILED, "out of memory");
    }
    free(text);
    weft_net_destroy(&given);
    return code;
}
