/* SPDX-License-Identifier: Apache-2.0 */
/* Known-answer tests of a network's kernels: their size, passed ones, and failures. */
#include "verify/known_answers.h"

#include "device/problem.h"

#include <stdio.h>
#include <string.h>

/* A test takes about 0.2 s: multiply-adds for the samples of one result, and
 * floating-point operations of the batch. With more images most of the time is spent on
 * the reference of weight gradients, each a sum over all positions of the batch. */
static const double sample_work = 2e5, batch_work = 3e7;

void verify_known_answers_init(struct verify_trace *trace)
{
    verify_trace_init(trace, sample_work);
    trace->repeat = true;
    trace->relative = false;
}

/* The largest power of two that divides a number. */
static int even_part(int number)
{
    return number & -number;
}

/* Where vectors leave a rest of the batch's elements they leave one of the test's: a
 * number of images that is divisible by a larger power of two might have none. */
int verify_known_answers_batch(double flops, int least, int most)
{
    double affordable = batch_work / (flops + 1);
    least = least < most ? least : most;
    int images = affordable > most ? most : affordable < least ? least : (int)affordable;
    if (even_part(images) > even_part(most))
        images += images > least ? -1 : 1;
    return images;
}

bool verify_is_proven(struct weft_command_list *const *lists, int count)
{
    for (int i = 0; i < count; i++)
        if (lists[i] && lists[i]->device->backend->is_proven &&
            !lists[i]->device->backend->is_proven(lists[i]))
            return false;
    return true;
}

void verify_set_proven(struct weft_command_list *const *lists, int count)
{
    for (int i = 0; i < count; i++)
        if (lists[i] && lists[i]->device->backend->is_proven)
            lists[i]->device->backend->set_proven(lists[i]);
}

void verify_describe_call(const struct weft_command_list *list,
                          const struct weft_recorded_call *call, char *text, size_t size)
{
    struct weft_launch_description d = {.kernel = ""};
    if (call->end > call->first && list->device->backend->describe_launch)
        list->device->backend->describe_launch(list, call->end - 1, &d);
    snprintf(text, size, "%s%s%s%s%s%s", weft_primitive_names[call->call.primitive],
             d.kernel[0] ? " (" : "", d.config, d.config[0] ? ": " : "", d.kernel,
             d.kernel[0] ? ")" : "");
}

void verify_find_wrong(const struct verify_trace *trace,
                       struct weft_command_list *const *lists,
                       struct weft_command_list *const *own, int count,
                       struct verify_wrong_call *out)
{
    const struct weft_recorded_call *call = trace->wrong;
    *out = (struct verify_wrong_call){.layer = ""};
    for (int i = 0; i < count && call && !out->call; i++)
        if (lists[i] && call >= lists[i]->calls &&
            call < lists[i]->calls + lists[i]->call_count) {
            out->list = own[i];
            out->call = &own[i]->calls[call - lists[i]->calls];
        }
    memcpy(out->fault, trace->fault, sizeof(out->fault));
}

enum weft_status verify_reject(const struct verify_wrong_call *wrong)
{
    const struct weft_device *device = wrong->list->device;
    char kernel[384];
    verify_describe_call(wrong->list, wrong->call, kernel, sizeof(kernel));
    if (!device->backend->reject || !device->backend->reject(wrong->list, wrong->call))
        return weft_fail(device->context, WEFT_ERR_MISMATCH,
                         "%s: %s computes wrong results on %s (driver %s): %s; no other "
                         "algorithm is left: use another device or driver, or the host "
                         "backend (-d cpu)",
                         wrong->layer, kernel, device->info.name, device->info.driver,
                         wrong->fault);
    weft_log_message(device->context, WEFT_LOG_WARN,
                     "%s: %s computes wrong results on %s (driver %s): %s; another "
                     "algorithm replaces it; report this driver to its vendor",
                     wrong->layer, kernel, device->info.name, device->info.driver,
                     wrong->fault);
    return WEFT_OK;
}
