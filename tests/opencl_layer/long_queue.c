/* SPDX-License-Identifier: Apache-2.0 */
/* Replays a list many times before it waits, as the library lets a program do.
 *
 *     long_queue REPLAYS [QUEUE_SECONDS]
 *
 * Prints "N launches in S s, C s of processor time". */
#define _XOPEN_SOURCE 700
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "device/backend.h"
#include "util/clock.h"

enum { COUNT = 64, LAUNCHES = 4 };

static double processor_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* y = x + x + ..., on the device. */
static enum weft_status record(weft_device *device, struct weft_mem *mem,
                               struct weft_command_list **out)
{
    const struct weft_backend *b = device->backend;
    struct weft_view view = {.mem = mem, .count = COUNT};
    WEFT_TRY(b->list_create(device, NULL, out));
    for (int i = 0; i < LAUNCHES; i++)
        WEFT_TRY((*out)->primitives->add(
            *out, &(struct weft_add_args){.x = view, .other = view, .y = view}));
    return b->list_finalize(*out);
}

static enum weft_status replay_often(weft_device *device, int replays)
{
    const struct weft_backend *b = device->backend;
    struct weft_mem *mem = NULL;
    struct weft_command_list *list = NULL;
    float y[COUNT];
    enum weft_status status = b->alloc(device, sizeof(y), &mem);
    if (!status)
        status = record(device, mem, &list);
    double begin = weft_clock_seconds(), used = processor_seconds();
    for (int i = 0; i < replays && !status; i++)
        status = b->replay(list);
    if (!status)
        status = b->wait(device);
    if (!status)
        status = b->read(device, y, mem, 0, sizeof(y));
    if (!status)
        printf("%d launches in %.3f s, %.3f s of processor time\n", LAUNCHES * replays,
               weft_clock_seconds() - begin, processor_seconds() - used);
    if (list)
        b->list_destroy(list);
    if (mem)
        b->free(device, mem);
    return status;
}

int main(int argc, char **argv)
{
    weft_context *context;
    weft_device *device = NULL;
    if (argc < 2 || weft_context_create(&context, NULL))
        return 2;
    enum weft_status status = weft_device_open(
        context, 0,
        weft_device_params(.queue_seconds = argc > 2 ? atof(argv[2]) : 0, .timeout = 1),
        &device);
    if (!status)
        status = replay_often(device, atoi(argv[1]));
    if (status)
        printf("%s\n", weft_error(context));
    weft_device_close(&device);
    weft_context_destroy(&context);
    return status ? 1 : 0;
}
