/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that this process may use. */
#ifndef WEFT_OS_MEMORY_H
#define WEFT_OS_MEMORY_H

#include <stdint.h>

/* The bytes of the machine's memory, and at most the limit of the control groups of the
 * process (containers); 0: unknown. `root` is "" or a folder with proc and sys, for
 * tests. */
uint64_t weft_memory_bytes(const char *root);

#endif
