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

/* ---- margins ---- */

void verify_find_extents(struct verify_trace *t, const struct weft_command_list *list)
{
    t->extent_count = 0;
    for (int i = 0; i < list->call_count; i++) {
        struct weft_primitive_call call = list->calls[i].call;
        struct lab_argument arguments[LAB_MAX_ARGUMENTS];
        int count = lab_arguments(&call, arguments);
        for (int k = 0; k < count; k++) {
            const struct lab_argument *a = &arguments[k];
            size_t end = verify_argument_start(a) + verify_argument_bytes(a);
            int at = 0;
            while (at < t->extent_count && t->extents[at].mem != a->view->mem)
                at++;
            if (at == VERIFY_MAX_EXTENTS)
                continue;
            if (at == t->extent_count)
                t->extents[t->extent_count++] =
                    (struct verify_extent){.mem = a->view->mem};
            if (t->extents[at].end < end)
                t->extents[at].end = end;
        }
    }
}

/* Shortens the margin [*from, *to) by what the call writes, which the margin begins or
 * ends with. */
static void exclude(const struct verify_call *v, const struct weft_mem *mem, size_t *from,
                    size_t *to, bool behind)
{
    for (int i = 0; i < v->argument_count; i++) {
        const struct lab_argument *a = &v->arguments[i];
        size_t start = verify_argument_start(a), end = start + verify_argument_bytes(a);
        if (!a->written || a->view->mem != mem || end <= *from || start >= *to)
            continue;
        if (behind)
            *to = start > *from ? start : *from;
        else
            *from = end < *to ? end : *to;
    }
}

static void find_margin(const struct verify_trace *t, const struct verify_call *v,
                        const struct lab_argument *a, bool behind,
                        struct verify_margin *m)
{
    size_t start = verify_argument_start(a), end = start + verify_argument_bytes(a);
    size_t from = start > VERIFY_MARGIN ? start - VERIFY_MARGIN : 0, to = start;
    if (behind) {
        from = to = end;
        for (int i = 0; i < t->extent_count; i++)
            if (t->extents[i].mem == a->view->mem && t->extents[i].end > end)
                to = t->extents[i].end - end > VERIFY_MARGIN ? end + VERIFY_MARGIN
                                                             : t->extents[i].end;
    }
    exclude(v, a->view->mem, &from, &to, behind);
    m->from = from;
    m->size = to - from;
}

enum weft_status verify_read_margins(const struct verify_trace *t,
                                     const struct verify_call *v,
                                     struct verify_margins *margins)
{
    for (int i = 0; i < 2 * v->argument_count; i++) {
        const struct lab_argument *a = &v->arguments[i / 2];
        struct verify_margin *m = &margins->of[i];
        m->size = 0;
        if (!a->written || !verify_argument_bytes(a))
            continue;
        find_margin(t, v, a, i % 2, m);
        if (m->size)
            WEFT_TRY(v->device->backend->read(v->device, m->bytes, a->view->mem, m->from,
                                              m->size));
    }
    return WEFT_OK;
}

enum weft_status verify_check_margins(struct verify_trace *t, const struct verify_call *v,
                                      const struct verify_margins *margins)
{
    for (int i = 0; i < 2 * v->argument_count && !t->fault[0]; i++) {
        const struct lab_argument *a = &v->arguments[i / 2];
        const struct verify_margin *m = &margins->of[i];
        uint8_t now[VERIFY_MARGIN];
        if (!m->size)
            continue;
        WEFT_TRY(
            v->device->backend->read(v->device, now, a->view->mem, m->from, m->size));
        if (memcmp(now, m->bytes, m->size))
            snprintf(t->fault, sizeof(t->fault), "bytes %s its result %s are overwritten",
                     i % 2 ? "behind" : "before", a->name);
    }
    return WEFT_OK;
}
