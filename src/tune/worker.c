/* SPDX-License-Identifier: Apache-2.0 */
/* The worker: request lines in, reply lines out. */
#include "tune/trial.h"
#include "device/process.h"
#include "tune/tune.h"

#include "util/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The error message as one line. */
static void reply_failed(const struct tune_worker *w, enum weft_status status,
                         char reply[TUNE_LINE_BYTES])
{
    snprintf(reply, TUNE_LINE_BYTES, "failed %d %s", (int)status,
             weft_error(w->device->context));
    reply[strcspn(reply, "\n")] = 0;
}

static void reply_hello(struct tune_worker *w, const char *text,
                        char reply[TUNE_LINE_BYTES])
{
    (void)w;
    (void)text;
    snprintf(reply, TUNE_LINE_BYTES, "weft tune 1");
}

static void reply_problem(struct tune_worker *w, const char *text,
                          char reply[TUNE_LINE_BYTES])
{
    tune_trial_destroy(&w->trial);
    enum weft_status status = tune_trial_create(w->device, text, &w->trial);
    if (status)
        reply_failed(w, status, reply);
    else
        snprintf(reply, TUNE_LINE_BYTES, "ok");
}

static void reply_trial(struct tune_worker *w, const char *text,
                        char reply[TUNE_LINE_BYTES])
{
    char *config, seconds_text[32], usual_text[32];
    double seconds = 0, baseline = 0;
    long rounds = strtol(text, &config, 10);
    enum weft_status status = WEFT_ERR_ARG;
    if (w->trial && *config == ' ' && rounds > 0 && rounds < 1000)
        status = tune_trial_run(w->trial, config + 1, (int)rounds, &seconds, &baseline);
    if (status) {
        reply_failed(w, status, reply);
        return;
    }
    weft_number_write(seconds_text, sizeof(seconds_text), 9, seconds);
    weft_number_write(usual_text, sizeof(usual_text), 9, baseline);
    snprintf(reply, TUNE_LINE_BYTES, "time %s %s", seconds_text, usual_text);
}

static const struct {
    const char *word;
    void (*answer)(struct tune_worker *worker, const char *text,
                   char reply[TUNE_LINE_BYTES]);
} requests[] = {
    {"hello", reply_hello},
    {"problem ", reply_problem},
    {"try ", reply_trial},
};

void tune_worker_handle_request(struct tune_worker *w, const char *request,
                                char reply[TUNE_LINE_BYTES])
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(requests); i++) {
        size_t length = strlen(requests[i].word);
        if (!strncmp(request, requests[i].word, length)) {
            requests[i].answer(w, request + length, reply);
            return;
        }
    }
    snprintf(reply, TUNE_LINE_BYTES, "failed %d unknown request", WEFT_ERR_ARG);
}

void tune_worker_close(struct tune_worker *w)
{
    tune_trial_destroy(&w->trial);
}

/* A line without its newline; false: end of input, or too long. */
static bool read_line(int in, char line[TUNE_LINE_BYTES])
{
    for (size_t used = 0; used < TUNE_LINE_BYTES; used++) {
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

enum weft_status weft_tune_worker(weft_device *device, int in, int out)
{
    WEFT_REQUIRE_DEVICE(device);
    struct tune_worker worker = {.device = device};
    char line[TUNE_LINE_BYTES], reply[TUNE_LINE_BYTES + 1];
    weft_context *ctx = device->context;
    if (!device->backend->tuner)
        return weft_fail(ctx, WEFT_ERR_ARG, "%s: has nothing to tune", device->info.name);
    bool wrote = true;
    while (wrote && read_line(in, line)) {
        tune_worker_handle_request(&worker, line, reply);
        size_t length = strlen(reply);
        reply[length] = '\n';
        wrote = write_all(out, reply, length + 1);
    }
    tune_worker_close(&worker);
    return wrote ? WEFT_OK
                 : weft_fail(ctx, WEFT_ERR_FILE, "tuning: the reply was not read: %s",
                             strerror(errno));
}
