/* SPDX-License-Identifier: Apache-2.0 */
/* State of weft serve. The server's thread queues requests (queue.c); decoder threads
 * read their images, each with a context of its own (predict.c, infer.c); the main thread
 * classifies those that are ready, together, and replies (cmd_serve.c); one more thread
 * makes the heat maps of those that ask for one (heat.c). */
#ifndef WEFT_CMD_SERVE_SERVE_H
#define WEFT_CMD_SERVE_SERVE_H

#include "core/json.h"
#include "http/http.h"

#include <pthread.h>
#include <signal.h>

enum {
    SERVE_TOP = 3, /* classes of a reply unless the request has `top` */
    SERVE_MOST_TOP = 100,
    SERVE_PARTS = 64,      /* images of a request, at most */
    SERVE_NAME_BYTES = 96, /* of an image, as the request names it */
    SERVE_JSON_BYTES = 4 << 20,
    SERVE_HEATS = 8 /* requests for a heat map that wait, at most */
};

struct serve_options {
    struct app_options app;
    const char *listen, *name;
    int port, batch, queue;
    int heat;          /* enum serve_heat_method */
    double batch_wait; /* milliseconds */
    double timeout, most_bytes, unsure_below;
};

/* An image of a request. */
struct serve_image {
    char name[SERVE_NAME_BYTES]; /* "": the request does not name it */
    bool done;                   /* it is in `pixels` */
    char *error, *input;         /* the reason; the PNG of show_input. Allocated */
    struct weft_preprocess_info info;
};

enum serve_heat_method { SERVE_HEAT_AUTO, SERVE_OCCLUSION, SERVE_GRAD_CAM };

/* The heat map of the only image of a request. Allocated; `why`: there is no
 * heat map. */
struct serve_heat {
    char *image, *sentence, *why;
    const char *method;
};

struct serve_request;

/* A kind of request: /predict, or that of the Open Inference Protocol. */
struct serve_kind {
    /* On a decoder thread, with its context: fills `images` and `pixels`. False: it has
     * replied. */
    bool (*read)(struct serve_request *request, weft_context *context);
    /* Replies with `outputs`. */
    void (*reply)(struct serve_request *request);
};

struct serve_request {
    struct serve_request *next;
    const struct serve *serve;
    const struct serve_kind *kind;
    struct http_exchange *exchange;
    int top;
    bool show_input; /* the reply has what the network sees, as PNG */
    bool show_heat;  /* the reply has what it looks at */
    struct serve_heat heat;
    char *type; /* Content-Type; NULL: absent. Allocated */
    char *id;   /* of the Open Inference Protocol; NULL: absent. Allocated */
    int count;  /* images */
    struct serve_image *images; /* NULL: of the Open Inference Protocol */
    uint8_t *pixels;            /* count x image_bytes; those of errors are 0 */
    const float *outputs;       /* count x classes */
    float *own_outputs;         /* a copy, while it waits for a heat map. Allocated */
    double ready;               /* the time at which it was read */
};

/* A list of requests, first in first out. */
struct serve_list {
    struct serve_request *first, **last;
};

enum { SERVE_DECODERS = 4, SERVE_SIZES = 3 };

/* A predictor is planned for one number of images. */
struct serve_predictor {
    int batch;
    weft_predictor *predictor;
};

struct serve {
    struct app *app;
    const struct serve_options *options;
    const char *operand;
    char *name;       /* of the model */
    double threshold; /* of the largest probability: below it there is no sure answer */
    weft_model *model;
    struct weft_net_info net;
    const char *const *names; /* of the classes */
    struct weft_preprocess_params preprocess;
    size_t image_bytes;
    struct serve_predictor predictors[SERVE_SIZES]; /* from the largest on */
    int predictor_count;
    struct http_server *http;
    char *page; /* with the model's name and classes */

    pthread_mutex_t mutex; /* of all that follows */
    pthread_cond_t readable, ready;
    struct serve_list unread, waiting;
    int queued; /* requests in both lists, and those that are being read */
    bool stopping;
    pthread_t decoders[SERVE_DECODERS];
    int decoder_count;
    int64_t requests, refused, images, batches; /* so far */
    struct serve_list heats; /* requests that have classes, and wait for a heat map */
    int heat_count;          /* of them, and of the one that is being made */
    pthread_cond_t heatable;
    pthread_t heater;
    bool heats_started;
};

/* heat.c. Starts and ends the thread that makes heat maps. */
enum app_exit serve_start_heats(struct serve *serve);
void serve_stop_heats(struct serve *serve);
/* Takes over a request that is classified, and replies to it later. False: too many
 * wait. */
bool serve_queue_heat(struct serve *serve, struct serve_request *request);

/* queue.c. Starts and ends the threads that read requests. */
enum app_exit serve_start_decoders(struct serve *serve);
void serve_stop_decoders(struct serve *serve);
/* Queues a request of the server's thread, or replies that the queue is full. */
void serve_queue(struct serve *serve, const struct serve_kind *kind,
                 struct http_exchange *exchange);
/* The requests of the next batch: waits until there is one, at most `seconds`, and then
 * --batch-wait milliseconds for those that are about to be ready, unless *stopped. NULL:
 * none. */
struct serve_request *serve_take_batch(struct serve *serve, double seconds,
                                       const volatile sig_atomic_t *stopped);
/* Replies to all that wait that the server ends; no thread reads any more. */
void serve_refuse_all(struct serve *serve);
void serve_free(struct serve_request *request);
/* Lists of requests. */
void serve_append(struct serve_list *list, struct serve_request *request);
struct serve_request *serve_take_first(struct serve_list *list);

/* predict.c, infer.c */
extern const struct serve_kind serve_predict, serve_infer;
/* The model as the Open Inference Protocol describes it. */
void serve_describe_model(struct http_exchange *exchange, void *serve);

/* page.c. The page, and its parts. */
char *serve_make_page(const struct serve *serve);
void serve_send_page(struct http_exchange *exchange, void *serve);
void serve_send_script(struct http_exchange *exchange, void *serve);
void serve_send_style(struct http_exchange *exchange, void *serve);

/* A PNG as the URL of an image. Allocated; NULL: no memory. */
char *serve_encode(const uint8_t *pixels, int height, int width, int channels);

/* The size of a request at most: --max-size. */
size_t serve_most_bytes(const struct serve *serve);

/* A JSON document as a reply; `write` adds its members. */
void serve_reply_json(struct http_exchange *exchange, int status,
                      void (*write)(struct json *json, const void *priv),
                      const void *priv);

#endif
