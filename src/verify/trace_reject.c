/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong calls in words, and the exclusion of their algorithms. */
#include "device/problem.h"
#include "verify/trace.h"

#include <stdio.h>

void verify_trace_describe(const struct weft_command_list *list,
                           const struct weft_recorded_call *call, char *text, size_t size)
{
    struct weft_launch_description d = {.kernel = ""};
    if (call->end > call->first && list->device->backend->describe_launch)
        list->device->backend->describe_launch(list, call->end - 1, &d);
    snprintf(text, size, "%s%s%s%s%s%s", weft_primitive_names[call->call.primitive],
             d.kernel[0] ? " (" : "", d.config, d.config[0] ? ": " : "", d.kernel,
             d.kernel[0] ? ")" : "");
}

enum weft_status verify_trace_reject(const struct verify_trace *t,
                                     const struct weft_command_list *list,
                                     struct weft_command_list *own, const char *layer)
{
    const struct weft_device *device = own->device;
    const struct weft_recorded_call *call = &own->calls[t->wrong - list->calls];
    char kernel[384];
    verify_trace_describe(list, t->wrong, kernel, sizeof(kernel));
    if (!device->backend->reject || !device->backend->reject(own, call))
        return weft_fail(device->context, WEFT_ERR_MISMATCH,
                         "%s: %s computes wrong results on %s (driver %s): %s; no other "
                         "algorithm is left: use another device or driver, or the host "
                         "backend (-d cpu)",
                         layer, kernel, device->info.name, device->info.driver, t->fault);
    weft_log_message(device->context, WEFT_LOG_WARN,
                     "%s: %s computes wrong results on %s (driver %s): %s; another "
                     "algorithm replaces it; report this driver to its vendor",
                     layer, kernel, device->info.name, device->info.driver, t->fault);
    return WEFT_OK;
}
