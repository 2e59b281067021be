/* SPDX-License-Identifier: Apache-2.0 */
/* --watch: report.html of the present run as a page of this computer, and at the end that
 * of all runs. */
#define _GNU_SOURCE
#include "train/train.h"

#include "http/http.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As the page itself says. */
#define POLICY                                                                \
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri " \
    "'none'; frame-ancestors 'none'"

enum { MOST_BYTES = 256 << 20 };
/* An open page loads itself within these. */
static const double open_seconds = 15, timeout = 30;

static void send_page(struct http_exchange *exchange, void *priv);

static const struct http_route routes[] = {{"GET", "/", 0, false, send_page}};
static const struct http_params params = {.address = "127.0.0.1",
                                          .timeout = timeout,
                                          .policy = POLICY,
                                          .routes = routes,
                                          .route_count = 1};

/* One for all runs of a command. */
static struct {
    struct http_server *server; /* NULL: none */
    pthread_mutex_t mutex;      /* of all that follows */
    char page[PATHS_MAX];
    double sent; /* the last time; 0: never */
    bool ending; /* no page is written any more */
    bool last;   /* a page was sent since */
} watch = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The page of a run that has ended, too, is loaded again while others follow. */
static char *add_reload(char *text, size_t *size)
{
    static const char reload[] = "<meta http-equiv=\"refresh\" content=\"3\">\n";
    char *at = strstr(text, "<title>"), *made = NULL;
    if (!at || strstr(text, "http-equiv=\"refresh\""))
        return text;
    int length = asprintf(&made, "%.*s%s%s", (int)(at - text), text, reload, at);
    if (length < 0)
        return text;
    free(text);
    *size = (size_t)length;
    return made;
}

static void send_page(struct http_exchange *exchange, void *priv)
{
    char path[PATHS_MAX];
    size_t size;
    const char *why;
    (void)priv;
    pthread_mutex_lock(&watch.mutex);
    memcpy(path, watch.page, sizeof(path));
    bool ending = watch.ending;
    pthread_mutex_unlock(&watch.mutex);
    char *text = paths_read_file(path, MOST_BYTES, &size, &why);
    if (text && !ending)
        text = add_reload(text, &size);
    if (text)
        http_reply(exchange, 200, "text/html; charset=utf-8", text, size);
    else
        http_reply_error(exchange, 404, "%s: %s", path, why);
    pthread_mutex_lock(&watch.mutex);
    watch.sent = term_seconds();
    watch.last = true;
    pthread_mutex_unlock(&watch.mutex);
}

void train_watch_page(const char *path)
{
    pthread_mutex_lock(&watch.mutex);
    snprintf(watch.page, sizeof(watch.page), "%s", path);
    pthread_mutex_unlock(&watch.mutex);
}

enum app_exit train_watch_begin(struct train_session *session)
{
    enum app_exit code = APP_OK;
    if (!session->watch)
        return APP_OK;
    train_watch_page(session->run.page);
    train_write_page(session, true);
    if (!watch.server && !(code = http_start(session->app, &params, &watch.server)))
        term_print("Watch   %s", http_url(watch.server));
    return code;
}

void train_watch_end(void)
{
    const struct timespec pause = {.tv_nsec = 100000000};
    if (!watch.server)
        return;
    pthread_mutex_lock(&watch.mutex);
    watch.last = false;
    watch.ending = true;
    double end = watch.sent > 0 ? watch.sent + open_seconds : 0;
    pthread_mutex_unlock(&watch.mutex);
    if (term_seconds() < end)
        term_print("The open page loads the end of the run ...");
    for (bool last = false; !last && term_seconds() < end;) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&watch.mutex);
        last = watch.last;
        pthread_mutex_unlock(&watch.mutex);
    }
    while (http_is_busy(watch.server))
        nanosleep(&pause, NULL);
    http_stop(&watch.server);
}
