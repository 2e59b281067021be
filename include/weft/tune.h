/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning: which kernels, and which numbers in them, are fastest on this very device. */
#ifndef WEFT_TUNE_H
#define WEFT_TUNE_H

#include <weft/device.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A device opened in a context with a tuning_dir reads what was found there, from one
 * text file a device, and uses what it says. Where it is silent, rows that ship with weft
 * for the device's class are used, and where they are silent too, built-in defaults. So
 * the same file gives the same kernels and the same bits; nothing is tuned unless
 * weft_tune is called. A row that was measured with another driver or other kernels than
 * today's is not used, but tried first when it is tuned again. */

/* Where tuning stands, for people. */
struct weft_tune_progress {
    const char *problem; /* "vec forward n=64 in=14x14x32 ..."; lives during the call */
    const char *config;  /* what is tried next; "" at the beginning of a problem */
    int done, problems;  /* finished, of how many */
    int tried, improved, rejected;
    double seconds, time_limit; /* gone, and allowed */
};

struct weft_tune_params {
    const int *training, *inference; /* batches; a training step, or inference alone */
    int training_count, inference_count;

    double seconds; /* all in all; 0: 20 */
    bool full;      /* search long, and measure again what is known; else only what is
                       not */

    /* The command of a process in which choices are tried: it calls weft_tune_worker on
     * the same device with its standard input and output; NULL after the last word. NULL:
     * they are tried in this process, which a bad driver may then take with it. */
    const char *const *worker;
    double trial_timeout; /* seconds after which a trial hangs; 0: 30 */

    /* Called before each trial; false: stop, and keep what was found. May be NULL. */
    bool (*report)(void *priv, const struct weft_tune_progress *progress);
    void *priv;
};

struct weft_tune_result {
    int problems, cached; /* of the network; known before and not measured again */
    int tried, improved;  /* choices; problems whose default was beaten */
    int rejected;         /* choices that crashed, hung, were wrong or did not build */
    bool stopped;         /* by report, or because the time was over */
    double baseline,
        best; /* seconds of the measured problems in a step, by default and as
                            chosen now */
};

/* Finds the problems of the network's steps, and for each a config that is right, within
 * the time, those first where most is to be won. A config takes the default's place only
 * where it wins by 3 % in a race of both in turns. What is found is used by this device
 * from now on and kept in its file. WEFT_ERR_ARG, WEFT_ERR_NOMEM, WEFT_ERR_FILE,
 * WEFT_ERR_DEVICE (also where the worker cannot be started). */
WEFT_API enum weft_status weft_tune(weft_device *device, const weft_net *net,
                                    const struct weft_tune_params *params,
                                    struct weft_tune_result *out);

/* The worker's side: answers what weft_tune asks through these descriptors until `in`
 * ends. WEFT_ERR_FILE, WEFT_ERR_DEVICE. */
WEFT_API enum weft_status weft_tune_worker(weft_device *device, int in, int out);

/* What is known of one problem. */
struct weft_tuning_row {
    const char *problem, *config; /* live until the device is tuned, reset or closed */
    const char
        *state; /* "best", "default", "bundled", "wrong", "build-failed", "crashed",
                          "hung" */
    double seconds, baseline; /* of the config, and of the default; 0: unknown */
    /* measured with another driver or other kernels: not used, tried first */
    bool outdated;
};

/* The rows of the device's table, those that ship with weft first. WEFT_ERR_ARG after the
 * last. */
WEFT_API enum weft_status weft_tuning_row(weft_device *device, int index,
                                          struct weft_tuning_row *out);

/* The device's file; NULL: nothing is kept. */
WEFT_API const char *weft_tuning_path(const weft_device *device);

/* Forgets what was measured, and removes the file. WEFT_ERR_FILE. */
WEFT_API enum weft_status weft_tuning_reset(weft_device *device);

#ifdef __cplusplus
}
#endif
#endif
