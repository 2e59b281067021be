/* SPDX-License-Identifier: Apache-2.0 */
/* Command lists: recorded, finalized, replayed. No other file binds arguments or enqueues
 * kernels. */
#include "opencl/runtime/command_list.h"
#include "opencl/runtime/program.h"
#include "opencl/runtime/queue.h"
#include "opencl/runtime/sub_buffer.h"
#include "opencl/runtime/workspace.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A launch, or a call that enqueues by itself. */
struct command {
    const char *source, *name; /* of the kernel */
    struct ocl_program *program;
    cl_kernel kernel; /* once finalized */
    size_t global[3], local[3];
    bool local_given;
    struct ocl_arg *args; /* until finalized */
    int arg_count;
    enum weft_status (*call)(struct weft_command_list *list, void *data);
    void *data;
    char *config;   /* ocl_begin_primitive's; NULL: none */
    int call_index; /* of the list's calls; -1: none */
};

struct command_array {
    struct command *list;
    int count, room;
};

struct ocl_list {
    struct ocl_recording recording;
    struct command_array replay;  /* of every replay */
    struct command_array prepare; /* before the first, and where weights have changed */
    struct ocl_sub_buffers sub_buffers; /* of views beyond the offsets of kernels */
    char config[sizeof(((struct weft_launch_description *)NULL)->config)];
    const char *const *sources; /* of the algorithm; NULL: none is being recorded */
    bool finalized;
    int refused_call; /* whose kernel the compiler has refused; -1: none */
    /* Number of times that this list, and params.gradients before, were recorded
     * again. */
    int repetitions, gradient_repetitions;
};

enum weft_status ocl_list_create(struct weft_device *device,
                                 const struct weft_command_list_params *params,
                                 struct weft_command_list **out)
{
    struct ocl_list *list = calloc(1, sizeof(*list));
    if (!list)
        return weft_out_of_memory(device->context, "opencl: list", sizeof(*list));
    weft_command_list_init(&list->recording.base, device, &weft_recorded_primitives,
                           params);
    if (list->recording.base.params.gradients)
        list->gradient_repetitions =
            ((struct ocl_list *)list->recording.base.params.gradients)->repetitions;
    list->refused_call = -1;
    *out = &list->recording.base;
    return WEFT_OK;
}

static void command_free(struct command *command)
{
    if (command->kernel)
        clReleaseKernel(command->kernel);
    free(command->args);
    free(command->data);
    free(command->config);
}

static void command_array_free(struct command_array *command_array)
{
    for (int i = 0; i < command_array->count; i++)
        command_free(&command_array->list[i]);
    free(command_array->list);
    *command_array = (struct command_array){0};
}

static void discard_commands(struct ocl_list *list)
{
    command_array_free(&list->replay);
    command_array_free(&list->prepare);
    ocl_sub_buffers_release(&list->sub_buffers);
    ocl_workspace_destroy(&list->recording);
}

void ocl_list_destroy(struct weft_command_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    if (!list)
        return;
    discard_commands(list);
    weft_command_list_finish(base);
    free(list);
}

enum weft_status ocl_list_record_again(struct weft_command_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    const struct weft_command_list *gradients = base->params.gradients;
    discard_commands(list);
    list->recording.workspace = (struct ocl_workspace){0};
    list->refused_call = -1;
    list->repetitions++;
    list->gradient_repetitions =
        gradients ? ((const struct ocl_list *)gradients)->repetitions : 0;
    return weft_command_list_record_again(base);
}

const struct weft_recorded_call *
ocl_list_refused_call(const struct weft_command_list *base)
{
    int index = ((const struct ocl_list *)base)->refused_call;
    return index < 0 ? NULL : &base->calls[index];
}

void ocl_begin_primitive(struct weft_command_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    list->recording.workspace.used = list->recording.workspace.reserved = 0;
    list->config[0] = '\0';
    list->sources = NULL;
}

void ocl_begin_algorithm(struct weft_command_list *base, const char *config,
                         const char *const *sources)
{
    struct ocl_list *list = (struct ocl_list *)base;
    list->recording.workspace.used = list->recording.workspace.reserved;
    snprintf(list->config, sizeof(list->config), "%s", config);
    list->sources = sources;
}

void ocl_end_algorithm(struct weft_command_list *base)
{
    ((struct ocl_list *)base)->sources = NULL;
}

void ocl_define(struct ocl_options *options, const char *name, long value)
{
    size_t used = strlen(options->text);
    int n = snprintf(options->text + used, sizeof(options->text) - used, "%s-D%s=%ld",
                     used ? " " : "", name, value);
    assert(n > 0 && (size_t)n < sizeof(options->text) - used);
    (void)n;
}

/* Takes ownership of what `command` points to. */
static enum weft_status append(struct ocl_list *list, struct command_array *command_array,
                               const struct command *command)
{
    assert(!list->finalized);
    if (command_array->count == command_array->room) {
        int room = command_array->room ? 2 * command_array->room : 16;
        struct command *more = realloc(command_array->list, (size_t)room * sizeof(*more));
        if (!more)
            return weft_out_of_memory(list->recording.base.device->context,
                                      "opencl: list", (size_t)room * sizeof(*more));
        command_array->list = more;
        command_array->room = room;
    }
    command_array->list[command_array->count] = *command;
    command_array->list[command_array->count].call_index =
        list->recording.base.call_count - 1;
    if (list->config[0]) /* a description: lost without memory for it */
        command_array->list[command_array->count].config = strdup(list->config);
    command_array->count++;
    list->recording.base.info.launches = list->replay.count;
    return WEFT_OK;
}

/* True if the device and, once it exists, the compiled kernel can run such a work-group.
 * A limit that equals the preferred multiple is ignored: rusticl (Mesa 22.3) reports 32
 * for every kernel. */
static enum weft_status check_group(struct ocl_device *d, const struct command *command)
{
    const size_t *local = command->local;
    size_t limit = d->max_work_group_size, multiple = 0,
           group = local[0] * local[1] * local[2];
    cl_int error = CL_SUCCESS;
    if (command->kernel)
        error =
            clGetKernelWorkGroupInfo(command->kernel, d->id, CL_KERNEL_WORK_GROUP_SIZE,
                                     sizeof(limit), &limit, NULL);
    if (command->kernel && !error)
        error = clGetKernelWorkGroupInfo(command->kernel, d->id,
                                         CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE,
                                         sizeof(multiple), &multiple, NULL);
    if (error || group <= (limit == multiple ? d->max_work_group_size : limit))
        return ocl_check(d->base.context, error, command->name);
    return weft_fail(
        d->base.context, WEFT_ERR_BUILD,
        "opencl: %s of %s: work-groups of %zu x %zu x %zu exceed the %zu items that "
        "%s supports",
        command->name, command->source, local[0], local[1], local[2], limit,
        d->base.info.name);
}

static enum weft_status check_args(struct ocl_device *d, const struct ocl_launch *launch)
{
    assert(launch->arg_count <= OCL_MAX_ARGS);
    for (int i = 0; i < launch->arg_count; i++) {
        const struct ocl_arg *arg = &launch->args[i];
        if (arg->kind == OCL_ARG_VIEW && arg->view.count > WEFT_MAX_ELEMENTS)
            return weft_fail(d->base.context, WEFT_ERR_NOMEM,
                             "opencl: %s: an argument has %zu elements, beyond the range "
                             "of kernels, %zu; use a smaller batch or dataset",
                             launch->kernel, arg->view.count, WEFT_MAX_ELEMENTS);
    }
    return WEFT_OK;
}

/* An algorithm launches only sources that it declares: they make its fingerprint. */
static bool may_launch(const struct ocl_list *list, const char *source)
{
    for (const char *const *name = list->sources; name; name++)
        if (!*name)
            return false;
        else if (!strcmp(*name, source))
            return true;
    return true;
}

enum weft_status ocl_launch(struct weft_command_list *base, const char *options,
                            const struct ocl_launch *launch)
{
    struct ocl_device *d = ocl_device_of(base);
    struct ocl_list *list = (struct ocl_list *)base;
    struct command command = {.source = launch->source,
                              .name = launch->kernel,
                              .arg_count = launch->arg_count,
                              .local_given = launch->local[0] != 0};
    if (!may_launch(list, launch->source))
        return weft_fail(base->device->context, WEFT_ERR_BUILD,
                         "opencl: %s is not among the sources of its algorithm",
                         launch->source);
    enum weft_status status = check_args(d, launch);
    if (status)
        return status;
    for (int i = 0; i < 3; i++) {
        size_t local = launch->local[i] ? launch->local[i] : 1;
        size_t global = launch->global[i] ? launch->global[i] : 1;
        command.local[i] = local;
        command.global[i] = (global + local - 1) / local * local;
    }
    if (command.local_given)
        WEFT_TRY(check_group(d, &command));
    status =
        ocl_program_request(d, launch->source, options ? options : "", &command.program);
    size_t bytes = (size_t)launch->arg_count * sizeof(*command.args);
    if (!status && !(command.args = malloc(bytes + 1)))
        status = weft_out_of_memory(d->base.context, "opencl: list", bytes);
    if (!status) {
        memcpy(command.args, launch->args, bytes);
        bool prepare = launch->weights_only && base->params.constant_weights;
        status = append(list, prepare ? &list->prepare : &list->replay, &command);
    }
    if (status)
        command_free(&command);
    return status;
}

enum weft_status ocl_host_call(struct weft_command_list *base,
                               enum weft_status (*call)(struct weft_command_list *list,
                                                        void *data),
                               const void *data, size_t size)
{
    struct command command = {.call = call, .data = malloc(size + 1)};
    if (!command.data)
        return weft_out_of_memory(base->device->context, "opencl: list", size);
    memcpy(command.data, data, size);
    struct ocl_list *list = (struct ocl_list *)base;
    enum weft_status status = append(list, &list->replay, &command);
    if (status)
        command_free(&command);
    return status;
}

/* Binds a view or workspace. */
static cl_int bind_memory(struct ocl_list *list, cl_kernel kernel,
                          const struct ocl_arg *arg, cl_uint *at)
{
    const struct ocl_device *d = ocl_device_of(&list->recording.base);
    size_t offset;
    const struct weft_mem *mem = ocl_workspace_resolve(&list->recording, arg, &offset);
    cl_mem buffer = mem ? mem->mem : NULL;
    size_t count = arg->kind == OCL_ARG_VIEW ? arg->view.count : 0;
    cl_int error = CL_SUCCESS;
    if (mem && count && offset + count > d->base.max_offset) {
        size_t element = weft_type_bytes(arg->view.type), skipped;
        error = ocl_sub_buffer(&list->sub_buffers, d, mem->mem, offset * element,
                               (offset + count) * element, &buffer, &skipped);
        offset = error ? 0 : skipped / element;
    }
    cl_uint place = mem ? (cl_uint)offset : 0;
    if (!error)
        error = clSetKernelArg(kernel, (*at)++, sizeof(cl_mem), mem ? &buffer : NULL);
    return error ? error : clSetKernelArg(kernel, (*at)++, sizeof(place), &place);
}

/* Binds one argument, one or two of the kernel's; *at advances. */
static cl_int bind(struct ocl_list *list, cl_kernel kernel, const struct ocl_arg *arg,
                   cl_uint *at)
{
    switch (arg->kind) {
    case OCL_ARG_INT:
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->i), &arg->i);
    case OCL_ARG_FLOAT:
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->f), &arg->f);
    case OCL_ARG_FLOAT2:
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->f2), arg->f2);
    case OCL_ARG_FLOAT4:
        return clSetKernelArg(kernel, (*at)++, sizeof(arg->f4), arg->f4);
    default:
        return bind_memory(list, kernel, arg, at);
    }
}

/* Fails with "WHAT of KERNEL". */
static enum weft_status check_command(const struct ocl_list *list,
                                      const struct command *command, cl_int error,
                                      const char *what)
{
    char text[128];
    if (!error)
        return WEFT_OK;
    snprintf(text, sizeof(text), "%s of %s", what, command->name);
    return ocl_check(list->recording.base.device->context, error, text);
}

static enum weft_status make_kernel(struct ocl_list *list, struct command *command)
{
    struct ocl_device *d = ocl_device_of(&list->recording.base);
    enum weft_status status =
        ocl_program_kernel(d, command->program, command->name, &command->kernel);
    if (!status && command->local_given)
        status = check_group(d, command);
    if (status == WEFT_ERR_BUILD)
        list->refused_call = command->call_index;
    return status;
}

static enum weft_status finalize_command(struct ocl_list *list, struct command *command)
{
    cl_uint at = 0;
    cl_int error = CL_SUCCESS;
    if (command->call)
        return WEFT_OK;
    WEFT_TRY(make_kernel(list, command));
    for (int k = 0; k < command->arg_count && !error; k++)
        error = bind(list, command->kernel, &command->args[k], &at);
    WEFT_TRY(check_command(list, command, error, "binding the arguments"));
    free(command->args);
    command->args = NULL;
    return WEFT_OK;
}

enum weft_status ocl_list_finalize(struct weft_command_list *base)
{
    struct ocl_list *list = (struct ocl_list *)base;
    const struct weft_command_list *gradients = base->params.gradients;
    assert(!list->finalized);
    if (gradients &&
        list->gradient_repetitions != ((const struct ocl_list *)gradients)->repetitions)
        WEFT_TRY(ocl_list_record_again(base));
    WEFT_TRY(ocl_workspace_finalize(&list->recording));
    WEFT_TRY(ocl_programs_build(ocl_device_of(base)));
    for (int i = 0; i < list->prepare.count; i++)
        WEFT_TRY(finalize_command(list, &list->prepare.list[i]));
    for (int i = 0; i < list->replay.count; i++)
        WEFT_TRY(finalize_command(list, &list->replay.list[i]));
    ocl_programs_save(ocl_device_of(base));
    list->finalized = true;
    return WEFT_OK;
}

static enum weft_status enqueue(struct ocl_list *list, struct command *command,
                                cl_command_queue queue, cl_event *event)
{
    if (command->call)
        return command->call(&list->recording.base, command->data);
    cl_int error = clEnqueueNDRangeKernel(
        queue, command->kernel, 3, NULL, command->global,
        command->local_given ? command->local : NULL, 0, NULL, event);
    return check_command(list, command, error, "the launch");
}

enum weft_status ocl_list_launch(struct weft_command_list *base, int index,
                                 cl_command_queue queue, cl_event *event)
{
    struct ocl_list *list = (struct ocl_list *)base;
    return enqueue(list, &list->replay.list[index], queue, event);
}

/* On the device's queue, which may be full. */
static enum weft_status enqueue_counted(struct ocl_list *list, struct command *command)
{
    struct ocl_device *d = ocl_device_of(&list->recording.base);
    cl_event event = NULL;
    bool wants_event = ocl_queue_begin_launch(d) && !command->call;
    WEFT_TRY(enqueue(list, command, d->queue, wants_event ? &event : NULL));
    return check_command(list, command, ocl_queue_launched(d, event), "the launch");
}

static enum weft_status replay_range(struct weft_command_list *base, int first, int end)
{
    struct ocl_list *list = (struct ocl_list *)base;
    struct ocl_device *d = ocl_device_of(base);
    WEFT_TRY(ocl_check(base->device->context, ocl_queue_check(d), "a replay"));
    for (int i = 0; base->weights_changed && i < list->prepare.count; i++)
        WEFT_TRY(enqueue_counted(list, &list->prepare.list[i]));
    base->weights_changed = false;
    for (int i = first; i < end; i++)
        WEFT_TRY(enqueue_counted(list, &list->replay.list[i]));
    /* The list that adds the deferred sums follows, and flushes. */
    if (base->params.defer_weight_grad_reduction)
        return WEFT_OK;
    return ocl_check(base->device->context, clFlush(d->queue), "flushing the queue");
}

/* After a failure the caller may free what the device still reads. */
enum weft_status ocl_replay_range(struct weft_command_list *base, int first, int end)
{
    assert(((struct ocl_list *)base)->finalized && first >= 0 &&
           end <= ((struct ocl_list *)base)->replay.count);
    enum weft_status status = replay_range(base, first, end);
    if (status)
        ocl_end_writes(ocl_device_of(base));
    return status;
}

enum weft_status ocl_replay(struct weft_command_list *list)
{
    return ocl_replay_range(list, 0, list->info.launches);
}

static void hash_commands(const struct command_array *commands,
                          struct weft_sha256_state *hash)
{
    for (int i = 0; i < commands->count; i++) {
        const struct command *c = &commands->list[i];
        uint64_t program = c->program ? ocl_program_hash(c->program) : 0;
        weft_sha256_add(hash, &program, sizeof(program));
        weft_sha256_add(hash, c->global, sizeof(c->global));
        weft_sha256_add(hash, c->local, sizeof(c->local));
        if (c->name)
            weft_sha256_add(hash, c->name, strlen(c->name) + 1);
    }
}

void ocl_list_hash(const struct weft_command_list *base, struct weft_sha256_state *hash)
{
    const struct ocl_list *list = (const struct ocl_list *)base;
    hash_commands(&list->prepare, hash);
    hash_commands(&list->replay, hash);
}

bool ocl_has_same_launches(const struct weft_command_list *base,
                           const struct weft_recorded_call *a,
                           const struct weft_recorded_call *b)
{
    const struct command *list = ((const struct ocl_list *)base)->replay.list;
    if (a->end == a->first || a->end - a->first != b->end - b->first)
        return false;
    for (int i = 0; i < a->end - a->first; i++) {
        const struct command *x = &list[a->first + i], *y = &list[b->first + i];
        if (!x->program || x->program != y->program || strcmp(x->name, y->name) != 0 ||
            memcmp(x->global, y->global, sizeof(x->global)) != 0 ||
            memcmp(x->local, y->local, sizeof(x->local)) != 0)
            return false;
    }
    return true;
}

void ocl_describe_launch(const struct weft_command_list *base, int index,
                         struct weft_launch_description *out)
{
    const struct command *command = &((const struct ocl_list *)base)->replay.list[index];
    *out = (struct weft_launch_description){.kernel = "CLBlast"};
    if (command->kernel)
        clGetKernelInfo(command->kernel, CL_KERNEL_FUNCTION_NAME, sizeof(out->kernel),
                        out->kernel, NULL);
    snprintf(out->config, sizeof(out->config), "%s",
             command->config ? command->config : "");
}
