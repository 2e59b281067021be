/* SPDX-License-Identifier: Apache-2.0 */
/* A case: its tensors, its description and its recorded runs. */
#include "verify/verify.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void case_init(struct verify_case *c, struct verify_context *k)
{
    c->check = k;
    for (int side = 0; side < LAB_SIDE_COUNT; side++)
        c->lab.device[side] = k->device[side];
    c->lab.random = &k->random;
    case_describe(c, "seed %llu, case %d%s:", (unsigned long long)k->params->seed,
                  k->number, k->params->tiny_shapes ? ", small" : "");
}

void case_finish(struct verify_case *c)
{
    for (int side = 0; side < LAB_SIDE_COUNT; side++)
        for (int i = 0; i < c->run_count; i++)
            if (c->runs[i].list[side])
                c->check->device[side]->backend->list_destroy(c->runs[i].list[side]);
    lab_finish(&c->lab);
}

void case_describe(struct verify_case *c, const char *format, ...)
{
    size_t used = strlen(c->text);
    va_list args;
    va_start(args, format);
    vsnprintf(c->text + used, sizeof(c->text) - used, format, args);
    va_end(args);
}

bool is_fp16_run(const struct verify_context *k)
{
    return k->params->precision == WEFT_PRECISION_FLOAT16;
}

void tensor_set_fp16(struct verify_case *c, struct lab_tensor *t, int percent)
{
    if (!t || !is_fp16_run(c->check))
        return;
    t->half = lab_random_bool(&c->check->random, percent);
    case_describe(c, ", %s in float%d", t->name, t->half ? 16 : 32);
}

struct verify_run *case_add_run(struct verify_case *c, const char *what,
                                verify_record_fn record,
                                struct lab_tensor *const writes[])
{
    assert(c->run_count < VERIFY_MAX_RUNS);
    struct verify_run *run = &c->runs[c->run_count++];
    *run = (struct verify_run){.what = what, .record = record, .replays = 1};
    for (int i = 0; writes[i]; i++) {
        assert(i < VERIFY_MAX_OUTPUTS);
        run->outputs[i] = writes[i];
    }
    return run;
}

/* In one buffer in most cases, as in a network. */
enum weft_status case_allocate(struct verify_case *c)
{
    struct lab_random *random = &c->check->random;
    bool own_buffers = lab_random_bool(random, 25);
    for (int i = 0; i < c->lab.tensor_count; i++) {
        struct lab_tensor *t = &c->lab.tensors[i];
        t->bound = calloc(t->count, sizeof(*t->bound));
        if (!t->bound)
            return weft_out_of_memory(lab_context(&c->lab), "verify",
                                      t->count * sizeof(*t->bound));
    }
    case_describe(c, own_buffers ? " [own buffers]" : " [one buffer]");
    return lab_allocate(&c->lab, own_buffers, random);
}

void bounds_zero(struct verify_case *c)
{
    for (int i = 0; i < c->lab.tensor_count; i++) {
        struct lab_tensor *t = &c->lab.tensors[i];
        t->not_compared = t->allow_nonfinite = t->nan_may_spread = false;
        for (size_t j = 0; j < t->count; j++)
            t->bound[j] = 0;
    }
}

enum weft_status run_record(struct verify_case *c, struct verify_run *run,
                            enum lab_side side)
{
    struct weft_device *device = c->check->device[side];
    struct weft_command_list *list = NULL;
    if (run->list[side])
        return WEFT_OK;
    struct weft_command_list_params params = run->list_params;
    params.no_replacement = true;
    if (side == LAB_DEVICE)
        params.random_config_seed = c->check->random_config_seed;
    WEFT_TRY(device->backend->list_create(device, &params, &list));
    enum weft_status status = run->record(c, side, list);
    if (!status)
        status = device->backend->list_finalize(list);
    if (status)
        device->backend->list_destroy(list);
    else
        run->list[side] = list;
    return status;
}

double gamma_bound(double terms)
{
    return terms * FP32_UNIT_ROUNDOFF / (1 - terms * FP32_UNIT_ROUNDOFF);
}

double products_error_bound(struct verify_case *c, struct verify_run *run, double terms)
{
    /* A failure to build is reported when the run is executed. */
    (void)run_record(c, run, LAB_DEVICE);
    const struct weft_command_list *list = run->list[LAB_DEVICE];
    return gamma_bound(list && list->info.tf32x3 ? 2 * terms + 12 : terms);
}

enum weft_status run_execute(struct verify_case *c, struct verify_run *run,
                             enum lab_side side)
{
    WEFT_TRY(run_record(c, run, side));
    return lab_run(&c->lab, side, run->list[side], run->outputs, run->replays);
}

enum weft_status run_reference_abs(struct verify_case *c, struct verify_run *run)
{
    WEFT_TRY(run_record(c, run, LAB_REFERENCE));
    return lab_run_absolute(&c->lab, run->list[LAB_REFERENCE], run->outputs,
                            run->replays);
}
