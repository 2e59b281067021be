/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of launches: recorded, sealed, replayed. The only file that binds arguments and
 * enqueues kernels. */
#include "runtime.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A launch, or a call that enqueues by itself. */
struct step {
    const char *source, *name; /* of the kernel */
    struct ocl_program *program;
    cl_kernel kernel; /* once sealed */
    size_t global[3], local[3];
    bool local_given;
    struct ocl_arg *args; /* until sealed */
    int arg_count;
    enum weft_status (*call)(struct weft_list *list, void *data);
    void *data;
    char *choice; /* ocl_begin's; NULL: none */
};

struct steps {
    struct step *list;
    int count, room;
};

/* What is written into what is kept when the list is sealed. */
struct constants {
    size_t place, count;
    cl_uint *words;
};

struct ocl_list {
    struct weft_list base;
    struct steps each, once; /* of every replay; of those with new weights, before */
    size_t scratch_used;     /* by the primitive that is being recorded, */
    size_t scratch_floor;    /* of which so much in views */
    size_t scratch_most;     /* by any; what is kept lies behind it */
    size_t kept;
    char choice[sizeof(((struct weft_launch_text *)NULL)->choice)]; /* for it */
    bool dry;         /* nothing is appended, */
    uint64_t sources; /* but the sources of the kernels that would be are hashed */
    struct constants *constants;
    struct ocl_planes *planes;
    int constant_count, plane_count;
    struct weft_mem *scratch;
    struct weft_mem scratch_view, kept_view; /* what views name for it */
    bool sealed;
};

enum weft_status ocl_list_create(struct weft_device *device, struct weft_list **out)
{
    struct ocl_list *list = calloc(1, sizeof(*list));
    if (!list)
        return weft_out_of_memory(device->context, "opencl: list", sizeof(*list));
    list->base.device = device;
    *out = &list->base;
    return WEFT_OK;
}

void ocl_list_dry(struct weft_list *base)
{
    ((struct ocl_list *)base)->dry = true;
}

uint64_t ocl_list_sources(const struct weft_list *base)
{
    return ((const struct ocl_list *)base)->sources;
}

static bool is_dry(const struct ocl_list *list)
{
    return list->dry || list->base.problems;
}

static void step_finish(struct step *step)
{
    if (step->kernel)
        clReleaseKernel(step->kernel);
    free(step->args);
    free(step->data);
    free(step->choice);
}

static void steps_finish(struct steps *steps)
{
    for (int i = 0; i < steps->count; i++)
        step_finish(&steps->list[i]);
    free(steps->list);
}

void ocl_list_destroy(struct weft_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    if (!list)
        return;
    steps_finish(&list->each);
    steps_finish(&list->once);
    for (int i = 0; i < list->constant_count; i++)
        free(list->constants[i].words);
    free(list->constants);
    free(list->planes);
    ocl_free(base->device, list->scratch);
    weft_list_finish(base);
    free(list);
}

void ocl_begin(struct weft_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    list->scratch_used = list->scratch_floor = 0;
    list->choice[0] = '\0';
}

struct weft_view ocl_scratch_view(struct weft_list *base, size_t count, bool kept)
{
    struct ocl_list *list = (struct ocl_list *)base;
    struct ocl_arg arg = OCL_SCRATCH(0);
    if (kept)
        arg = ocl_kept(base, count * sizeof(float));
    else
        arg.bytes = ocl_scratch(base, count * sizeof(float));
    list->scratch_floor = list->scratch_used;
    return (struct weft_view){.mem = arg.kind == OCL_ARG_KEPT ? &list->kept_view
                                                              : &list->scratch_view,
                              .offset = arg.bytes / sizeof(float),
                              .count = count};
}

void ocl_begin_choice(struct weft_list *base, const char *choice)
{
    struct ocl_list *list = (struct ocl_list *)base;
    list->scratch_used = list->scratch_floor;
    snprintf(list->choice, sizeof(list->choice), "%s", choice);
}

/* Moves *used behind `bytes` more; their place. */
static size_t take(struct ocl_list *list, size_t *used, size_t bytes)
{
    size_t place = *used;
    *used += (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
    if (list->scratch_used > list->scratch_most)
        list->scratch_most = list->scratch_used;
    list->base.scratch_bytes = list->scratch_most + list->kept;
    return place;
}

size_t ocl_scratch(struct weft_list *base, size_t bytes)
{
    struct ocl_list *list = (struct ocl_list *)base;
    return take(list, &list->scratch_used, bytes);
}

size_t ocl_keep(struct weft_list *base, size_t bytes)
{
    struct ocl_list *list = (struct ocl_list *)base;
    return take(list, &list->kept, bytes);
}

struct ocl_arg ocl_kept(struct weft_list *base, size_t bytes)
{
    if (base->frozen)
        return (struct ocl_arg)OCL_KEPT(ocl_keep(base, bytes));
    return (struct ocl_arg)OCL_SCRATCH(ocl_scratch(base, bytes));
}

/* Room for one more of `count` things of `size` bytes at *things. */
static enum weft_status grow(struct ocl_list *list, void **things, int count, size_t size)
{
    void *more = realloc(*things, ((size_t)count + 1) * size);
    if (!more)
        return weft_out_of_memory(list->base.device->context, "opencl: list", size);
    *things = more;
    return WEFT_OK;
}

enum weft_status ocl_constants(struct weft_list *base, const cl_uint *words, size_t count,
                               struct ocl_arg *out)
{
    struct ocl_list *list = (struct ocl_list *)base;
    size_t bytes = count * sizeof(*words);
    struct constants added = {ocl_keep(base, bytes), count, malloc(bytes + 1)};
    if (!added.words)
        return weft_out_of_memory(base->device->context, "opencl: list", bytes);
    memcpy(added.words, words, bytes);
    enum weft_status status = grow(list, (void **)&list->constants, list->constant_count,
                                   sizeof(*list->constants));
    if (status) {
        free(added.words);
        return status;
    }
    list->constants[list->constant_count++] = added;
    *out = (struct ocl_arg)OCL_KEPT(added.place);
    return WEFT_OK;
}

enum weft_status ocl_leave_planes(struct weft_list *base, const struct ocl_planes *planes)
{
    struct ocl_list *list = (struct ocl_list *)base;
    WEFT_TRY(grow(list, (void **)&list->planes, list->plane_count, sizeof(*planes)));
    list->planes[list->plane_count++] = *planes;
    return WEFT_OK;
}

const struct ocl_planes *ocl_left_planes(const struct weft_list *base, int *count)
{
    const struct ocl_list *list = (const struct ocl_list *)base;
    *count = list->plane_count;
    return list->planes;
}

cl_mem ocl_scratch_mem(const struct weft_list *base)
{
    const struct ocl_list *list = (const struct ocl_list *)base;
    assert(list->sealed);
    return list->scratch ? list->scratch->mem : NULL;
}

void ocl_define(struct ocl_options *options, const char *name, long value)
{
    size_t used = strlen(options->text);
    int n = snprintf(options->text + used, sizeof(options->text) - used, "%s-D%s=%ld",
                     used ? " " : "", name, value);
    assert(n > 0 && (size_t)n < sizeof(options->text) - used);
    (void)n;
}

/* Takes over what `step` holds. */
static enum weft_status append(struct ocl_list *list, struct steps *steps,
                               const struct step *step)
{
    assert(!list->sealed);
    if (steps->count == steps->room) {
        int room = steps->room ? 2 * steps->room : 16;
        struct step *more = realloc(steps->list, (size_t)room * sizeof(*more));
        if (!more)
            return weft_out_of_memory(list->base.device->context, "opencl: list",
                                      (size_t)room * sizeof(*more));
        steps->list = more;
        steps->room = room;
    }
    steps->list[steps->count] = *step;
    if (list->choice[0]) /* only told: without memory for it, it is not */
        steps->list[steps->count].choice = strdup(list->choice);
    steps->count++;
    list->base.launches = list->each.count;
    return WEFT_OK;
}

/* Whether the device, and once there is one the kernel as it was compiled, can run such
 * a group. A limit that is but
 * the preferred multiple is not believed: rusticl (Mesa 22.3) tells 32 of every
 * kernel. */
static enum weft_status check_group(struct ocl_device *d, const struct step *step)
{
    const size_t *local = step->local;
    size_t limit = d->max_group, multiple = 0, group = local[0] * local[1] * local[2];
    cl_int error = CL_SUCCESS;
    if (step->kernel)
        error = clGetKernelWorkGroupInfo(step->kernel, d->id, CL_KERNEL_WORK_GROUP_SIZE,
                                         sizeof(limit), &limit, NULL);
    if (step->kernel && !error)
        error = clGetKernelWorkGroupInfo(step->kernel, d->id,
                                         CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE,
                                         sizeof(multiple), &multiple, NULL);
    if (error || group <= (limit == multiple ? d->max_group : limit))
        return ocl_check(d->base.context, error, step->name);
    return weft_fail(
        d->base.context, WEFT_ERR_BUILD,
        "opencl: %s of %s: work-groups of %zu x %zu x %zu are wanted, but %s "
        "runs it in at most %zu items",
        step->name, step->source, local[0], local[1], local[2], d->base.info.name, limit);
}

/* Kernels count elements in uints, and look a vector beyond the end. */
static const size_t most_elements = UINT32_MAX - WEFT_SLACK;

static enum weft_status check_args(struct ocl_device *d, const struct ocl_launch *launch)
{
    assert(launch->arg_count <= OCL_MAX_ARGS);
    for (int i = 0; i < launch->arg_count; i++) {
        const struct ocl_arg *arg = &launch->args[i];
        size_t end = arg->kind == OCL_ARG_VIEW ? arg->view.offset + arg->view.count : 0;
        if (end > most_elements)
            return weft_fail(d->base.context, WEFT_ERR_NOMEM,
                             "opencl: %s: an argument ends at element %zu, but kernels "
                             "count to %zu; use a smaller batch, or fewer pictures",
                             launch->kernel, end, most_elements);
    }
    return WEFT_OK;
}

enum weft_status ocl_launch(struct weft_list *base, const char *options,
                            const struct ocl_launch *launch)
{
    struct ocl_device *d = ocl_of(base);
    struct ocl_list *list = (struct ocl_list *)base;
    struct step step = {.source = launch->source,
                        .name = launch->kernel,
                        .arg_count = launch->arg_count,
                        .local_given = launch->local[0] != 0};
    if (is_dry(list)) {
        list->sources = ocl_source_hash(list->sources, launch->source);
        return WEFT_OK;
    }
    enum weft_status status = check_args(d, launch);
    if (status)
        return status;
    for (int i = 0; i < 3; i++) {
        size_t local = launch->local[i] ? launch->local[i] : 1;
        size_t global = launch->global[i] ? launch->global[i] : 1;
        step.local[i] = local;
        step.global[i] = (global + local - 1) / local * local;
    }
    if (step.local_given)
        WEFT_TRY(check_group(d, &step));
    status = ocl_program_want(d, launch->source, options ? options : "", &step.program);
    size_t bytes = (size_t)launch->arg_count * sizeof(*step.args);
    if (!status && !(step.args = malloc(bytes + 1)))
        status = weft_out_of_memory(d->base.context, "opencl: list", bytes);
    if (!status) {
        memcpy(step.args, launch->args, bytes);
        bool once = launch->of_weights && base->frozen;
        status = append(list, once ? &list->once : &list->each, &step);
    }
    if (status)
        step_finish(&step);
    return status;
}

enum weft_status ocl_call(struct weft_list *base,
                          enum weft_status (*call)(struct weft_list *list, void *data),
                          const void *data, size_t size)
{
    if (is_dry((struct ocl_list *)base))
        return WEFT_OK;
    struct step step = {.call = call, .data = malloc(size + 1)};
    if (!step.data)
        return weft_out_of_memory(base->device->context, "opencl: list", size);
    memcpy(step.data, data, size);
    struct ocl_list *list = (struct ocl_list *)base;
    enum weft_status status = append(list, &list->each, &step);
    if (status)
        step_finish(&step);
    return status;
}

/* Binds one argument, which is one or two of the kernel's; *at moves behind them. */
static cl_int bind(const struct ocl_list *list, cl_kernel kernel,
                   const struct ocl_arg *arg, cl_uint *at)
{
    const struct weft_mem *mem;
    size_t offset;
    switch (arg->kind) {
    case OCL_ARG_INT:
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->i), &arg->i);
    case OCL_ARG_FLOAT:
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->f), &arg->f);
    case OCL_ARG_LOCAL:
        return clSetKernelArg(kernel, (*at)++, arg->bytes, NULL);
    case OCL_ARG_VIEW:
        mem = arg->view.mem;
        offset = arg->view.offset;
        if (mem == &list->kept_view)
            offset += list->scratch_most / sizeof(float);
        break;
    default:
        mem = list->scratch;
        offset = arg->bytes + (arg->kind == OCL_ARG_KEPT ? list->scratch_most : 0);
        offset /= sizeof(float);
    }
    cl_uint place = mem ? (cl_uint)offset : 0;
    cl_int error =
        clSetKernelArg(kernel, (*at)++, sizeof(cl_mem), mem ? &mem->mem : NULL);
    return error ? error : clSetKernelArg(kernel, (*at)++, sizeof(place), &place);
}

/* "WHAT of KERNEL", for the sentence of an error. */
static enum weft_status check_step(const struct ocl_list *list, const struct step *step,
                                   cl_int error, const char *what)
{
    char text[128];
    if (!error)
        return WEFT_OK;
    snprintf(text, sizeof(text), "%s of %s", what, step->name);
    return ocl_check(list->base.device->context, error, text);
}

static enum weft_status seal_step(const struct ocl_list *list, struct step *step)
{
    struct ocl_device *d = ocl_of(&list->base);
    cl_uint at = 0;
    cl_int error = CL_SUCCESS;
    if (step->call)
        return WEFT_OK;
    WEFT_TRY(ocl_program_kernel(d, step->program, step->name, &step->kernel));
    if (step->local_given)
        WEFT_TRY(check_group(d, step));
    for (int k = 0; k < step->arg_count && !error; k++)
        error = bind(list, step->kernel, &step->args[k], &at);
    WEFT_TRY(check_step(list, step, error, "binding the arguments"));
    free(step->args);
    step->args = NULL;
    return WEFT_OK;
}

static enum weft_status write_constants(const struct ocl_list *list)
{
    const struct ocl_device *d = ocl_of(&list->base);
    cl_int error = CL_SUCCESS;
    for (int i = 0; i < list->constant_count && !error; i++) {
        const struct constants *c = &list->constants[i];
        error = clEnqueueWriteBuffer(
            d->queue, list->scratch->mem, CL_TRUE, list->scratch_most + c->place,
            c->count * sizeof(*c->words), c->words, 0, NULL, NULL);
    }
    return ocl_check(d->base.context, error, "writing a list's constants");
}

enum weft_status ocl_list_seal(struct weft_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    assert(!list->sealed);
    if (base->scratch_bytes / sizeof(float) > most_elements)
        return weft_fail(base->device->context, WEFT_ERR_NOMEM,
                         "opencl: %zu floats of scratch are wanted, but kernels count to "
                         "%zu; use a smaller batch",
                         base->scratch_bytes / sizeof(float), most_elements);
    if (base->scratch_bytes)
        WEFT_TRY(ocl_alloc(base->device, base->scratch_bytes, &list->scratch));
    list->scratch_view.mem = list->kept_view.mem =
        list->scratch ? list->scratch->mem : NULL;
    WEFT_TRY(write_constants(list));
    WEFT_TRY(ocl_programs_build(ocl_of(base)));
    for (int i = 0; i < list->once.count; i++)
        WEFT_TRY(seal_step(list, &list->once.list[i]));
    for (int i = 0; i < list->each.count; i++)
        WEFT_TRY(seal_step(list, &list->each.list[i]));
    list->sealed = true;
    return WEFT_OK;
}

static enum weft_status enqueue(struct ocl_list *list, struct step *step,
                                cl_command_queue queue, cl_event *event)
{
    if (step->call)
        return step->call(&list->base, step->data);
    cl_int error =
        clEnqueueNDRangeKernel(queue, step->kernel, 3, NULL, step->global,
                               step->local_given ? step->local : NULL, 0, NULL, event);
    return check_step(list, step, error, "the launch");
}

enum weft_status ocl_list_launch(struct weft_list *base, int index,
                                 cl_command_queue queue, cl_event *event)
{
    struct ocl_list *list = (struct ocl_list *)base;
    return enqueue(list, &list->each.list[index], queue, event);
}

enum weft_status ocl_replay_part(struct weft_list *base, int first, int end)
{
    struct ocl_list *list = (struct ocl_list *)base;
    struct ocl_device *d = ocl_of(base);
    assert(list->sealed && first >= 0 && end <= list->each.count);
    for (int i = 0; base->stale && i < list->once.count; i++)
        WEFT_TRY(enqueue(list, &list->once.list[i], d->queue, NULL));
    base->stale = false;
    for (int i = first; i < end; i++)
        WEFT_TRY(enqueue(list, &list->each.list[i], d->queue, NULL));
    return ocl_check(base->device->context, clFlush(d->queue), "flushing the queue");
}

enum weft_status ocl_replay(struct weft_list *list)
{
    return ocl_replay_part(list, 0, list->launches);
}

void ocl_tell_launch(const struct weft_list *base, int index,
                     struct weft_launch_text *out)
{
    const struct step *step = &((const struct ocl_list *)base)->each.list[index];
    *out = (struct weft_launch_text){.kernel = "CLBlast"};
    if (step->kernel)
        clGetKernelInfo(step->kernel, CL_KERNEL_FUNCTION_NAME, sizeof(out->kernel),
                        out->kernel, NULL);
    snprintf(out->choice, sizeof(out->choice), "%s", step->choice ? step->choice : "");
}
