/* SPDX-License-Identifier: Apache-2.0 */
/* Processors that this process may use. */
#ifndef WEFT_OS_PROCESSORS_H
#define WEFT_OS_PROCESSORS_H

/* The processors online, less those that the affinity of the process excludes (taskset)
 * and at most as many as the CPU time of its control groups amounts to (containers), at
 * least 1. `root` is "" or a folder with proc and sys, for tests. */
int weft_processor_count(const char *root);

#endif
