/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of tuning: a link to where choices are tried, and the search. */
#ifndef WEFT_TUNE_INSIDE_H
#define WEFT_TUNE_INSIDE_H

#include "../backend.h"

#include <weft/tune.h>

enum { TUNE_LINE = 1024 };

/* worker.c. One line is asked, one answered:
 *
 *     hello                   weft tune 1
 *     problem TEXT            ok
 *     try ROUNDS CHOICE       time SECONDS USUAL
 *
 * or, of any, "failed STATUS SENTENCE". */
struct tune_worker {
    struct weft_device *device;
    struct weft_trial *trial;
};
void tune_answer(struct tune_worker *worker, const char *request, char reply[TUNE_LINE]);
void tune_worker_finish(struct tune_worker *worker);

enum tune_outcome {
    TUNE_ANSWERED,
    TUNE_DIED,
    TUNE_LATE,   /* no answer before the deadline */
    TUNE_STOPPED /* `go_on` said so */
};

/* child.c. Where choices are tried: a process of its own, or this one. */
struct tune_link {
    weft_context *ctx;
    const char *const *command; /* NULL: this process */
    struct tune_worker here;    /* then */
    int process, socket;        /* else; 0 and -1: not running */
    bool (*go_on)(void *priv);  /* asked while waiting */
    void *priv;
};

/* Starts the process unless it runs. WEFT_ERR_DEVICE. */
enum weft_status tune_link_start(struct tune_link *link, double patience);
void tune_link_stop(struct tune_link *link);

/* Asks and waits until `deadline` of the clock. What did not answer is ended. */
enum tune_outcome tune_link_ask(struct tune_link *link, const char *request,
                                double deadline, char reply[TUNE_LINE]);

/* search.c */
struct tune_search {
    struct weft_device *device;
    const struct weft_tune_params *params;
    struct weft_tune_result *result;
    struct weft_problems problems;
    struct tune_link link;
    struct weft_tune_progress progress;
    double begin, end; /* of the clock */
};
enum weft_status tune_search_run(struct tune_search *search);

#endif
