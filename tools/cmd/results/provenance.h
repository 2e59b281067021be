/* SPDX-License-Identifier: Apache-2.0 */
/* Where and when a document was made, and by which weft. */
#ifndef WEFT_CMD_RESULTS_PROVENANCE_H
#define WEFT_CMD_RESULTS_PROVENANCE_H

#include "core/json.h"

/* "commit", "made" (UTC), "host" with "processor", "cores" and "system". */
void provenance_write_json(struct json *j);

#endif
