/* SPDX-License-Identifier: Apache-2.0 */
/* The server, by libmicrohttpd: one thread serves all connections, another one closes
 * those that are late. */
#define _GNU_SOURCE
#include "http/http_server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum {
    CONNECTIONS = 512,
    OTHER_FILES = 64, /* that this process may need beside them */
    HEADER_BYTES = 32 << 10,
    TICK_MS = 250
};

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    struct http_connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        c = *context = info ? malloc(sizeof(*c)) : NULL;
        if (c)
            *c = (struct http_connection){.socket = info->connect_fd,
                                          .since = term_seconds()};
    }
    pthread_mutex_lock(&s->mutex);
    s->count += code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1;
    if (c && code == MHD_CONNECTION_NOTIFY_STARTED) {
        c->next = s->first;
        c->link = &s->first;
        if (c->next)
            c->next->link = &c->next;
        s->first = c;
    } else if (c) {
        *c->link = c->next;
        if (c->next)
            c->next->link = c->link;
    }
    pthread_mutex_unlock(&s->mutex);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED)
        free(c);
}

/* A connection more than there may be is closed. */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *from, socklen_t size)
{
    struct http_server *s = cls;
    (void)from, (void)size;
    pthread_mutex_lock(&s->mutex);
    bool room = s->count < s->most && !s->draining;
    pthread_mutex_unlock(&s->mutex);
    return room ? MHD_YES : MHD_NO;
}

/* libmicrohttpd closes it once its other end is. */
static void close_late(struct http_connection *c)
{
    static const char reply[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                                "Content-Type: application/json\r\nContent-Length: 46\r\n"
                                "\r\n{\"error\": \"the request did not come in time\"}\n";
    if (c->turn == HTTP_RECEIVING)
        (void)!send(c->socket, reply, sizeof(reply) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(c->socket, SHUT_RDWR);
    c->since = term_seconds();
}

static void *watch_time(void *priv)
{
    struct http_server *s = priv;
    pthread_mutex_lock(&s->mutex);
    while (!s->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->wake, &s->mutex, &until);
        double now = term_seconds();
        for (struct http_connection *c = s->first; c; c = c->next)
            if (c->turn != HTTP_WORKING && now - c->since > s->params->timeout)
                close_late(c);
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* As many connections as files can be open. */
static int most_connections(void)
{
    struct rlimit limit;
    const rlim_t needed = CONNECTIONS + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return OTHER_FILES;
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed)
        return CONNECTIONS;
    return limit.rlim_cur > 2 * OTHER_FILES ? (int)limit.rlim_cur - OTHER_FILES
                                            : OTHER_FILES / 4;
}

/* Signals are for the main thread. */
static bool start_threads(struct http_server *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0,
        on_accept, s, http_on_request, s, MHD_OPTION_LISTEN_SOCKET, s->socket,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->most + OTHER_FILES / 4,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, s, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    bool done = s->daemon && !pthread_create(&s->timer, NULL, watch_time, s);
    if (s->daemon && !done)
        MHD_stop_daemon(s->daemon);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return done;
}

static void free_server(struct http_server **server)
{
    pthread_cond_destroy(&(*server)->wake);
    pthread_mutex_destroy(&(*server)->mutex);
    free(*server);
    *server = NULL;
}

enum app_exit http_start(const struct app *app, const struct http_params *params,
                         struct http_server **out)
{
    struct http_server *s = term_realloc_or_exit(NULL, sizeof(*s));
    pthread_condattr_t monotonic;
    *s = (struct http_server){.params = params, .most = most_connections()};
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum app_exit code =
        http_listen(app, params->address, params->port, &s->socket, s->url, &s->loopback);
    if (!code && !start_threads(s)) /* the socket is closed */
        code = app_error(app, APP_FAILED, "the server cannot be started: %s",
                         errno ? strerror(errno) : "out of memory");
    if (code)
        free_server(&s);
    *out = s;
    return code;
}

const char *http_url(const struct http_server *server)
{
    return server->url;
}

bool http_is_loopback(const struct http_server *server)
{
    return server->loopback;
}

int http_active(struct http_server *s)
{
    pthread_mutex_lock(&s->mutex);
    int active = s->active;
    pthread_mutex_unlock(&s->mutex);
    return active;
}

void http_drain(struct http_server *s)
{
    pthread_mutex_lock(&s->mutex);
    s->draining = true;
    pthread_mutex_unlock(&s->mutex);
}

bool http_is_busy(struct http_server *s)
{
    pthread_mutex_lock(&s->mutex);
    bool busy = s->begun > 0;
    pthread_mutex_unlock(&s->mutex);
    return busy;
}

void http_stop(struct http_server **server)
{
    struct http_server *s = *server;
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->timer, NULL);
    MHD_stop_daemon(s->daemon);
    free_server(server);
}
