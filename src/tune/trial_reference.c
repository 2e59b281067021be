/* SPDX-License-Identifier: Apache-2.0 */
/* The reference of a trial: of a convolution, samples that the host backend computes,
 * whole images of what is computed image by image, pairs of channels of what sums over
 * images; of other primitives, whose work is proportional to their data, everything.
 *
 * The data are random with mean zero, so rounding errors add up like a random walk and
 * stay far below RELATIVE_TOLERANCE of the sum of |a b|, Winograd's included (2.4-5.6e-6
 * of the output's rms); one product lost or read twice stands far above it. */
#include "tune/trial.h"

#include "lab/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RELATIVE_TOLERANCE (64 * 0x1p-24)
enum { IMAGES = 3, PAIRS = 6, MAX_ACT_GRAD = 2 };

static bool is_conv(enum weft_primitive primitive)
{
    return primitive == WEFT_PRIMITIVE_conv_forward ||
           primitive == WEFT_PRIMITIVE_conv_backward_data ||
           primitive == WEFT_PRIMITIVE_conv_backward_weights;
}

static const struct weft_conv_args *conv_args(const struct tune_trial *t)
{
    return &t->call.call.args.conv_forward;
}

/* Part of the elements of a tensor: `count` from `start` on, `step` apart. */
struct slice {
    size_t start, step, count;
};

static void copy_slice(const struct lab_call *from, int argument, struct slice slice,
                       struct lab_call *to)
{
    const struct lab_tensor *t = &from->lab.tensors[argument];
    size_t bytes = lab_element_bytes(t);
    const char *source = lab_initial(&from->lab, t);
    char *target = lab_initial(&to->lab, &to->lab.tensors[argument]);
    for (size_t i = 0; i < slice.count; i++)
        memcpy(target + i * bytes, source + (slice.start + i * slice.step) * bytes,
               bytes);
}

static enum weft_status reserve(struct tune_trial *t, struct tune_samples *s, size_t more)
{
    size_t room = s->count + more;
    size_t *at = realloc(s->at, room * sizeof(*at));
    s->at = at ? at : s->at;
    float *value = realloc(s->value, room * sizeof(*value));
    s->value = value ? value : s->value;
    double *bound = realloc(s->bound, room * sizeof(*bound));
    s->bound = bound ? bound : s->bound;
    return at && value && bound
               ? WEFT_OK
               : weft_out_of_memory(t->device->context, "tuning", room * sizeof(*at));
}

static double bound_of(const struct tune_trial *t, double value, double absolute)
{
    const struct weft_conv_args *a = conv_args(t);
    if (a->activation.act)
        return MAX_ACT_GRAD * RELATIVE_TOLERANCE * absolute +
               RELATIVE_TOLERANCE * (fabs(value) + 1);
    return (a->act_grad.activation.act ? MAX_ACT_GRAD : 1) * RELATIVE_TOLERANCE *
               absolute +
           0x1p-60;
}

/* Runs a part of the call on the host; with `absolute` for the sums of |a b|, without
 * what follows them. */
static enum weft_status run_part(struct lab_call *part, bool absolute)
{
    const struct weft_backend *backend = part->lab.device[LAB_REFERENCE]->backend;
    struct weft_command_list *list = NULL;
    if (absolute) {
        part->call.args.conv_forward.activation = (struct weft_activation){0};
        part->call.args.conv_forward.act_grad.activation = (struct weft_activation){0};
    }
    WEFT_TRY(lab_call_record(part, LAB_REFERENCE, NULL, &list));
    enum weft_status status =
        absolute ? lab_run_absolute(&part->lab, list, part->outputs, 1)
                 : lab_run(&part->lab, LAB_REFERENCE, list, part->outputs, 1);
    backend->list_destroy(list);
    return status;
}

/* Adds the float results of a part to the samples: values, then their bounds. Result i
 * goes to elements outputs[i] of the call's result. */
static enum weft_status sample_part(struct tune_trial *t, struct lab_call *part,
                                    const struct slice outputs[])
{
    size_t first[2];
    WEFT_TRY(run_part(part, false));
    for (int i = 0; i < t->sample_count; i++) {
        struct tune_samples *s = &t->samples[i];
        const float *value = lab_result(&part->lab, part->outputs[i], LAB_REFERENCE);
        WEFT_TRY(reserve(t, s, outputs[i].count));
        first[i] = s->count;
        for (size_t k = 0; k < outputs[i].count; k++, s->count++) {
            s->at[s->count] = outputs[i].start + k * outputs[i].step;
            s->value[s->count] = value[k];
        }
    }
    WEFT_TRY(run_part(part, true));
    for (int i = 0; i < t->sample_count; i++) {
        struct tune_samples *s = &t->samples[i];
        const float *absolute = lab_result(&part->lab, part->outputs[i], LAB_REFERENCE);
        for (size_t k = first[i]; k < s->count; k++)
            s->bound[k] =
                bound_of(t, (double)s->value[k], (double)absolute[k - first[i]]);
    }
    return WEFT_OK;
}

/* A call on slices of the trial's tensors: slices[i] of argument i. */
static enum weft_status sample_slices(struct tune_trial *t,
                                      struct weft_primitive_call *call,
                                      const struct slice slices[])
{
    struct weft_device *const device[LAB_SIDE_COUNT] = {NULL, t->host};
    struct lab_argument arguments[LAB_MAX_ARGUMENTS];
    struct lab_call part;
    int count = lab_arguments(call, arguments), outputs = 0;
    struct slice results[LAB_MAX_ARGUMENTS];
    for (int i = 0; i < count; i++) {
        arguments[i].view->count = slices[i].count;
        if (arguments[i].written)
            results[outputs++] = slices[i];
    }
    enum weft_status status = lab_call_init(&part, call, device);
    for (int i = 0; i < count && !status; i++)
        if (arguments[i].read)
            copy_slice(&t->call, i, slices[i], &part);
    if (!status)
        status = sample_part(t, &part, results);
    lab_call_finish(&part);
    return status;
}

static bool is_named(const struct lab_argument *argument, const char *name)
{
    return !strcmp(argument->name, name);
}

static enum weft_status sample_image(struct tune_trial *t, int image)
{
    struct slice slices[LAB_MAX_ARGUMENTS];
    struct weft_primitive_call call = t->call.call;
    size_t images = (size_t)conv_args(t)->conv.n;
    call.args.conv_forward.conv.n = call.args.conv_forward.pool.n = 1;
    for (int i = 0; i < t->call.argument_count; i++) {
        const struct lab_argument *a = &t->call.arguments[i];
        size_t all = t->call.lab.tensors[i].count;
        bool shared = is_named(a, "w") || is_named(a, "bias");
        slices[i] = shared
                        ? (struct slice){0, 1, all}
                        : (struct slice){(size_t)image * (all / images), 1, all / images};
    }
    return sample_slices(t, &call, slices);
}

static enum weft_status sample_images(struct tune_trial *t)
{
    int n = conv_args(t)->conv.n, done = -1;
    for (int i = 0; i < IMAGES; i++) {
        int image = (int)((long)(n - 1) * i / (IMAGES - 1));
        if (image > done)
            WEFT_TRY(sample_image(t, image));
        done = image;
    }
    return WEFT_OK;
}

/* The gradient of the weights between one input channel and one filter. */
static enum weft_status sample_channel_pair(struct tune_trial *t, int in, int out)
{
    const struct weft_conv *c = &conv_args(t)->conv;
    struct slice slices[LAB_MAX_ARGUMENTS];
    struct weft_primitive_call call = t->call.call;
    struct weft_conv_args *part = &call.args.conv_backward_weights;
    size_t c_per_group = (size_t)(c->c / c->groups), filters = (size_t)c->k;
    part->conv.c = part->conv.k = part->conv.groups = part->pool.c = 1;
    for (int i = 0; i < t->call.argument_count; i++) {
        const struct lab_argument *a = &t->call.arguments[i];
        size_t all = t->call.lab.tensors[i].count;
        size_t channels = is_named(a, "x")    ? (size_t)c->c
                          : is_named(a, "dw") ? c_per_group * filters
                                              : filters;
        size_t start = is_named(a, "x") ? (size_t)in
                       : is_named(a, "dw")
                           ? (size_t)in % c_per_group * filters + (size_t)out
                           : (size_t)out;
        slices[i] = (struct slice){start, channels, all / channels};
    }
    return sample_slices(t, &call, slices);
}

static enum weft_status sample_channel_pairs(struct tune_trial *t)
{
    const struct weft_conv *c = &conv_args(t)->conv;
    int c_per_group = c->c / c->groups, k_per_group = c->k / c->groups;
    for (int i = 0; i < PAIRS; i++) {
        int out = (int)((long)(c->k - 1) * i / (PAIRS - 1));
        int within = (int)((long)(c_per_group - 1) * (i * 2 % PAIRS) / (PAIRS - 2));
        WEFT_TRY(sample_channel_pair(t, out / k_per_group * c_per_group + within, out));
    }
    return WEFT_OK;
}

static enum weft_status sample_conv(struct tune_trial *t)
{
    for (int i = 0; t->call.outputs[i]; i++)
        if (t->call.outputs[i]->type == LAB_FLOAT)
            t->samples[t->sample_count++].tensor = t->call.outputs[i];
    return t->call.call.primitive == WEFT_PRIMITIVE_conv_backward_weights
               ? sample_channel_pairs(t)
               : sample_images(t);
}

static enum weft_status run_all(struct tune_trial *t)
{
    struct weft_command_list *list = NULL;
    WEFT_TRY(lab_call_record(&t->call, LAB_REFERENCE, NULL, &list));
    enum weft_status status =
        lab_run(&t->call.lab, LAB_REFERENCE, list, t->call.outputs, 1);
    t->host->backend->list_destroy(list);
    return status;
}

enum weft_status tune_reference_compute(struct tune_trial *t,
                                        const struct weft_primitive_call *call)
{
    bool conv = is_conv(call->primitive);
    struct weft_device *const device[LAB_SIDE_COUNT] = {t->device, conv ? NULL : t->host};
    WEFT_TRY(lab_call_init(&t->call, call, device));
    lab_call_fill(&t->call);
    return conv ? sample_conv(t) : run_all(t);
}

void tune_reference_free(struct tune_trial *t)
{
    for (int i = 0; i < t->sample_count; i++) {
        free(t->samples[i].at);
        free(t->samples[i].value);
        free(t->samples[i].bound);
    }
}

static enum weft_status compare_samples(const struct tune_trial *t,
                                        const struct tune_samples *s)
{
    const float *result = lab_result(&t->call.lab, s->tensor, LAB_DEVICE);
    float *got = malloc(s->count * sizeof(*got));
    char text[160];
    if (!got)
        return weft_out_of_memory(t->device->context, "tuning", s->count * sizeof(*got));
    for (size_t i = 0; i < s->count; i++)
        got[i] = result[s->at[i]];
    struct lab_comparison all = {
        .got = got, .want = s->value, .count = s->count, .bound = s->bound};
    bool right = lab_compare(&all);
    if (!right)
        lab_describe_mismatch(&all, "", text, sizeof(text));
    free(got);
    return right ? WEFT_OK
                 : weft_fail(t->device->context, WEFT_ERR_MISMATCH, "%s[%zu] is %s",
                             s->tensor->name, s->at[all.first], text);
}

/* An index that no pool has written is 255, which no window of two positions contains. */
static enum weft_status check_indices(const struct tune_trial *t)
{
    const struct weft_pool *pool = &conv_args(t)->pool;
    for (int i = 0; t->call.outputs[i]; i++) {
        const struct lab_tensor *x = t->call.outputs[i];
        const uint8_t *index = lab_result(&t->call.lab, x, LAB_DEVICE);
        for (size_t k = 0; x->type == LAB_BYTE && k < x->count; k++)
            if (index[k] >= pool->r * pool->s)
                return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                                 "argmax[%zu] is %d", k, index[k]);
    }
    return WEFT_OK;
}

static enum weft_status compare_all(const struct tune_trial *t)
{
    double error = 0;
    char fault[160];
    for (int i = 0; t->call.outputs[i]; i++)
        if (!lab_compare_coarse(&t->call.lab, t->call.outputs[i], &error, fault,
                                sizeof(fault)))
            return weft_fail(t->device->context, WEFT_ERR_MISMATCH, "%s", fault);
    return WEFT_OK;
}

enum weft_status tune_reference_compare(const struct tune_trial *t)
{
    if (!t->sample_count)
        return compare_all(t);
    for (int i = 0; i < t->sample_count; i++)
        WEFT_TRY(compare_samples(t, &t->samples[i]));
    return check_indices(t);
}
