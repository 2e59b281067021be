/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax and cross-entropy. */
#include "cpu/cpu.h"
#include "shared/augment.h"

#include <assert.h>
#include <math.h>

struct row {
    int first;           /* index of the first largest logit */
    double largest, sum; /* sum of exp(logit - largest) */
};

static struct row measure(const float *logits, int classes)
{
    struct row row = {0};
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[row.first])
            row.first = c;
    row.largest = (double)logits[row.first];
    for (int c = 0; c < classes; c++)
        row.sum += exp((double)logits[c] - row.largest);
    return row;
}

static void softmax_row(const void *data, size_t item)
{
    const struct weft_softmax_args *a = data;
    const float *x = cpu_floats(a->x) + item * a->classes;
    float *y = cpu_floats(a->y) + item * a->classes;
    struct row row = measure(x, a->classes);
    for (int c = 0; c < a->classes; c++)
        y[c] = (float)(exp((double)x[c] - row.largest) / row.sum);
}

enum weft_status cpu_softmax(struct weft_command_list *list,
                             const struct weft_softmax_args *args)
{
    return cpu_append(list, (size_t)args->n, softmax_row, args, sizeof(*args));
}

static void loss_row(const void *data, size_t item)
{
    const struct weft_loss_args *a = data;
    const float *logits = cpu_floats(a->logits) + item * a->classes;
    float *dlogits = a->dlogits.mem ? cpu_floats(a->dlogits) + item * a->classes : NULL;
    int label = cpu_ints(a->labels)[item], partner = label;
    double share = 1;
    if (a->shares.mem) {
        partner = cpu_ints(a->partner_labels)[item];
        share = cpu_ints(a->shares)[item] / (double)AUGMENT_SHARES;
    }
    assert(label >= 0 && label < a->classes && partner >= 0 && partner < a->classes);
    struct row row = measure(logits, a->classes);
    double logarithm = log(row.sum), smoothing = (double)a->label_smoothing, loss = 0.0;
    const float *weights = a->class_weights.mem ? cpu_floats(a->class_weights) : NULL;
    double weight =
        weights ? share * (double)weights[label] + (1 - share) * (double)weights[partner]
                : 1.0;
    double scale = weight * ldexp(1.0, a->loss_scale_log2) / a->global_batch;
    for (int c = 0; c < a->classes; c++) {
        double q = (1 - smoothing) *
                       ((c == label ? share : 0) + (c == partner ? 1 - share : 0)) +
                   smoothing / a->classes;
        double below = (double)logits[c] - row.largest;
        /* Avoids 0 * infinity: a class with probability 0 in q adds nothing. */
        if (q > 0.0)
            loss -= q * (below - logarithm);
        if (dlogits)
            dlogits[c] = (float)((exp(below) / row.sum - q) * scale);
    }
    cpu_floats(a->loss)[item] = (float)(weight * loss);
    /* NaN compares unequal: not correct. */
    if (share < 0.5)
        label = partner;
    cpu_words(a->correct)[item] =
        row.first == label && (double)logits[label] == row.largest;
}

enum weft_status cpu_loss(struct weft_command_list *list,
                          const struct weft_loss_args *args)
{
    assert(args->n <= args->global_batch);
    return cpu_append(list, (size_t)args->n, loss_row, args, sizeof(*args));
}
