/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning: the fastest kernels and kernel configurations of one device, by measurement. */
#ifndef WEFT_TUNE_H
#define WEFT_TUNE_H

#include <weft/device.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A device that is opened in a context with a tuning_dir reads and applies its tuning
 * results from there, one text file a device. A problem without a result uses the rows
 * that are bundled with weft for the device's class, and without those the built-in
 * defaults. So the same file gives the same kernels and the same bits, and nothing is
 * tuned except by weft_tune. A row that was measured with another driver or other kernel
 * sources is not applied, but tried first in the next tuning. */

/* Progress, for display. The strings live until the callback returns. */
struct weft_tune_progress {
    const char *problem; /* "vec forward n=64 in=14x14x32 ..." */
    const char *config;  /* to be tried next; "" at the start of a problem */
    int done, problems;  /* finished problems, and all */
    int tried, improved, rejected;
    double seconds, time_limit; /* elapsed, and allowed */
};

struct weft_tune_params {
    size_t struct_size;
    const int *training, *inference; /* batch sizes of training steps and of inference */
    int training_count, inference_count;

    double seconds; /* time limit; 0: 20, or 900 if `full` */
    bool full;      /* long search that also measures cached problems again; otherwise
                       only problems without a result */

    /* Command of the worker process that runs the trials: it must call weft_tune_worker
     * on the same device with its standard input and output. NULL after the last word.
     * NULL: the trials run in this process, which a faulty driver may then crash. */
    const char *const *worker;
    double trial_timeout; /* seconds after which a trial counts as hung; 0: 30 */

    /* called before each trial; false stops and keeps the results so far. May be NULL. */
    bool (*report)(void *priv, const struct weft_tune_progress *progress);
    void *priv;
};
#define weft_tune_params(...) WEFT_PARAMS(weft_tune_params, __VA_ARGS__)

struct weft_tune_result {
    int problems, cached; /* of the network; known before and not measured again */
    int tried, improved;  /* configurations; problems whose default was beaten */
    int rejected; /* configurations that crashed, hung, were wrong or did not build */
    bool stopped; /* by the callback or the time limit */
    /* seconds of the measured problems in a step, with defaults and as tuned */
    double baseline, best;
};

/* Finds the problems of the network's steps and searches a correct, faster configuration
 * for each within the time limit, most expensive problems first. A configuration replaces
 * the default only if it is faster by 3 % in an interleaved comparison. Results apply to
 * this device at once and are stored in its file. WEFT_ERR_ARG, WEFT_ERR_NOMEM,
 * WEFT_ERR_FILE, WEFT_ERR_DEVICE (also if the worker cannot be started). */
WEFT_API enum weft_status weft_tune(weft_device *device, const weft_net *net,
                                    const struct weft_tune_params *params,
                                    struct weft_tune_result *out, size_t size);
#define weft_tune(device, net, params, out) \
    weft_tune(device, net, params, out, sizeof(*(out)))

/* The worker's side: answers weft_tune's requests on these file descriptors until `in`
 * ends. WEFT_ERR_FILE, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_tune_worker(weft_device *device, int in, int out);

/* A row of the device's tuning table. */
struct weft_tuning_row {
    const char *problem, *config; /* live until the device is tuned, reset or closed */
    const char
        *state; /* "best", "default", "bundled", "wrong", "build-failed", "crashed",
                          "hung" */
    double seconds, baseline; /* of the configuration and of the default; 0: unknown */
    bool outdated; /* measured with another driver or other kernels: not applied */
};

/* The rows of the device's table, bundled ones first. WEFT_ERR_ARG beyond the last, which
 * leaves weft_error() as it was: loop until then. */
WEFT_API enum weft_status weft_tuning_row(weft_device *device, int index,
                                          struct weft_tuning_row *out, size_t size);
#define weft_tuning_row(device, index, out) \
    weft_tuning_row(device, index, out, sizeof(*(out)))

/* Path of the device's file; NULL: results are not stored. */
WEFT_API const char *weft_tuning_path(const weft_device *device);

/* Deletes all measured rows and the file. WEFT_ERR_FILE. */
WEFT_API enum weft_status weft_tuning_reset(weft_device *device);

#ifdef __cplusplus
}
#endif
#endif
