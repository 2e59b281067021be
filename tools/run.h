/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a training run: last.safetensors, best.safetensors, log.jsonl. */
#ifndef WEFT_TOOLS_RUN_H
#define WEFT_TOOLS_RUN_H

#include "app.h"
#include "paths.h"

struct run {
    char folder[PATHS_MAX], last[PATHS_MAX], best[PATHS_MAX], log[PATHS_MAX];
    int lock; /* an open folder that is locked; -1: not yet */
};

/* Names the files below `folder`; NULL: the first free "runs/NET-K". Makes nothing. */
enum app_exit run_init(struct app *app, struct run *run, const char *folder,
                       const char *net);
void run_finish(struct run *run);

/* Refuses a folder that holds a run already. */
enum app_exit run_refuse(const struct app *app, const struct run *run);

/* Refuses a folder that cannot be made or written to. Makes nothing: the first
 * checkpoint comes only after the kernels are compiled. */
enum app_exit run_refuse_unwritable(const struct app *app, const struct run *run);

/* Refuses a folder without a checkpoint. */
enum app_exit run_require(const struct app *app, const struct run *run);

/* Makes the folder where it is missing, keeps other commands out of it, and removes
 * what a killed one has left half written. */
enum app_exit run_claim(const struct app *app, struct run *run);

/* Keeps of the log its header and the epochs up to `epoch`. */
enum app_exit run_cut_log(const struct app *app, const struct run *run, int epoch);

/* Whether the log has its header: a run that was killed may leave an empty one. */
bool run_log_begun(const struct run *run);

/* Appends one line, made by `write`. */
enum app_exit run_log(const struct app *app, const struct run *run,
                      void (*write)(struct json *json, const void *priv),
                      const void *priv);

#endif
