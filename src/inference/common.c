/* SPDX-License-Identifier: Apache-2.0 */
/* The normalization of pixels, and the memory of a plan: shared with explainers and
 * trainers. */
#include "inference/inference.h"

struct weft_normalization weft_normalize(const double *mean, const double *stddev)
{
    struct weft_normalization n;
    for (int c = 0; c < WEFT_MAX_CHANNELS; c++) {
        double spread = stddev[c] > 0 ? stddev[c] : 1.0;
        n.scale[c] = (float)(1.0 / (255.0 * spread));
        n.shift[c] = (float)(-mean[c] / spread);
    }
    return n;
}

enum weft_status weft_plan_alloc(struct weft_device *device, const struct weft_net *net,
                                 const struct weft_plan *plan, struct weft_mem **out)
{
    uint64_t limit = device->info.max_alloc_bytes;
    const uint64_t spare = WEFT_BUFFER_PADDING + WEFT_ALIGN; /* bytes a backend may add */
    if (limit && plan->bytes + spare > limit) {
        size_t max_bytes = limit > spare ? (size_t)(limit - spare) : 0;
        int fits = weft_plan_largest_batch(net, plan->batch, plan->training, plan->type,
                                           max_bytes);
        return weft_fail(
            device->context, WEFT_ERR_NOMEM,
            "%s at batch %d needs a buffer of %.1f MiB, %.1f MiB more than %s "
            "allows; a batch of %d would fit%s",
            net->name, plan->batch, (double)plan->bytes / 1048576,
            (double)(plan->bytes + spare - limit) / 1048576, device->info.name, fits,
            plan->training && !plan->explains && fits
                ? ", also as a part of this one (accumulate)"
                : "");
    }
    return device->backend->alloc(device, plan->bytes, out);
}
