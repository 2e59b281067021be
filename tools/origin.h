/* SPDX-License-Identifier: Apache-2.0 */
/* Where and when a document was made, and by which weft. */
#ifndef WEFT_TOOLS_ORIGIN_H
#define WEFT_TOOLS_ORIGIN_H

#include "json.h"

/* "commit", "made" (UTC), "host" with "processor", "cores" and "system". */
void origin_write(struct json *j);

#endif
