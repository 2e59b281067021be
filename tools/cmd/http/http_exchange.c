/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, from their headers to the reply. */
#define _GNU_SOURCE
#include "http/http_server.h"

#include "core/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALL_BODIES = 256 << 20,
    /* A longer body that is refused ends the connection; of a shorter one the client
     * reads the reply, as the rest is read and dropped. */
    DROPPED_BYTES = 64 << 20
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_connection *turn; /* NULL: out of memory, no time limit */
    const struct http_route *route;
    uint8_t *body;
    size_t size, length;
    bool refused; /* before the body was read */
    bool handed;  /* to the route */
    int status;   /* of the reply; 0: none yet */
    const char *type, *allow;
    void *reply;
    size_t reply_size;
};

static void set_turn(struct http_server *s, struct http_connection *c,
                     enum http_turn turn)
{
    pthread_mutex_lock(&s->mutex);
    if (c) {
        c->turn = turn;
        c->since = term_seconds();
    }
    pthread_mutex_unlock(&s->mutex);
}

const uint8_t *http_body(const struct http_exchange *x, size_t *size)
{
    *size = x->size;
    return x->body;
}

const char *http_header(struct http_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *http_argument(struct http_exchange *x, const char *name)
{
    const char *value = NULL;
    size_t size;
    if (MHD_lookup_connection_value_n(x->connection, MHD_GET_ARGUMENT_KIND, name,
                                      strlen(name), &value, &size) == MHD_NO)
        return NULL;
    return value ? value : "";
}

void http_reply(struct http_exchange *x, int status, const char *type, void *body,
                size_t size)
{
    struct MHD_Connection *connection = x->connection;
    struct http_server *s = x->server;
    bool later = x->handed && x->route->later;
    x->type = type;
    x->reply = body;
    x->reply_size = size;
    x->status = status;
    pthread_mutex_lock(&s->mutex);
    s->active--;
    pthread_mutex_unlock(&s->mutex);
    if (later)
        MHD_resume_connection(connection);
}

void http_reply_error(struct http_exchange *x, int status, const char *format, ...)
{
    char *text = NULL, *message = NULL;
    size_t size = 0;
    va_list args;
    va_start(args, format);
    if (vasprintf(&message, format, args) < 0)
        message = NULL;
    va_end(args);
    FILE *out = open_memstream(&text, &size);
    if (out) {
        struct json json = {.out = out, .lines = true};
        emit_object(&json, NULL);
        emit_text(&json, "error", message ? message : "out of memory");
        emit_end(&json);
        fclose(out);
    }
    free(message);
    http_reply(x, status, "application/json", text, text ? size : 0);
}

static const struct {
    const char *name, *value;
} reply_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};

static enum MHD_Result send_reply(struct http_exchange *x)
{
    struct http_server *s = x->server;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(x->reply_size, x->reply, MHD_RESPMEM_MUST_FREE);
    if (!r)
        return MHD_NO;
    x->reply = NULL;
    MHD_add_response_header(r, "Content-Type", x->type);
    MHD_add_response_header(r, "Content-Security-Policy", s->params->policy);
    for (size_t i = 0; i < sizeof(reply_headers) / sizeof(*reply_headers); i++)
        MHD_add_response_header(r, reply_headers[i].name, reply_headers[i].value);
    if (x->allow)
        MHD_add_response_header(r, "Allow", x->allow);
    if (x->status == 503)
        MHD_add_response_header(r, "Retry-After", "1");
    pthread_mutex_lock(&s->mutex);
    bool last = s->draining;
    pthread_mutex_unlock(&s->mutex);
    if (last)
        MHD_add_response_header(r, "Connection", "close");
    set_turn(s, x->turn, HTTP_SENDING);
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)x->status, r);
    MHD_destroy_response(r);
    return queued;
}

/* The route of a request; a reply with the reason if there is none. */
static void find_route(struct http_exchange *x, const char *url, const char *method)
{
    const struct http_params *p = x->server->params;
    if (!strcmp(method, "HEAD"))
        method = "GET"; /* whose body is not sent */
    for (int i = 0; i < p->route_count; i++)
        if (!strcmp(p->routes[i].path, url)) {
            x->route = &p->routes[i];
            if (!strcmp(p->routes[i].method, method))
                return;
        }
    if (!x->route) {
        http_reply_error(x, 404, "there is no %s here", url);
        return;
    }
    x->allow = x->route->method;
    http_reply_error(x, 405, "%s: the method must be %s, not %s", url, x->route->method,
                     method);
}

/* Reserves memory for the body. */
static void open_body(struct http_exchange *x)
{
    struct http_server *s = x->server;
    const char *text = http_header(x, "Content-Length");
    unsigned long long length = text ? strtoull(text, NULL, 10) : 0;
    size_t most = x->route->most_bytes;
    if (http_header(x, "Transfer-Encoding") || (most && !text)) {
        http_reply_error(x, 411, "the request must have the header Content-Length");
        return;
    }
    if (length > most) {
        http_reply_error(x, 413,
                         "the request has %llu bytes, but at most %zu are accepted",
                         length, most);
        return;
    }
    pthread_mutex_lock(&s->mutex);
    bool fits = s->bytes + length <= ALL_BODIES;
    if (fits)
        s->bytes += length;
    pthread_mutex_unlock(&s->mutex);
    x->length = fits ? (size_t)length : 0;
    x->body = fits ? malloc(x->length + 1) : NULL;
    if (!x->body)
        http_reply_error(x, 503, "too many large requests at once");
}

/* Replies to what cannot be accepted, by its headers. */
static void check_request(struct http_exchange *x, const char *url, const char *method)
{
    struct http_server *s = x->server;
    const char *host = http_header(x, "Host"), *origin = http_header(x, "Origin");
    pthread_mutex_lock(&s->mutex);
    bool draining = s->draining;
    pthread_mutex_unlock(&s->mutex);
    if (draining)
        http_reply_error(x, 503, "the server is about to end");
    else if (s->loopback && (!host || !http_is_local_host(host)))
        http_reply_error(x, 403,
                         "the request is for the host '%s', but this server is for this "
                         "computer alone: %s",
                         host ? host : "", s->url);
    else if (origin && !http_is_same_origin(origin, host ? host : ""))
        http_reply_error(x, 403, "the request is of a page of another server, %s",
                         origin);
    else
        find_route(x, url, method);
    if (!x->status)
        open_body(x);
}

/* The header of a request is complete. */
static struct http_exchange *begin(struct http_server *s, struct MHD_Connection *c)
{
    struct http_exchange *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    x->server = s;
    x->connection = c;
    x->turn = info ? info->socket_context : NULL;
    pthread_mutex_lock(&s->mutex);
    s->begun++;
    s->active++;
    pthread_mutex_unlock(&s->mutex);
    set_turn(s, x->turn, HTTP_RECEIVING);
    return x;
}

static enum MHD_Result answer(struct http_exchange *x)
{
    if (!x->handed && !x->status) {
        x->handed = true;
        set_turn(x->server, x->turn, HTTP_WORKING);
        if (x->route->later) {
            MHD_suspend_connection(x->connection);
            x->route->answer(x, x->server->params->priv);
            return MHD_YES; /* and is called again once there is a reply */
        }
        x->route->answer(x, x->server->params->priv);
    }
    return send_reply(x);
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection,
                                const char *url, const char *method, const char *version,
                                const char *data, size_t *size, void **state)
{
    struct http_exchange *x = *state;
    (void)version;
    if (!x) {
        x = *state = begin(cls, connection);
        if (!x)
            return MHD_NO;
        check_request(x, url, method);
        const char *length = http_header(x, "Content-Length");
        x->refused = x->status != 0;
        bool drop = length && strtoull(length, NULL, 10) <= DROPPED_BYTES;
        return x->refused && !drop ? send_reply(x) : MHD_YES;
    }
    if (!*size)
        return answer(x);
    if (!x->refused && *size > x->length - x->size)
        return MHD_NO;
    if (!x->refused) {
        memcpy(x->body + x->size, data, *size);
        x->size += *size;
    }
    *size = 0;
    return MHD_YES;
}

void http_on_completed(void *cls, struct MHD_Connection *connection, void **state,
                       enum MHD_RequestTerminationCode why)
{
    struct http_server *s = cls;
    struct http_exchange *x = *state;
    (void)connection, (void)why;
    if (!x)
        return;
    set_turn(s, x->turn, HTTP_IDLE);
    pthread_mutex_lock(&s->mutex);
    s->begun--;
    s->active -= !x->status;
    s->bytes -= x->length;
    pthread_mutex_unlock(&s->mutex);
    free(x->body);
    free(x->reply);
    free(x);
    *state = NULL;
}
