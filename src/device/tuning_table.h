/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning results: which kernel config is fastest for which problem on one device.
 *
 * Problems and configs (an algorithm and its tunables) are lines of text. A row is valid
 * only while its fingerprint, a hash of driver, device and kernel sources, is the one the
 * backend computes today; otherwise it is a hint for the next tuning. */
#ifndef WEFT_DEVICE_TUNING_TABLE_H
#define WEFT_DEVICE_TUNING_TABLE_H

#include "device/problem.h"

enum weft_tuning_entry_state {
    WEFT_TUNING_BEST,         /* faster than the default */
    WEFT_TUNING_DEFAULT,      /* the default; nothing was faster */
    WEFT_TUNING_BUNDLED,      /* shipped with weft */
    WEFT_TUNING_WRONG,        /* this state and the following ones reject the config */
    WEFT_TUNING_BUILD_FAILED, /* does not build or launch */
    WEFT_TUNING_CRASHED,
    WEFT_TUNING_HUNG,
    WEFT_TUNING_STATE_COUNT
};
extern const char *const weft_tuning_entry_states[WEFT_TUNING_STATE_COUNT]; /* "best" */

struct weft_tuning_entry {
    char *problem, *config;
    struct weft_problem *parsed; /* set by the table; NULL: unknown to this release */
    enum weft_tuning_entry_state state;
    double seconds,
        baseline; /* of the config, and of the default beside it; 0: unknown */
    uint64_t fingerprint;
};

struct weft_tuning {
    struct weft_tuning_entry *rows;
    int count, room;
    int bundled;     /* number of bundled rows, which come first */
    char *path;      /* of the file; NULL: none */
    char about[640]; /* platform, device and driver, for the header of the file */
};

static inline bool weft_tuning_entry_rejected(const struct weft_tuning_entry *row)
{
    return row->state >= WEFT_TUNING_WRONG;
}

enum { WEFT_MAX_CONFIGS = 24 };

/* A kernel config for a problem, and its fingerprint of today. */
struct weft_kernel_config {
    char text[WEFT_PROBLEM_TEXT];
    uint64_t fingerprint;
};

/* The part of a backend that src/tune uses. Problems and configs are texts. */
struct weft_tuner {
    /* Bundled rows for devices of this class, as lines of a tuning file; NULL: none. */
    const char *(*bundled)(const struct weft_device *device);

    /* Without `near`: the default config, then that of every other algorithm. With it:
     * its neighbours, which differ by one step in one tunable. Returns their number;
     * 0: not a problem of this device. */
    int (*configs)(struct weft_device *device, const char *problem, const char *near,
                   struct weft_kernel_config out[WEFT_MAX_CONFIGS]);

    /* The fingerprint of this config today; 0: not applicable to the problem. */
    uint64_t (*fingerprint)(struct weft_device *device, const char *problem,
                            const char *config);
};

/* Enters a row. A rejected config replaces the row of the same problem and config, any
 * other the row of the same problem that is not a rejection. The texts are copied. */
enum weft_status weft_tuning_set(weft_context *ctx, struct weft_tuning *tuning,
                                 const struct weft_tuning_entry *row);

/* True if the config was rejected for this problem under this fingerprint. */
bool weft_tuning_rejects(const struct weft_tuning *tuning,
                         const struct weft_problem *problem, const char *config,
                         uint64_t fingerprint);

/* Deletes all rows except the bundled ones. */
void weft_tuning_forget(struct weft_tuning *tuning);
void weft_tuning_destroy(struct weft_tuning **tuning);

#endif
