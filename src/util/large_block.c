/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in large pages. */
#define _DEFAULT_SOURCE
#include "util/large_block.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 2 << 20 };

void *weft_large_block(size_t bytes)
{
    void *block = NULL;
    if (bytes < PAGE)
        return malloc(bytes);
    if (posix_memalign(&block, PAGE, bytes))
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
}
