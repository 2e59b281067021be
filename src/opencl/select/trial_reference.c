/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of a trial's problem by the reference: whole images of what is computed
 * image by image, pairs of channels of what sums over images.
 *
 * The data are random with mean zero, so rounding errors add up like a random walk and
 * stay far below RELATIVE_TOLERANCE of the sum of |a b|, Winograd's included (2.4-5.6e-6
 * of the output's rms); one product lost or read twice stands far above it. */
#include "opencl/select/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RELATIVE_TOLERANCE (64 * 0x1p-24f)
enum { IMAGES = 3, PAIRS = 6, MAX_ACT_GRAD = 2 };

/* A tensor of a sample: cut out of the trial's. */
struct sample_tensor {
    struct weft_view *view; /* of the sample's arguments */
    void *data;
    size_t count, element;
    bool output;
    struct weft_mem *mem;
};

struct sample {
    struct weft_device *cpu;
    enum ocl_conv_pass pass;
    struct weft_conv_args args;
    struct sample_tensor tensors[TRIAL_MAX_TENSORS];
    int count;
};

static const struct trial_tensor *tensor_of(const struct weft_trial *t,
                                            const struct weft_view *view)
{
    for (int i = 0; i < t->tensor_count; i++)
        if (t->tensors[i].view == view)
            return &t->tensors[i];
    return NULL;
}

static void sample_finish(struct sample *s)
{
    for (int i = 0; i < s->count; i++) {
        free(s->tensors[i].data);
        if (s->tensors[i].mem)
            s->cpu->backend->free(s->cpu, s->tensors[i].mem);
    }
}

static enum weft_status run_list(struct sample *s)
{
    const struct weft_backend *backend = s->cpu->backend;
    enum weft_status (*const passes[])(struct weft_command_list *,
                                       const struct weft_conv_args *) = {
        [OCL_PASS_FORWARD] = backend->primitives->conv_forward,
        [OCL_PASS_BWD_DATA] = backend->primitives->conv_backward_data,
        [OCL_PASS_BWD_WEIGHTS] = backend->primitives->conv_backward_weights,
    };
    struct weft_command_list *list;
    WEFT_TRY(backend->list_create(s->cpu, NULL, &list));
    enum weft_status status = passes[s->pass](list, &s->args);
    if (!status)
        status = backend->list_finalize(list);
    if (!status)
        status = backend->replay(list);
    if (!status)
        status = backend->wait(s->cpu);
    backend->list_destroy(list);
    return status;
}

/* Runs the sample; outputs are in their tensors afterwards. */
static enum weft_status sample_run(struct sample *s)
{
    const struct weft_backend *backend = s->cpu->backend;
    for (int i = 0; i < s->count; i++) {
        struct sample_tensor *p = &s->tensors[i];
        if (!p->mem)
            WEFT_TRY(backend->alloc(s->cpu, p->count * p->element, &p->mem));
        *p->view = (struct weft_view){.mem = p->mem, .count = p->count};
        if (!p->output)
            WEFT_TRY(backend->write(s->cpu, p->mem, 0, p->data, p->count * p->element));
    }
    WEFT_TRY(run_list(s));
    for (int i = 0; i < s->count; i++) {
        struct sample_tensor *p = &s->tensors[i];
        if (p->output)
            WEFT_TRY(backend->read(s->cpu, p->data, p->mem, 0, p->count * p->element));
    }
    return WEFT_OK;
}

/* The sums of |a b|: the same with the sizes of all numbers, and nothing after them. */
static void make_absolute(struct sample *s)
{
    s->args.activation = (struct weft_activation){0};
    s->args.act_grad = (struct weft_act_grad){0};
    for (int i = 0; i < s->count; i++) {
        struct sample_tensor *p = &s->tensors[i];
        float *values = p->data;
        for (size_t k = 0; p->element > 1 && !p->output && k < p->count; k++)
            values[k] = fabsf(values[k]);
    }
}

/* Adds a piece of `count` elements to be filled; NULL: no memory, or the trial has no
 * such tensor. */
static struct sample_tensor *sample_add_tensor(struct sample *s,
                                               const struct trial_tensor *from,
                                               struct weft_view *view, size_t count)
{
    if (!from)
        return NULL;
    struct sample_tensor *p = &s->tensors[s->count];
    *p = (struct sample_tensor){
        view, malloc(count * from->element), count, from->element, from->output, NULL};
    s->count += p->data != NULL;
    return p->data ? p : NULL;
}

static enum weft_status samples_room(struct weft_trial *t, struct trial_samples *s,
                                     size_t more)
{
    size_t room = s->count + more;
    size_t *at = realloc(s->at, room * sizeof(*at));
    s->at = at ? at : s->at;
    float *value = realloc(s->value, room * sizeof(*value));
    s->value = value ? value : s->value;
    float *bound = realloc(s->bound, room * sizeof(*bound));
    s->bound = bound ? bound : s->bound;
    return at && value && bound
               ? WEFT_OK
               : weft_out_of_memory(t->device->context, "tuning", room * sizeof(*at));
}

static float bound_of(const struct weft_trial *t, float value, float absolute)
{
    const struct weft_conv_args *a = &t->problem.args;
    if (a->activation.act)
        return MAX_ACT_GRAD * RELATIVE_TOLERANCE * absolute +
               RELATIVE_TOLERANCE * (fabsf(value) + 1);
    return (a->act_grad.activation.act ? MAX_ACT_GRAD : 1) * RELATIVE_TOLERANCE *
               absolute +
           0x1p-60f;
}

/* Runs a sample twice, for values and for bounds; the elements of its output number `out`
 * lie in the trial's at start + i * step. */
static enum weft_status take_output(struct weft_trial *t, const struct sample_tensor *p,
                                    float *values, struct trial_samples *into,
                                    size_t start, size_t step)
{
    const float *absolute = p->data;
    WEFT_TRY(samples_room(t, into, p->count));
    for (size_t i = 0; i < p->count; i++) {
        into->at[into->count] = start + i * step;
        into->value[into->count] = values[i];
        into->bound[into->count++] = bound_of(t, values[i], absolute[i]);
    }
    return WEFT_OK;
}

/* Copies part of an image's tensor, or all of one that has no images. */
static enum weft_status copy_image(struct sample *s, const struct weft_trial *t,
                                   const struct weft_view *from, struct weft_view *to,
                                   int image)
{
    const struct trial_tensor *x = tensor_of(t, from);
    if (!x)
        return WEFT_OK;
    const struct weft_conv_args *a = &t->problem.args;
    bool shared = from == &a->w || from == &a->bias;
    size_t count = shared ? x->count : x->count / (size_t)a->conv.n;
    struct sample_tensor *p = sample_add_tensor(s, x, to, count);
    if (!p)
        return weft_out_of_memory(t->device->context, "tuning", count * x->element);
    size_t start = shared ? 0 : (size_t)image * count * x->element;
    if (!x->output)
        memcpy(p->data, x->host + start, count * x->element);
    return WEFT_OK;
}

static enum weft_status reference_image(struct weft_trial *t, struct weft_device *cpu,
                                        int image)
{
    const struct weft_conv_args *a = &t->problem.args;
    struct sample s = {.cpu = cpu, .pass = t->problem.pass};
    struct weft_conv_args *b = &s.args;
    *b = (struct weft_conv_args){.conv = a->conv,
                                 .activation = a->activation,
                                 .pool = a->pool,
                                 .act_grad.activation = a->act_grad.activation};
    b->conv.n = b->pool.n = 1;
    const struct weft_view *const from[] = {
        &a->y, &a->dx, &a->argmax, &a->x, &a->w, &a->bias, &a->dy, &a->act_grad.output};
    struct weft_view *const to[] = {&b->y, &b->dx,   &b->argmax, &b->x,
                                    &b->w, &b->bias, &b->dy,     &b->act_grad.output};
    enum weft_status status = WEFT_OK;
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(from) && !status; i++)
        status = copy_image(&s, t, from[i], to[i], image);
    float *values = NULL;
    if (!status)
        status = sample_run(&s);
    if (!status) {
        size_t bytes = s.tensors[0].count * sizeof(float);
        values = malloc(bytes);
        status =
            values ? WEFT_OK : weft_out_of_memory(t->device->context, "tuning", bytes);
    }
    if (!status) {
        memcpy(values, s.tensors[0].data, s.tensors[0].count * sizeof(float));
        make_absolute(&s);
        status = sample_run(&s);
    }
    if (!status)
        status = take_output(t, &s.tensors[0], values, &t->samples[0],
                             (size_t)image * s.tensors[0].count, 1);
    free(values);
    sample_finish(&s);
    return status;
}

/* One channel of a tensor whose innermost index is the channel. */
static enum weft_status copy_channel(struct sample *s, const struct weft_trial *t,
                                     const struct weft_view *from, struct weft_view *to,
                                     int channels, int channel)
{
    const struct trial_tensor *x = tensor_of(t, from);
    if (!x)
        return WEFT_OK;
    size_t count = x->count / (size_t)channels;
    struct sample_tensor *p = sample_add_tensor(s, x, to, count);
    if (!p)
        return weft_out_of_memory(t->device->context, "tuning", count * x->element);
    const unsigned char *host = x->host + (size_t)channel * x->element;
    for (size_t i = 0; i < count; i++)
        memcpy((char *)p->data + i * x->element, host + i * (size_t)channels * x->element,
               x->element);
    return WEFT_OK;
}

/* The gradient of the weights between one input channel and one filter. */
static enum weft_status reference_channel_pair(struct weft_trial *t,
                                               struct weft_device *cpu, int in, int out)
{
    const struct weft_conv_args *a = &t->problem.args;
    const struct weft_conv *c = &a->conv;
    const struct trial_tensor *dbias = tensor_of(t, &a->dbias);
    struct sample s = {.cpu = cpu, .pass = t->problem.pass};
    struct weft_conv_args *b = &s.args;
    *b = (struct weft_conv_args){.conv = *c, .pool = a->pool};
    b->conv.c = b->conv.k = b->conv.groups = b->pool.c = 1;
    size_t taps = (size_t)c->r * (size_t)c->s, c_per_group = (size_t)(c->c / c->groups);
    float values[256 + 1];
    if (taps > 256)
        return WEFT_OK;
    bool whole = sample_add_tensor(&s, tensor_of(t, &a->dw), &b->dw, taps) &&
                 (!dbias || sample_add_tensor(&s, dbias, &b->dbias, 1));
    enum weft_status status =
        whole ? WEFT_OK : weft_out_of_memory(t->device->context, "tuning", taps);
    if (!status)
        status = copy_channel(&s, t, &a->x, &b->x, c->c, in);
    if (!status)
        status = copy_channel(&s, t, &a->dy, &b->dy, c->k, out);
    if (!status)
        status = copy_channel(&s, t, &a->argmax, &b->argmax, c->k, out);
    if (!status)
        status = sample_run(&s);
    if (!status) {
        memcpy(values, s.tensors[0].data, taps * sizeof(float));
        if (dbias)
            memcpy(&values[256], s.tensors[1].data, sizeof(float));
        make_absolute(&s);
        status = sample_run(&s);
    }
    if (!status)
        status = take_output(t, &s.tensors[0], values, &t->samples[0],
                             (size_t)in % c_per_group * (size_t)c->k + (size_t)out,
                             c_per_group * (size_t)c->k);
    if (!status && dbias)
        status =
            take_output(t, &s.tensors[1], &values[256], &t->samples[1], (size_t)out, 1);
    sample_finish(&s);
    return status;
}

static enum weft_status reference_channel_pairs(struct weft_trial *t,
                                                struct weft_device *cpu)
{
    const struct weft_conv *c = &t->problem.args.conv;
    int c_per_group = c->c / c->groups, k_per_group = c->k / c->groups;
    for (int i = 0; i < PAIRS; i++) {
        int out = (int)((long)(c->k - 1) * i / (PAIRS - 1));
        int within = (int)((long)(c_per_group - 1) * (i * 2 % PAIRS) / (PAIRS - 2));
        WEFT_TRY(reference_channel_pair(t, cpu, out / k_per_group * c_per_group + within,
                                        out));
    }
    return WEFT_OK;
}

static enum weft_status reference_images(struct weft_trial *t, struct weft_device *cpu)
{
    int n = t->problem.args.conv.n, done = -1;
    for (int i = 0; i < IMAGES; i++) {
        int image = (int)((long)(n - 1) * i / (IMAGES - 1));
        if (image > done)
            WEFT_TRY(reference_image(t, cpu, image));
        done = image;
    }
    return WEFT_OK;
}

enum weft_status ocl_trial_compute_reference(struct weft_trial *t)
{
    weft_context *ctx = t->device->context;
    struct weft_device *cpu = NULL;
    t->samples[0].tensor = 0;
    t->samples[1].tensor = 1;
    t->sample_count = t->problem.pass == OCL_PASS_BWD_WEIGHTS && t->problem.bias ? 2 : 1;
    WEFT_TRY(weft_device_open(ctx, WEFT_HOST_DEVICE, NULL, &cpu));
    enum weft_status status =
        (t->problem.pass == OCL_PASS_BWD_WEIGHTS ? reference_channel_pairs
                                                 : reference_images)(t, cpu);
    weft_device_close(&cpu);
    return status;
}

void ocl_trial_samples_free(struct weft_trial *t)
{
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(t->samples); i++) {
        free(t->samples[i].at);
        free(t->samples[i].value);
        free(t->samples[i].bound);
    }
}

enum weft_status ocl_trial_compare_reference(const struct weft_trial *t)
{
    const struct weft_pool *pool = &t->problem.args.pool;
    for (int i = 0; i < t->sample_count; i++) {
        const struct trial_samples *s = &t->samples[i];
        const float *got = (const float *)t->tensors[s->tensor].host;
        for (size_t k = 0; k < s->count; k++)
            if (!(fabsf(got[s->at[k]] - s->value[k]) <= s->bound[k]))
                return weft_fail(
                    t->device->context, WEFT_ERR_MISMATCH,
                    "element %zu is %.9g, should be %.9g, may differ by %.3g", s->at[k],
                    (double)got[s->at[k]], (double)s->value[k], (double)s->bound[k]);
    }
    /* What no pool has written is 255, which no window of two places holds. */
    const struct trial_tensor *argmax = tensor_of(t, &t->problem.args.argmax);
    for (size_t k = 0; argmax && argmax->output && k < argmax->count; k++)
        if (argmax->host[k] >= pool->r * pool->s)
            return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                             "the place of a maximum is %d", argmax->host[k]);
    return WEFT_OK;
}
