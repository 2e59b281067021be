/* SPDX-License-Identifier: Apache-2.0 */
/* Work on several threads. */
#ifndef WEFT_OS_THREADS_H
#define WEFT_OS_THREADS_H

#include <stddef.h>

/* Calls work(priv, i) for each i from 0 to count - 1, each once and in any order, on up
 * to `threads` threads, the caller's one of them; on fewer where no more can be started.
 * Returns after all calls. Signals are not delivered to the other threads. */
void weft_parallel_for(int threads, size_t count, void (*work)(void *priv, size_t i),
                       void *priv);

#endif
