/* SPDX-License-Identifier: Apache-2.0 */
/* Workspace, persistent memory and deferred reductions of a command list. */
#include "opencl/runtime/workspace.h"

#include <stdlib.h>
#include <string.h>

static struct ocl_workspace *workspace_of(struct weft_command_list *list)
{
    return &((struct ocl_recording *)list)->workspace;
}

/* Advances *used by `bytes` more; returns their offset. */
static size_t bump_alloc(struct weft_command_list *list, size_t *used, size_t bytes)
{
    struct ocl_workspace *w = workspace_of(list);
    size_t offset = *used;
    *used += (bytes + WEFT_ALIGN - 1) / WEFT_ALIGN * WEFT_ALIGN;
    if (w->used > w->peak)
        w->peak = w->used;
    list->info.workspace_bytes = w->peak + w->persistent_bytes;
    return offset;
}

size_t ocl_workspace(struct weft_command_list *list, size_t bytes)
{
    return bump_alloc(list, &workspace_of(list)->used, bytes);
}

size_t ocl_persistent_alloc(struct weft_command_list *list, size_t bytes)
{
    return bump_alloc(list, &workspace_of(list)->persistent_bytes, bytes);
}

struct ocl_arg ocl_persistent_workspace(struct weft_command_list *list, size_t bytes)
{
    if (list->params.constant_weights)
        return (struct ocl_arg)OCL_PERSISTENT(ocl_persistent_alloc(list, bytes));
    return (struct ocl_arg)OCL_WORKSPACE(ocl_workspace(list, bytes));
}

struct weft_view ocl_workspace_view(struct weft_command_list *list, size_t count,
                                    bool persistent)
{
    struct ocl_workspace *w = workspace_of(list);
    struct ocl_arg arg = OCL_WORKSPACE(0);
    if (persistent)
        arg = ocl_persistent_workspace(list, count * sizeof(float));
    else
        arg.bytes = ocl_workspace(list, count * sizeof(float));
    w->reserved = w->used;
    return (struct weft_view){.mem = arg.kind == OCL_ARG_PERSISTENT ? &w->persistent
                                                                    : &w->view,
                              .offset = arg.bytes / sizeof(float),
                              .count = count};
}

/* Room for one more of `count` elements of `size` bytes at *elements. */
static enum weft_status grow(const struct weft_command_list *list, void **elements,
                             int count, size_t size)
{
    void *more = realloc(*elements, ((size_t)count + 1) * size);
    if (!more)
        return weft_out_of_memory(list->device->context, "opencl: list", size);
    *elements = more;
    return WEFT_OK;
}

enum weft_status ocl_constants(struct weft_command_list *list, const cl_uint *words,
                               size_t count, struct ocl_arg *out)
{
    struct ocl_workspace *w = workspace_of(list);
    size_t bytes = count * sizeof(*words);
    struct ocl_constants added = {ocl_persistent_alloc(list, bytes), count,
                                  malloc(bytes + 1)};
    if (!added.words)
        return weft_out_of_memory(list->device->context, "opencl: list", bytes);
    memcpy(added.words, words, bytes);
    enum weft_status status =
        grow(list, (void **)&w->constants, w->constant_count, sizeof(*w->constants));
    if (status) {
        free(added.words);
        return status;
    }
    w->constants[w->constant_count++] = added;
    *out = (struct ocl_arg)OCL_PERSISTENT(added.offset);
    return WEFT_OK;
}

enum weft_status ocl_defer_reduction(struct weft_command_list *list,
                                     const struct ocl_partial_sums *partial_sums)
{
    struct ocl_workspace *w = workspace_of(list);
    WEFT_TRY(grow(list, (void **)&w->partial_sums, w->partial_sum_count,
                  sizeof(*partial_sums)));
    w->partial_sums[w->partial_sum_count++] = *partial_sums;
    return WEFT_OK;
}

/* The workspace of the list whose deferred reductions the optimizer steps of this list
 * perform. */
static struct ocl_workspace *gradient_workspace(const struct weft_command_list *list)
{
    struct weft_command_list *gradients = list->params.gradients;
    return gradients ? workspace_of(gradients)
                     : &((struct ocl_recording *)list)->workspace;
}

const struct ocl_partial_sums *
ocl_deferred_reductions(const struct weft_command_list *list, int *count,
                        struct ocl_arg *base)
{
    struct ocl_workspace *w = gradient_workspace(list);
    *count = w->partial_sum_count;
    *base = (struct ocl_arg)OCL_VIEW(((struct weft_view){.mem = &w->persistent}));
    return w->partial_sums;
}

cl_mem ocl_workspace_mem(const struct weft_command_list *list)
{
    const struct weft_mem *mem = ((const struct ocl_recording *)list)->workspace.mem;
    return mem ? mem->mem : NULL;
}

static enum weft_status write_constants(const struct ocl_recording *list)
{
    const struct ocl_workspace *w = &list->workspace;
    for (int i = 0; i < w->constant_count; i++) {
        const struct ocl_constants *c = &w->constants[i];
        WEFT_TRY(ocl_write(list->base.device, w->mem, w->peak + c->offset, c->words,
                           c->count * sizeof(*c->words)));
    }
    return WEFT_OK;
}

enum weft_status ocl_workspace_finalize(struct ocl_recording *list)
{
    struct ocl_workspace *w = &list->workspace;
    size_t bytes = list->base.info.workspace_bytes;
    if (bytes / sizeof(float) > WEFT_MAX_ELEMENTS)
        return weft_fail(list->base.device->context, WEFT_ERR_NOMEM,
                         "opencl: the workspace of %zu floats exceeds the range of "
                         "kernels, %zu; use a smaller batch",
                         bytes / sizeof(float), WEFT_MAX_ELEMENTS);
    if (bytes)
        WEFT_TRY(ocl_alloc(list->base.device, bytes, &w->mem));
    w->view.mem = w->persistent.mem = w->mem ? w->mem->mem : NULL;
    return write_constants(list);
}

void ocl_workspace_destroy(struct ocl_recording *list)
{
    struct ocl_workspace *w = &list->workspace;
    for (int i = 0; i < w->constant_count; i++)
        free(w->constants[i].words);
    free(w->constants);
    free(w->partial_sums);
    ocl_free(list->base.device, w->mem);
}

const struct weft_mem *ocl_workspace_resolve(const struct ocl_recording *list,
                                             const struct ocl_arg *arg, size_t *offset)
{
    const struct ocl_workspace *w = &list->workspace;
    const struct ocl_workspace *gradients = gradient_workspace(&list->base);
    bool view = arg->kind == OCL_ARG_VIEW;
    *offset = view ? arg->view.offset : arg->bytes / sizeof(float);
    if (view ? arg->view.mem == &w->persistent : arg->kind == OCL_ARG_PERSISTENT)
        *offset += w->peak / sizeof(float);
    else if (view && arg->view.mem == &gradients->persistent)
        *offset += gradients->peak / sizeof(float);
    return view ? arg->view.mem : w->mem;
}
