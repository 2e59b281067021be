/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a training run: last.safetensors, best.safetensors, log.jsonl. */
#ifndef WEFT_CMD_TRAIN_RUN_DIR_H
#define WEFT_CMD_TRAIN_RUN_DIR_H

#include "core/app.h"
#include "core/paths.h"

struct run_dir {
    char folder[PATHS_MAX], last[PATHS_MAX], best[PATHS_MAX], log[PATHS_MAX];
    int lock; /* an open folder that is locked; -1: not yet */
};

/* Names the files below `folder`; NULL: the first free "runs/NET-K". Makes nothing. */
enum app_exit run_dir_init(struct app *app, struct run_dir *run, const char *folder,
                           const char *net);
void run_dir_close(struct run_dir *run);

/* Refuses a folder that holds a run already. */
enum app_exit run_dir_require_new(const struct app *app, const struct run_dir *run);

/* Refuses a folder that cannot be made or written to. Makes nothing: the first
 * checkpoint comes only after the kernels are compiled. */
enum app_exit run_dir_require_writable(const struct app *app, const struct run_dir *run);

/* Refuses a folder without a checkpoint. */
enum app_exit run_dir_require_checkpoint(const struct app *app,
                                         const struct run_dir *run);

/* Makes the folder where it is missing, keeps other commands out of it, and removes
 * what a killed one has left half written. */
enum app_exit run_dir_lock(const struct app *app, struct run_dir *run);

/* Keeps of the log its header and the epochs up to `epoch`. */
enum app_exit run_dir_truncate_log(const struct app *app, const struct run_dir *run,
                                   int epoch);

/* Whether the log has its header: a run that was killed may leave an empty one. */
bool run_dir_log_has_header(const struct run_dir *run);

/* Appends one line, made by `write`. */
enum app_exit run_dir_append_log(const struct app *app, const struct run_dir *run,
                                 void (*write)(struct json *json, const void *priv),
                                 const void *priv);

#endif
