/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of tuning: worker process, search, trials. */
#ifndef WEFT_TUNE_TUNE_H
#define WEFT_TUNE_TUNE_H

#include "device/tuning_file.h"
#include "device/tuning_journal.h"

#include <weft/tune.h>

enum { TUNE_LINE_BYTES = 1024 };

/* The problems of networks: each once, with its number of occurrences in a step. */
struct tune_problem {
    struct weft_problem typed;
    char text[WEFT_PROBLEM_TEXT];
    int count;
    double work; /* of one */
};

struct tune_problems {
    struct tune_problem *items;
    int count, room;
};

/* collector.c. A list whose primitives append nothing but enter their problems. */
struct tune_collector {
    struct weft_command_list list;
    struct tune_problems *problems;
};
void tune_collector_init(struct tune_collector *collector, struct weft_device *device,
                         struct tune_problems *problems);
void tune_problems_free(struct tune_problems *problems);

/* worker.c. One request line, one reply line:
 *
 *     hello                   weft tune 1
 *     problem TEXT            ok
 *     try ROUNDS CONFIG       time SECONDS BASELINE
 *
 * or "failed STATUS MESSAGE" to any of them. */
struct tune_worker {
    struct weft_device *device;
    struct tune_trial *trial;
};
void tune_worker_handle_request(struct tune_worker *worker, const char *request,
                                char reply[TUNE_LINE_BYTES]);
void tune_worker_close(struct tune_worker *worker);

enum tune_outcome {
    TUNE_REPLIED,
    TUNE_WORKER_DIED,
    TUNE_TIMED_OUT, /* no reply before the deadline */
    TUNE_CANCELLED  /* `should_continue` returned false */
};

/* worker_process.c. The process that runs trials: a separate one, or this one. */
struct tune_worker_process {
    weft_context *ctx;
    const char *const *command;          /* NULL: this process */
    struct tune_worker in_process;       /* then */
    int process, socket;                 /* else; 0 and -1: not running */
    bool (*should_continue)(void *priv); /* called while waiting */
    void *priv;
};

/* Starts the process unless it runs. WEFT_ERR_DEVICE. */
enum weft_status tune_worker_process_start(struct tune_worker_process *worker,
                                           double timeout);
void tune_worker_process_stop(struct tune_worker_process *worker);

/* Sends a request and waits for the reply until `deadline` of the clock. A process that
 * does not reply is killed. */
enum tune_outcome tune_worker_process_request(struct tune_worker_process *worker,
                                              const char *request, double deadline,
                                              char reply[TUNE_LINE_BYTES]);

/* search.c */
struct tune_search {
    struct weft_device *device;
    const struct weft_tune_params *params;
    struct weft_tune_result *result;
    struct tune_problems problems;
    struct tune_worker_process worker;
    struct weft_tune_progress progress;
    double begin, end; /* of the clock */
};
enum weft_status tune_search_run(struct tune_search *search);

#endif
