/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of a server, and whose name requests may have. */
#ifndef WEFT_CMD_HTTP_HTTP_LISTEN_H
#define WEFT_CMD_HTTP_HTTP_LISTEN_H

#include "core/app.h"

enum { HTTP_URL_BYTES = 128 };

/* Listens on a numeric address. `url` receives its URL, *loopback whether it is reached
 * from this computer alone. */
enum app_exit http_listen(const struct app *app, const char *address, int port,
                          int *socket, char url[HTTP_URL_BYTES], bool *loopback);

/* True for a Host header that names this computer: localhost or a loopback address, with
 * any port, as a tunnel may have another one. */
bool http_is_local_host(const char *host);

/* True for an Origin header of the page at `host`. */
bool http_is_same_origin(const char *origin, const char *host);

#endif
