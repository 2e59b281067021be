/* SPDX-License-Identifier: Apache-2.0 */
/* The Open Inference Protocol, version 2: images as numbers, made for the network. */
#define _GNU_SOURCE
#include "serve/serve.h"

#include "core/json.h"
#include "os/read_json.h"

#include <stdlib.h>
#include <string.h>

static const char input_name[] = "image", output_name[] = "probabilities";
enum { DIMENSIONS = 4 };

/* Numbers of nested lists, in order. */
struct numbers {
    uint8_t *out;
    size_t count, most;
};

/* False: there is something else, or too much. */
static bool flatten(const json_t *value, int depth, struct numbers *n)
{
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        if (number < 0 || number > 255 || n->count == n->most)
            return false;
        n->out[n->count++] = (uint8_t)number;
        return true;
    }
    size_t size = json_is_array(value) && depth ? json_array_size(value) : 0;
    for (size_t i = 0; i < size; i++)
        if (!flatten(json_array_get(value, i), depth - 1, n))
            return false;
    return size > 0;
}

/* The number of images of a shape; 0: it is not that of the network. */
static int images_of(const json_t *shape, const struct weft_net_info *net)
{
    const json_int_t extents[DIMENSIONS] = {0, net->height, net->width, net->channels};
    if (json_array_size(shape) != DIMENSIONS)
        return 0;
    for (size_t i = 1; i < DIMENSIONS; i++)
        if (json_integer_value(json_array_get(shape, i)) != extents[i])
            return 0;
    json_int_t count = json_integer_value(json_array_get(shape, 0));
    return count > 0 && count <= SERVE_JSON_BYTES ? (int)count : 0;
}

static bool has_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && !strcmp(value, text);
}

/* NULL: `outputs` is absent, or has the one that there is. */
static const char *check_outputs(const json_t *outputs)
{
    for (size_t i = 0; i < json_array_size(outputs); i++)
        if (!has_text(json_array_get(outputs, i), "name", output_name))
            return "the only output is `probabilities`";
    return NULL;
}

/* Fills the request. The reason if its JSON is not as it must be. */
static const char *read_inputs(struct serve_request *r, const json_t *root)
{
    const struct serve *s = r->serve;
    const json_t *inputs = json_object_get(root, "inputs");
    const json_t *input = json_array_get(inputs, 0);
    const char *id = json_string_value(json_object_get(root, "id"));
    if (json_array_size(inputs) != 1 || !has_text(input, "name", input_name))
        return "`inputs` must be a list of one object, with the name `image`";
    if (!has_text(input, "datatype", "UINT8"))
        return "the datatype of `image` must be UINT8";
    r->count = images_of(json_object_get(input, "shape"), &s->net);
    if (!r->count || (size_t)r->count > SERVE_JSON_BYTES / s->image_bytes)
        return "the shape of `image` must be [images, height, width, channels], as GET "
               "on the model shows";
    struct numbers n = {.most = (size_t)r->count * s->image_bytes};
    n.out = r->pixels = malloc(n.most);
    if ((id && !(r->id = strdup(id))) || !n.out)
        return "out of memory";
    if (!flatten(json_object_get(input, "data"), DIMENSIONS, &n) || n.count != n.most)
        return "`data` must be a list of integers from 0 to 255, as many as the shape "
               "has";
    return check_outputs(json_object_get(root, "outputs"));
}

static bool read_body(struct serve_request *r, weft_context *context)
{
    size_t size;
    const uint8_t *body = http_body(r->exchange, &size);
    json_error_t error;
    bool no_memory;
    (void)context;
    json_t *root = weft_read_json((const char *)body, size, &error, &no_memory);
    const char *why = no_memory ? "out of memory" : error.text;
    if (root)
        why = read_inputs(r, root);
    json_decref(root);
    if (why)
        http_reply_error(r->exchange, no_memory ? 503 : 400, "%s", why);
    return !why;
}

static void write_shape(struct json *j, int first, int second, int third, int fourth)
{
    const int extents[DIMENSIONS] = {first, second, third, fourth};
    emit_list(j, "shape");
    for (int i = 0; i < DIMENSIONS && extents[i]; i++)
        emit_int(j, NULL, extents[i]);
    emit_end(j);
}

static void write_result(struct json *j, const void *priv)
{
    const struct serve_request *r = priv;
    const struct serve *s = r->serve;
    size_t values = (size_t)r->count * (size_t)s->net.classes;
    emit_text(j, "model_name", s->name);
    if (r->id)
        emit_text(j, "id", r->id);
    emit_list(j, "outputs");
    emit_object(j, NULL);
    emit_text(j, "name", output_name);
    emit_text(j, "datatype", "FP32");
    write_shape(j, r->count, s->net.classes, 0, 0);
    emit_list(j, "data");
    for (size_t i = 0; i < values; i++)
        emit_double(j, NULL, (double)r->outputs[i]);
    emit_end(j);
    emit_end(j);
    emit_end(j);
}

static void reply(struct serve_request *r)
{
    serve_reply_json(r->exchange, 200, write_result, r);
}

const struct serve_kind serve_infer = {read_body, reply};

static void write_model(struct json *j, const void *priv)
{
    const struct serve *s = priv;
    emit_text(j, "name", s->name);
    emit_text(j, "platform", "weft_safetensors");
    emit_list(j, "inputs");
    emit_object(j, NULL);
    emit_text(j, "name", input_name);
    emit_text(j, "datatype", "UINT8");
    write_shape(j, -1, s->net.height, s->net.width, s->net.channels);
    emit_end(j);
    emit_end(j);
    emit_list(j, "outputs");
    emit_object(j, NULL);
    emit_text(j, "name", output_name);
    emit_text(j, "datatype", "FP32");
    write_shape(j, -1, s->net.classes, 0, 0);
    emit_end(j);
    emit_end(j);
}

void serve_describe_model(struct http_exchange *exchange, void *serve)
{
    serve_reply_json(exchange, 200, write_model, serve);
}
