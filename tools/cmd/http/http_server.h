/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by http_server.c, connections and time, and http_exchange.c, requests. */
#ifndef WEFT_CMD_HTTP_HTTP_SERVER_H
#define WEFT_CMD_HTTP_HTTP_SERVER_H

#include "http/http.h"
#include "http/http_listen.h"

#include <microhttpd.h>
#include <pthread.h>

/* The turn of a connection: `since` is the time of the last change. */
enum http_turn { HTTP_IDLE, HTTP_RECEIVING, HTTP_WORKING, HTTP_SENDING };

struct http_connection {
    struct http_connection *next, **link;
    int socket;
    enum http_turn turn;
    double since;
};

struct http_server {
    const struct http_params *params;
    struct MHD_Daemon *daemon;
    int socket;
    char url[HTTP_URL_BYTES];
    bool loopback;
    pthread_t timer;
    pthread_mutex_t mutex; /* of all that follows */
    pthread_cond_t wake;
    bool stopping, draining;
    int most, count; /* connections */
    struct http_connection *first;
    int begun, active; /* requests: until the reply is sent, until it is made */
    size_t bytes;      /* of all bodies */
};

/* libmicrohttpd's callbacks for requests. */
enum MHD_Result http_on_request(void *server, struct MHD_Connection *connection,
                                const char *url, const char *method, const char *version,
                                const char *data, size_t *size, void **exchange);
void http_on_completed(void *server, struct MHD_Connection *connection, void **exchange,
                       enum MHD_RequestTerminationCode why);

#endif
