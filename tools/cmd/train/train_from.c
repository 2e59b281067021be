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

/* The index of a layer by its name, -1 if there is none; of the last dense layer with
 * `name` NULL. */
static int find_layer(const weft_net *net, const char *name)
{
    struct weft_layer_info layer;
    int found = -1;
    for (int i = 0; !weft_net_layer(net, i, &layer); i++)
        if (!strcmp(name ? layer.name : layer.op, name ? name : "dense"))
            found = i;
    return found;
}

static bool has_weights(const weft_net *net, int index)
{
    struct weft_layer_info layer;
    return !weft_net_layer(net, index, &layer) && layer.weights > 0;
}

/* The lines of a network whose text has a line for its input and one for each layer:
 * those of layers before `frozen` are frozen, and `head`, unless negative, is a layer of
 * the classes of the data. The input is left out: it is that of the data. */
static void write_text(FILE *out, const weft_net *net, int head, int frozen)
{
    struct weft_net_info info;
    weft_net_info(net, &info);
    const char *line = strchr(info.canonical_text, '\n') + 1;
    for (int i = 0; *line; i++) {
        const char *end = strchrnul(line, '\n');
        int length = (int)(end - line);
        if (i == head)
            fputs("dense classes", out);
        else
            fprintf(out, "%.*s", length, line);
        if (i < frozen && i != head && has_weights(net, i) &&
            !memmem(line, (size_t)length, " frozen=yes", 11))
            fputs(" frozen=yes", out);
        fputc('\n', out);
        line = *end ? end + 1 : end;
    }
}

/* The number of frozen layers. */
static enum app_exit count_frozen(const struct train_session *session,
                                  const struct train_options *o, const weft_net *net,
                                  int *out)
{
    *out = 0;
    if (!o->freeze)
        return APP_OK;
    if (!strcmp(o->freeze, "backbone")) {
        *out = find_layer(net, NULL);
        return APP_OK;
    }
    *out = find_layer(net, o->freeze) + 1;
    if (*out)
        return APP_OK;
    return app_error(session->app, APP_USAGE,
                     "--freeze: the network has no layer \"%s\"; `weft show %s` lists "
                     "them, and `backbone` is all before the last dense layer",
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
    int frozen;
    enum app_exit code = APP_OK;
    weft_model_info(session->from, &model);
    net = model.net;
    if (o->net) {
        if ((code = app_load_net(session->app, o->net, shape, &given)))
            return code;
        net = given;
    }
    weft_net_info(net, &info);
    code = count_frozen(session, o, net, &frozen);
    FILE *out = code ? NULL : open_memstream(&text, &size);
    if (out) {
        write_text(out, net, given ? -1 : find_layer(net, NULL), frozen);
        fclose(out);
        code = read_text(session, text, info.name, shape);
    } else if (!code) {
        code = app_error(session->app, APP_FAILED, "out of memory");
    }
    free(text);
    weft_net_destroy(&given);
    return code;
}
