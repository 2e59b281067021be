/* SPDX-License-Identifier: Apache-2.0 */
/* Event files of TensorBoard. */
#define _GNU_SOURCE
#include "train/tensorboard.h"

#include "core/paths.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_BYTES = 1 << 28, MAX_EVENT = 2048, MAX_TAG = 64, MAX_SCALARS = 16 };

/* Fields of the messages Event, Summary and Value, with their wire types. */
enum {
    EVENT_WALL_TIME = 1 << 3 | 1,
    EVENT_STEP = 2 << 3,
    EVENT_VERSION = 3 << 3 | 2,
    EVENT_SUMMARY = 5 << 3 | 2,
    SUMMARY_VALUE = 1 << 3 | 2,
    VALUE_TAG = 1 << 3 | 2,
    VALUE_SIMPLE = 2 << 3 | 5
};

struct bytes {
    uint8_t data[MAX_EVENT];
    size_t count;
};

static void put_byte(struct bytes *b, unsigned value)
{
    b->data[b->count++] = (uint8_t)value;
}

static void put_little_endian(struct bytes *b, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        put_byte(b, (unsigned)(value >> (8 * i) & 255));
}

static void put_varint(struct bytes *b, uint64_t value)
{
    for (; value > 127; value >>= 7)
        put_byte(b, (unsigned)(value & 127) | 128);
    put_byte(b, (unsigned)value);
}

static void put_double(struct bytes *b, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_byte(b, field);
    put_little_endian(b, bits, 8);
}

static void put_float(struct bytes *b, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_byte(b, field);
    put_little_endian(b, bits, 4);
}

static void put_block(struct bytes *b, unsigned field, const void *data, size_t count)
{
    put_byte(b, field);
    put_varint(b, count);
    memcpy(b->data + b->count, data, count);
    b->count += count;
}

/* CRC-32C (RFC 3720, appendix B.4), rotated and offset, since records may contain
 * checksums of their own. */
static uint32_t masked_crc(const uint8_t *data, size_t count)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static bool write_record(FILE *file, const struct bytes *event)
{
    struct bytes head = {.count = 0}, end = {.count = 0};
    put_little_endian(&head, event->count, 8);
    put_little_endian(&head, masked_crc(head.data, 8), 4);
    put_little_endian(&end, masked_crc(event->data, event->count), 4);
    return fwrite(head.data, 1, head.count, file) == head.count &&
           fwrite(event->data, 1, event->count, file) == event->count &&
           fwrite(end.data, 1, end.count, file) == end.count;
}

static struct bytes begin_event(void)
{
    struct timespec now;
    struct bytes event = {.count = 0};
    clock_gettime(CLOCK_REALTIME, &now);
    put_double(&event, EVENT_WALL_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
    return event;
}

static bool write_version(FILE *file)
{
    static const char version[] = "brain.Event:2";
    struct bytes event = begin_event();
    put_block(&event, EVENT_VERSION, version, sizeof(version) - 1);
    return write_record(file, &event);
}

bool tensorboard_append(const char *path, int64_t step,
                        const struct tensorboard_scalar *scalars, int count)
{
    struct bytes event = begin_event(), summary = {.count = 0};
    for (int i = 0; i < count && i < MAX_SCALARS; i++) {
        struct bytes value = {.count = 0};
        if (isnan(scalars[i].value))
            continue;
        put_block(&value, VALUE_TAG, scalars[i].tag, strnlen(scalars[i].tag, MAX_TAG));
        put_float(&value, VALUE_SIMPLE, (float)scalars[i].value);
        put_block(&summary, SUMMARY_VALUE, value.data, value.count);
    }
    put_byte(&event, EVENT_STEP);
    put_varint(&event, (uint64_t)step);
    put_block(&event, EVENT_SUMMARY, summary.data, summary.count);
    FILE *file = fopen(path, "ae");
    if (!file)
        return false;
    bool done = !fseek(file, 0, SEEK_END) && (ftell(file) > 0 || write_version(file)) &&
                write_record(file, &event);
    return !fclose(file) && done;
}

static uint64_t little_endian(const uint8_t *data, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value |= (uint64_t)data[i] << (8 * i);
    return value;
}

/* The step of an event as it is written here; 0 of others, such as the version. */
static int64_t event_step(const uint8_t *event, size_t count)
{
    uint64_t step = 0;
    if (count < 10 || event[0] != EVENT_WALL_TIME || event[9] != EVENT_STEP)
        return 0;
    for (size_t i = 10, shift = 0; i < count && shift < 64; i++, shift += 7) {
        step |= (uint64_t)(event[i] & 127) << shift;
        if (event[i] < 128)
            break;
    }
    return (int64_t)step;
}

bool tensorboard_truncate(const char *path, int64_t step)
{
    enum { HEAD = 12, END = 4 };
    size_t size, kept = 0;
    char *text = paths_read_file(path, MAX_BYTES, &size, NULL);
    if (!text)
        return errno == ENOENT;
    const uint8_t *data = (const uint8_t *)text;
    while (size - kept >= HEAD + END) {
        uint64_t count = little_endian(data + kept, 8);
        if (count > size - kept - HEAD - END ||
            masked_crc(data + kept, 8) != little_endian(data + kept + 8, 4))
            break;
        int64_t at = event_step(data + kept + HEAD, (size_t)count);
        if (at > step)
            break;
        kept += HEAD + (size_t)count + END;
        if (at == step && step > 0) /* behind it is the test of a run that ended here */
            break;
    }
    bool done = kept == size || paths_write(path, text, kept);
    free(text);
    return done;
}
