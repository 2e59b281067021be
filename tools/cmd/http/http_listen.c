/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of a server, and whose name requests may have. */
#define _GNU_SOURCE
#include "http/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
    uint32_t ip = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
    return ip >> 24 == 127;
}

static bool write_url(int socket, char url[HTTP_URL_BYTES], bool *loopback)
{
    struct sockaddr_storage bound;
    struct sockaddr *address = (struct sockaddr *)&bound;
    socklen_t length = sizeof(bound);
    char host[INET6_ADDRSTRLEN], port[8];
    if (getsockname(socket, address, &length) ||
        getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return false;
    bool six = address->sa_family == AF_INET6;
    snprintf(url, HTTP_URL_BYTES, "http://%s%s%s:%s/", six ? "[" : "", host,
             six ? "]" : "", port);
    *loopback = is_loopback(address);
    return true;
}

/* A port can be used again at once after its server ended. */
static bool bind_and_listen(int socket, const struct addrinfo *to)
{
    const int on = 1;
    return !setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
           !bind(socket, to->ai_addr, to->ai_addrlen) && !listen(socket, BACKLOG);
}

enum app_exit http_listen(const struct app *app, const char *address, int port, int *out,
                          char url[HTTP_URL_BYTES], bool *loopback)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    const char *numeric = strcasecmp(address, "localhost") ? address : "127.0.0.1";
    struct addrinfo *found = NULL;
    char number[16];
    snprintf(number, sizeof(number), "%d", port);
    if (getaddrinfo(numeric, number, &hints, &found))
        return app_error(app, APP_USAGE,
                         "--listen is '%s', but must be a numeric address of this "
                         "computer, such as 127.0.0.1, or 0.0.0.0 for all of them",
                         address);
    int s = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool done = s >= 0 && bind_and_listen(s, found) && write_url(s, url, loopback);
    int why = errno;
    freeaddrinfo(found);
    if (done) {
        *out = s;
        return APP_OK;
    }
    if (s >= 0)
        close(s);
    return app_error(app, APP_FAILED, "%s, port %d, cannot be served: %s%s", address,
                     port, strerror(why),
                     why == EADDRINUSE ? "; --port 0 takes a free one" : "");
}

/* The part of a host without its port, and an IPv6 address without its brackets. */
static bool host_name(const char *host, char out[INET6_ADDRSTRLEN])
{
    bool six = *host == '[';
    host += six;
    size_t length = strcspn(host, six ? "]" : ":");
    const char *port = host + length + six;
    if (length >= INET6_ADDRSTRLEN || (six && host[length] != ']') ||
        (*port && (*port != ':' || port[1 + strspn(port + 1, "0123456789")])))
        return false;
    memcpy(out, host, length);
    out[length] = '\0';
    return true;
}

bool http_is_local_host(const char *host)
{
    char name[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;
    if (!host_name(host, name))
        return false;
    if (!strcasecmp(name, "localhost"))
        return true;
    if (inet_pton(AF_INET, name, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, name, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool http_is_same_origin(const char *origin, const char *host)
{
    static const char scheme[] = "http://", secure[] = "https://"; /* behind a proxy */
    const char *rest =
        !strncmp(origin, scheme, sizeof(scheme) - 1)   ? origin + sizeof(scheme) - 1
        : !strncmp(origin, secure, sizeof(secure) - 1) ? origin + sizeof(secure) - 1
                                                       : "";
    return *rest && !strcasecmp(rest, host);
}
