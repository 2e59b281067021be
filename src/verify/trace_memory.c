/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks on the host, and regions of the device with known contents. */
#include "verify/trace_memory.h"

#include "util/hash.h"
#include "util/large_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *verify_take_block(struct verify_trace *t, size_t bytes)
{
    struct verify_block *best = NULL;
    for (int i = 0; i < VERIFY_MAX_BLOCKS; i++) {
        struct verify_block *b = &t->blocks[i];
        bool fits = b->room >= bytes, best_fits = best && best->room >= bytes;
        if (!b->taken && (!best || (fits ? !best_fits || b->room < best->room
                                         : !best_fits && b->room < best->room)))
            best = b;
    }
    if (best && best->room < bytes) {
        free(best->bytes);
        best->bytes = weft_large_block(bytes);
        best->room = best->bytes ? bytes : 0;
    }
    if (!best || !best->bytes)
        return NULL;
    best->taken = true;
    return best->bytes;
}

void verify_give_block(struct verify_trace *t, const void *bytes)
{
    for (int i = 0; bytes && i < VERIFY_MAX_BLOCKS; i++)
        if (t->blocks[i].bytes == bytes)
            t->blocks[i].taken = false;
}

uint64_t verify_hash(const void *bytes, size_t size)
{
    enum { ALL = 4 << 20, END = 256 << 10, LINE = 64, STEP = 4 * LINE };
    const char *at = bytes;
    if (size <= ALL)
        return weft_hash64(bytes, size);
    uint64_t hash = weft_hash64(at, END) * 31 + weft_hash64(at + size - END, END);
    for (size_t i = END; i + LINE <= size - END; i += STEP) {
        uint64_t words[LINE / sizeof(uint64_t)];
        memcpy(words, at + i, LINE);
        for (size_t k = 0; k < WEFT_ARRAY_SIZE(words); k++)
            hash = (hash ^ words[k]) * 0x9E3779B97F4A7C15u;
    }
    return hash;
}

enum weft_status verify_remember(struct verify_trace *t, weft_context *ctx,
                                 const struct lab_argument *a, uint64_t hash)
{
    if (t->region_count == t->region_room) {
        int room = t->region_room ? 2 * t->region_room : 64;
        size_t bytes = (size_t)room * sizeof(*t->regions);
        struct verify_region *regions = realloc(t->regions, bytes);
        if (!regions)
            return weft_out_of_memory(ctx, "verify", bytes);
        t->regions = regions;
        t->region_room = room;
    }
    t->regions[t->region_count++] = (struct verify_region){
        a->view->mem, verify_argument_start(a), verify_argument_bytes(a), hash};
    return WEFT_OK;
}

void verify_forget(struct verify_trace *t, const struct lab_argument *a)
{
    size_t from = verify_argument_start(a), to = from + verify_argument_bytes(a);
    int kept = 0;
    for (int i = 0; i < t->region_count; i++) {
        const struct verify_region *r = &t->regions[i];
        if (r->mem != a->view->mem || r->from >= to || r->from + r->bytes <= from)
            t->regions[kept++] = *r;
    }
    t->region_count = kept;
}

enum weft_status verify_check_region(struct verify_trace *t, weft_context *ctx,
                                     const struct lab_argument *a, const void *bytes)
{
    uint64_t hash = verify_hash(bytes, verify_argument_bytes(a));
    for (int i = 0; i < t->region_count; i++) {
        const struct verify_region *r = &t->regions[i];
        if (r->mem != a->view->mem || r->from != verify_argument_start(a) ||
            r->bytes != verify_argument_bytes(a))
            continue;
        if (r->hash != hash && !t->fault[0])
            snprintf(t->fault, sizeof(t->fault),
                     "its argument %s was changed by a call that may not write to it",
                     a->name);
        return WEFT_OK;
    }
    return verify_remember(t, ctx, a, hash);
}
