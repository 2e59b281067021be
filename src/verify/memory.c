/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a device's memory: zero at first, then what was written last, at any offset
 * and length, in separate buffers. */
#include "verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFERS = 3, CHUNKS = 12 };

/* Ways of writing; ahead is from the beginning. */
enum { NOW, LATER, AHEAD, WAYS };

/* Buffers of one size, and their expected contents. */
struct memory_case {
    struct verify_case base;
    size_t bytes;
    struct weft_mem *mem[BUFFERS];
    unsigned char *image[BUFFERS], *read, *piece;
};

static enum weft_status allocate_buffers(struct memory_case *m)
{
    struct weft_device *device = m->base.check->device[LAB_DEVICE];
    bool enough = (m->read = malloc(m->bytes)) && (m->piece = malloc(CHUNKS * m->bytes));
    for (int i = 0; i < BUFFERS; i++)
        enough = (m->image[i] = calloc(1, m->bytes)) && enough;
    if (!enough)
        return weft_out_of_memory(device->context, "verify", m->bytes);
    for (int i = 0; i < BUFFERS; i++)
        WEFT_TRY(device->backend->alloc_staged(device, m->bytes, &m->mem[i]));
    return WEFT_OK;
}

static void release(struct memory_case *m)
{
    struct weft_device *device = m->base.check->device[LAB_DEVICE];
    for (int i = 0; i < BUFFERS; i++) {
        if (m->mem[i])
            device->backend->free(device, m->mem[i]);
        free(m->image[i]);
    }
    free(m->read);
    free(m->piece);
}

/* Compares all buffers, each whole and as one part at a random offset. */
static enum weft_status compare(struct memory_case *m, const char *what)
{
    struct verify_context *k = m->base.check;
    struct weft_device *device = k->device[LAB_DEVICE];
    char fault[160] = "";
    for (int i = 0; i < BUFFERS; i++)
        for (int part = 0; part < 2; part++) {
            size_t from =
                part ? (size_t)lab_random_int(&k->random, 0, (int)m->bytes - 1) : 0;
            size_t count = m->bytes - from, at = 0;
            if (part)
                count = (size_t)lab_random_int(&k->random, 1, (int)count);
            memset(m->read, 0xDB, m->bytes);
            WEFT_TRY(device->backend->read(device, m->read, m->mem[i], from, count));
            while (at < count && m->read[at] == m->image[i][from + at])
                at++;
            if (at < count && !fault[0])
                snprintf(fault, sizeof(fault),
                         "byte %zu of buffer %d is %d, should be %d; %zu were read from "
                         "%zu on",
                         from + at, i, m->read[at], m->image[i][from + at], count, from);
        }
    report_result(&m->base, what, "", 0, fault[0] ? fault : NULL);
    return WEFT_OK;
}

/* Overlapping writes into all buffers, interleaved. */
static enum weft_status write_chunks(struct memory_case *m)
{
    struct verify_context *k = m->base.check;
    struct weft_device *device = k->device[LAB_DEVICE];
    for (int i = 0; i < CHUNKS; i++) {
        unsigned char *piece = m->piece + (size_t)i * m->bytes;
        struct weft_mem *to = m->mem[i % BUFFERS];
        const struct weft_backend *backend = device->backend;
        int way = lab_random_int(&k->random, 0, WAYS - 1);
        size_t at =
            way == AHEAD ? 0 : (size_t)lab_random_int(&k->random, 0, (int)m->bytes - 1);
        size_t count = (size_t)lab_random_int(&k->random, 1, (int)(m->bytes - at));
        for (size_t b = 0; b < count; b++)
            piece[b] = (unsigned char)lab_random_bits(&k->random);
        memcpy(m->image[i % BUFFERS] + at, piece, count);
        WEFT_TRY(way == AHEAD   ? backend->write_ahead(device, to, piece, count)
                 : way == LATER ? backend->write_async(device, to, at, piece, count)
                                : backend->write(device, to, at, piece, count));
    }
    return WEFT_OK;
}

static enum weft_status verify_memory_case(struct verify_context *k)
{
    struct memory_case m = {0};
    m.bytes = (size_t)lab_random_int(&k->random, 1, k->params->tiny_shapes ? 300 : 5000);
    case_init(&m.base, k);
    case_describe(&m.base, " %d buffers of %zu bytes", BUFFERS, m.bytes);
    enum weft_status status = allocate_buffers(&m);
    if (!status)
        status = compare(&m, "zero at first");
    if (!status)
        status = write_chunks(&m);
    if (!status)
        status = compare(&m, "written and read");
    release(&m);
    case_finish(&m.base);
    return status;
}

const struct verify_check verify_memory = {"memory", verify_memory_case, false};
