/* SPDX-License-Identifier: Apache-2.0 */
/* Provenance of a document: time, commit and host. */
#ifndef WEFT_CMD_RESULTS_PROVENANCE_H
#define WEFT_CMD_RESULTS_PROVENANCE_H

#include "core/json.h"

/* "commit", "created" (UTC), "host" with "processor", "cores" and "system". */
void provenance_write_json(struct json *j);

#endif
