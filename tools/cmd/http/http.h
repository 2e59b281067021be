/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/1.1 server on a thread of its own, bounded in connections, bytes and time. It
 * never opens a file: a path is looked up in a table, letter by letter. In a build
 * without libmicrohttpd http_start fails. */
#ifndef WEFT_CMD_HTTP_HTTP_H
#define WEFT_CMD_HTTP_HTTP_H

#include "core/app.h"

struct http_server;
struct http_exchange; /* a request and its reply */

struct http_route {
    const char *method;
    const char *path;
    size_t most_bytes; /* of a body; 0: there is none */
    bool later;        /* the reply may come after the return of `answer` */
    /* Called on the server's thread with the whole request; calls http_reply or
     * http_reply_error once. Headers and arguments can be read until it returns, the body
     * until the reply. */
    void (*answer)(struct http_exchange *exchange, void *priv);
};

struct http_params {
    const char *address; /* numeric, or "localhost" */
    int port;            /* 0: any that is free */
    /* Seconds for a client to send a request from its first byte, to read the reply, or
     * to send nothing on an open connection, which then ends. */
    double timeout;
    const char *policy; /* Content-Security-Policy of all replies */
    const struct http_route *routes;
    int route_count;
    void *priv;
};

/* Loopback addresses are for this computer: requests in the name of another host, as a
 * page of the internet can make them by DNS rebinding, are refused, as are those of pages
 * of other origins. On failure the error has been printed. `params` and its routes must
 * outlive the server. */
enum app_exit http_start(const struct app *app, const struct http_params *params,
                         struct http_server **out);
/* "http://127.0.0.1:8080/" */
const char *http_url(const struct http_server *server);
bool http_is_loopback(const struct http_server *server);
/* Requests that have begun, and have no reply yet. */
int http_active(struct http_server *server);
/* From now on no connection is accepted, and requests are answered with 503, except those
 * that have begun. */
void http_drain(struct http_server *server);
/* True while a request has begun whose reply is not sent. */
bool http_is_busy(struct http_server *server);
/* No reply may be outstanding. Ends all connections. */
void http_stop(struct http_server **server);

const uint8_t *http_body(const struct http_exchange *exchange, size_t *size);
const char *http_header(struct http_exchange *exchange, const char *name);
/* "5" for `top` of /predict?top=5; "" without a value, NULL: absent. */
const char *http_argument(struct http_exchange *exchange, const char *name);

/* From any thread. `body`, of malloc, is the server's from then on, as is `exchange`. */
void http_reply(struct http_exchange *exchange, int status, const char *type, void *body,
                size_t size);
/* {"error": "..."}. 503 has the header Retry-After. */
void http_reply_error(struct http_exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
