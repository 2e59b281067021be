/* SPDX-License-Identifier: Apache-2.0 */
/* A list, replayed call by call and compared. */
#include "verify/trace.h"
#include "verify/trace_memory.h"

#include "util/half.h"
#include "shared/state.h"
#include "verify/expect.h"
#include "verify/optimizer_bound.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SAMPLES = 48, MOST_SAMPLES = 4096, MOST_CHANNELS = 8 };
/* A call with the launches of one before it is compared in fewer places. */
enum { REPETITION_SHARE = 8 };

void verify_trace_init(struct verify_trace *t, double work)
{
    *t = (struct verify_trace){
        .work = work, .relative = true, .random = lab_random_begin(1, 0, 0)};
}

void verify_trace_finish(struct verify_trace *t)
{
    free(t->pending);
    free(t->regions);
    for (int i = 0; i < VERIFY_MAX_BLOCKS; i++)
        free(t->blocks[i].bytes);
    memset(t->blocks, 0, sizeof(t->blocks));
    t->pending = NULL;
    t->regions = NULL;
    t->pending_count = t->region_count = t->region_room = 0;
}

/* ---- arguments ---- */

/* Device floats as float32, in place of `raw`. */
static void *widen(struct verify_trace *t, const struct lab_argument *a, void *raw)
{
    if (a->type != LAB_FLOAT || a->view->type != WEFT_FLOAT16)
        return raw;
    float *wide = verify_take_block(t, a->view->count * sizeof(*wide) + 1);
    for (size_t i = 0; wide && i < a->view->count; i++)
        wide[i] = weft_fp16_to_fp32(((const uint16_t *)raw)[i]);
    verify_give_block(t, raw);
    return wide;
}

/* The contents of an argument in a block. */
static enum weft_status fetch(struct verify_trace *t, struct weft_device *device,
                              const struct lab_argument *a, void **out)
{
    size_t bytes = verify_argument_bytes(a);
    *out = verify_take_block(t, bytes + 1);
    if (!*out)
        return weft_out_of_memory(device->context, "verify", bytes);
    return device->backend->read(device, *out, a->view->mem, verify_argument_start(a),
                                 bytes);
}

/* The images and labels of a data set are read where they are needed. */
static bool is_data_set(const struct verify_call *v, int argument)
{
    const struct weft_view *view = v->arguments[argument].view;
    return v->call.primitive == WEFT_PRIMITIVE_make_batch &&
           (view == &v->call.args.make_batch.bytes ||
            view == &v->call.args.make_batch.labels);
}

/* Gradients that are partial sums elsewhere say nothing. */
static bool is_unused(const struct verify_call *v, int argument)
{
    return v->gradients_deferred && v->call.primitive == WEFT_PRIMITIVE_optimizer_step &&
           v->arguments[argument].view == &v->call.args.optimizer_step.g;
}

/* True: the call leaves part of its result as it was. */
static bool keeps_part(const struct verify_call *v, int argument)
{
    return v->arguments[argument].written &&
           v->call.primitive == WEFT_PRIMITIVE_copy_channels &&
           !v->call.args.copy_channels.zero_rest;
}

static enum weft_status read_inputs(struct verify_trace *t, struct verify_call *v)
{
    for (int i = 0; i < v->argument_count; i++) {
        const struct lab_argument *a = &v->arguments[i];
        if ((!a->read && !keeps_part(v, i)) || is_data_set(v, i) || is_unused(v, i))
            continue;
        WEFT_TRY(fetch(t, v->device, a, &v->arrays[i].before));
        WEFT_TRY(verify_check_region(t, v->device->context, a, v->arrays[i].before));
        v->arrays[i].before = widen(t, a, v->arrays[i].before);
        if (!v->arrays[i].before)
            return weft_out_of_memory(v->device->context, "verify",
                                      verify_argument_bytes(a));
    }
    return WEFT_OK;
}

static enum weft_status read_outputs(struct verify_trace *t, struct verify_call *v)
{
    for (int i = 0; i < v->argument_count; i++)
        if (v->arguments[i].written)
            verify_forget(t, &v->arguments[i]);
    for (int i = 0; i < v->argument_count; i++) {
        const struct lab_argument *a = &v->arguments[i];
        if (!a->written)
            continue;
        WEFT_TRY(fetch(t, v->device, a, &v->arrays[i].after));
        WEFT_TRY(
            verify_remember(t, v->device->context, a,
                            verify_hash(v->arrays[i].after, verify_argument_bytes(a))));
        v->arrays[i].after = widen(t, a, v->arrays[i].after);
        if (!v->arrays[i].after)
            return weft_out_of_memory(v->device->context, "verify",
                                      verify_argument_bytes(a));
    }
    return WEFT_OK;
}

static void release(struct verify_trace *t, struct verify_call *v)
{
    for (int i = 0; i < v->argument_count; i++) {
        verify_give_block(t, v->arrays[i].before);
        verify_give_block(t, v->arrays[i].after);
    }
    free(v->image);
}

/* ---- comparison ---- */

static double value_at(const struct lab_argument *a, const void *array, size_t i)
{
    return a->type == LAB_FLOAT  ? (double)((const float *)array)[i]
           : a->type == LAB_BYTE ? ((const uint8_t *)array)[i]
                                 : ((const uint32_t *)array)[i];
}

static void report(struct verify_trace *t, const char *name, const struct verify_point *p)
{
    if (!t->fault[0])
        snprintf(t->fault, sizeof(t->fault),
                 "%s[%zu] is %.9g, should be %.9g, may differ by %.3g", name, p->at,
                 p->got, p->want, p->bound);
}

/* A number beyond the range of its type may be an infinity; what follows from infinities
 * proves nothing. */
static bool is_point_right(struct verify_point *p, enum weft_type type, double *ratio)
{
    *ratio = 0;
    if (p->exact_word)
        return p->got == p->want;
    if (!isfinite(p->want) || !isfinite(p->bound))
        return true;
    if (type == WEFT_FLOAT16 && p->bound > 0)
        p->bound = lab_fp16_error_bound(p->want, p->bound);
    else if (type == WEFT_FLOAT16)
        p->want = (double)weft_fp16_round((float)p->want);
    if (fabs(p->want) + p->bound > (double)FLT_MAX)
        return true;
    double error = p->got == p->want ? 0 : fabs(p->got - p->want);
    *ratio = error > 0 && p->bound > 0 ? error / p->bound : 0;
    return error <= p->bound;
}

static void compare(struct verify_trace *t, const char *name, struct verify_point *p,
                    enum weft_type type, double largest)
{
    double ratio;
    t->elements++;
    if (!is_point_right(p, type, &ratio))
        report(t, name, p);
    t->worst = fmax(t->worst, ratio);
    if (!p->exact_word && largest > 0 && isfinite(p->got - p->want))
        t->relative_error = fmax(t->relative_error, fabs(p->got - p->want) / largest);
}

/* Elements of an output: one from each of equal parts, and the ends. */
struct sample {
    size_t count; /* of the output */
    size_t size;
    size_t step; /* between neighbours: the channels, for sums over rows; or 1 */
    size_t first;
};

static size_t sample_at(struct verify_trace *t, const struct sample *s, size_t i)
{
    size_t from = (size_t)((double)s->count * (double)i / (double)s->size);
    size_t to = (size_t)((double)s->count * (double)(i + 1) / (double)s->size);
    size_t at = from;
    if (i == s->size - 1)
        at = s->count - 1;
    else if (i && to > from + 1)
        at += lab_random_bits(&t->random) % (to - from);
    return s->first + at * s->step;
}

static size_t limited(double wanted, size_t least, size_t most, size_t count)
{
    size_t size = wanted < (double)least  ? least
                  : wanted > (double)most ? most
                                          : (size_t)wanted;
    return size < count ? size : count;
}

static double largest_of(const struct lab_argument *a, const void *array)
{
    double largest = 0;
    for (size_t i = 0; array && a->type == LAB_FLOAT && i < a->view->count; i++)
        largest = fmax(largest, fabs((double)((const float *)array)[i]));
    return largest;
}

/* True: an optimizer step completes this gradient. */
static bool is_deferred(const struct weft_command_list *list, const struct verify_call *v)
{
    return list->params.defer_weight_grad_reduction &&
           (v->call.primitive == WEFT_PRIMITIVE_conv_backward_weights ||
            v->call.primitive == WEFT_PRIMITIVE_dense_backward_weights);
}

struct output_check {
    struct verify_trace *trace;
    struct verify_call *v;
    const struct weft_recorded_call *recorded;
    int output;
    bool deferred;
    double largest;
};

static enum weft_status check_sample(const struct output_check *o, const struct sample *s)
{
    struct verify_trace *t = o->trace;
    struct verify_call *v = o->v;
    const struct lab_argument *a = &v->arguments[o->output];
    if (o->deferred) {
        size_t room = (size_t)t->pending_count + s->size;
        struct verify_pending *more = realloc(t->pending, room * sizeof(*more));
        if (!more)
            return weft_out_of_memory(v->device->context, "verify", room * sizeof(*more));
        t->pending = more;
    }
    for (size_t i = 0; i < s->size && !t->fault[0]; i++) {
        struct verify_point p = {.at = sample_at(t, s, i)};
        p.got = value_at(a, v->arrays[o->output].after, p.at);
        verify_expectations[v->call.primitive].expect(v, o->output, &p);
        if (o->deferred)
            t->pending[t->pending_count++] = (struct verify_pending){
                o->recorded, a->view->offset + p.at, p.want, p.bound};
        else
            compare(t, a->name, &p, a->type == LAB_FLOAT ? a->view->type : WEFT_FLOAT32,
                    o->largest);
    }
    return WEFT_OK;
}

/* Words of the state are all compared; of channels whose sums are costly, a few. */
static enum weft_status check_output(const struct output_check *o)
{
    struct verify_call *v = o->v;
    const struct verify_expectation *e = &verify_expectations[v->call.primitive];
    const struct lab_argument *a = &v->arguments[o->output];
    double work = e->work(v, o->output), wanted = o->trace->work / work;
    size_t least = LEAST_SAMPLES;
    if (v->is_repetition) {
        wanted /= REPETITION_SHARE;
        least /= REPETITION_SHARE;
    }
    int channels = e->channels ? e->channels(v, o->output) : 0;
    if (!channels) {
        bool all = a->content == LAB_STATE;
        struct sample s = {.count = a->view->count,
                           .size =
                               all ? a->view->count
                                   : limited(wanted, least, MOST_SAMPLES, a->view->count),
                           .step = 1};
        return check_sample(o, &s);
    }
    size_t rows = a->view->count / (size_t)channels;
    size_t count = limited(wanted, 2, MOST_CHANNELS, (size_t)channels);
    /* The same channels for all outputs, whose sums are kept. */
    for (size_t i = 0; i < count; i++) {
        size_t channel = count > 1 ? (size_t)(channels - 1) * i / (count - 1) : 0;
        struct sample s = {.count = rows,
                           .size = limited(512, 1, 512, rows),
                           .step = (size_t)channels,
                           .first = channel};
        WEFT_TRY(check_sample(o, &s));
    }
    return WEFT_OK;
}

/* The moment that an optimizer step makes of a gradient, from a moment of zero. */
static void expect_moment(const struct weft_optimizer_step_args *a,
                          const struct weft_optimizer *o, double weight,
                          const struct verify_pending *g, struct verify_point *p)
{
    double decay = o->kind == WEFT_OPTIMIZER_ADAMW ? 0 : (double)o->weight_decay;
    double fresh = o->kind == WEFT_OPTIMIZER_SGD ? 1 : 1 - (double)o->beta1;
    double gradient = ldexp(g->want, -a->loss_scale_log2), pull = decay * weight;
    p->want = fresh * (gradient + pull);
    p->bound = fresh * ldexp(g->bound, -a->loss_scale_log2) +
               8 * FP32_UNIT_ROUNDOFF * fresh * (fabs(gradient) + fabs(pull)) +
               FP32_MIN_NORMAL;
}

/* Compares the deferred gradients; `v` is the optimizer step that has read them. */
static void settle(struct verify_trace *t, const struct verify_call *v)
{
    const struct weft_optimizer_step_args *a = &v->call.args.optimizer_step;
    const float *w = verify_floats(v, &a->w), *m = verify_after(v, &a->m);
    for (int i = 0; i < t->pending_count && !t->fault[0]; i++) {
        const struct verify_pending *g = &t->pending[i];
        struct verify_point p = {.at = g->at - a->g.offset};
        p.got = (double)m[p.at];
        const struct weft_optimizer own =
            optimizer_of_weight(&a->optimizer, 0, verify_before(v, &a->groups),
                                verify_floats(v, &a->settings), p.at);
        expect_moment(a, &own, (double)w[p.at], g, &p);
        compare(t, "moment of the gradient", &p, WEFT_FLOAT32, 0);
        if (t->fault[0])
            t->wrong = g->call;
    }
    t->pending_count = 0;
}

static enum weft_status compare_outputs(struct verify_trace *t, struct verify_call *v,
                                        const struct weft_command_list *list,
                                        const struct weft_recorded_call *recorded)
{
    if (!verify_expectations[v->call.primitive].expect)
        return WEFT_OK;
    for (int i = 0; i < v->argument_count && !t->fault[0]; i++) {
        const struct output_check o = {
            .trace = t,
            .v = v,
            .recorded = recorded,
            .output = i,
            .deferred = is_deferred(list, v),
            .largest =
                t->relative ? largest_of(&v->arguments[i], v->arrays[i].after) : 0};
        if (v->arguments[i].written && v->arguments[i].view->count)
            WEFT_TRY(check_output(&o));
    }
    return WEFT_OK;
}

static bool overlap(const struct lab_argument *a, const struct lab_argument *b)
{
    return a->view->mem == b->view->mem &&
           verify_argument_start(a) <
               verify_argument_start(b) + verify_argument_bytes(b) &&
           verify_argument_start(b) < verify_argument_start(a) + verify_argument_bytes(a);
}

static bool is_repeatable(const struct verify_call *v)
{
    for (int i = 0; i < v->argument_count; i++)
        for (int k = 0; k < v->argument_count; k++)
            if (v->arguments[i].written && v->arguments[k].read &&
                overlap(&v->arguments[i], &v->arguments[k]))
                return false;
    return true;
}

/* The results have just been remembered. */
static enum weft_status repeat_call(struct verify_trace *t, const struct verify_call *v,
                                    struct weft_command_list *list,
                                    const struct weft_recorded_call *recorded)
{
    WEFT_TRY(v->device->backend->replay_range(list, recorded->first, recorded->end));
    for (int i = 0; i < v->argument_count && !t->fault[0]; i++) {
        void *bytes = NULL;
        if (!v->arguments[i].written)
            continue;
        enum weft_status status = fetch(t, v->device, &v->arguments[i], &bytes);
        if (!status)
            status = verify_check_region(t, v->device->context, &v->arguments[i], bytes);
        verify_give_block(t, bytes);
        WEFT_TRY(status);
        if (t->fault[0])
            snprintf(t->fault, sizeof(t->fault), "%s has other bits after a second run",
                     v->arguments[i].name);
    }
    return WEFT_OK;
}

static enum weft_status check_call(struct verify_trace *t, struct verify_call *v,
                                   struct weft_command_list *list,
                                   const struct weft_recorded_call *recorded)
{
    struct verify_margins margins;
    WEFT_TRY(read_inputs(t, v));
    WEFT_TRY(verify_read_margins(t, v, &margins));
    WEFT_TRY(v->device->backend->replay_range(list, recorded->first, recorded->end));
    WEFT_TRY(verify_check_margins(t, v, &margins));
    WEFT_TRY(read_outputs(t, v));
    if (v->gradients_deferred)
        settle(t, v);
    WEFT_TRY(compare_outputs(t, v, list, recorded));
    return t->repeat && !t->fault[0] && !v->is_repetition && is_repeatable(v)
               ? repeat_call(t, v, list, recorded)
               : WEFT_OK;
}

static bool is_repetition(const struct weft_command_list *list, int call)
{
    const struct weft_recorded_call *calls = list->calls;
    for (int i = 0; i < call && list->device->backend->has_same_launches; i++)
        if (calls[i].call.primitive == calls[call].call.primitive &&
            list->device->backend->has_same_launches(list, &calls[i], &calls[call]))
            return true;
    return false;
}

enum weft_status verify_trace_run(struct verify_trace *t, struct weft_command_list *list)
{
    verify_find_extents(t, list);
    for (int i = 0; i < list->call_count && !t->fault[0]; i++) {
        const struct weft_recorded_call *recorded = &list->calls[i];
        struct verify_call v = {.device = list->device,
                                .call = recorded->call,
                                .winograd = recorded->winograd,
                                .tf32x3 = recorded->tf32x3,
                                .is_repetition = is_repetition(list, i),
                                .gradients_deferred = list->params.gradients != NULL};
        v.argument_count = lab_arguments(&v.call, v.arguments);
        enum weft_status status = check_call(t, &v, list, recorded);
        release(t, &v);
        WEFT_TRY(status);
        t->calls++;
        if (t->fault[0] && !t->wrong)
            t->wrong = recorded;
    }
    return WEFT_OK;
}

enum weft_status verify_trace_results(struct verify_trace *t, struct lab_call *c,
                                      const struct weft_command_list *list)
{
    const struct weft_recorded_call *recorded = &list->calls[0];
    struct verify_call v = {.device = list->device,
                            .call = c->call,
                            .winograd = recorded->winograd,
                            .tf32x3 = recorded->tf32x3};
    v.argument_count = lab_arguments(&v.call, v.arguments);
    for (int i = 0; i < v.argument_count; i++) {
        const struct lab_tensor *tensor = &c->lab.tensors[i];
        v.arrays[i].before = lab_initial(&c->lab, tensor);
        v.arrays[i].after = lab_result(&c->lab, tensor, LAB_DEVICE);
    }
    enum weft_status status = compare_outputs(t, &v, list, recorded);
    free(v.image);
    t->calls++;
    if (t->fault[0])
        t->wrong = recorded;
    return status;
}
