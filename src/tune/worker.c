/* SPDX-License-Identifier: Apache-2.0 */
/* The side that tries choices: lines in, lines out. */
#include "tune.h"

#include "../util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The sentence in one line. */
static void answer_failed(const struct tune_worker *w, enum weft_status status,
                          char reply[TUNE_LINE])
{
    snprintf(reply, TUNE_LINE, "failed %d %s", (int)status,
             weft_error(w->device->context));
    reply[strcspn(reply, "\n")] = 0;
}

static void answer_hello(struct tune_worker *w, const char *text, char reply[TUNE_LINE])
{
    (void)w;
    (void)text;
    snprintf(reply, TUNE_LINE, "weft tune 1");
}

static void answer_problem(struct tune_worker *w, const char *text, char reply[TUNE_LINE])
{
    const struct weft_tuner *tuner = w->device->backend->tuner;
    tuner->trial_destroy(&w->trial);
    enum weft_status status = tuner->trial_create(w->device, text, &w->trial);
    if (status)
        answer_failed(w, status, reply);
    else
        snprintf(reply, TUNE_LINE, "ok");
}

static void answer_try(struct tune_worker *w, const char *text, char reply[TUNE_LINE])
{
    char *choice, seconds_text[32], usual_text[32];
    double seconds = 0, usual = 0;
    long rounds = strtol(text, &choice, 10);
    enum weft_status status = WEFT_ERR_ARG;
    if (w->trial && *choice == ' ' && rounds > 0 && rounds < 1000)
        status = w->device->backend->tuner->trial_run(w->trial, choice + 1, (int)rounds,
                                                      &seconds, &usual);
    if (status) {
        answer_failed(w, status, reply);
        return;
    }
    weft_number_write(seconds_text, sizeof(seconds_text), 9, seconds);
    weft_number_write(usual_text, sizeof(usual_text), 9, usual);
    snprintf(reply, TUNE_LINE, "time %s %s", seconds_text, usual_text);
}

static const struct {
    const char *word;
    void (*answer)(struct tune_worker *worker, const char *text, char reply[TUNE_LINE]);
} requests[] = {
    {"hello", answer_hello},
    {"problem ", answer_problem},
    {"try ", answer_try},
};

void tune_answer(struct tune_worker *w, const char *request, char reply[TUNE_LINE])
{
    for (size_t i = 0; i < WEFT_COUNT(requests); i++) {
        size_t length = strlen(requests[i].word);
        if (!strncmp(request, requests[i].word, length)) {
            requests[i].answer(w, request + length, reply);
            return;
        }
    }
    snprintf(reply, TUNE_LINE, "failed %d unknown request", WEFT_ERR_ARG);
}

void tune_worker_finish(struct tune_worker *w)
{
    if (w->device && w->device->backend->tuner)
        w->device->backend->tuner->trial_destroy(&w->trial);
}

/* A line without its end; false: the other side is gone, or says too much. */
static bool read_line(int in, char line[TUNE_LINE])
{
    for (size_t used = 0; used < TUNE_LINE; used++) {
        ssize_t n = read(in, line + used, 1);
        if (n < 0 && errno == EINTR) {
            used--;
            continue;
        }
        if (n <= 0)
            return false;
        if (line[used] == '\n') {
            line[used] = 0;
            return true;
        }
    }
    return false;
}

static bool write_all(int out, const char *text, size_t size)
{
    while (size) {
        ssize_t n = write(out, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

enum weft_status weft_tune_serve(weft_device *device, int in, int out)
{
    struct tune_worker worker = {.device = device};
    char line[TUNE_LINE], reply[TUNE_LINE + 1];
    weft_context *ctx = device->context;
    if (!device->backend->tuner)
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: has nothing to tune", device->info.name);
    bool wrote = true;
    while (wrote && read_line(in, line)) {
        tune_answer(&worker, line, reply);
        size_t length = strlen(reply);
        reply[length] = '\n';
        wrote = write_all(out, reply, length + 1);
    }
    tune_worker_finish(&worker);
    return wrote ? WEFT_OK
                 : weft_fail(ctx, WEFT_ERR_FILE, "tuning: the answer was not taken: %s",
                             strerror(errno));
}
