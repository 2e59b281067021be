/* SPDX-License-Identifier: Apache-2.0 */
/* Trials: a config proved and timed. Only the seam's primitives are used, as a network
 * uses them. */
#include "device/tuning_table.h"
#include "opencl/select/trial.h"

#include "shared/random.h"
#include "util/clock.h"
#include "util/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a timing takes at least, so that the clock and the launch do not show. */
static const double least_seconds = 2e-3;
/* Behind by so much after its first timing: not worth more. */
static const double give_up_ratio = 1.6;
enum { MOST_ROUNDS = 31, MOST_REPEATS = 512, GUARD_BYTE = 0x44 };

static size_t images_of(const struct weft_conv *c)
{
    return (size_t)c->n * (size_t)c->h * (size_t)c->w * (size_t)c->c;
}

static size_t outputs_of(const struct weft_conv_args *a, bool pooled)
{
    const struct weft_conv *c = &a->conv;
    size_t rows = (size_t)(pooled ? a->pool.out_h : c->out_h);
    size_t columns = (size_t)(pooled ? a->pool.out_w : c->out_w);
    return (size_t)c->n * rows * columns * (size_t)c->k;
}

static size_t weights_of(const struct weft_conv *c)
{
    return (size_t)c->r * (size_t)c->s * (size_t)(c->c / c->groups) * (size_t)c->k;
}

static void add(struct weft_trial *t, struct weft_view *view, size_t count,
                size_t element, bool output)
{
    t->tensors[t->tensor_count++] = (struct trial_tensor){
        .view = view, .count = count, .element = element, .output = output};
}

/* The tensors of each pass. The order is that of the samples: floats that come out
 * first. */
static void add_forward(struct weft_trial *t, struct weft_conv_args *a)
{
    bool pooled = a->pool.r > 0;
    add(t, &a->y, outputs_of(a, pooled), sizeof(float), true);
    if (t->problem.argmax)
        add(t, &a->argmax, outputs_of(a, true), 1, true);
    add(t, &a->x, images_of(&a->conv), sizeof(float), false);
    add(t, &a->w, weights_of(&a->conv), sizeof(float), false);
    if (t->problem.bias)
        add(t, &a->bias, (size_t)a->conv.k, sizeof(float), false);
}

static void add_gradient(struct weft_trial *t, struct weft_conv_args *a)
{
    bool pooled = a->pool.r > 0;
    add(t, &a->dy, outputs_of(a, pooled), sizeof(float), false);
    if (pooled)
        add(t, &a->argmax, outputs_of(a, true), 1, false);
}

static void add_backward_data(struct weft_trial *t, struct weft_conv_args *a)
{
    add(t, &a->dx, images_of(&a->conv), sizeof(float), true);
    add_gradient(t, a);
    add(t, &a->w, weights_of(&a->conv), sizeof(float), false);
    if (a->act_grad.activation.act)
        add(t, &a->act_grad.output, images_of(&a->conv), sizeof(float), false);
}

static void add_backward_weights(struct weft_trial *t, struct weft_conv_args *a)
{
    add(t, &a->dw, weights_of(&a->conv), sizeof(float), true);
    if (t->problem.bias)
        add(t, &a->dbias, (size_t)a->conv.k, sizeof(float), true);
    add_gradient(t, a);
    add(t, &a->x, images_of(&a->conv), sizeof(float), false);
}

static void (*const add_tensors[OCL_PASS_COUNT])(struct weft_trial *,
                                                 struct weft_conv_args *) = {
    [OCL_PASS_FORWARD] = add_forward,
    [OCL_PASS_BWD_DATA] = add_backward_data,
    [OCL_PASS_BWD_WEIGHTS] = add_backward_weights,
};

static struct weft_random words_of(size_t index, int tensor)
{
    return weft_philox(1, 0, (uint32_t)index, (uint32_t)(index >> 32), (uint32_t)tensor,
                       RANDOM_VERIFY);
}

static void fill_floats(const struct weft_trial *t, int tensor)
{
    const struct trial_tensor *x = &t->tensors[tensor];
    float *out = (float *)x->host;
    for (size_t i = 0; i < x->count; i += 4) {
        struct weft_random r = words_of(i / 4, tensor);
        for (size_t k = 0; k < 4 && i + k < x->count; k++)
            out[i + k] = 2 * weft_uniform(r.v[k]) - 1;
    }
}

/* Places of maxima, all inside the image. */
static void fill_argmax(const struct weft_trial *t, int tensor)
{
    const struct weft_pool *p = &t->problem.args.pool;
    const struct trial_tensor *x = &t->tensors[tensor];
    for (size_t i = 0; i < x->count; i++) {
        struct weft_random r = words_of(i, tensor);
        size_t place = i / (size_t)p->c;
        int top =
            (int)(place / (size_t)p->out_w % (size_t)p->out_h) * p->stride_y - p->pad_top;
        int left = (int)(place % (size_t)p->out_w) * p->stride_x - p->pad_left;
        int first_y = top < 0 ? -top : 0, first_x = left < 0 ? -left : 0;
        int last_y = top + p->r > p->h ? p->h - top : p->r;
        int last_x = left + p->s > p->w ? p->w - left : p->s;
        int y = first_y + (int)(r.v[0] % (uint32_t)(last_y - first_y));
        int column = first_x + (int)(r.v[1] % (uint32_t)(last_x - first_x));
        x->host[i] = (unsigned char)(y * p->s + column);
    }
}

/* Memory of a tensor with its guards, and an input's data in it. */
static enum weft_status place(struct weft_trial *t, int tensor)
{
    struct trial_tensor *x = &t->tensors[tensor];
    const struct weft_backend *backend = t->device->backend;
    size_t bytes = x->count * x->element;
    unsigned char guard[TRIAL_GUARD];
    memset(guard, GUARD_BYTE, sizeof(guard));
    x->host = malloc(bytes);
    if (!x->host)
        return weft_out_of_memory(t->device->context, "tuning", bytes);
    WEFT_TRY(backend->alloc(t->device, bytes + 2 * TRIAL_GUARD, &x->mem));
    *x->view = (struct weft_view){
        .mem = x->mem, .offset = TRIAL_GUARD / x->element, .count = x->count};
    WEFT_TRY(backend->write(t->device, x->mem, 0, guard, sizeof(guard)));
    WEFT_TRY(
        backend->write(t->device, x->mem, TRIAL_GUARD + bytes, guard, sizeof(guard)));
    if (x->output)
        return WEFT_OK;
    (x->element == 1 ? fill_argmax : fill_floats)(t, tensor);
    return backend->write(t->device, x->mem, TRIAL_GUARD, x->host, bytes);
}

static enum weft_status record(struct weft_trial *t, const char *config,
                               struct weft_command_list **out)
{
    const struct weft_backend *backend = t->device->backend;
    enum weft_status (*const passes[])(struct weft_command_list *,
                                       const struct weft_conv_args *) = {
        [OCL_PASS_FORWARD] = backend->primitives->conv_forward,
        [OCL_PASS_BWD_DATA] = backend->primitives->conv_backward_data,
        [OCL_PASS_BWD_WEIGHTS] = backend->primitives->conv_backward_weights,
    };
    const struct weft_command_list_params params = {.config = config};
    WEFT_TRY(backend->list_create(t->device, &params, out));
    enum weft_status status = passes[t->problem.pass](*out, &t->problem.args);
    if (!status)
        status = backend->list_finalize(*out);
    if (status) {
        backend->list_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* What is to be overwritten: not a number, and no place of a maximum. */
static enum weft_status poison_outputs(struct weft_trial *t)
{
    for (int i = 0; i < t->tensor_count; i++) {
        struct trial_tensor *x = &t->tensors[i];
        if (!x->output)
            continue;
        memset(x->host, 0xff, x->count * x->element);
        WEFT_TRY(t->device->backend->write(t->device, x->mem, TRIAL_GUARD, x->host,
                                           x->count * x->element));
    }
    return WEFT_OK;
}

static enum weft_status check_guard_bytes(struct weft_trial *t)
{
    unsigned char guard[2 * TRIAL_GUARD];
    for (int i = 0; i < t->tensor_count; i++) {
        struct trial_tensor *x = &t->tensors[i];
        size_t end = TRIAL_GUARD + x->count * x->element;
        const struct weft_backend *backend = t->device->backend;
        WEFT_TRY(backend->read(t->device, guard, x->mem, 0, TRIAL_GUARD));
        WEFT_TRY(backend->read(t->device, guard + TRIAL_GUARD, x->mem, end, TRIAL_GUARD));
        for (size_t k = 0; k < sizeof(guard); k++)
            if (guard[k] != GUARD_BYTE)
                return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                                 "wrote outside its output");
    }
    return WEFT_OK;
}

/* One run from spoiled outputs, and the hash of what came out. */
static enum weft_status run_once(struct weft_trial *t, struct weft_command_list *list,
                                 uint64_t *hash)
{
    const struct weft_backend *backend = t->device->backend;
    *hash = 0;
    WEFT_TRY(poison_outputs(t));
    WEFT_TRY(backend->replay(list));
    for (int i = 0; i < t->tensor_count; i++) {
        struct trial_tensor *x = &t->tensors[i];
        size_t bytes = x->count * x->element;
        if (!x->output)
            continue;
        WEFT_TRY(backend->read(t->device, x->host, x->mem, TRIAL_GUARD, bytes));
        *hash = *hash * 31 + weft_hash64(x->host, bytes);
    }
    return WEFT_OK;
}

static enum weft_status check_finite(const struct weft_trial *t)
{
    for (int i = 0; i < t->tensor_count; i++) {
        const struct trial_tensor *x = &t->tensors[i];
        const float *values = (const float *)x->host;
        float sum = 0;
        if (!x->output || x->element == 1)
            continue;
        for (size_t k = 0; k < x->count; k++)
            sum += values[k] * 0;
        if (sum != 0)
            return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                             "left numbers that are not finite");
    }
    return WEFT_OK;
}

static enum weft_status verify(struct weft_trial *t, struct weft_command_list *list)
{
    uint64_t first, second;
    WEFT_TRY(run_once(t, list, &first));
    WEFT_TRY(check_finite(t));
    WEFT_TRY(ocl_trial_compare_reference(t));
    WEFT_TRY(run_once(t, list, &second));
    WEFT_TRY(check_guard_bytes(t));
    if (first != second)
        return weft_fail(t->device->context, WEFT_ERR_MISMATCH,
                         "gave other bits the second time");
    return WEFT_OK;
}

static enum weft_status time_list(struct weft_trial *t, struct weft_command_list *list,
                                  double *seconds)
{
    const struct weft_backend *backend = t->device->backend;
    double begin = weft_clock_seconds();
    for (int i = 0; i < t->repeats; i++)
        WEFT_TRY(backend->replay(list));
    WEFT_TRY(backend->wait(t->device));
    *seconds = (weft_clock_seconds() - begin) / t->repeats;
    return WEFT_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return count % 2 ? values[count / 2]
                     : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static enum weft_status time_interleaved(struct weft_trial *t,
                                         struct weft_command_list *list, int rounds,
                                         double *seconds, double *baseline)
{
    double mine[MOST_ROUNDS], theirs[MOST_ROUNDS];
    int count = 0;
    rounds = rounds < 1 ? 1 : rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds;
    do {
        WEFT_TRY(time_list(t, t->baseline, &theirs[count]));
        WEFT_TRY(time_list(t, list, &mine[count]));
        count++;
    } while (count < rounds && (count > 1 || mine[0] < give_up_ratio * theirs[0]));
    *seconds = median(mine, count);
    *baseline = median(theirs, count);
    return WEFT_OK;
}

enum weft_status ocl_trial_run(struct weft_trial *t, const char *config, int rounds,
                               double *seconds, double *baseline)
{
    struct weft_command_list *list = NULL;
    WEFT_TRY(record(t, config, &list));
    enum weft_status status = verify(t, list);
    if (!status)
        status = time_interleaved(t, list, rounds, seconds, baseline);
    t->device->backend->list_destroy(list);
    return status;
}

/* The default, proved, and how often it is to be run for one timing. */
static enum weft_status begin(struct weft_trial *t)
{
    char text[OCL_CONFIG_TEXT];
    double seconds;
    const struct ocl_device *device = (const struct ocl_device *)t->device;
    struct ocl_kernel_config config = ocl_select_default_config(device, &t->typed);
    if (!config.algorithm)
        return weft_fail(t->device->context, WEFT_ERR_BUILD, "nothing can do it");
    ocl_config_format(&config, text);
    WEFT_TRY(record(t, text, &t->baseline));
    WEFT_TRY(verify(t, t->baseline));
    t->repeats = 1;
    WEFT_TRY(time_list(t, t->baseline, &seconds));
    while (seconds * t->repeats < least_seconds && t->repeats < MOST_REPEATS) {
        t->repeats *= 2;
        WEFT_TRY(time_list(t, t->baseline, &seconds));
    }
    return WEFT_OK;
}

/* The arguments of a convolution, as the trial keeps them. */
static bool parse(const struct weft_device *device, const char *text,
                  struct weft_trial *t)
{
    if (!weft_problem_parse(text, &t->typed) || t->typed.family != device->family)
        return false;
    const struct weft_conv_args *args = ocl_conv_args(&t->typed);
    enum ocl_conv_pass pass =
        (enum ocl_conv_pass)(t->typed.call.primitive - WEFT_PRIMITIVE_conv_forward);
    if (pass >= OCL_PASS_COUNT)
        return false;
    t->problem = (struct trial_problem){
        .pass = pass,
        .args = *args,
        .bias = args->bias.mem || args->dbias.mem,
        .argmax = args->argmax.mem != NULL,
    };
    struct weft_conv_args *a = &t->problem.args;
    struct weft_view *const views[] = {
        &a->x,  &a->w,  &a->bias,  &a->y,  &a->argmax,
        &a->dy, &a->dw, &a->dbias, &a->dx, &a->act_grad.output};
    for (size_t i = 0; i < WEFT_ARRAY_SIZE(views); i++)
        *views[i] = (struct weft_view){0};
    return true;
}

enum weft_status ocl_trial_create(struct weft_device *device, const char *text,
                                  struct weft_trial **out)
{
    struct weft_trial *t = calloc(1, sizeof(*t));
    if (!t)
        return weft_out_of_memory(device->context, "tuning", sizeof(*t));
    enum weft_status status = WEFT_OK;
    t->device = device;
    if (!parse(device, text, t))
        status = weft_fail(device->context, WEFT_ERR_ARG,
                           "tuning: \"%s\" is no problem of this device", text);
    else
        add_tensors[t->problem.pass](t, &t->problem.args);
    for (int i = 0; i < t->tensor_count && !status; i++)
        status = place(t, i);
    if (!status)
        status = ocl_trial_compute_reference(t);
    if (!status)
        status = begin(t);
    if (status)
        ocl_trial_destroy(&t);
    else
        *out = t;
    return status;
}

void ocl_trial_destroy(struct weft_trial **trial)
{
    struct weft_trial *t = *trial;
    if (!t)
        return;
    const struct weft_backend *backend = t->device->backend;
    if (t->baseline)
        backend->list_destroy(t->baseline);
    for (int i = 0; i < t->tensor_count; i++) {
        free(t->tensors[i].host);
        if (t->tensors[i].mem)
            backend->free(t->device, t->tensors[i].mem);
    }
    ocl_trial_samples_free(t);
    free(t);
    *trial = NULL;
}
