/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a (Fowler, Noll, Vo), a hash for names of files and equality of settings. */
#ifndef WEFT_CMD_CORE_FNV1A_H
#define WEFT_CMD_CORE_FNV1A_H

#include <stdint.h>

#define FNV1A_BEGIN UINT64_C(0xcbf29ce484222325)

/* Adds a text with its terminating zero. */
static inline uint64_t fnv1a_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    while (*text++);
    return hash;
}

#endif
