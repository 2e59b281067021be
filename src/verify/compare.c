/* SPDX-License-Identifier: Apache-2.0 */
/* Compares a run on the device with the same run on the reference. */
#include "verify/verify.h"

#include "util/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double gamma_bound(double terms)
{
    return terms * FP32_UNIT_ROUNDOFF / (1 - terms * FP32_UNIT_ROUNDOFF);
}

void report_result(struct verify_case *c, const char *what, const char *fill,
                   double worst, const char *fault)
{
    struct verify_context *k = c->check;
    char name[96], detail[1400];
    snprintf(name, sizeof(name), "%s%s%s", what, *fill ? ", " : "", fill);
    snprintf(detail, sizeof(detail), "%s%s%s", c->text, fault ? ": " : "",
             fault ? fault : "");
    struct weft_verify_case verdict = {.op = weft_verify_op_name(k->op),
                                       .direction = name,
                                       .detail = detail,
                                       .passed = !fault,
                                       .max_error_ratio = worst,
                                       .index = k->number,
                                       .count = k->end};
    if (fault)
        k->result->failed++;
    else
        k->result->passed++;
    if (worst > k->result->max_error_ratio)
        k->result->max_error_ratio = worst;
    if (fault && !k->first_fault[0])
        snprintf(k->first_fault, sizeof(k->first_fault), "%s %s, %.600s", verdict.op,
                 name, detail);
    if (k->params->report)
        k->params->report(k->params->priv, &verdict);
}

/* "dw[0,2,1,5]" */
static void format_index(char *text, size_t size, const struct verify_tensor *t,
                         size_t index)
{
    size_t c = index % (size_t)t->c, rest = index / (size_t)t->c;
    size_t x = rest % (size_t)t->w, y = rest / (size_t)t->w % (size_t)t->h;
    size_t n = rest / (size_t)t->w / (size_t)t->h;
    if (t->h * t->w > 1)
        snprintf(text, size, "%s[%zu,%zu,%zu,%zu]", t->name, n, y, x, c);
    else if (t->n > 1)
        snprintf(text, size, "%s[%zu,%zu]", t->name, n, c);
    else
        snprintf(text, size, "%s[%zu]", t->name, c);
}

/* Which tensor the byte `at` of a block lies in or near. */
static void describe_guard_overwrite(char *text, size_t size, const struct verify_case *c,
                                     int block, size_t at)
{
    const struct verify_tensor *near = NULL;
    for (int i = 0; i < c->tensor_count; i++) {
        const struct verify_tensor *t = &c->tensors[i];
        if (t->block == block && t->at <= at)
            near = t;
    }
    if (!near)
        snprintf(text, size, "byte %zu before the first tensor was overwritten", at);
    else if (at < near->at + near->count * tensor_element_size(near))
        snprintf(text, size, "%s was changed at element %zu, and is only to be read",
                 near->name, (at - near->at) / tensor_element_size(near));
    else
        snprintf(text, size, "byte %zu beyond the end of %s was overwritten",
                 at - near->at - near->count * tensor_element_size(near), near->name);
}

/* Whether anything but the run's outputs has changed on the device. */
static bool find_guard_overwrite(struct verify_case *c, const struct verify_run *run,
                                 char *fault, size_t size)
{
    for (int i = 0; i < c->block_count; i++) {
        struct verify_buffer *b = &c->blocks[i];
        const unsigned char *got = b->result[VERIFY_DEVICE];
        if (b->overrun_at) {
            snprintf(fault, size, "byte %zu, behind a tensor in float16, was overwritten",
                     b->overrun_at);
            return true;
        }
        memcpy(b->spare, b->image, b->bytes);
        for (int j = 0; run->outputs[j]; j++) {
            const struct verify_tensor *t = run->outputs[j];
            if (t->block == i)
                memcpy(b->spare + t->at, got + t->at, t->count * tensor_element_size(t));
        }
        size_t at = 0;
        if (!memcmp(b->spare, got, b->bytes))
            continue;
        while (b->spare[at] == got[at])
            at++;
        describe_guard_overwrite(fault, size, c, i, at);
        return true;
    }
    return false;
}

/* One element of either side, as a number, and what they differ by over the bound. */
struct difference {
    double got, want, error;
    bool wrong;
};

static struct difference compare_bytes(const struct verify_tensor *t, const void *got,
                                       const void *want, size_t i)
{
    struct difference d = {((const uint8_t *)got)[i], ((const uint8_t *)want)[i], 0, 0};
    (void)t;
    d.wrong = d.got != d.want;
    return d;
}

static struct difference compare_floats(const struct verify_tensor *t, const void *got,
                                        const void *want, size_t i)
{
    struct difference d = {((const float *)got)[i], ((const float *)want)[i], 0, 0};
    if (t->allow_nonfinite && !isfinite(d.want)) {
        d.wrong = isnan(d.want) ? !isnan(d.got) : d.got != d.want;
        return d;
    }
    if (t->nan_may_spread && isnan(d.got))
        return d;
    double bound = t->bound[i];
    if (t->half && bound > 0)
        bound = fp16_error_bound(d.want, bound);
    else if (t->half)
        d.want = (double)weft_fp16_round((float)d.want);
    double off = d.got == d.want ? 0 : fabs(d.got - d.want);
    d.wrong = !(off <= bound);
    d.error = off > 0 && bound > 0 ? off / bound : 0;
    return d;
}

static struct difference compare_words(const struct verify_tensor *t, const void *got,
                                       const void *want, size_t i)
{
    if (t->bound[i] > 0)
        return compare_floats(t, got, want, i);
    struct difference d = {((const uint32_t *)got)[i], ((const uint32_t *)want)[i], 0, 0};
    d.wrong = d.got != d.want;
    return d;
}

static struct difference (*const compare_by_type[])(const struct verify_tensor *,
                                                    const void *, const void *,
                                                    size_t) = {
    [VERIFY_FLOAT] = compare_floats,
    [VERIFY_BYTE] = compare_bytes,
    [VERIFY_INT32] = compare_words,
};

static bool find_mismatch(struct verify_case *c, const struct verify_tensor *t,
                          double *worst, char *fault, size_t size)
{
    const void *got = tensor_result(c, t, VERIFY_DEVICE);
    const void *want = tensor_result(c, t, VERIFY_REFERENCE);
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct difference d = compare_by_type[t->type](t, got, want, i);
        if (d.wrong && !wrong++)
            first = i;
        if (d.error > *worst)
            *worst = d.error;
    }
    if (!wrong)
        return false;
    struct difference d = compare_by_type[t->type](t, got, want, first);
    bool untouched =
        !t->is_in_out &&
        !memcmp((const char *)got + first * tensor_element_size(t),
                (char *)tensor_initial_data(c, t) + first * tensor_element_size(t),
                tensor_element_size(t));
    char place[96];
    format_index(place, sizeof(place), t, first);
    snprintf(fault, size,
             "%s is %.9g%s, should be %.9g, may differ by %.3g%s; %zu of %zu wrong",
             place, d.got, untouched ? " (never written)" : "", d.want, t->bound[first],
             t->half ? " before it is rounded to float16" : "", wrong, t->count);
    return true;
}

/* A reference that is all zeros, or not a number, proves nothing. */
static bool find_unwritten_output(struct verify_case *c, const struct verify_tensor *t,
                                  char *fault, size_t size)
{
    const float *want = tensor_result(c, t, VERIFY_REFERENCE);
    size_t zeros = 0, strange = 0;
    for (size_t i = 0; t->type == VERIFY_FLOAT && i < t->count; i++) {
        zeros += want[i] == 0;
        strange += !isfinite(want[i]);
    }
    if (strange && !t->allow_nonfinite)
        snprintf(fault, size, "mistrusted: %zu of %zu in the reference's %s not finite",
                 strange, t->count, t->name);
    else if (t->count >= 32 && !t->may_be_zero && t->count - zeros <= t->count / 256)
        snprintf(fault, size, "mistrusted: %zu of %zu in the reference's %s are zero",
                 zeros, t->count, t->name);
    else
        return false;
    return true;
}

/* The first thing that is wrong after both sides ran. */
static bool find_fault(struct verify_case *c, const struct verify_run *run, double *worst,
                       char *fault, size_t size)
{
    if (find_guard_overwrite(c, run, fault, size))
        return true;
    for (int i = 0; run->outputs[i]; i++) {
        const struct verify_tensor *t = run->outputs[i];
        if (!t->not_compared && find_mismatch(c, t, worst, fault, size))
            return true;
    }
    for (int i = 0; run->outputs[i]; i++)
        if (find_unwritten_output(c, run->outputs[i], fault, size))
            return true;
    return false;
}

/* Runs the device again from the same image: every bit must be the same. */
static enum weft_status check_determinism(struct verify_case *c, struct verify_run *run,
                                          bool *same)
{
    for (int i = 0; i < c->block_count; i++)
        memcpy(c->blocks[i].spare, c->blocks[i].result[VERIFY_DEVICE],
               c->blocks[i].bytes);
    WEFT_TRY(run_execute(c, run, VERIFY_DEVICE));
    *same = true;
    for (int i = 0; i < c->block_count; i++)
        *same = *same && !memcmp(c->blocks[i].spare, c->blocks[i].result[VERIFY_DEVICE],
                                 c->blocks[i].bytes);
    return WEFT_OK;
}

enum weft_status run_and_compare(struct verify_case *c, struct verify_run *run,
                                 const char *fill)
{
    char fault[640];
    double worst = 0;
    bool same;
    if (run->unsupported)
        return WEFT_OK;
    enum weft_status status = run_execute(c, run, VERIFY_DEVICE);
    if (status == WEFT_ERR_BUILD || status == WEFT_ERR_ARG) {
        run->unsupported = true;
        snprintf(fault, sizeof(fault), "%s",
                 weft_error(c->check->device[VERIFY_DEVICE]->context));
        report_result(c, run->what, fill, 0, fault);
        return WEFT_OK;
    }
    WEFT_TRY(status);
    WEFT_TRY(check_determinism(c, run, &same));
    WEFT_TRY(run_execute(c, run, VERIFY_REFERENCE));
    bool wrong = find_fault(c, run, &worst, fault, sizeof(fault));
    if (!wrong && !same)
        snprintf(fault, sizeof(fault), "the second run gave other bits than the first");
    report_result(c, run->what, fill, worst, wrong || !same ? fault : NULL);
    return WEFT_OK;
}
