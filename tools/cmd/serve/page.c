/* SPDX-License-Identifier: Apache-2.0 */
/* The page of weft serve: page.html with the names of the model and of its classes. */
#define _GNU_SOURCE
#include "serve/serve.h"

#include "core/table.h"
#include "report/html.h"

#include <stdlib.h>
#include <string.h>

extern const char serve_page[], serve_script[], serve_style[];
enum { MOST_NAMES = 1000 };

static void write_model(FILE *out, const struct serve *s)
{
    html_write_escaped(out, s->name);
}

static void write_count(FILE *out, const struct serve *s)
{
    fputs(table_thousands(s->net.classes), out);
}

static void write_classes(FILE *out, const struct serve *s)
{
    for (int c = 0; c < s->net.classes && c < MOST_NAMES; c++) {
        fputs("<li>", out);
        html_write_escaped(out, s->names[c]);
        fputc('\n', out);
    }
    if (s->net.classes > MOST_NAMES)
        fprintf(out, "<li>and %s more\n", table_thousands(s->net.classes - MOST_NAMES));
}

static void write_most(FILE *out, const struct serve *s)
{
    fprintf(out, "%zu", serve_most_bytes(s));
}

static void write_threshold(FILE *out, const struct serve *s)
{
    fprintf(out, "%.3g", 100 * s->threshold);
}

static const struct {
    const char *mark;
    void (*write)(FILE *out, const struct serve *serve);
} marks[] = {
    {"@MODEL@", write_model}, {"@COUNT@", write_count},      {"@CLASSES@", write_classes},
    {"@MOST@", write_most},   {"@UNSURE@", write_threshold},
};

/* Writes what the mark at `text` stands for. Returns its length; 0: there is none. */
static size_t write_mark(FILE *out, const struct serve *s, const char *text)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        size_t length = strlen(marks[i].mark);
        if (strncmp(text, marks[i].mark, length))
            continue;
        marks[i].write(out, s);
        return length;
    }
    return 0;
}

char *serve_make_page(const struct serve *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (const char *at = serve_page; out && *at;) {
        size_t length = strcspn(at, "@"), mark = write_mark(out, s, at);
        fwrite(at, 1, mark ? 0 : length ? length : 1, out);
        at += mark ? mark : length ? length : 1;
    }
    return out && !fclose(out) ? text : NULL;
}

static void send_copy(struct http_exchange *exchange, const char *type, const char *first,
                      const char *second)
{
    char *body = NULL;
    int size = asprintf(&body, "%s%s", first, second);
    if (size < 0)
        http_reply_error(exchange, 503, "out of memory");
    else
        http_reply(exchange, 200, type, body, (size_t)size);
}

void serve_send_page(struct http_exchange *exchange, void *priv)
{
    const struct serve *s = priv;
    send_copy(exchange, "text/html; charset=utf-8", s->page, "");
}

void serve_send_script(struct http_exchange *exchange, void *priv)
{
    (void)priv;
    send_copy(exchange, "text/javascript; charset=utf-8", serve_script, "");
}

void serve_send_style(struct http_exchange *exchange, void *priv)
{
    (void)priv;
    send_copy(exchange, "text/css; charset=utf-8", html_style, serve_style);
}
