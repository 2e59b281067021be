/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces http_server.c in builds without libmicrohttpd: no server ever starts. */
#include "http/http.h"

#include <stdlib.h>

enum app_exit http_start(const struct app *app, const struct http_params *params,
                         struct http_server **out)
{
    (void)params;
    *out = NULL;
    return app_error(app, APP_FAILED,
                     "this build cannot serve pages; build weft with libmicrohttpd, "
                     "Debian's libmicrohttpd-dev");
}

const char *http_url(const struct http_server *server)
{
    (void)server;
    return "";
}

bool http_is_loopback(const struct http_server *server)
{
    (void)server;
    return true;
}

int http_active(struct http_server *server)
{
    (void)server;
    return 0;
}

void http_drain(struct http_server *server)
{
    (void)server;
}

bool http_is_busy(struct http_server *server)
{
    (void)server;
    return false;
}

void http_stop(struct http_server **server)
{
    (void)server;
}

const uint8_t *http_body(const struct http_exchange *exchange, size_t *size)
{
    (void)exchange;
    *size = 0;
    return NULL;
}

const char *http_header(struct http_exchange *exchange, const char *name)
{
    (void)exchange, (void)name;
    return NULL;
}

const char *http_argument(struct http_exchange *exchange, const char *name)
{
    (void)exchange, (void)name;
    return NULL;
}

void http_reply(struct http_exchange *exchange, int status, const char *type, void *body,
                size_t size)
{
    (void)exchange, (void)status, (void)type, (void)size;
    free(body);
}

void http_reply_error(struct http_exchange *exchange, int status, const char *format, ...)
{
    (void)exchange, (void)status, (void)format;
}
