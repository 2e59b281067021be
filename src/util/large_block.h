/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of megabytes for a short time. */
#ifndef WEFT_UTIL_LARGE_BLOCK_H
#define WEFT_UTIL_LARGE_BLOCK_H

#include <stddef.h>

/* In large pages where the system has them, as first uses of small ones can cost more
 * than the work on them; to be freed by free(). NULL: no memory. */
void *weft_large_block(size_t bytes);

#endif
