/* SPDX-License-Identifier: Apache-2.0 */
/* POST /predict: one image, or several parts with an image each. */
#define _GNU_SOURCE
#include "serve/serve.h"

#include "core/base64.h"
#include "core/json.h"
#include "core/png_file.h"
#include "core/preprocess.h"
#include "serve/multipart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *serve_encode(const uint8_t *pixels, int height, int width, int channels)
{
    size_t size, length;
    char *text = NULL;
    const char *why;
    uint8_t *png = png_encode(pixels, height, width, channels, &size, &why);
    FILE *out = png ? open_memstream(&text, &length) : NULL;
    if (out) {
        fputs("data:image/png;base64,", out);
        base64_write(out, png, size);
        fclose(out);
    }
    free(png);
    return text;
}

/* Makes an image of a request the input of the network. */
static void read_image(struct serve_request *r, weft_context *context, int index,
                       const struct multipart_part *part)
{
    const struct serve *s = r->serve;
    struct serve_image *image = &r->images[index];
    uint8_t *pixels = r->pixels + (size_t)index * s->image_bytes;
    struct weft_image decoded = {.pixels = NULL};
    size_t named = part->name_size < SERVE_NAME_BYTES ? part->name_size : 0;
    memcpy(image->name, part->name, named);
    const char *name = named ? image->name : "the image";
    if (!part->size) {
        if (asprintf(&image->error, "%s: is empty", name) < 0)
            image->error = NULL;
        return;
    }
    enum weft_status status = weft_image_decode(context, name, part->data, part->size,
                                                &s->preprocess, &decoded);
    if (!status)
        status = weft_image_preprocess(context, &decoded, &s->preprocess, pixels,
                                       &image->info);
    weft_image_free(&decoded);
    if (status)
        image->error = strdup(weft_error(context));
    else if (r->show_input)
        image->input = serve_encode(pixels, s->net.height, s->net.width, s->net.channels);
    image->done = !status;
}

/* The classes of the largest probabilities. */
static void find_top(const float *p, int classes, int top, int *out)
{
    for (int c = 0, n = 0; c < classes; c++) {
        int at = n;
        while (at > 0 && p[c] > p[out[at - 1]])
            at--;
        if (at == top)
            continue;
        n += n < top;
        memmove(out + at + 1, out + at, (size_t)(n - 1 - at) * sizeof(*out));
        out[at] = c;
    }
}

static bool are_numbers(const float *p, int classes)
{
    int c = 0;
    while (c < classes && isfinite(p[c]))
        c++;
    return c == classes;
}

/* The reason for which an image has no classes; NULL: it has. */
static const char *error_of(const struct serve_request *r, int index)
{
    const struct serve_image *image = &r->images[index];
    int classes = r->serve->net.classes;
    if (!image->done)
        return image->error ? image->error : "out of memory";
    return are_numbers(r->outputs + (size_t)index * (size_t)classes, classes)
               ? NULL
               : "the outputs of the network are not numbers";
}

static void write_classes(struct json *j, const struct serve_request *r, const float *p)
{
    const struct serve *s = r->serve;
    int top[SERVE_MOST_TOP];
    find_top(p, s->net.classes, r->top, top);
    emit_bool(j, "sure", (double)p[top[0]] >= s->threshold);
    emit_list(j, "predictions");
    for (int k = 0; k < r->top; k++) {
        emit_object(j, NULL);
        emit_int(j, "class_id", top[k]);
        emit_text(j, "class", s->names[top[k]]);
        emit_double(j, "probability", (double)p[top[k]]);
        emit_end(j);
    }
    emit_end(j);
}

static void write_heat(struct json *j, const struct serve_heat *heat)
{
    emit_text(j, "heat", heat->image);
    emit_text(j, "heat_method", heat->method);
    emit_text(j, heat->image ? "evidence" : "heat_error",
              heat->image ? heat->sentence
              : heat->why ? heat->why
                          : "out of memory");
}

static void write_result(struct json *j, const void *priv)
{
    const struct serve_request *r = priv;
    const struct serve *s = r->serve;
    emit_text(j, "schema", "weft.serve/1");
    emit_text(j, "model", s->name);
    if (!r->outputs)
        emit_text(j, "error", error_of(r, 0));
    emit_list(j, "images");
    for (int i = 0; i < r->count; i++) {
        const struct serve_image *image = &r->images[i];
        const char *error = error_of(r, i);
        emit_object(j, NULL);
        emit_text(j, "name", *image->name ? image->name : NULL);
        if (error)
            emit_text(j, "error", error);
        else
            write_classes(j, r, r->outputs + (size_t)i * (size_t)s->net.classes);
        if (!error)
            app_json_preprocess_info(&image->info, j);
        if (image->input)
            emit_text(j, "input", image->input);
        if (!error && r->show_heat)
            write_heat(j, &r->heat);
        emit_end(j);
    }
    emit_end(j);
}

static bool read_parts(struct serve_request *r, weft_context *context,
                       const struct multipart_part *parts)
{
    int done = 0;
    r->images = calloc((size_t)r->count, sizeof(*r->images));
    r->pixels = calloc((size_t)r->count, r->serve->image_bytes);
    if (!r->images || !r->pixels) {
        http_reply_error(r->exchange, 503, "out of memory");
        return false;
    }
    for (int i = 0; i < r->count; i++) {
        read_image(r, context, i, &parts[i]);
        done += r->images[i].done;
    }
    if (!done)
        serve_reply_json(r->exchange, 400, write_result, r);
    return done > 0;
}

static bool read_body(struct serve_request *r, weft_context *context)
{
    static const char multipart[] = "multipart/";
    struct multipart_part parts[SERVE_PARTS] = {{.name = ""}};
    const char *why = NULL;
    parts[0].data = http_body(r->exchange, &parts[0].size);
    r->count = 1;
    if (r->type && !strncasecmp(r->type, multipart, sizeof(multipart) - 1))
        r->count = multipart_split(r->type, parts[0].data, parts[0].size, parts,
                                   SERVE_PARTS, &why);
    if (r->count > 1 && r->show_heat) {
        http_reply_error(r->exchange, 400, "heat is for one image, not for %d", r->count);
        return false;
    }
    if (r->count)
        return read_parts(r, context, parts);
    http_reply_error(r->exchange, 400, "%s", why);
    return false;
}

static void reply(struct serve_request *r)
{
    int wrong = 0;
    for (int i = 0; i < r->count; i++)
        wrong += r->images[i].done && error_of(r, i);
    serve_reply_json(r->exchange, wrong ? 500 : 200, write_result, r);
}

const struct serve_kind serve_predict = {read_body, reply};
