/* SPDX-License-Identifier: Apache-2.0 */
/* Compares a run on the device with the same run on the reference. */
#include "check.h"

#include "../util/half.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double check_gamma(double terms)
{
    return terms * CHECK_UNIT / (1 - terms * CHECK_UNIT);
}

void check_report(struct check_case *c, const char *what, const char *fill, double worst,
                  const char *fault)
{
    struct check *k = c->check;
    char name[96], detail[1400];
    snprintf(name, sizeof(name), "%s%s%s", what, *fill ? ", " : "", fill);
    snprintf(detail, sizeof(detail), "%s%s%s", c->text, fault ? ": " : "",
             fault ? fault : "");
    struct weft_verdict verdict = {.op = weft_verify_op(k->op),
                                   .what = name,
                                   .detail = detail,
                                   .passed = !fault,
                                   .worst = worst,
                                   .number = k->number,
                                   .end = k->end};
    if (fault)
        k->result->failed++;
    else
        k->result->passed++;
    if (worst > k->result->worst)
        k->result->worst = worst;
    if (fault && !k->first_fault[0])
        snprintf(k->first_fault, sizeof(k->first_fault), "%s %s, %.600s", verdict.op,
                 name, detail);
    if (k->params->report)
        k->params->report(k->params->priv, &verdict);
}

/* "dw[0,2,1,5]" */
static void tell_place(char *text, size_t size, const struct check_tensor *t,
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
static void tell_stray(char *text, size_t size, const struct check_case *c, int block,
                       size_t at)
{
    const struct check_tensor *near = NULL;
    for (int i = 0; i < c->tensor_count; i++) {
        const struct check_tensor *t = &c->tensors[i];
        if (t->block == block && t->at <= at)
            near = t;
    }
    if (!near)
        snprintf(text, size, "byte %zu before the first tensor was overwritten", at);
    else if (at < near->at + near->count * check_element(near))
        snprintf(text, size, "%s was changed at element %zu, and is only to be read",
                 near->name, (at - near->at) / check_element(near));
    else
        snprintf(text, size, "byte %zu beyond the end of %s was overwritten",
                 at - near->at - near->count * check_element(near), near->name);
}

/* Whether anything but the run's outputs has changed on the device. */
static bool find_stray(struct check_case *c, const struct check_run *run, char *fault,
                       size_t size)
{
    for (int i = 0; i < c->block_count; i++) {
        struct check_block *b = &c->blocks[i];
        const unsigned char *got = b->result[CHECK_DEVICE];
        if (b->stray) {
            snprintf(fault, size, "byte %zu, behind a tensor in float16, was overwritten",
                     b->stray);
            return true;
        }
        memcpy(b->spare, b->image, b->bytes);
        for (int j = 0; run->writes[j]; j++) {
            const struct check_tensor *t = run->writes[j];
            if (t->block == i)
                memcpy(b->spare + t->at, got + t->at, t->count * check_element(t));
        }
        size_t at = 0;
        if (!memcmp(b->spare, got, b->bytes))
            continue;
        while (b->spare[at] == got[at])
            at++;
        tell_stray(fault, size, c, i, at);
        return true;
    }
    return false;
}

/* One element of either side, as a number, and what they differ by over the bound. */
struct difference {
    double got, want, error;
    bool wrong;
};

static struct difference compare_bytes(const struct check_tensor *t, const void *got,
                                       const void *want, size_t i)
{
    struct difference d = {((const uint8_t *)got)[i], ((const uint8_t *)want)[i], 0, 0};
    (void)t;
    d.wrong = d.got != d.want;
    return d;
}

static struct difference compare_floats(const struct check_tensor *t, const void *got,
                                        const void *want, size_t i)
{
    struct difference d = {((const float *)got)[i], ((const float *)want)[i], 0, 0};
    if (t->unbounded && !isfinite(d.want)) {
        d.wrong = isnan(d.want) ? !isnan(d.got) : d.got != d.want;
        return d;
    }
    if (t->spreads && isnan(d.got))
        return d;
    double bound = t->bound[i];
    if (t->half && bound > 0)
        bound = check_half_bound(d.want, bound);
    else if (t->half)
        d.want = (double)weft_half_round((float)d.want);
    double off = d.got == d.want ? 0 : fabs(d.got - d.want);
    d.wrong = !(off <= bound);
    d.error = off > 0 && bound > 0 ? off / bound : 0;
    return d;
}

static struct difference compare_words(const struct check_tensor *t, const void *got,
                                       const void *want, size_t i)
{
    if (t->bound[i] > 0)
        return compare_floats(t, got, want, i);
    struct difference d = {((const uint32_t *)got)[i], ((const uint32_t *)want)[i], 0, 0};
    d.wrong = d.got != d.want;
    return d;
}

static struct difference (*const compare_by_type[])(const struct check_tensor *,
                                                    const void *, const void *,
                                                    size_t) = {
    [CHECK_FLOAT] = compare_floats,
    [CHECK_BYTE] = compare_bytes,
    [CHECK_WORD] = compare_words,
};

static bool find_wrong(struct check_case *c, const struct check_tensor *t, double *worst,
                       char *fault, size_t size)
{
    const void *got = check_result(c, t, CHECK_DEVICE);
    const void *want = check_result(c, t, CHECK_REFERENCE);
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
        !t->updated &&
        !memcmp((const char *)got + first * check_element(t),
                (char *)check_image(c, t) + first * check_element(t), check_element(t));
    char place[96];
    tell_place(place, sizeof(place), t, first);
    snprintf(fault, size,
             "%s is %.9g%s, should be %.9g, may differ by %.3g%s; %zu of %zu wrong",
             place, d.got, untouched ? " (never written)" : "", d.want, t->bound[first],
             t->half ? " before it is rounded to float16" : "", wrong, t->count);
    return true;
}

/* A reference that is all zeros, or not a number, proves nothing. */
static bool find_mistrust(struct check_case *c, const struct check_tensor *t, char *fault,
                          size_t size)
{
    const float *want = check_result(c, t, CHECK_REFERENCE);
    size_t zeros = 0, strange = 0;
    for (size_t i = 0; t->type == CHECK_FLOAT && i < t->count; i++) {
        zeros += want[i] == 0;
        strange += !isfinite(want[i]);
    }
    if (strange && !t->unbounded)
        snprintf(fault, size, "mistrusted: %zu of %zu in the reference's %s not finite",
                 strange, t->count, t->name);
    else if (t->count >= 32 && !t->sparse && t->count - zeros <= t->count / 256)
        snprintf(fault, size, "mistrusted: %zu of %zu in the reference's %s are zero",
                 zeros, t->count, t->name);
    else
        return false;
    return true;
}

/* The first thing that is wrong after both sides ran. */
static bool find_fault(struct check_case *c, const struct check_run *run, double *worst,
                       char *fault, size_t size)
{
    if (find_stray(c, run, fault, size))
        return true;
    for (int i = 0; run->writes[i]; i++) {
        const struct check_tensor *t = run->writes[i];
        if (!t->unordered && find_wrong(c, t, worst, fault, size))
            return true;
    }
    for (int i = 0; run->writes[i]; i++)
        if (find_mistrust(c, run->writes[i], fault, size))
            return true;
    return false;
}

/* Runs the device again from the same image: every bit must be the same. */
static enum weft_status run_again(struct check_case *c, struct check_run *run, bool *same)
{
    for (int i = 0; i < c->block_count; i++)
        memcpy(c->blocks[i].spare, c->blocks[i].result[CHECK_DEVICE], c->blocks[i].bytes);
    WEFT_TRY(check_replay(c, run, CHECK_DEVICE));
    *same = true;
    for (int i = 0; i < c->block_count; i++)
        *same = *same && !memcmp(c->blocks[i].spare, c->blocks[i].result[CHECK_DEVICE],
                                 c->blocks[i].bytes);
    return WEFT_OK;
}

enum weft_status check_compare(struct check_case *c, struct check_run *run,
                               const char *fill)
{
    char fault[640];
    double worst = 0;
    bool same;
    if (run->broken)
        return WEFT_OK;
    enum weft_status status = check_replay(c, run, CHECK_DEVICE);
    if (status == WEFT_ERR_BUILD || status == WEFT_ERR_ARG) {
        run->broken = true;
        snprintf(fault, sizeof(fault), "%s",
                 weft_error(c->check->device[CHECK_DEVICE]->context));
        check_report(c, run->what, fill, 0, fault);
        return WEFT_OK;
    }
    WEFT_TRY(status);
    WEFT_TRY(run_again(c, run, &same));
    WEFT_TRY(check_replay(c, run, CHECK_REFERENCE));
    bool wrong = find_fault(c, run, &worst, fault, sizeof(fault));
    if (!wrong && !same)
        snprintf(fault, sizeof(fault), "the second run gave other bits than the first");
    check_report(c, run->what, fill, worst, wrong || !same ? fault : NULL);
    return WEFT_OK;
}
