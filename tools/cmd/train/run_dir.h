/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a training run: last.safetensors, best.safetensors, log.jsonl,
 * report.html. */
#ifndef WEFT_CMD_TRAIN_RUN_DIR_H
#define WEFT_CMD_TRAIN_RUN_DIR_H

#include "core/app.h"
#include "core/paths.h"

struct run_dir {
    char folder[PATHS_MAX], last[PATHS_MAX], best[PATHS_MAX], log[PATHS_MAX],
        page[PATHS_MAX];
    int lock;        /* the locked folder's descriptor; -1: not locked */
    size_t existing; /* length of the part of `folder` that existed before */
};

/* Claims the folder of a new run: makes it, locks it against other processes and removes
 * partial files of a killed one. `folder` NULL: the first unused "runs/NET-K". Rejects a
 * folder that holds a run or cannot be written to. */
enum app_exit run_dir_create(const struct app *app, struct run_dir *run,
                             const char *folder, const char *net);

/* The folder of a run to continue, locked. Rejects one without a checkpoint. */
enum app_exit run_dir_open(const struct app *app, struct run_dir *run,
                           const char *folder);

/* Unlocks the folder. A new one that got no checkpoint is removed. */
void run_dir_close(struct run_dir *run);

/* Truncates the log to its header and the epochs up to `epoch`, without results; warns if
 * some epochs are missing. */
enum app_exit run_dir_truncate_log(const struct app *app, const struct run_dir *run,
                                   int epoch);

/* A killed run may leave an empty log without a header. */
bool run_dir_log_has_header(const struct run_dir *run);

/* Appends one line, made by `write`, and syncs the file. */
enum app_exit run_dir_append_log(const struct app *app, const struct run_dir *run,
                                 void (*write)(struct json *json, const void *priv),
                                 const void *priv);

#endif
