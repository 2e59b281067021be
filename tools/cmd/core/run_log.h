/* SPDX-License-Identifier: Apache-2.0 */
/* log.jsonl, the log of a training run. */
#ifndef WEFT_CMD_CORE_RUN_LOG_H
#define WEFT_CMD_CORE_RUN_LOG_H

#include "core/app.h"

#include <jansson.h>

/* Its lines, as an array of objects: the header, then epochs and new learning rates.
 * *why: the fault, with the path; the caller frees it. NULL on failure. */
json_t *run_log_load(const char *path, char **why);

/* NaN: `key` is absent, or no number. */
double run_log_number(const json_t *line, const char *key);
/* "": absent, or no text. */
const char *run_log_text(const json_t *line, const char *key);
/* It has an epoch, an int, and a step, an int64_t. */
bool run_log_is_epoch(const json_t *line);

#endif
