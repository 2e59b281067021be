/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a training run: last.safetensors, best.safetensors, log.jsonl. */
#ifndef WEFT_CMD_TRAIN_RUN_DIR_H
#define WEFT_CMD_TRAIN_RUN_DIR_H

#include "core/app.h"
#include "core/paths.h"

struct run_dir {
    char folder[PATHS_MAX], last[PATHS_MAX], best[PATHS_MAX], log[PATHS_MAX];
    int lock; /* the locked folder's descriptor; -1: not locked */
};

/* Sets the paths below `folder`; NULL: the first unused "runs/NET-K". Creates nothing. */
enum app_exit run_dir_init(struct app *app, struct run_dir *run, const char *folder,
                           const char *net);
void run_dir_close(struct run_dir *run);

/* Rejects a folder that already holds a run. */
enum app_exit run_dir_require_new(const struct app *app, const struct run_dir *run);

/* Rejects a folder that cannot be created or written to. Creates nothing: the first
 * checkpoint follows only after the kernels are compiled. */
enum app_exit run_dir_require_writable(const struct app *app, const struct run_dir *run);

/* Rejects a folder without a checkpoint. */
enum app_exit run_dir_require_checkpoint(const struct app *app,
                                         const struct run_dir *run);

/* Creates the folder if missing, locks it against other processes, and removes partial
 * files of a killed one. */
enum app_exit run_dir_lock(const struct app *app, struct run_dir *run);

/* Truncates the log to its header and the epochs up to `epoch`. */
enum app_exit run_dir_truncate_log(const struct app *app, const struct run_dir *run,
                                   int epoch);

/* A killed run may leave an empty log without a header. */
bool run_dir_log_has_header(const struct run_dir *run);

/* Appends one line, made by `write`. */
enum app_exit run_dir_append_log(const struct app *app, const struct run_dir *run,
                                 void (*write)(struct json *json, const void *priv),
                                 const void *priv);

#endif
